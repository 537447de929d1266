"""Losses of logits: limits, ties, infinities, and their gradients by finite differences."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attacks import reference

from theory.attacks.losses import TARGETED, UNTARGETED, dlr, misclassified, targeted_dlr

Z = np.random.default_rng(0).normal(size=(20, 6)) * 3
Y, T = Z.argsort(axis=1)[:, -1], Z.argsort(axis=1)[:, 1]


@pytest.mark.parametrize("name", ["ce", "dlr", "margin"])
@pytest.mark.parametrize("targeted", [False, True])
def test_values_and_slopes_are_numpys(name, targeted):
    classes = (jnp.asarray(Y), jnp.asarray(T)) if targeted else (jnp.asarray(Y),)
    loss = (TARGETED if targeted else UNTARGETED)[name]

    def total(z):
        values = loss(z, *classes)
        return jnp.sum(values), values

    slopes, values = jax.jit(jax.grad(total, has_aux=True))(jnp.asarray(Z))
    values, slopes = np.asarray(values), np.asarray(slopes)
    for i, z in enumerate(Z):
        value, slope = reference.loss(name, z, Y[i], T[i] if targeted else None)
        np.testing.assert_allclose(values[i], value, rtol=1e-12)
        np.testing.assert_allclose(slopes[i], slope, atol=1e-12)


@pytest.mark.parametrize("targeted", [False, True])
def test_ratios_see_neither_shift_nor_scale_and_have_the_sign_of_the_margin(targeted):
    classes = (jnp.asarray(Y), jnp.asarray(T)) if targeted else (jnp.asarray(T),)
    loss = targeted_dlr if targeted else dlr
    value = loss(jnp.asarray(Z), *classes)
    np.testing.assert_allclose(loss(jnp.asarray(100 * Z - 7), *classes), value, rtol=1e-9)
    wrong = misclassified(jnp.asarray(Z), classes[0])
    assert np.all(~(value > 0) | wrong) and (targeted or np.array_equal(value > 0, wrong))


@cache
def value_and_slope(name, targeted):
    """Compiled once for all logits of a kind."""
    loss = (TARGETED if targeted else UNTARGETED)[name]
    classes = [jnp.array([0]), jnp.array([1])][: 1 + targeted]
    return jax.jit(jax.value_and_grad(lambda z: loss(z, *classes)[0]))


@pytest.mark.parametrize("name", ["ce", "dlr", "margin"])
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize(
    "z",
    [
        [1.0] * 5,
        [np.inf, 1, 2, 3, 4],
        [-np.inf, 1, 2, 3, 4],
        [-np.inf] * 5,
        [np.inf, -np.inf, 0, 0, 0],
    ],
    ids=str,
)
def test_ties_and_infinite_logits_are_no_nan(name, targeted, z):
    for kind in (jnp.float32, jnp.float64):
        value, slope = value_and_slope(name, targeted)(jnp.asarray([z], kind))
        assert not np.isnan(value) and not np.isnan(slope).any()
