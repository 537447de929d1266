"""What the figures of this room measure, on scenes where the answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from xarray import Dataset

from experiments.attacks import budget, images, rank
from experiments.attacks.almost_linearity import Settings, varied
from experiments.attacks.orders import share_of_right
from experiments.errors import UsageError
from tests.files import npz
from theory.attacks.exact import nearest
from theory.attacks.linearity import certified
from theory.attacks.prototypes import points_of, prototypes
from theory.attacks.theorems.gradient_ratio import bound
from theory.networks import mlp


def data():
    """Two orders, two networks with two points each."""
    found = Dataset(
        {
            "success": (("order", "trial", "point"), [[[1, 1], [0, 1]], [[1, 0], [0, 0]]]),
            "gradients": (("order", "trial", "point"), [[[5, 90], [99, 7]], [[3, 99], [99, 99]]]),
            "runs": (("order", "trial", "point"), [[[1, 4], [9, 2]], [[1, 9], [9, 9]]]),
            "right": (("trial", "point"), [[1, 1], [0, 1]]),
        },
        {"order": ["malt", "logits"]},
    )
    return found.assign(success=found.success.astype(bool), right=found.right.astype(bool))


def test_success_is_of_right_points_within_the_budget():
    found = share_of_right(budget.within(data(), 10), data())
    assert found.sel(order="malt").values.tolist() == [0.5, 1.0]
    assert found.sel(order="logits").values.tolist() == [0.5, 0.0]


def test_mcnemar_counts_points_that_one_order_alone_felled():
    found = budget.compared(data(), "malt", "logits", 90)
    assert (found["only malt"], found["only logits"]) == (2, 0)
    assert found["p"] == pytest.approx(0.5)  # two of two heads, on either side
    early = budget.compared(data(), "malt", "logits", 4)
    assert (early["only malt"], early["only logits"], early["p"]) == (0, 1, 1.0)


def test_ranks_are_counted_as_in_the_paper():
    found = rank.binned(data(), data().runs).sel(order="malt")
    assert found.sel(trial=0).values.tolist() == [0.5, 0, 0, 0.5]
    assert found.sel(trial=1).values.tolist() == [0, 1, 0, 0]


@pytest.mark.slow
def test_distances_are_in_the_certified_band():
    """And the certificate is not empty: some networks bend within reach."""
    bent = 0
    for seed in range(4):
        net = mlp(jax.random.key(seed), (3, 8, 4))
        many = jax.random.uniform(jax.random.key(10 + seed), (500, 3))
        # Logits of mean 0, so that the distances are of the size of the box.
        first, last = net.biases
        net = net._replace(biases=(first, last - net.logits(many).mean(axis=0)))
        x = many[:8]
        y = net.logits(x).argmax(axis=1)
        targets = (y[:, None] + jnp.arange(1, 4)[None]) % 4
        s, alpha = certified(net, x, y, targets, "linf")
        for i, j in zip(*np.nonzero(np.isfinite(alpha)), strict=True):
            r = nearest(net, x[i], int(y[i]), "linf", None, int(targets[i, j])).distance
            assert s[i, j] / (1 + alpha[i, j]) * (1 - 1e-7) <= r
            assert r <= s[i, j] / (1 - alpha[i, j]) * (1 + 1e-7)
            bent += float(alpha[i, j]) > 0
    assert bent > 3


def test_unlike_classes_are_unlike_and_alike_ones_alike():
    alike, unlike = (prototypes(jax.random.key(0), 50, 8, 0.1, each) for each in (False, True))
    assert np.ptp(alike.scale) == 0 and np.log(unlike.scale).std() == pytest.approx(1, abs=0.3)
    counts = [
        np.bincount(points_of(jax.random.key(1), of, 5000, 1.0).y, minlength=50)
        for of in (alike, unlike)
    ]
    assert counts[0].max() < 2 * counts[0].min()
    # Zipf: the first class as often as the k-th times k.
    assert counts[1][0] / counts[1][9] == pytest.approx(10, rel=0.3)


def test_one_quantity_varies_at_a_time():
    settings = Settings()
    base = varied(settings, "radius", 1.0)
    wide = varied(settings, "width", 2.0)
    assert (wide.width, wide.d, wide.ell) == (2 * base.width, base.d, base.ell)
    large = varied(settings, "d", 2.0)
    assert (large.d, large.width, large.dim) == (2 * base.d, 2 * base.width, base.dim)
    assert bound(varied(settings, "radius", 2.0)) == pytest.approx(2 * bound(base))
    # (√m + √ℓ + t)² / √(mdℓ) at m = 64, d = 64, ℓ = 56; √2·L·R/β with L = .25, β = .5.
    right = 2**0.5 * 0.25 / 0.5 * (8 + 56**0.5 + 2.4477468) ** 2 / (64 * 64 * 56) ** 0.5
    assert bound(base) == pytest.approx(right)


def test_images_that_are_not_square_are_refused_before_anything_is_trained(tmp_path):
    file = tmp_path / "wide.npz"
    file.write_bytes(npz(shape=(8, 6)))
    settings = images.Settings(dataset=str(file))
    with pytest.raises(UsageError, match="8 × 6 pixels, and the CNN needs square ones"):
        images.run(settings, jax.random.key(0), lambda *_: None)
