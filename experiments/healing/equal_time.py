"""All methods once more, in the time that the fastest of those that descend takes."""

from collections.abc import Sequence

import xarray as xr
from xarray import Dataset

from experiments.experiment import Progress
from experiments.healing.comparison import evaluate, timed
from experiments.healing.dense import ImageSettings
from theory.healing.members import Images
from theory.healing.methods import Arm
from theory.healing.objectives import Member
from theory.healing.programs import compiled


def equal_time(
    settings: ImageSettings,
    images: Images,
    arms: Sequence[Arm],
    cell: Member,
    scores: Dataset,
    progress: Progress,
) -> Dataset:
    """Heal one cell by all methods with the steps that the budget leaves them.

    A closed form after descent is a fixed cost, and its step size is that of the full length, from
    the ``scores`` that `compare` gave this cell.

    Returns:
        Over arm ``equal_time_steps``, 0 for closed forms, and ``equal_time_seconds``, what they
        really took; ``equal_time``, accuracies over arm, trial and draw.
    """
    by_name = {arm.name: arm for arm in arms}
    full = {name: float(scores.seconds.sel(arm=name)) for name in by_name}
    budget = min(full[arm.name] for arm in arms if arm.objective is not None)
    found = []
    for i, arm in enumerate(arms):
        progress(i / len(arms), f"equal time: {arm.name}")
        descent, steps = by_name[arm.after or arm.name], 0
        seconds, accuracy = full[arm.name], scores.score.sel(arm=arm.name, measure="accuracy")
        if descent.objective is not None:
            # What is left once the closed form afterwards is paid for, in steps.
            descending = full[descent.name]
            left = budget - (seconds - descending)
            steps = max(1, round(left / (descending / settings.steps)))
        if steps and not (arm is descent and steps == settings.steps):
            rate = float(scores.rate.sel(arm=arm.name))
            nets, seconds = timed(compiled(descent, cell, steps, settings.batch), cell, rate)
            if arm is not descent:
                start = cell._replace(start=nets)
                program = compiled(arm, start, settings.steps, settings.batch)
                nets, more = timed(program, start, rate)
                seconds += more
            accuracy = evaluate(nets, images, settings.draws).sel(measure="accuracy")
        parts = {"equal_time": accuracy.reset_coords(drop=True)}
        found.append(Dataset({**parts, "equal_time_steps": steps, "equal_time_seconds": seconds}))
    return xr.concat(found, "arm").assign_coords(arm=list(by_name))
