"""The experiment on frozen noise: what is exact, what is approximated and how well, its figure."""

import jax
import numpy as np
import pytest
from scipy import integrate, stats

from experiments.healing import frozen_noise
from theory.healing.masked_noise import (
    LAYER,
    ROTATED,
    ROWS,
    WANDA,
    expected,
    relu_kernel,
    taken,
)

D, ELL, SHARE, MOVED = 60, 24, 0.5, 1.4


@pytest.fixture(scope="module")
def outcome():
    settings = frozen_noise.experiment.presets["smoke"]
    return settings, frozen_noise.experiment.run(settings, jax.random.key(0), lambda *_: None)


def test_wanda_is_exact_and_magnitude_and_a_rotated_subspace_are_not(outcome):
    settings, data = outcome
    for s in settings.sparsities:
        at, free = data.sel(sparsity=s), data.share >= s
        claimed = np.minimum(1, data.share / s)
        assert np.abs(at.off.sel(mask=WANDA) - claimed).max() <= 1e-15
        assert free.any() and not free.all()
        assert (at.change.sel(mask=WANDA, ell=free) < 1e-14).all()
        assert (at.change.sel(mask=WANDA, ell=~free) > 1e-3).all()
        assert (at.change.drop_sel(mask=WANDA) > 1e-3).all()
    assert (data.flips.sel(mask=WANDA) == 0).all()
    assert (data.flips.sel(mask=ROWS).mean("trial") > 0).all()


def test_what_is_summed_up_is_at_the_first_subspace_that_wanda_leaves_whole(outcome):
    settings, data = outcome
    found = frozen_noise.experiment.summary(data, settings)
    assert "Wanda by at most 0," in found.sentences[0]
    assert found.tables["s = 0.75"]["ell_over_d"] == 0.75


@pytest.fixture(scope="module")
def drawn():
    """Many rows of weights of unlike scales on and off P, the noise drawn twice; and d, ℓ, s."""
    rng = np.random.default_rng(0)
    rows = 4000
    on = MOVED * rng.normal(size=(rows, D - ELL))
    return on, rng.normal(size=(2, rows, ELL))


def pruned(on, off, layer):
    """Which weights magnitude prunes, on P first, by sorting in NumPy."""
    w = np.abs(np.concatenate([on, off], axis=1))
    if layer:
        return w < np.quantile(w, SHARE)
    order = np.argsort(w, axis=1)
    out = np.zeros(w.shape, bool)
    np.put_along_axis(out, order[:, : int(SHARE * D)], True, axis=1)
    return out


@pytest.mark.parametrize("which", [LAYER, ROWS])
def test_gaussian_weights_are_pruned_and_flip_as_expected(drawn, which):
    on, noise = drawn
    rows = len(on)
    claimed = expected(D, ELL, SHARE, MOVED, 1.0, width=rows)
    one, other = (pruned(on, off, which == LAYER) for off in noise)
    assert one[:, D - ELL :].sum() / one.sum() == pytest.approx(claimed.off[LAYER], abs=2e-3)
    flips = (one != other)[:, : D - ELL].mean()
    if which == ROWS:  # to leading order: 3 % of it
        assert flips == pytest.approx(claimed.flips[ROWS], rel=0.03)
    else:  # one draw of |Gaussian|, whose mean is claimed
        assert 0 < flips < 4 * claimed.flips[LAYER] < claimed.flips[ROWS]


def test_flips_of_a_layer_are_as_expected():
    rng = np.random.default_rng(1)
    width, draws = 20, 600
    claimed = expected(D, ELL, SHARE, MOVED, 1.0, width=width)
    flips = []
    for _ in range(draws):
        on = MOVED * rng.normal(size=(width, D - ELL))
        one, other = (pruned(on, rng.normal(size=(width, ELL)), True) for _ in range(2))
        flips.append((one != other)[:, : D - ELL].mean())
    error = np.std(flips) / np.sqrt(draws)
    assert np.mean(flips) == pytest.approx(claimed.flips[LAYER], abs=4 * error)
    assert error < 0.04 * claimed.flips[LAYER]


def test_nothing_learned_makes_noise_and_signal_alike():
    for ell in (6, 30, 54):
        claimed = expected(D, ell, SHARE, 1.0, 0.5, width=50)
        assert claimed.off[LAYER] == pytest.approx(ell / D)
        closed = 2 * np.sqrt(ell * SHARE * (1 - SHARE) / np.pi) / D
        assert claimed.flips == pytest.approx({LAYER: closed / np.sqrt(50), ROWS: closed})
        # In any coordinates, and by Wanda where it has no noise to prune first.
        assert claimed.change[ROTATED] == pytest.approx(claimed.change[LAYER], rel=0.03)
    almost = expected(D, 1, SHARE, 1.0, 0.5).change
    assert almost[WANDA] == pytest.approx(almost[LAYER], rel=0.05)
    assert expected(D, 30, SHARE, 1.0, 0.5).change[WANDA] == 0


def test_networks_without_learning_change_as_the_kernel_says(drawn):
    """With independent signs of u, (N_pruned − N)² is the sum over neurons of squares."""
    on, (off, _) = drawn
    rng = np.random.default_rng(2)
    w = np.concatenate([on, off], axis=1)
    x = np.concatenate([rng.normal(size=(50, D - ELL)), np.zeros((50, ELL))], axis=1)
    turn = np.linalg.qr(rng.normal(size=(D, D)))[0]
    first = pruned(on, np.zeros_like(off), False)  # Wanda: weights off P come first
    turned = w @ turn
    cut = pruned(turned, np.empty((len(w), 0)), False)
    curves = {
        LAYER: (w, pruned(on, off, True), x),
        WANDA: (w, first, x),
        ROTATED: (turned, cut, x @ turn),
    }
    claimed = expected(D, ELL, SHARE, MOVED, MOVED**2 / 2).change
    for name, (weights, mask, inputs) in curves.items():
        dense = np.maximum(inputs @ weights.T, 0)
        change = np.maximum(inputs @ np.where(mask, 0, weights).T, 0) - dense
        rms = np.sqrt((change**2).sum() / (dense**2).sum())
        assert rms == pytest.approx(claimed[name], rel=0.03), name


def test_pruning_shrinks_a_small_shift_by_what_it_takes_of_the_variance():
    c, shift = 0.8, 1e-4
    e = stats.chi2.cdf(c**2, 3)

    def left(mean):
        inside, _ = integrate.quad(lambda w: w * stats.norm.pdf(w - mean), -c, c)
        return mean - inside

    slope = (left(shift) - left(-shift)) / (2 * shift)
    assert slope == pytest.approx(1 - e, abs=1e-6)
    # Where nearly all of N was learned, that is its change.
    change = expected(D, 30, 0.75, 1.0, 1e6).change[LAYER]
    assert change == pytest.approx(stats.chi2.cdf(stats.halfnorm.ppf(0.75) ** 2, 3), rel=1e-3)


@pytest.mark.parametrize("k", [0, 1, 6, 30, 36])
def test_the_smallest_take_as_much_as_when_they_are_drawn(k):
    squares = np.sort(np.random.default_rng(3).normal(size=(20_000, 36)) ** 2, axis=1)
    drawn = squares[:, :k].sum(axis=1) / 36
    error = drawn.std() / np.sqrt(len(drawn))
    assert taken(36, k) == pytest.approx(drawn.mean(), abs=4 * error + 1e-4)


def test_the_kernel_ends_where_nothing_and_where_all_is_pruned():
    assert relu_kernel(0.0) == 0 and relu_kernel(1.0) == 1
    assert np.all(np.diff([relu_kernel(e) for e in np.linspace(0, 1, 20)]) > 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ells": (60,)}, "must stay below d = 60"),
        ({"sparsities": (0.01,)}, "at least 1/d"),
        ({"scale": 1e-30}, "scale is 1e-30 and must be at least 1e-06 and at most 1e"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        frozen_noise.Settings(**changes)
