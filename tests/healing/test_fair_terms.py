"""What makes the comparison of healing methods fair, in numbers that can be worked out by hand."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from xarray import DataArray, Dataset

from experiments.errors import UsageError
from experiments.healing import calibration, equal_time
from experiments.healing.comparison import CHOSEN_ON, choose_rate, compare
from experiments.healing.dense import CalibratedSettings, dense_mlps, draw_calibration, load
from experiments.healing.sparsity_summary import recovered
from experiments.healing.standing import summarise
from theory.healing.members import members
from theory.healing.methods import ARMS, Arm, chosen
from theory.healing.metrics import MEASURES
from theory.healing.objectives import Distilled, Member
from theory.healing.structures import magnitude_masks
from theory.networks import MLP

KEY = jax.random.key(6)
TINY = CalibratedSettings(
    width=12, depth=2, epochs=4, trials=2, draws=2, steps=6, share=0.01, rates=(1e-2,)
)


@dataclass(frozen=True)
class Nearest:
    """Minimises (w − the mean of the data)² for a number w; Adam walks there evenly from 0."""

    def data(self, member):
        return (member.x,)

    def loss(self, net, data):
        return jnp.mean((net - data[0]) ** 2)


def _walkers(training: float, *held_out: float) -> Member:
    """Members whose last two images of ten are apart from those that they descend on."""
    x = jnp.array([[training] * 8 + [y] * 2 for y in held_out], jnp.float32)
    zero = jnp.zeros(len(held_out), jnp.float32)
    return Member(zero, zero, jax.tree.map(lambda _: None, zero), x, x, x)


@dataclass(frozen=True)
class Bounded(Nearest):
    """The same, infinite beyond 1."""

    def loss(self, net, data):
        return jnp.where(jnp.abs(net) > 1, jnp.inf, super().loss(net, data))


def _arm(objective: Any) -> Arm:
    return Arm("walk", objective, trainable=lambda net: True)


WALK, WILD = _arm(Nearest()), _arm(Bounded())
GRID = replace(TINY, rates=(0.01, 0.1, 1.0), batch=8)


def test_adam_walks_as_far_as_the_step_sizes_say():
    """What the tests below rest on: with rate .1 it ends near .3, between .03 and 3."""
    assert choose_rate(GRID, WALK, _walkers(100.0, 0.3)) == 0.1


@pytest.mark.parametrize(("held_out", "rate"), [(0.0, 0.01), (0.3, 0.1), (50.0, 1.0)])
def test_the_rate_is_the_best_on_images_that_were_held_out(held_out, rate):
    """On the images of the descent, at 100, the largest is best for all three."""
    assert choose_rate(GRID, WALK, _walkers(100.0, held_out)) == rate


def test_the_rate_is_the_best_for_all_members_together():
    """Alone the first would choose .01, the last 1."""
    assert choose_rate(GRID, WALK, _walkers(100.0, 0.0, 0.3, 0.6)) == 0.1
    assert choose_rate(GRID, WALK, _walkers(100.0, 0.0)) == 0.01
    assert choose_rate(GRID, WALK, _walkers(100.0, 50.0)) == 1.0


def test_a_rate_that_diverges_is_not_chosen_and_none_is_refused():
    assert choose_rate(GRID, WILD, _walkers(100.0, 50.0)) == 0.1
    with pytest.raises(UsageError, match="loss of walk finite: lower --rates"):
        choose_rate(replace(GRID, rates=(1.0, 2.0)), WILD, _walkers(100.0, 50.0))


def test_distillation_is_the_divergence_of_the_softened_teacher():
    rng = np.random.default_rng(0)
    net = MLP((jnp.array(rng.normal(size=(4, 3)), jnp.float32),), (jnp.zeros(4, jnp.float32),))
    x = rng.normal(size=(5, 3))
    target = 3 * rng.normal(size=(5, 4))

    def softened(z):
        p = np.exp(z / 4)
        return p / p.sum(axis=1, keepdims=True)

    p, q = softened(target), softened(x @ np.asarray(net.weights[0]).T)
    found = Distilled().loss(net, (jnp.array(x, jnp.float32), jnp.array(target, jnp.float32)))
    assert float(found) == pytest.approx(16 * (p * np.log(p / q)).sum(axis=1).mean(), rel=1e-4)
    reverse = 16 * (q * np.log(q / p)).sum(axis=1).mean()
    assert float(found) != pytest.approx(reverse, rel=0.05)


def test_all_draws_count_and_every_network_is_measured_by_its_own_dense_accuracy():
    score = DataArray(
        np.zeros((1, 2, 2, 3)),
        {"arm": ["STARFISH"], "measure": list(MEASURES)},
        dims=("arm", "trial", "draw", "measure"),
    )
    score.loc[{"measure": "accuracy"}] = [[0.2, 0.4], [0.8, 0.8]]
    dense = DataArray([[0.5], [1.0]], {"measure": ["accuracy"]}, dims=("trial", "measure"))
    found = summarise(score, dense.sel(measure="accuracy"))["methods"]["STARFISH"]
    assert found["accuracy"][0] == pytest.approx(0.55)
    assert found["recovered"][0] == pytest.approx((0.3 / 0.5 + 0.8 / 1.0) / 2)
    assert np.allclose(recovered(Dataset({"score": score, "dense": dense})), [0.6, 0.8])


@pytest.fixture(scope="module")
def pruned():
    """Images and members pruned by half: two networks, two draws each."""
    images = load(TINY, KEY)
    dense = dense_mlps(TINY, images, KEY)
    drawn = draw_calibration(TINY, images, TINY.sizes.share, KEY)
    return images, members(dense, magnitude_masks(dense, 0.5), drawn)


def nothing(nets) -> dict[str, DataArray]:
    return {"score": DataArray(np.zeros((2, 2, 3)), dims=("trial", "draw", "measure"))}


@pytest.mark.slow
def test_a_refitted_head_follows_the_network_that_was_healed_and_pays_for_it(pruned):
    _, cell = pruned
    found, names = [], ["STARFISH", "STARFISH, head refitted"]

    def measure(nets):
        found.append(nets)
        return nothing(nets)

    cells = {0.5: cell}
    scores = compare(TINY, measure, chosen(names), cells, "sparsity", lambda done, what: None)
    for healed, refitted in zip(found[0].weights[:-1], found[1].weights[:-1], strict=True):
        assert np.array_equal(healed, refitted)
    assert not np.array_equal(found[0].weights[-1], found[1].weights[-1])
    first, after = (scores.sel(sparsity=0.5, arm=name) for name in names)
    assert first.rate == after.rate
    assert after.seconds > first.seconds > 0
    assert after.compile_seconds > first.compile_seconds > 0


def test_equal_time_pays_what_is_fixed_first(pruned, monkeypatch):
    """300 steps take the fastest 2 s, STARFISH 4 s, and refitting its head 1 s more."""
    images, cell = pruned
    names = [arm.name for arm in ARMS]
    full = {name: 4.0 for name in names} | {"block-wise MSE": 2.0, "STARFISH, head refitted": 5.0}
    ran = []

    def compiled(arm, start, steps, batch):
        return arm.name, steps

    def timed(program, start, rate):
        ran.append(program)
        return start.start, 0.75

    monkeypatch.setattr(equal_time, "compiled", compiled)
    monkeypatch.setattr(equal_time, "timed", timed)
    scores = Dataset(
        {
            "score": (("arm", "trial", "draw", "measure"), np.zeros((len(names), 2, 2, 3))),
            "rate": ("arm", np.full(len(names), 1e-2)),
            "seconds": ("arm", list(full.values())),
        },
        {"arm": names, "measure": list(MEASURES), "sparsity": 0.5},
    )
    settings = replace(TINY, steps=300)
    found = equal_time.equal_time(settings, images, ARMS, cell, scores, lambda done, what: None)
    steps, seconds = (
        dict(zip(names, found[f"equal_time_{what}"].values, strict=True))
        for what in ("steps", "seconds")
    )
    assert steps["block-wise MSE"] == 300 and seconds["block-wise MSE"] == 2
    assert steps["STARFISH"] == 150 and seconds["STARFISH"] == 0.75
    assert steps["STARFISH, head refitted"] == 75 and seconds["STARFISH, head refitted"] == 1.5
    assert steps["ridge, layer by layer"] == 0 and seconds["ridge, layer by layer"] == 4
    assert ("STARFISH", 150) in ran and ("STARFISH", 75) in ran
    assert not any(name == "block-wise MSE" for name, _ in ran)
    assert found.equal_time.dims == ("arm", "trial", "draw") and set(found.coords) == {"arm"}
    assert not found.equal_time.sel(arm="block-wise MSE").any()  # as of the full length


def test_rates_are_chosen_on_the_first_draw_of_each_of_three_networks(pruned, monkeypatch):
    assert CHOSEN_ON == 3
    seen = []
    monkeypatch.setattr(
        "experiments.healing.comparison.choose_rate",
        lambda settings, arm, firsts: seen.append(firsts) or 1e-2,
    )
    _, cell = pruned
    compare(TINY, nothing, chosen(["STARFISH"]), {0.5: cell}, "sparsity", lambda done, what: None)
    assert np.array_equal(seen[0].x, cell.x[::2])


def test_calibration_needs_what_holds_from_there_on_and_says_where_it_harms():
    def over(rows, images=(1, 5, 20, 70)):
        return DataArray(rows, {"images": list(images)}, dims=("images", "trial"))

    high, low = [98.0, 98.1], [90.0, 90.1]
    assert calibration.needed(over([low, high, low, high])) == "from 70 images on"
    assert calibration.needed(over([low, high, high, high])) == "from 5 images on"
    assert calibration.needed(over([high, high, high, low])) == "with no number up to 70"
    gains = over([[-0.2, -0.21], [-0.1, -0.11], [-0.1, 0.2], [0.3, 0.3]])
    assert calibration.worse(gains).endswith("left alone at n = 1, 5")
    assert calibration.worse(-gains[:2]) == ""
