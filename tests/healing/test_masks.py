"""Masks: exact counts, ties, invariances, Wanda against NumPy, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theory.healing import (
    apply_masks,
    check_masks,
    magnitude,
    n_of_m,
    random_scores,
    smallest,
    smallest_of_all,
    smallest_of_rows,
    sparsity,
    wanda,
)


@pytest.fixture(scope="module")
def weights():
    """Three leaves of unlike sizes and scales, and one that stays whole."""
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = {"a": (7, 13), "b": (5, 7), "c": (2, 3, 10)}
    drawn = {
        name: (i + 1) * jax.random.normal(key, shape)
        for i, (key, (name, shape)) in enumerate(zip(keys, shapes.items(), strict=True))
    }
    return drawn | {"bias": None}


def pruned(mask):
    return int(np.sum(np.asarray(mask) == 0))


STRUCTURES = {
    "leaf": smallest,
    "all": smallest_of_all,
    "rows": smallest_of_rows,
    "2:4": lambda scores, _: n_of_m(scores, 2, 4),
}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("scores", ["magnitude", "random", "zero"])
def test_counts_are_exact(weights, scores, share):
    scores = {
        "magnitude": magnitude(weights),
        "random": random_scores(jax.random.key(1), weights),
        "zero": jax.tree.map(jnp.zeros_like, weights),
    }[scores]
    leaves = jax.tree.leaves(scores)
    for mask, leaf in zip(jax.tree.leaves(smallest(scores, share)), leaves, strict=True):
        assert pruned(mask) == round(share * leaf.size)
    total = sum(leaf.size for leaf in leaves)
    together = smallest_of_all(scores, share)
    assert sum(map(pruned, jax.tree.leaves(together))) == round(share * total)
    assert sparsity(together) == pytest.approx(round(share * total) / total, abs=1e-15)
    for mask in jax.tree.leaves(smallest_of_rows(scores, share)):
        zeros = np.sum(np.asarray(mask) == 0, axis=-1)
        assert np.all(zeros == int(share * mask.shape[-1] + 1e-9))


def test_rounding_down_forgives_rounding():
    """0.29 · 100 is 28.999999999999996."""
    scores = jnp.arange(100.0)[None]
    assert [pruned(smallest_of_rows(scores, share)) for share in (0.29, 0.295, 0.3)] == [29, 29, 30]


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (3, 4), (4, 4), (2, 16)])
def test_n_of_m_keeps_the_n_largest_of_every_whole_group(weights, n, m):
    scores = magnitude(weights)
    masks = n_of_m(scores, n, m)
    assert masks["bias"] is None
    for name in ("a", "b", "c"):
        mask, score = np.asarray(masks[name]), np.asarray(scores[name])
        whole = mask.shape[-1] // m * m
        assert np.all(mask[..., whole:] == 1)
        groups, values = (h[..., :whole].reshape(-1, m) for h in (mask, score))
        assert np.all(groups.sum(axis=1) == n)
        for group, value in zip(groups, values, strict=True):
            assert set(np.flatnonzero(group)) == set(np.argsort(value)[m - n :])


def test_the_smallest_go_and_of_equal_ones_the_first():
    scores = jnp.array([[2.0, 1.0, 1.0], [1.0, 3.0, 0.0]])
    assert smallest(scores, 0.5).tolist() == [[1, 0, 0], [1, 1, 0]]
    assert smallest(scores, 1 / 3).tolist() == [[1, 0, 1], [1, 1, 0]]
    assert smallest_of_all([scores[0], scores[1]], 0.5)[1].tolist() == [1, 1, 0]
    assert smallest_of_rows(scores, 0.5).tolist() == [[1, 0, 1], [1, 1, 0]]
    assert n_of_m(jnp.ones((1, 8)), 1, 4).tolist() == [[0, 0, 0, 1] * 2]


def test_a_threshold_for_all_leaves_together(weights):
    scores = magnitude(weights)
    masks = smallest_of_all(scores, 0.6)
    kept, gone = (
        np.concatenate([np.asarray(scores[k])[np.asarray(masks[k]) == bit] for k in "abc"])
        for bit in (1, 0)
    )
    assert kept.min() > gone.max()
    shares = [pruned(masks[k]) / masks[k].size for k in "abc"]
    assert shares[0] > shares[1] > shares[2]  # their scales are 1, 2 and 3


@pytest.mark.parametrize("structure", STRUCTURES)
def test_masks_are_uint8_and_none_stays_none(weights, structure):
    masks = STRUCTURES[structure](magnitude(weights), 0.5)
    assert masks["bias"] is None
    assert {leaf.dtype for leaf in jax.tree.leaves(masks)} == {jnp.dtype(jnp.uint8)}
    check_masks(weights, masks)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_scale_does_not_matter_and_rows_may_be_permuted(weights, structure):
    prune = STRUCTURES[structure]
    masks = prune(magnitude(weights), 0.5)
    scaled = prune(magnitude(jax.tree.map(lambda w: -8 * w, weights)), 0.5)
    assert jax.tree.all(jax.tree.map(np.array_equal, masks, scaled))
    rolled = prune(magnitude(jax.tree.map(lambda w: jnp.roll(w, 1, axis=0), weights)), 0.5)
    same = jax.tree.map(lambda m, r: np.array_equal(jnp.roll(m, 1, axis=0), r), masks, rolled)
    assert jax.tree.all(same)


def test_columns_may_be_permuted_but_in_groups_of_m(weights):
    score = magnitude(weights)["a"]
    order = jax.random.permutation(jax.random.key(2), score.shape[1])
    for prune in (smallest, smallest_of_rows):
        assert np.array_equal(prune(score[:, order], 0.5), prune(score, 0.5)[:, order])


def test_wanda_is_numpys_and_scales_of_neurons_do_not_matter(weights):
    w, x = weights["a"], 3 + jax.random.normal(jax.random.key(3), (20, 13))
    expected = np.empty(w.shape)
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            expected[i, j] = abs(float(w[i, j])) * np.sqrt(np.sum(np.square(x[:, j])))
    scores = wanda({"w": w, "b": None}, {"w": x, "b": None})
    np.testing.assert_allclose(scores["w"], expected, rtol=1e-13)
    assert scores["b"] is None
    # A scale taken from a column of weights and given to its input changes no score.
    scale = jnp.exp(jax.random.normal(jax.random.key(4), (1, 13)))
    np.testing.assert_allclose(wanda(w / scale, x * scale), expected, rtol=1e-13)
    # A scale of a row changes its scores but not their order.
    rows = jnp.exp(jax.random.normal(jax.random.key(5), (7, 1)))
    assert np.array_equal(
        smallest_of_rows(wanda(w * rows, x), 0.5), smallest_of_rows(wanda(w, x), 0.5)
    )


def test_wanda_prunes_what_reads_silent_inputs_first():
    x = jax.random.normal(jax.random.key(6), (9, 6)).at[:, jnp.array([1, 4])].set(0)
    mask = smallest_of_rows(wanda(jax.random.normal(jax.random.key(7), (5, 6)), x), 1 / 3)
    assert np.all(np.asarray(mask) == np.array([1, 0, 1, 1, 0, 1]))


def test_random_masks_differ_by_key_and_leaf():
    weights = [jnp.ones((20, 20)), jnp.ones((20, 20))]
    one, other = (smallest(random_scores(jax.random.key(k), weights), 0.5) for k in (0, 1))
    assert not np.array_equal(one[0], one[1]) and not np.array_equal(one[0], other[0])


@pytest.mark.parametrize("kind", [np.uint8, np.bool_, jnp.uint8, jnp.bool_])
def test_apply_masks_zeroes_whatever_was_there(kind):
    library = np if kind in (np.uint8, np.bool_) else jnp
    masks = {"w": library.asarray([[0, 1], [1, 0]], kind), "rest": None}
    bad = jnp.array([[jnp.nan, -2.0], [3.0, -jnp.inf]], jnp.float32)
    rest = {"count": jnp.array(3), "nothing": None}
    done = apply_masks({"w": bad, "rest": rest}, masks)
    assert done["w"].tolist() == [[0, -2], [3, 0]] and done["w"].dtype == jnp.float32
    assert done["rest"] is rest
    assert float(sparsity(masks)) == 0.5


PARAMS = {"w": jnp.ones((2, 3)), "b": jnp.ones(2)}
FITS = jnp.ones((2, 3), jnp.uint8)


@pytest.mark.parametrize("mask", [FITS, FITS.astype(bool), np.asarray(FITS), FITS.at[0].set(0)])
def test_masks_that_fit_are_accepted(mask):
    check_masks(PARAMS, {"w": mask, "b": None})


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        (None, "masks must have the structure of the parameters"),
        ([FITS, None], "masks must have the structure of the parameters"),
        ({"w": FITS}, "masks must have the structure of the parameters"),
        ({"w": FITS, "b": None, "more": None}, "masks must have the structure of the parameters"),
        ({"w": None, "b": None}, "no leaf has a mask"),
        ({"w": FITS.T, "b": None}, r"mask of \['w'\] has shape \(3, 2\), the weights \(2, 3\)"),
        ({"w": 1, "b": None}, r"mask of \['w'\] has shape \(\)"),
        ({"w": FITS.astype(float), "b": None}, r"mask of \['w'\] has type float64"),
        ({"w": FITS.astype(int), "b": None}, r"mask of \['w'\] has type int64"),
        ({"w": FITS.at[1, 1].set(2), "b": None}, r"mask of \['w'\] has other values than 0 and 1"),
        ({"w": 0 * FITS, "b": None}, r"mask of \['w'\] prunes all of it"),
        ({"w": FITS, "b": jnp.zeros(2, bool)}, r"mask of \['b'\] prunes all of it"),
    ],
)
def test_masks_that_do_not_fit_are_refused_in_one_sentence(masks, said):
    with pytest.raises(ValueError, match=said) as refusal:
        check_masks(PARAMS, masks)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 200


@pytest.mark.parametrize("share", [-0.1, 1.0, 90.0, float("nan")])
@pytest.mark.parametrize("prune", [smallest, smallest_of_all, smallest_of_rows])
def test_shares_that_are_none_are_refused(weights, prune, share):
    with pytest.raises(ValueError, match=f"share is {share} and must be at least 0 and below 1"):
        prune(magnitude(weights), share)


@pytest.mark.parametrize(
    ("n", "m", "said"),
    [
        (0, 4, "n is 0 and must be above 0 and at most m = 4"),
        (5, 4, "n is 5 and must be above 0 and at most m = 4"),
    ],
)
def test_groups_that_are_none_are_refused(weights, n, m, said):
    with pytest.raises(ValueError, match=said):
        n_of_m(magnitude(weights), n, m)
