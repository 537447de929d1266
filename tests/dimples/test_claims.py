"""What the table of claims says, and the training sets of claim 5."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.dimples.claims import claim, sentence
from experiments.plots.estimates import Interval
from theory.dimples.wrong_labels import aimed, controls, targets
from theory.networks import mlp


@pytest.mark.parametrize(
    ("null", "above", "says"),
    [
        (0.3, True, "supported"),
        (0.5, True, "undecided"),
        (0.7, True, "not supported"),
        (0.3, False, "not supported"),
        (0.5, False, "undecided"),
        (0.7, False, "supported"),
    ],
)
def test_a_claim_is_judged_on_its_side_of_the_null(null, above, says):
    effect = Interval(*map(np.array, (0.5, 0.4, 0.6)))
    line = claim(2, "a share", effect, null, above=above)
    assert line["says"] == says
    assert sentence(line) == f"Claim 2: gradients point off the manifold. {says.capitalize()}."


def test_targets_are_other_classes_and_all_of_them():
    y = jnp.arange(4000) % 5
    random = np.asarray(targets("random", jax.random.key(0), y, 5))
    assert not np.any(random == y) and {*random} == {*range(5)}
    counts = np.bincount((random - np.asarray(y)) % 5, minlength=5)
    assert counts[0] == 0 and np.all(np.abs(counts[1:] - 1000) < 150)  # 5.5 standard deviations


def test_controls_are_as_far_from_the_images_as_the_perturbations():
    net = mlp(jax.random.key(0), (40, 16, 3))
    x = jax.random.uniform(jax.random.key(1), (30, 40), minval=0.4, maxval=0.6)
    target = (net.logits(x).argmax(axis=1) + 1) % 3
    found, share = aimed(jax.tree_util.Partial(_logits, net), x, target, 0.1, steps=20)
    assert share > 0.5 and np.abs(found - x).max() <= 0.1 + 1e-12
    others = controls(jax.random.key(2), x, found)
    length = np.linalg.norm(found - x, axis=1)
    noisy = np.asarray(others["images with noise"])
    unclipped = np.all((noisy > 0) & (noisy < 1), axis=1)
    assert unclipped.sum() > 5
    np.testing.assert_allclose(np.linalg.norm(noisy - x, axis=1)[unclipped], length[unclipped])
    np.testing.assert_allclose(others["perturbations alone"] - 0.5, found - x)
    np.testing.assert_array_equal(others["the images"], x)


def _logits(net, x):
    return net.logits(x)
