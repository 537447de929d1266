"""All methods once more, in the time that the fastest of those that descend takes."""

import numpy as np

from experiments.experiment import Arrays, Progress
from experiments.healing.arms import ARMS, Member, compiled, timed
from experiments.healing.comparison import ACCURACY, Scores, evaluate
from experiments.healing.dense import Images, ImageSettings


def affordable_steps(budget: float, fixed: float, per_step: float) -> int:
    """Steps for which a budget suffices once a fixed cost is paid, at least one.

    Example:
        >>> affordable_steps(1.0, 0.25, 0.01), affordable_steps(1.0, 2.0, 0.01)
        (75, 1)
    """
    return max(1, round((budget - fixed) / per_step))


def equal_time(
    settings: ImageSettings,
    images: Images,
    cell: Member,
    scores: Scores,
    at: int,
    progress: Progress,
) -> Arrays:
    """Heal one cell by all `ARMS` with the steps that the budget leaves them.

    A closed form after descent is a fixed cost, and its step size is that of the full length.

    Args:
        settings: steps of the full length.
        images: to test on.
        cell: pruned networks.
        scores: of the full length.
        at: which of their cells it is.
        progress: from 0 to 1.

    Returns:
        ``steps_equal_time`` (methods,), 0 for closed forms; ``equal_time`` (methods, trials,
        draws), accuracies; ``seconds_equal_time`` (methods,), what they really took.
    """
    arms = {arm.name: arm for arm in ARMS}
    full = dict(zip(arms, scores.seconds[:, at], strict=True))
    budget = min(full[arm.name] for arm in ARMS if arm.objective is not None)
    steps, seconds = np.zeros(len(ARMS), int), scores.seconds[:, at].copy()
    accuracies = scores.measures[:, at, ..., ACCURACY].copy()
    for i, arm in enumerate(ARMS):
        descent = arms[arm.after] if arm.after else arm
        if descent.objective is None:
            continue
        progress(i / len(ARMS), f"equal time: {arm.name}")
        descending = full[descent.name]
        steps[i] = affordable_steps(
            budget, full[arm.name] - descending, descending / settings.steps
        )
        if arm is descent and steps[i] == settings.steps:
            continue
        program = compiled(settings, descent, cell, int(steps[i]))
        nets, seconds[i] = timed(program, cell, scores.rate[i, at])
        if arm is not descent:
            start = cell._replace(start=nets)
            nets, more = timed(
                compiled(settings, arm, start, settings.steps), start, scores.rate[i, at]
            )
            seconds[i] += more
        accuracies[i] = evaluate(nets, images)[:, ACCURACY].reshape(accuracies[i].shape)
    return {
        "steps_equal_time": steps,
        "equal_time": accuracies,
        "seconds_equal_time": seconds,
    }
