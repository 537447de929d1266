"""What is aligned in MLPs and in transformers, and what is said of it, from numbers made up."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from experiments.errors import UsageError
from experiments.healing import states, transformer
from theory.healing.masks import apply_masks
from theory.healing.metrics import MEASURES
from theory.healing.objectives import Member
from theory.healing.residual import ARMS, magnitude_masks, survivors
from theory.healing.states import SIMILARITIES, compared
from theory.networks import mlp, vision_transformer

KEY = jax.random.key(5)
MLP_ARMS = compared(states.Settings().methods, 2)


def _member(dense, masks, x):
    return Member(dense, apply_masks(dense, masks), masks, x, jnp.zeros(len(x), int), x)


@pytest.fixture(scope="module")
def member():
    """One network of each kind, pruned by half, by the name of its module."""
    keys = jax.random.split(KEY, 4)
    flat = mlp(keys[0], (8, 6, 6, 3))
    halves = jax.tree.map(
        lambda w: (jnp.abs(w) > jnp.median(jnp.abs(w))).astype(jnp.uint8), flat.weights[:-1]
    )
    masks = flat._replace(weights=(*halves, None), biases=(None,) * 3)
    tokens = vision_transformer(keys[1], (4, 6), 3, width=8, blocks=2, heads=2)
    one = magnitude_masks(jax.tree.map(lambda leaf: leaf[None], tokens), 0.5)
    return {
        "states": _member(flat, masks, jax.random.normal(keys[2], (5, 8))),
        "transformer": _member(
            tokens, jax.tree.map(lambda m: m[0], one), jax.random.normal(keys[3], (5, 4, 6))
        ),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "arm"),
    [("states", arm) for arm in MLP_ARMS] + [("transformer", arm) for arm in ARMS],
    ids=lambda part: getattr(part, "name", part),
)
def test_what_is_minimised_is_least_at_the_dense_network_but_for_labels(member, kind, arm):
    one = member[kind]
    data = arm.objective.data(one)
    dense, pruned = (float(arm.objective.loss(net, data)) for net in (one.dense, one.start))
    if arm.name == "labels":
        assert dense > 0.1 and np.isfinite(pruned)
    else:
        assert abs(dense) < 1e-12 and pruned > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("layer", [1, 2])
def test_a_layer_alone_is_blind_to_the_layers_above(member, layer):
    one = member["states"]
    (alone,) = (arm.objective for arm in MLP_ARMS if arm.name == f"layer {layer} alone")
    assert alone is not None
    data, weights = alone.data(one), list(one.dense.weights)
    for i in range(3):
        moved = weights[:i] + [weights[i] + 0.1 * jnp.sin(weights[i])] + weights[i + 1 :]
        net = one.dense._replace(weights=tuple(moved))
        assert (float(alone.loss(net, data)) > 1e-6) == (i < layer)


def test_matrices_of_blocks_alone_are_pruned_and_trained(member):
    one = member["transformer"]
    for block, start in zip(one.masks.blocks, one.start.blocks, strict=True):
        masks, weights = ([np.asarray(leaf) for leaf in part[:6]] for part in (block, start))
        assert [np.mean(mask == 0) for mask in masks] == [0.5] * 6
        assert all((w[m == 0] == 0).all() for w, m in zip(weights, masks, strict=True))
    assert len(jax.tree.leaves(one.masks)) == 6 * len(one.dense.blocks)
    flags = survivors(one.dense)
    assert sum(jax.tree.leaves(flags)) == 6 * len(one.dense.blocks)


def test_methods_are_compared_in_their_own_order_and_layers_as_there_are():
    methods = ("distillation", "every layer alone", "after ReLU (STARFISH)")
    names = [arm.name for arm in compared(methods, 2)]
    assert names == ["after ReLU (STARFISH)", "layer 1 alone", "layer 2 alone", "distillation"]


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(ValueError, match="heads is 5 and must divide width = 32"):
        transformer.Settings(heads=5)
    with pytest.raises(UsageError, match="--patch 3 does not suit digits"):
        transformer.cut(transformer.Settings(patch=3), np.zeros((1, 8, 8)))


def _scores(arms, settings, **better):
    """Scores .5 of every arm, with accuracies of some by name, one for each network."""
    dims = {"arm": arms, "trial": range(settings.trials), "draw": range(1), "measure": MEASURES}
    score = xr.DataArray(np.full([len(x) for x in dims.values()], 0.5), dims=tuple(dims))
    score = score.assign_coords(arm=arms, measure=list(MEASURES))
    for name, accuracy in better.items():
        score.loc[{"arm": name, "measure": "accuracy"}] = np.reshape(accuracy, (-1, 1))
    return score


def test_sentences_on_states_come_from_the_numbers():
    settings = states.Settings(depth=2, trials=3, draws=1)
    arms = [arm.name for arm in compared(settings.methods, 2)]
    better = {"after ReLU (STARFISH)": (0.7, 0.7, 0.7), "before ReLU": (0.8, 0.9, 0.7)}
    score = _scores(arms, settings, **better | {"layer 1 alone": (0.2, 0.2, 0.2)})
    similarity = xr.DataArray(
        np.ones((len(arms), 3, 1, 2, 3)),
        {"arm": arms, "index": list(SIMILARITIES), "state": ["h1", "h2", "logits"]},
        dims=("arm", "trial", "draw", "index", "state"),
    )
    data = xr.Dataset(
        {
            "score": score,
            "similarity": similarity,
            "pruned_similarity": similarity.isel(arm=0, draw=0, drop=True) / 4,
            "dense": 0 * score.isel(arm=0, draw=0, drop=True) + 0.9,
            "pruned": 0 * score.isel(arm=0, draw=0, drop=True) + 0.1,
        }
    )
    found = states.summary(data, settings)
    (sentence,) = found.sentences
    assert "before ReLU 10.0 (95 % interval −14.8 to 34.8)" in sentence
    assert "layer 1 alone −50.0 (97.5 % interval −50.0 to −50.0); layer 2 alone −20.0" in sentence
    assert found.tables["similarity"]["cosine"]["pruned"] == {
        "h1": 0.25,
        "h2": 0.25,
        "logits": 0.25,
    }
    assert found.tables["dense"] == [0.9, 0.9, 0.9]
    assert found.tables["methods"]["before ReLU"]["recovered"][0] == pytest.approx(0.8889)
    few = replace(settings, methods=("distillation",))
    assert states.summary(data.sel(arm=["distillation"]), few).sentences == ()


def test_sentences_on_transformers_come_from_the_numbers():
    settings = transformer.Settings(sparsities=(0.5,), trials=3, draws=1, rates=(1e-3, 1e-2, 1e-1))
    arms = [arm.name for arm in ARMS]
    score = _scores(arms, settings, STARFISH=(0.81, 0.81, 0.81)).expand_dims(sparsity=[0.5])
    ones = score.isel(arm=0, draw=0, drop=True) * 0 + 1
    rate = xr.DataArray([[1e-2] * 7 + [1e-1]], {"arm": arms}, dims=("sparsity", "arm"))
    data = xr.Dataset(
        {
            "score": score,
            "dense": 0.9 * ones.isel(sparsity=0, drop=True),
            "pruned": 0.1 * ones,
            "retrained": 0.85 * ones,
            "rate": rate,
            "seconds": 2 + 0 * rate,
            "images": 7,
        }
    )
    found = transformer.summary(data, settings)
    assert found.sentences == (
        "50 % pruned: STARFISH recovers 90.0 (95 % interval 90.0 to 90.0) % of the dense accuracy, "
        "34.4 (95 % interval 34.4 to 34.4) points more than healing block by block; among the "
        "best: STARFISH.",
    )
    level = found.tables["50 %"]
    assert level["rate_at_an_edge"] == ["labels"] and level["methods"]["MSE"]["seconds"] == 2
    assert level["retrained"] == [0.85] * 3 and found.tables["calibration_images"] == 7
