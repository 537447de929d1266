"""The experiments on healing: fair terms for all methods, standings, what follows in words."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from scipy import stats
from xarray import Dataset

from experiments.errors import UsageError
from experiments.healing import calibration, sparsity, structures
from experiments.healing.comparison import choose_rate, evaluate, timed
from experiments.healing.dense import (
    CalibratedSettings,
    dense_mlps,
    draw_calibration,
    load,
)
from experiments.healing.sparsity_summary import together
from experiments.plots.comparison import standings
from experiments.results.report import template
from theory.healing.members import CONTROLS, broken, members
from theory.healing.methods import ARMS, RIVALS, STRUCTURED
from theory.healing.metrics import MEASURES
from theory.healing.programs import compiled
from theory.healing.structures import magnitude_masks, ways

KEY = jax.random.key(5)
TINY = CalibratedSettings(
    width=12, depth=2, epochs=4, trials=2, draws=2, steps=6, share=0.01, rates=(1e-3, 1e-2)
)


@pytest.fixture(scope="module")
def pruned():
    """Images, calibration, and members pruned by half: two networks, two draws each."""
    images = load(TINY, KEY)
    dense = dense_mlps(TINY, images, KEY)
    drawn = draw_calibration(TINY, images, TINY.sizes.share, KEY)
    return images, drawn, members(dense, magnitude_masks(dense, 0.5), drawn)


def _rows(images) -> set[bytes]:
    return {np.asarray(row, np.float32).tobytes() for row in images.reshape(-1, images.shape[-1])}


def test_calibration_images_are_neither_of_training_nor_of_testing(pruned):
    images, drawn, _ = pruned
    rows = _rows(np.asarray(drawn.x))
    assert drawn.x.shape == (2, 2, 14, 64)
    assert rows <= _rows(images.x_pool)
    assert not rows & (_rows(images.x_train) | _rows(images.x_test))
    seen = draw_calibration(TINY, images, 0.01, KEY, seen=True)
    assert _rows(np.asarray(seen.x)) <= _rows(images.x_train)


def test_draws_differ_and_hold_no_image_twice(pruned):
    _, drawn, _ = pruned
    for x in np.asarray(drawn.x).reshape(4, 14, 64):
        assert len(_rows(x)) == 14
    assert len(_rows(np.asarray(drawn.x))) > 14


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_every_method_trains_the_survivors_alone(pruned, arm):
    """Equal terms: pruned weights stay 0 to the bit, and what is frozen stays as it was."""
    _, _, cell = pruned
    nets, seconds = timed(compiled(arm, cell, TINY.steps, TINY.batch), cell, 1e-2)
    assert seconds > 0
    for weight, mask in zip(nets.weights[:-1], cell.masks.weights[:-1], strict=True):
        assert not np.asarray(weight)[np.asarray(mask) == 0].any()
        assert np.isfinite(weight).all()
    with_biases = arm.name in ("biases corrected", "REPAIR") or arm.name.endswith("+ biases")
    for bias, before in zip(nets.biases[:-1], cell.start.biases[:-1], strict=True):
        assert np.array_equal(bias, before) != with_biases
    head = np.array_equal(nets.weights[-1], cell.dense.weights[-1])
    assert head != arm.name.endswith("head refitted")
    assert np.array_equal(nets.biases[-1], cell.dense.biases[-1])


def test_labels_decide_nothing_but_the_labelled_method(pruned):
    _, _, cell = pruned
    other = cell._replace(y=(cell.y + 1) % 10)
    for arm in (arm for arm in ARMS if arm.name in ("STARFISH", "distillation", "labels")):
        program = compiled(arm, cell, TINY.steps, TINY.batch)
        (one, _), (two, _) = timed(program, cell, 1e-2), timed(program, other, 1e-2)
        same = all(
            np.array_equal(a, b)
            for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
        )
        assert same == (arm.name != "labels")
        rates = choose_rate(TINY, arm, cell), choose_rate(TINY, arm, other)
        assert rates[0] in TINY.rates and (arm.name == "labels" or rates[0] == rates[1])


def test_controls_break_one_thing_each(pruned):
    _, _, cell = pruned
    others, noise, redrawn = (broken(control, cell, KEY) for control in CONTROLS)
    assert np.array_equal(others.x, cell.x) and not np.array_equal(others.teacher, cell.x)
    assert not any(np.array_equal(a, b) for a, b in zip(others.teacher[0], cell.x[0], strict=True))
    assert np.array_equal(noise.x, noise.teacher) and not np.array_equal(noise.x, cell.x)
    assert abs(float(noise.x.mean() - cell.x.mean())) < 0.05
    for now, before, mask in zip(
        redrawn.start.weights[:-1], cell.start.weights[:-1], cell.masks.weights[:-1], strict=True
    ):
        kept = np.asarray(mask) == 1
        assert not np.asarray(now)[~kept].any()
        assert not (np.asarray(now) == np.asarray(before))[kept].any()
    assert np.array_equal(redrawn.start.weights[-1], cell.start.weights[-1])


def test_standings_against_scipy():
    rng = np.random.default_rng(0)
    values = 0.8 + 0.05 * rng.normal(size=(4, 6)) + np.array([[0.0], [0.1], [0.09], [-0.2]])
    found = standings(values)
    best = int(np.argmax(values.mean(axis=1)))
    p = [stats.ttest_rel(values[i], values[best]).pvalue for i in range(4) if i != best]
    order = np.argsort(p)
    holm, largest = np.zeros(3), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (3 - rank) * p[i]))
        holm[i] = largest
    assert np.allclose([one.adjusted for i, one in enumerate(found) if i != best], holm)
    assert found[best].among_best and not found[3].among_best
    for one, row in zip(found, values, strict=True):
        assert np.isclose(one.behind.centre, (row - values[best]).mean())


def test_standings_of_equal_and_of_evenly_worse_methods():
    values = np.array([[0.9, 0.8], [0.9, 0.8], [0.4, 0.3]])
    values[1] += 1e-9  # rounding is no difference
    assert [one.adjusted for one in standings(values)] == [1, 1, 0]
    assert [one.among_best for one in standings(values)] == [True, True, False]


def test_neuron_masks_take_rows_and_biases_and_nothing_else(pruned):
    _, _, cell = pruned
    net = jax.tree.map(lambda leaf: leaf[0], cell.dense)
    masks = ways((), (0.5,))["50 % of neurons", "magnitude, by layer"](net, cell.x[0], KEY)
    for mask, bias, weight in zip(
        masks.weights[:-1], masks.biases[:-1], net.weights[:-1], strict=True
    ):
        gone = np.asarray(bias) == 0
        assert gone.sum() == len(gone) // 2
        assert np.array_equal(np.asarray(mask) == 0, np.repeat(gone[:, None], mask.shape[1], 1))
        norms = np.linalg.norm(np.asarray(weight), axis=1)
        assert norms[gone].max() <= norms[~gone].min()
    assert masks.weights[-1] is None and masks.biases[-1] is None


def test_wanda_reads_what_enters_every_layer(pruned):
    _, _, cell = pruned
    net, x = jax.tree.map(lambda leaf: leaf[0], cell.dense), np.asarray(cell.x[0])
    masks = ways((), ())["2:4", "Wanda"](net, cell.x[0], KEY)
    for weight, bias, mask in zip(net.weights[:-1], net.biases[:-1], masks.weights, strict=False):
        scores = np.abs(np.asarray(weight)) * np.linalg.norm(x, axis=0)
        groups = scores[:, : scores.shape[1] // 4 * 4].reshape(len(scores), -1, 4)
        kept = np.asarray(mask)[:, : scores.shape[1] // 4 * 4].reshape(groups.shape) == 1
        assert (kept.sum(axis=-1) == 2).all()
        assert (
            np.where(kept, groups, np.inf).min(axis=-1)
            >= np.where(kept, -np.inf, groups).max(axis=-1)
        ).all()
        x = np.maximum(x @ np.asarray(weight).T + np.asarray(bias), 0)


def test_measures_against_numpy(pruned):
    images, _, cell = pruned
    found = evaluate(cell.dense, images)
    h = images.x_test
    weights, biases = ([np.asarray(leaf[0]) for leaf in part] for part in cell.dense)
    for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
        h = h @ w.T + b
        h = np.maximum(h, 0) if i < len(weights) - 1 else h
    p = np.exp(h - h.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    accuracy = np.mean(h.argmax(axis=1) == images.y_test)
    nll = -np.log(p[np.arange(len(p)), images.y_test]).mean()
    first = found.isel(trial=0)
    assert np.isclose(first.sel(measure="accuracy"), accuracy, rtol=1e-4)
    assert np.isclose(first.sel(measure="NLL"), nll, rtol=1e-4)
    drawn = evaluate(cell.dense, images, 2)
    assert drawn.dims == ("trial", "draw", "measure") and drawn.shape == (2, 2, 3)
    assert np.array_equal(drawn.isel(trial=1, draw=0), found.isel(trial=2))


REFITTED = ("STARFISH", "distillation, head refitted")
WRONG = {
    "timed": (sparsity.Settings, {"timed": 0.3}, "timed is 0.3 and must be one of"),
    "same": (sparsity.Settings, {"sparsities": (0.9, 0.95, 0.9)}, "increasing"),
    "judged": (sparsity.Settings, {"methods": ("labels",)}, "must have STARFISH"),
    "structures": (structures.Settings, {"methods": ("labels",)}, "must have STARFISH"),
    "start": (calibration.Settings, {"methods": REFITTED}, "must have distillation, where"),
}


@pytest.mark.parametrize("case", WRONG)
def test_settings_that_do_not_go_together_are_refused(case):
    kind, changes, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        kind(**changes)


def test_less_than_one_image_is_refused(pruned):
    with pytest.raises(UsageError, match="less than one image"):
        draw_calibration(TINY, pruned[0], 1e-5, KEY)


def test_tables_show_text_as_text():
    table = {"caption": "<script>", "columns": ["a"], "rows": [(False, ["<i>", None, 0.25])]}
    html = template(Path(sparsity.__file__).with_name("tables.html"))
    page = html.render(title="<b>", note="&", tables=[table])
    assert "<script>" not in page and "<i>" not in page
    assert "&lt;script&gt;" in page and "<td>–</td>" in page


NAMES = [arm.name for arm in ARMS]


def _made(scores: Mapping[str, Any], sparsities=(0.9,)) -> Dataset:
    """Data of `sparsity` for six networks and one draw, .3 where no scores are given.

    Args:
        scores: by method, that broadcast to (sparsities, trials, measures).
        sparsities: their labels.
    """
    count, at = len(NAMES), len(sparsities)
    score = np.full((at, count, 6, 1, 3), 0.3)
    for name, values in scores.items():
        score[:, NAMES.index(name), :, 0] = values
    reference, ones = ("sparsity", "trial", "measure"), np.ones((at, 6, 3))
    return Dataset(
        {
            "score": (("sparsity", "arm", "trial", "draw", "measure"), score),
            "rate": (("sparsity", "arm"), np.full((at, count), 1e-2)),
            "seconds": (("sparsity", "arm"), np.ones((at, count))),
            "compile_seconds": ("arm", np.ones(count)),
            "dense": (("trial", "measure"), np.full((6, 3), 0.9)),
            "pruned": (reference, 0.1 * ones),
            "retrained": (reference, 0.8 * ones),
            "controls": (("control", "sparsity", "trial", "draw"), np.full((3, at, 6, 1), 0.15)),
            "equal_time": (("arm", "trial", "draw"), np.full((count, 6, 1), 0.5)),
            "equal_time_steps": ("arm", np.ones(count, int)),
            "equal_time_seconds": ("arm", np.ones(count)),
            "images": 7,
        },
        {
            "sparsity": list(sparsities),
            "arm": NAMES,
            "control": list(CONTROLS.values()),
            "measure": list(MEASURES),
        },
    )


SETTINGS = sparsity.Settings(sparsities=(0.9,), timed=0.9, trials=6, draws=1)


def test_sentences_of_sparsity_come_from_the_numbers():
    accuracies = {
        "STARFISH": (0.70, 0.71, 0.70, 0.71, 0.70, 0.71),
        "STARFISH + biases": (0.80, 0.81, 0.80, 0.81, 0.80, 0.81),
        "distillation": (0.60, 0.61, 0.60, 0.61, 0.61, 0.60),
        "labels + biases": (0.82, 0.79, 0.82, 0.80, 0.79, 0.80),
    }
    data = _made({name: np.array(values)[:, None] for name, values in accuracies.items()})
    found = sparsity.summary(data, SETTINGS)
    (sentence,) = found.sentences
    assert sentence.startswith("90 % pruned: STARFISH recovers 78.3 (95 % interval")
    assert "It is behind the best, STARFISH + biases, by 10.0 (95 % interval" in sentence
    assert "STARFISH against distillation 10.0 (99.4 % interval" in sentence
    assert "STARFISH + biases against distillation + biases 50.5 (" in sentence
    assert "STARFISH + biases from labels + biases" in sentence
    assert "STARFISH + logits against distillation −30.5 (" in sentence
    assert sentence.endswith("Among the best: STARFISH + biases; labels + biases.")
    level = found.tables["90 %"]
    assert level["among_best"] == ["STARFISH + biases", "labels + biases"]
    assert level["methods"]["STARFISH + biases"]["gap_closed"][0] == pytest.approx(1.0071)
    assert level["controls"]["noise for images"]["STARFISH ahead"][0] == pytest.approx(55.5)
    assert level["controls"]["noise for images"]["ahead of pruned"] == [5.0, 5.0, 5.0]
    assert level["rate_at_an_edge"] == []
    page = sparsity.page(data, SETTINGS)
    assert page.count('class="best"') == 2 + len(NAMES)  # equal time leaves all equal


def test_what_was_not_run_is_not_spoken_of():
    chosen = ["STARFISH", "labels", "MSE"]
    found = sparsity.summary(_made({"STARFISH": 0.31}).sel(arm=chosen), SETTINGS)
    assert list(found.tables["90 %"]["points_ahead_of_rivals"]) == ["STARFISH, labels"]
    assert "STARFISH against labels 1.0 (95 % interval" in found.sentences[0]
    assert "distillation" not in found.sentences[0] and "behind" not in found.sentences[0]


def test_rivals_train_the_same_and_are_judged_together():
    arms = {arm.name: arm for arm in ARMS}
    for name, rivals in RIVALS.items():
        for rival in rivals:
            assert arms[rival].trainable is arms[name].trainable
            assert arms[rival].closed is arms[name].closed
    assert together(_made({})) == 1 - 0.05 / 8


def test_all_methods_can_be_chosen():
    assert set(sparsity.Settings().methods) == set(NAMES)
    assert {arm.name for arm in STRUCTURED} == set(structures.Settings().methods)


def test_where_confidence_is_measured_is_the_most_pruned_that_is_healed():
    settings = replace(SETTINGS, sparsities=(0.5, 0.9, 0.98))
    starfish = [[[0.9, 0.1, 0.01]], [[0.88, 0.7, 0.25]], [[0.6, 2.0, 0.5]]]
    found = sparsity.summary(_made({"STARFISH": starfish}, settings.sparsities), settings)
    assert len(found.sentences) == 4
    assert found.sentences[-1].startswith(
        "90 % pruned, the most at which STARFISH recovers 95 % of the dense accuracy: STARFISH "
        "has accuracy 0.880, NLL 0.700, ECE 0.250; the dense network has accuracy 0.900"
    )
