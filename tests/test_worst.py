"""The search for worst cases, on inequalities whose worst case is known."""

from dataclasses import replace
from itertools import islice

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.problems import Toy, gaussian, make, wide
from theory.claims import AtLeast, AtMost, Law
from theory.theorem import Search, Trial, verify
from theory.worst import hunt

DIMENSION = 20


def start(settings, key):
    """A random vector."""
    return {"w": jax.random.normal(key, (DIMENSION,))}


def norms(settings, scene, xp=jnp):
    """‖w‖₁ ≤ factor·√n·‖w‖₂ and ‖w‖₁ ≥ ‖w‖₂, for ‖w‖₂ ≥ 1.

    The worst cases are entries of equal size, and a single entry.
    """
    one, two = xp.sum(xp.abs(scene["w"])), xp.sqrt(xp.sum(scene["w"] ** 2))
    return Trial(
        {"above": one, "below": one},
        {"above": settings.factor * DIMENSION**0.5 * two, "below": two},
        {"‖w‖₂ ≥ 1": two - 1},
    )


def random(settings, key):
    scene = start(settings, key)
    return norms(settings, {"w": 3 * scene["w"]})


def theorem(factor):
    return replace(
        make("norms", {"above": AtMost(), "below": AtLeast()}, random, random, factor=factor),
        search=Search(
            Toy(factor=factor),
            start,
            norms,
            lambda settings, scene: norms(settings, scene, np),
        ),
    )


def worst(theorem, part, **options):
    return list(islice(hunt(theorem, part, jax.random.key(0), restarts=4, **options), 4))[-1]


@pytest.mark.parametrize("part", ["above", "below"])
def test_it_finds_the_worst_case(part):
    found = worst(theorem(1.0), part)
    assert 0.999 < found.ratio <= 1 + 1e-12
    w = np.sort(np.abs(found.scene["w"]))
    assert np.linalg.norm(w) >= 1
    if part == "above":
        assert w == pytest.approx(np.full(DIMENSION, w[0]), rel=0.05)
    else:
        assert w[:-1] == pytest.approx(np.zeros(DIMENSION - 1), abs=0.05 * w[-1])


def test_a_false_lemma_that_random_trials_verify_is_falsified():
    false = theorem(0.97)
    assert verify(false, false.presets["smoke"]).status == "verified"
    found = worst(false, "above")
    assert found.ratio > 1.02
    # What was found is a counter-example by NumPy too.
    assert false.search is not None
    again = false.search.check(false.search.settings, found.scene)
    assert again.measured["above"] / again.predicted["above"] == pytest.approx(found.ratio)


def test_where_no_assumption_can_hold_nothing_is_found():
    def impossible(settings, scene):
        trial = norms(settings, scene)
        return trial._replace(assumptions={"never": -jnp.ones(())})

    lemma = theorem(1.0)
    assert lemma.search is not None
    lemma = replace(lemma, search=lemma.search._replace(trial=impossible))
    assert worst(lemma, "above").ratio == -np.inf


def test_it_goes_on_where_it_stopped():
    first = worst(theorem(1.0), "above", generations=5)
    later = worst(theorem(1.0), "above", generations=5, states=first.states)
    assert first.ratio <= later.ratio
    assert int(later.states.generation_counter[0]) == 2 * int(first.states.generation_counter[0])


@pytest.mark.parametrize("part", ["statement", "other"])
def test_what_has_no_bound_is_refused(part):
    with pytest.raises(ValueError, match="no bound"):
        next(hunt(make("law", Law(lambda v, s: v), gaussian, wide), part, jax.random.key(0)))
