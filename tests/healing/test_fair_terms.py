"""What makes the comparison of healing methods fair, in numbers that can be worked out by hand."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.errors import UsageError
from experiments.healing import calibration, equal_time, sparsity_summary
from experiments.healing.arms import ARMS, NAMES, Arm, Distilled, Member, choose_rate
from experiments.healing.comparison import CHOSEN_ON, Scores, compare, members, summarise
from experiments.healing.dense import CalibratedSettings, dense_mlps, draw_calibration, load
from experiments.healing.pruning import magnitude_masks
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
    measures = np.zeros((1, 2, 2, 3))
    measures[0, ..., 0] = [[0.2, 0.4], [0.8, 0.8]]
    found = summarise(measures, np.array([0.5, 1.0]), ["one"])["methods"]["one"]
    assert found["accuracy"][0] == pytest.approx(0.55)
    assert found["recovered"][0] == pytest.approx((0.3 / 0.5 + 0.8 / 1.0) / 2)
    arrays = {"measures": np.repeat(measures[:, None], len(NAMES), axis=0)}
    arrays["dense"] = np.array([[0.5], [1.0]])
    assert np.allclose(sparsity_summary._recovered(arrays, 0), [0.6, 0.8])


@pytest.fixture(scope="module")
def pruned():
    """Images and members pruned by half: two networks, two draws each."""
    images = load(TINY, KEY)
    dense = dense_mlps(TINY, images, KEY)
    drawn = draw_calibration(TINY, images, TINY.sizes.share, KEY)
    return images, members(dense, magnitude_masks(dense, 0.5), drawn)


def test_a_refitted_head_follows_the_network_that_was_healed_and_pays_for_it(pruned):
    _, cell = pruned
    found = {}

    def measure(nets, cell):
        found[len(found)] = nets
        return np.zeros((len(cell.x), 3))

    arms = [arm for arm in ARMS if arm.name in ("STARFISH", "STARFISH, head refitted")]
    scores = compare(TINY, measure, arms, [cell], ["half"], lambda done, what: None)
    for healed, refitted in zip(found[0].weights[:-1], found[1].weights[:-1], strict=True):
        assert np.array_equal(healed, refitted)
    assert not np.array_equal(found[0].weights[-1], found[1].weights[-1])
    assert scores.rate[0, 0] == scores.rate[1, 0]
    assert scores.seconds[1, 0] > scores.seconds[0, 0] > 0
    assert scores.compile_seconds[1] > scores.compile_seconds[0] > 0


def test_equal_time_pays_what_is_fixed_first(pruned, monkeypatch):
    """300 steps take the fastest 2 s, STARFISH 4 s, and refitting its head 1 s more."""
    images, cell = pruned
    full = {name: 4.0 for name in NAMES} | {"block-wise MSE": 2.0, "STARFISH, head refitted": 5.0}
    ran = []

    def compiled(settings, arm, start, steps):
        return arm.name, steps

    def timed(program, start, rate):
        ran.append(program)
        return start.start, 0.75

    monkeypatch.setattr(equal_time, "compiled", compiled)
    monkeypatch.setattr(equal_time, "timed", timed)
    scores = Scores(
        np.zeros((len(NAMES), 1, 2, 2, 3)),
        np.full((len(NAMES), 1), 1e-2),
        np.array(list(full.values()))[:, None],
        np.zeros(len(NAMES)),
    )
    settings = replace(TINY, steps=300)
    found = equal_time.equal_time(settings, images, cell, scores, 0, lambda done, what: None)
    steps = dict(zip(NAMES, found["steps_equal_time"], strict=True))
    seconds = dict(zip(NAMES, found["seconds_equal_time"], strict=True))
    assert steps["block-wise MSE"] == 300 and seconds["block-wise MSE"] == 2
    assert steps["STARFISH"] == 150 and seconds["STARFISH"] == 0.75
    assert steps["STARFISH, head refitted"] == 75 and seconds["STARFISH, head refitted"] == 1.5
    assert steps["ridge, layer by layer"] == 0 and seconds["ridge, layer by layer"] == 4
    assert ("STARFISH", 150) in ran and ("STARFISH", 75) in ran
    assert not any(name == "block-wise MSE" for name, _ in ran)


def test_rates_are_chosen_on_the_first_draw_of_each_of_three_networks(pruned, monkeypatch):
    assert CHOSEN_ON == 3
    seen = []
    monkeypatch.setattr(
        "experiments.healing.comparison.choose_rate",
        lambda settings, arm, firsts: seen.append(firsts) or 1e-2,
    )
    _, cell = pruned
    starfish = [arm for arm in ARMS if arm.name == "STARFISH"]
    compare(TINY, lambda nets, cell: np.zeros((4, 3)), starfish, [cell], ["half"], print)
    assert np.array_equal(seen[0].x, cell.x[::2])


def test_calibration_needs_what_holds_from_there_on_and_says_where_it_harms():
    images = np.array([1, 5, 20, 70])
    high, low = np.array([98.0, 98.1]), np.array([90.0, 90.1])
    assert calibration._needed(np.stack([low, high, low, high]), images) == "from 70 images on"
    assert calibration._needed(np.stack([low, high, high, high]), images) == "from 5 images on"
    assert (
        calibration._needed(np.stack([high, high, high, low]), images) == "with no number up to 70"
    )
    gains = np.array([[-0.2, -0.21], [-0.1, -0.11], [-0.1, 0.2], [0.3, 0.3]])
    assert calibration._worse(gains, images).endswith("left alone at n = 1, 5")
    assert calibration._worse(-gains[:2], images[:2]) == ""
