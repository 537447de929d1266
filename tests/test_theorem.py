"""The engine on theorems whose truth is known, and the error rates it promises."""

from collections import Counter
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from tests.problems import BANK, Toy, fails, gaussian, make, wide
from theory.claims import AtLeast, AtMost, Identity, Law, Scaling
from theory.settings import Settings
from theory.statistics import ALPHA, dkw_radius, sample_size
from theory.theorem import (
    PHASES,
    Control,
    Trial,
    arms_by_program,
    compiled,
    expected,
    judge,
    simulate,
    trial_keys,
    verify,
)
from theory.unlearning.theorems import forgotten_margin

RUNS = 2000


@pytest.fixture(scope="module", params=BANK, ids=lambda name: name.replace(" ", "-"))
def case(request):
    theorem, right = BANK[request.param]
    return request.param, verify(theorem, theorem.presets["smoke"]), right


def test_known_truth(case):
    name, verdict, right = case
    assert verdict.status in right, f"{name}: {verdict}"


def test_every_control_of_the_bank_is_detected_where_it_counts(case):
    name, verdict, _ = case
    said = verdict.status not in ("falsified", "not applicable")
    assert verdict.detected is (True if said else None), name


def test_vacuity_and_missed_assumptions_are_reported(case):
    name, verdict, _ = case
    assert any(part.vacuous for part in verdict.parts) == (name == "vacuous bound")
    missed = [a for a in verdict.assumptions if not a.holds]
    assert [(a.name, a.margin) for a in missed] == (
        [("impossible", -0.25)] if name == "assumption fails" else []
    )


def rates(claim, delta, measured):
    """Verdicts over simulated runs: measured of shape (runs, n) against a bound of 1.

    A counting claim sees only how many trials violate, so equal sorted runs are judged once.
    """
    rows, counts = np.unique(np.sort(measured, axis=1), axis=0, return_counts=True)
    statuses = [claim.judge(row, np.ones_like(row), Toy(delta=delta)).status for row in rows]
    total = Counter()
    for status, count in zip(statuses, counts, strict=True):
        total[status] += int(count)
    return total


def at_most_alpha(count):
    """The count over RUNS is compatible with a rate ≤ α (this check itself errs once in 10⁴)."""
    return stats.binomtest(count, RUNS, ALPHA, alternative="greater").pvalue > 1e-4


@pytest.mark.parametrize("delta", [0.05, 0.01])
@pytest.mark.parametrize("claim", [AtMost(fails), AtLeast(fails)], ids=["at-most", "at-least"])
def test_a_true_claim_at_its_exact_rate_is_falsified_at_most_alpha(claim, delta):
    rng = np.random.default_rng(2)
    violates = rng.uniform(size=(RUNS, sample_size(delta).trials)) < delta
    sign = 1 if isinstance(claim, AtMost) else -1
    counts = rates(claim, delta, np.where(violates, 1 + sign, 1 - sign * 0.5))
    assert at_most_alpha(counts.get("falsified", 0))
    # At exactly δ verification is an error as well: the bound claims a rate ≤ δ with confidence.
    assert at_most_alpha(counts.get("verified", 0))


@pytest.mark.parametrize("delta", [0.05, 0.01])
def test_a_claim_false_by_a_factor_is_verified_at_most_alpha(delta):
    """The true quantile is 1.1 times the bound, for a Gaussian: the rate is above δ."""
    rng = np.random.default_rng(3)
    rate = 2 * stats.norm.sf(stats.norm.isf(delta / 2) / 1.1)
    trials = sample_size(delta).trials
    violates = rng.uniform(size=(RUNS, trials)) < rate
    counts = rates(AtMost(fails), delta, np.where(violates, 2.0, 0.5))
    assert at_most_alpha(counts.get("verified", 0))


def test_the_planned_sample_verifies_a_true_claim_999_times_in_1000():
    rng = np.random.default_rng(4)
    plan = sample_size(0.05, rate=0.01)
    violates = rng.uniform(size=(RUNS, plan.trials)) < 0.01
    counts = rates(AtMost(fails), 0.05, np.where(violates, 2.0, 0.5))
    assert at_most_alpha(RUNS - counts["verified"])


@pytest.mark.slow
def test_a_true_law_is_falsified_at_most_alpha():
    rng = np.random.default_rng(5)
    claim = Law(lambda values, settings: stats.norm.cdf(values))
    counts = rates(claim, 0.05, rng.standard_normal((RUNS, 135)))
    assert at_most_alpha(counts.get("falsified", 0))
    assert counts["verified"] >= RUNS - 12


def test_a_true_scaling_is_falsified_at_most_alpha():
    rng = np.random.default_rng(6)
    settings = Toy()
    claim = Scaling(0.5, power=2.0)
    falsified = 0
    for _ in range(RUNS):
        measured = np.sqrt(rng.chisquare(settings.sizes, size=(100, len(settings.sizes))))
        falsified += claim.judge(measured, measured, settings).status == "falsified"
    assert at_most_alpha(falsified)


@pytest.mark.slow
def test_a_false_law_at_the_stated_deviation_is_verified_at_most_alpha():
    """A Gaussian as much wider than claimed as the verdict says would have shown."""
    rng = np.random.default_rng(9)
    claim = Law(
        lambda values, settings: stats.norm.cdf(values),
        families={"σ": lambda values, settings, t: stats.norm.cdf(values, scale=1 + t)},
    )
    seen = claim.seen(stats.norm.ppf((np.arange(135) + 0.5) / 135), Toy())
    assert seen["distance"] == 2 * dkw_radius(135)
    assert seen["σ"] is not None
    spread = 1 + seen["σ"]
    counts = rates(claim, 0.05, spread * rng.standard_normal((RUNS, 135)))
    assert at_most_alpha(counts.get("verified", 0))


def test_a_false_scaling_is_consistent_at_most_alpha():
    """The exponent is off by the tolerance: the interval has to lie within it."""
    rng = np.random.default_rng(10)
    settings, claim, consistent = Toy(), Scaling(0.45, 0.05, power=2.0), 0
    for _ in range(RUNS):
        measured = np.sqrt(rng.chisquare(settings.sizes, size=(1000, len(settings.sizes))))
        consistent += claim.judge(measured, measured, settings).status == "consistent"
    assert at_most_alpha(consistent)


def test_a_violation_rate_that_would_have_shown_shows():
    """A deterministic claim that fails at the rate its verdict names, in as many trials."""
    rng = np.random.default_rng(11)
    claim = AtMost()
    rate = claim.seen(np.zeros(135), Toy())["violation rate"]
    assert rate is not None
    violates = rng.uniform(size=(RUNS, 135)) < rate
    assert at_most_alpha(rates(claim, 0, np.where(violates, 2.0, 0.5)).get("verified", 0))


@pytest.mark.parametrize("parts", [1, 3])
def test_the_level_is_alpha_and_not_its_square(parts):
    """The fewest violations that falsify, and the most that verify, from binomial tails at α."""
    trials, delta = 264, 0.05
    counts = np.arange(trials + 1)
    falsify = int(counts[stats.binom.sf(counts - 1, trials, delta) <= 0.001 / parts][0])
    verify_most = int(counts[stats.binom.cdf(counts, trials, delta) <= 0.001][-1])

    def status(violations):
        measured = np.where(np.arange(trials) < violations, 2.0, 0.5)
        claim, one = AtMost(fails), np.ones(trials)
        return claim.judge(measured, one, Toy(delta=delta), parts=parts).status

    assert [status(falsify), status(falsify - 1)] == ["falsified", "inconclusive"]
    assert [status(verify_most), status(verify_most + 1)] == ["verified", "inconclusive"]


def test_a_law_is_rejected_at_alpha_over_the_parts():
    """Samples whose p-value lies between α/3 and α."""
    law = Law(lambda values, settings: stats.uniform.cdf(values))
    even = (np.arange(200) + 0.5) / 200
    shifts = np.linspace(0.05, 0.2, 301)
    p_values = [stats.kstest(np.clip(even + s, 0, 1), stats.uniform.cdf).pvalue for s in shifts]
    between = shifts[np.argmax(np.array(p_values) < 0.0006)]
    measured = np.clip(even + between, 0, 1)
    assert law.judge(measured, measured, Toy()).status == "falsified"
    assert law.judge(measured, measured, Toy(), parts=3).status != "falsified"


def test_few_trials_are_inconclusive():
    # The quantiles themselves: no other sample is nearer to the law.
    even = stats.norm.ppf((np.arange(50) + 0.5) / 50)
    law = Law(lambda values, settings: stats.norm.cdf(values))
    assert law.judge(even, None, Toy()).status == "inconclusive"
    assert law.attained(Toy(), 50) == "inconclusive"
    row = np.full(50, 0.5)
    assert AtMost(fails).judge(row, np.ones(50), Toy()).status == "inconclusive"
    assert AtMost(fails).attained(Toy(), 50) == "inconclusive"
    assert AtMost(fails).attained(Toy(), 135) == AtMost().attained(Toy(), 1) == "verified"


@pytest.mark.parametrize("claim", [AtMost(), AtLeast(), Identity()])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_not_a_number_never_passes(claim, wrong):
    good = np.zeros(2) if isinstance(claim, Identity) else np.ones(2)
    assert claim.judge(good, np.ones(2), Toy()).status == "verified"
    assert claim.judge(np.array([good[0], wrong]), np.ones(2), Toy()).status == "falsified"
    assert claim.judge(good, np.array([1.0, wrong]), Toy()).status == "falsified"


def test_a_law_of_what_is_not_a_number_is_falsified():
    even = stats.norm.ppf((np.arange(300) + 0.5) / 300)
    law = Law(lambda values, settings: stats.norm.cdf(values))
    assert law.judge(even, even, Toy()).status == "verified"
    assert law.judge(np.append(even[1:], np.nan), even, Toy()).status == "falsified"


def test_one_bad_trial_of_300_is_not_applicable():
    def mostly(settings, key, margin=0.0):
        trial = gaussian(settings, key)
        first = trial_keys(theorem, settings, 0, "theorem")[0]
        bad = (jax.random.key_data(key) == jax.random.key_data(first)).all()
        return trial._replace(assumptions={"met": jnp.where(bad, margin, 1.0)})

    theorem = make("mostly", AtMost(fails), mostly, wide, factor=2.0)
    settings = theorem.presets["smoke"]
    assert verify(theorem, settings).status == "verified"
    bad = replace(theorem, trial=lambda settings, key: mostly(settings, key, -1e-9))
    assert verify(bad, settings).status == "not applicable"


def test_an_assumption_that_is_not_a_number_is_not_met():
    def judged(settings, key):
        return gaussian(settings, key)._replace(assumptions={"met": jnp.full((), jnp.nan)})

    theorem = make("nan", AtMost(fails), judged, wide, factor=2.0)
    verdict = verify(theorem, theorem.presets["smoke"])
    assert verdict.status == "not applicable"
    assert verdict.assumptions[0] == ("met", False, -1.0)


@pytest.mark.parametrize("met", [True, False])
def test_an_assumption_may_be_a_yes_or_a_no(met):
    def judged(settings, key):
        return gaussian(settings, key)._replace(assumptions={"met": jnp.asarray(met)})

    theorem = make("judged", AtMost(fails), judged, wide, factor=2.0)
    verdict = verify(theorem, theorem.presets["smoke"])
    assert verdict.status == ("verified" if met else "not applicable")


def reshaped(change):
    return lambda settings, key: change(gaussian(settings, key))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t._replace(measured=jnp.ones(5)), r"measured has shape \(5,\) and must have \("),
        (lambda t: t._replace(predicted=jnp.ones(5)), r"predicted has shape \(5,\)"),
        (lambda t: t._replace(measured={"other": t.measured}), "give one number for each part"),
        (lambda t: t._replace(assumptions={"a": jnp.ones(2)}), "the margin of 'a' has shape"),
    ],
)
def test_trials_that_cannot_be_judged_are_refused(change, message):
    theorem = make("shape", AtMost(fails), reshaped(change), wide)
    with pytest.raises(ValueError, match=message):
        verify(theorem, theorem.presets["smoke"])


def test_a_control_has_to_break_exactly_one_assumption():
    def both(settings, key):
        trial = wide(settings, key)
        return trial._replace(assumptions=trial.assumptions | {"δ < 1": jnp.asarray(-1.0)})

    def unsaid(settings, key):
        return wide(settings, key)._replace(assumptions=gaussian(settings, key).assumptions)

    for control, broken in ((wide, 1), (both, 2), (unsaid, 0)):
        theorem = make("control", AtMost(fails), gaussian, control, factor=2.0)
        verdict = verify(theorem, theorem.presets["smoke"])
        assert (verdict.detected, len(verdict.broken)) == (broken == 1, broken)


def test_statuses_that_are_expected():
    theorem = make("plan", {"a": AtMost(fails), "b": Identity()}, gaussian, wide)
    for trials, status in ((134, "inconclusive"), (135, "verified")):
        assert expected(theorem, Toy(trials=trials), "smoke", "float64") == status
    assert expected(theorem, Toy(trials=135), "smoke", "float32") == "not applicable"
    counted = replace(theorem, claim=AtMost(fails))
    assert expected(counted, Toy(trials=135), "smoke", "float32") == "verified"
    declared = replace(theorem, expects={"course": "falsified"})
    assert expected(declared, Toy(trials=135), "course", "float64") == "falsified"
    assert expected(declared, Toy(trials=135), "paper", "float64") == "verified"


def test_single_precision_decides_nothing_where_rounding_does():
    def single(settings, key):
        trial = gaussian(settings, key)._replace(given=jnp.asarray(True))
        return jax.tree.map(lambda x: x.astype(jnp.float32), trial)._replace(given=True)

    for claim, status in ((AtMost(), "not applicable"), (AtMost(fails), "verified")):
        theorem = make("single", claim, single, wide, factor=4.0)
        verdict = verify(theorem, theorem.presets["smoke"])
        assert (verdict.status, verdict.precision) == (status, "float32")


def test_rounding_is_forgiven_and_no_more():
    eps = np.finfo(float).eps
    predicted = np.full(10, 3.0)
    assert AtMost(ulps=8).judge(predicted * (1 + 4 * eps), predicted, Toy()).status == "verified"
    assert AtMost(ulps=8).judge(predicted * (1 + 32 * eps), predicted, Toy()).status == "falsified"


def test_skipped_trials_are_counted_and_do_not_count():
    def sometimes(settings, key):
        trial = gaussian(settings, key)
        return trial._replace(given=trial.measured < 1.5, measured=trial.measured)

    theorem = make("sometimes", AtMost(fails), sometimes, wide)
    verdict = verify(theorem, theorem.presets["smoke"])
    assert verdict.trials + verdict.skipped == 300
    assert 10 < verdict.skipped < 80
    assert verdict.violations == 0


def test_no_trial_given_is_not_applicable():
    def never(settings, key):
        return gaussian(settings, key)._replace(given=jnp.asarray(False))

    theorem = make("never", AtMost(fails), never, wide)
    assert verify(theorem, theorem.presets["smoke"]).status == "not applicable"


def test_a_control_without_power_is_not_detected():
    theorem = make("powerless", AtMost(fails), gaussian, gaussian, factor=2.0)
    assert not verify(theorem, theorem.presets["smoke"]).detected


def test_a_control_that_only_breaks_is_not_detected():
    def broken(settings, key):
        return gaussian(settings, key)._replace(measured=jnp.asarray(jnp.nan))

    theorem = make("broken", AtMost(fails), gaussian, broken, factor=2.0)
    assert not verify(theorem, theorem.presets["smoke"]).detected


@pytest.mark.parametrize("claim", [AtMost(fails), AtLeast(fails)])
def test_an_infinite_prediction_or_an_empty_claim_is_not_verified(claim):
    infinite = np.full(200, np.inf)
    assert claim.judge(infinite, infinite, Toy()).status == "falsified"
    ones = np.ones(200)
    assert claim.judge(ones, ones, Toy(delta=1.0)).status == "inconclusive"


def test_a_scaling_without_spread_or_with_zeros_is_not_consistent():
    flat = np.ones((50, 6))
    assert Scaling(0.5).judge(flat, flat, Toy()).status == "inconclusive"
    assert Scaling(0.5).judge(0 * flat, flat, Toy()).status == "falsified"
    # A zero among others is a value like any other where the power is positive.
    rng = np.random.default_rng(8)
    grown = np.sqrt(rng.chisquare(Toy().sizes, size=(5000, 6)))
    grown[0, 0] = 0.0
    assert Scaling(0.5, 0.05, power=2.0).judge(grown, grown, Toy()).status == "consistent"


def test_keys_differ_between_theorems_arms_and_seeds():
    one, two = BANK["exact bound"][0], BANK["loose bound"][0]
    settings = Toy(trials=5)
    keys = [
        trial_keys(theorem, settings, seed, arm)
        for theorem in (one, two)
        for seed in (0, 1)
        for arm in ("theorem", "control")
    ]
    # Of all trials, not of the first: no two have the same key.
    data = {tuple(row) for k in keys for row in np.asarray(jax.random.key_data(k)).tolist()}
    assert len(data) == settings.trials * len(keys)


def test_verdicts_are_pure_functions_of_the_trials():
    theorem = BANK["law"][0]
    settings = theorem.presets["smoke"]
    trials, control = (simulate(theorem, settings, 0, arm) for arm in ("theorem", "control"))
    assert judge(theorem, settings, trials, control) == judge(theorem, settings, trials, control)


def test_arms_that_differ_in_numbers_share_a_program():
    """The numbers are those of a control with a trial of its own."""
    theorem = forgotten_margin.theorem
    assert arms_by_program(theorem) == (("theorem", "control"),)
    settings = theorem.presets["smoke"]
    ready = compiled(theorem, settings)
    apart = replace(
        theorem,
        control=Control(
            "half the step",
            trial=lambda settings, key: forgotten_margin.trial(settings, key, 0.5),
        ),
    )
    assert arms_by_program(apart) == (("theorem",), ("control",))
    for arm in ("theorem", "control"):
        one = simulate(theorem, settings, 3, arm, ready)
        other = simulate(apart, settings, 3, arm)
        assert one.seconds.keys() == other.seconds.keys() == set(PHASES)
        for kind in ("measured", "predicted", "assumptions"):
            for name, values in getattr(one, kind).items():
                np.testing.assert_allclose(values, getattr(other, kind)[name], 1e-10, 1e-12)


def test_a_control_of_numbers_changes_nothing_else():
    with pytest.raises(ValueError, match="something else too"):
        Control("broken", settings={"trials": 3}, numbers={"fraction": 2.0})
    theorem = replace(BANK["law"][0], control=Control("broken", numbers={"fraction": 2.0}))
    with pytest.raises(ValueError, match="no trial takes"):
        verify(theorem, theorem.presets["smoke"])


@pytest.mark.parametrize("trials", [0, -3])
def test_settings_refuse_sizes_below_one(trials):
    with pytest.raises(ValueError, match=f"trials is {trials}"):
        Settings(trials=trials)


def test_a_trial_is_a_tuple_of_its_parts():
    trial = Trial(jnp.zeros(()), jnp.ones(()), {})
    assert trial.given is True
    assert replace(Toy(), trials=7).trials == 7


@pytest.mark.parametrize("alpha", [0.0, 1.0, -1.0, 2.0, float("nan")])
def test_a_level_lies_between_0_and_1(alpha):
    theorem, _ = BANK["loose bound"]
    with pytest.raises(ValueError, match="alpha is .* and must be between 0 and 1"):
        verify(theorem, theorem.presets["smoke"], alpha=alpha)
