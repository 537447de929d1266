"""One text explained, `highlight` and `scatter`, and texts taken apart, `faithfulness`."""

import warnings
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot as plt
from xarray import Dataset

from experiments.attribution import faithfulness, highlight, scatter
from experiments.attribution.chosen import choose
from experiments.attribution.scoring import tried
from experiments.attribution.training import prepare
from experiments.plots.style import STYLE
from tests.attribution.test_highlighted import hostile, text
from theory.attribution import calibrate
from theory.attribution.texts import untrained_scores

KEY = jax.random.key(3)


def drawn(module, data: Dataset, settings):
    """The figure of an experiment, in the gallery's style; a warning is an error."""
    with warnings.catch_warnings(), plt.style.context(STYLE):
        warnings.simplefilter("error")
        figure = module.draw(data, settings)
        figure.draw_without_rendering()
    plt.close(figure)
    return figure


@pytest.mark.slow
def test_p_values_come_from_sets_of_as_many_untrained_copies_as_agree():
    settings = replace(highlight.experiment.presets["smoke"], which=2)
    data = highlight.run(settings, KEY, lambda *_: None)
    assert data.method.values.tolist() == list(tried(None))
    agreeing = data.sizes["agreeing"]
    assert agreeing == 3 < settings.copies
    prepared = prepare(settings, settings.kind, jax.random.fold_in(KEY, 0))
    x = prepared.table[choose(settings, prepared).ids]
    chance = untrained_scores(
        settings.kind, x, agreeing, settings.chance, jax.random.fold_in(KEY, 2), settings.width
    )
    assert chance.shape == (settings.chance, data.sizes["word"])
    found = calibrate(jnp.array(data.score.sel({"method": "agreement"})), jnp.array(chance))
    assert np.array_equal(data.p_value, found.p_value)
    assert np.array_equal(data.adjusted, found.adjusted)
    assert ((data.p_value * (1 + settings.chance)) % 1 < 1e-9).all()
    assert ((data.p_value > 0) & (data.p_value <= data.adjusted) & (data.adjusted <= 1)).all()


@pytest.mark.parametrize(("count", "which"), [(4, "all words"), (200, "40 of 200 words")])
def test_the_heat_map_shows_the_words_of_largest_mean(count, which):
    shown = text([f"w{i}" for i in range(count)], any=np.arange(count), other=np.zeros(count))
    ax = drawn(highlight, shown, highlight.Settings()).axes[0]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == [f"w{i} ({i + 1})" for i in range(count - 1, -1, -1)][:40]
    assert ax.get_ylabel().startswith(which)
    assert [t.get_text() for t in ax.texts] == [str(1 + i) for i in range(min(15, count - 1))]


def test_hostile_words_are_drawn_as_they_are():
    ax = drawn(highlight, hostile().isel({"method": slice(3)}), highlight.Settings()).axes[0]
    names = [label.get_text().rpartition(" (")[0] for label in ax.get_yticklabels()]
    for word in ("<script>alert(1)</sc…", "$x^2$", "nul\ufffdl", "lone\ufffd", "\ufffd\ufffd", "␣"):
        assert word in names


def test_names_in_the_scatter_cover_nothing():
    rng = np.random.default_rng(0)
    count = 40
    names = np.array([f"$name{i % 30}$" for i in range(count)])
    by_word = dict.fromkeys(("score", "norm", "length"), rng.random(count)) | {
        "norm": rng.random(count), "spread": rng.random(count) / 10, "text": names
    }  # fmt: skip
    data = Dataset({n: (("kind", "word"), v[None]) for n, v in by_word.items()}).assign(
        untrained=("kind", [0.1]),
        spectrum_words=("component_of_words", np.linspace(0.1, 1, 10)),
        spectrum_texts=("component_of_texts", np.linspace(0.1, 1, 20)),
    )
    data = data.assign_coords(
        kind=["sum"], word=range(count), component_of_words=range(10), component_of_texts=range(20)
    )
    figure = drawn(scatter, data, scatter.Settings(kinds=("sum",)))
    panels = [ax for ax in figure.axes if "norm $n_t$" in ax.get_xlabel()]
    for ax in panels:
        boxes = [name.get_window_extent() for name in ax.texts]
        assert len(boxes) == scatter.NAMED
        assert len({name.get_text() for name in ax.texts}) == len(boxes)
        for i, box in enumerate(boxes):
            assert not box.count_overlaps(boxes[:i])
            points = ax.transData.transform(np.column_stack([by_word["norm"], by_word["score"]]))
            assert not any(box.contains(*point) for point in points)


def test_the_line_of_the_random_order_is_its_row():
    settings = replace(faithfulness.experiment.presets["smoke"], texts=3)
    methods = (*tried(None), faithfulness.RANDOM)
    shape = {"kind": 1, "text": 3, "method": len(methods), "operator": 2, "measure": 4}
    found = np.random.default_rng(0).random([*shape.values()])
    data = Dataset(
        {"found": ((*shape,), found), "tau": (("kind", "text", "method"), found[..., 0, 0])},
        {"kind": ["sum"], "method": [*methods], "operator": [*faithfulness.OPERATORS],
         "measure": [*faithfulness.MEASURES]},
    )  # fmt: skip
    for ax, measure in zip(drawn(faithfulness, data, settings).axes, data.measure, strict=False):
        levels = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
        one = data.found.sel(measure=measure).sel({"method": faithfulness.RANDOM})
        np.testing.assert_allclose(levels, one.mean("text").values[0])
