# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What does it mean to check a theorem?
#
# A theorem has a proof, so why check it? Because what is printed may differ from what was proved,
# a constant may be wrong, an assumption may fail for the networks that one really trains, and a
# true bound may be off by a factor of a million. Running networks finds all of these out, if one
# knows what a run can say and what it cannot.
#
# **When you are done** you can say what δ and α are and which of them is the theorem's; compute how
# many trials a verdict takes; tell *false* from *not applicable*; and build a control that shows
# that your check is able to fail.
#
# **You need** NumPy, what a random variable is, and from machine learning what a two-layer network
# and gradient descent are.
#
# | minutes | part |
# |---|---|
# | 8 | a claim about one random vector |
# | 12 | how many trials, and three verdicts |
# | 10 | a check that can fail |
# | 7 | laws, and many claims at once |
# | 10 | a theorem about trained networks |

# %% tags=["setup"]
try:
    from experiments import lessons
except ModuleNotFoundError:  # as on Colab: upload the wheel of the lessons' bundle first
    # %pip install --quiet relu_theory-*.whl
    from experiments import lessons
lessons.begin()

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

import theory
from experiments.lessons import checking as check
from experiments.lessons import compare

# %% tags=["parameters"] smoke="preset, repeats = 'smoke', 50"
preset = "course"
repeats = 400

# %% [markdown]
# ## 1 · A claim about one random vector
#
# > **Claim.** Let $x \sim N(0, I_\ell)$. Then $\|x\|^2 \ge \ell/2$ with probability at least
# > $1 - \delta$, where $\delta = e^{-\ell/16}$.
#
# It sits inside the theorem at the end of this lesson. The claim itself takes a risk: it may be
# false for an unlucky $x$, with probability at most δ. Take $\ell = 48$, so that δ is about .05.
#
# **Predict**: of 1000 random vectors, how many have $\|x\|^2 < \ell/2$?

# %% tags=["prediction"]
guess = ...  # a number from 0 to 1000

# %%
ell = 48
delta = np.exp(-ell / 16)


def squared_lengths(trials, seed=0, variance=1.0):
    """‖x‖² of so many independent random vectors."""
    x = np.sqrt(variance) * np.random.default_rng(seed).standard_normal((trials, ell))
    return (x**2).sum(axis=1)


failures = int((squared_lengths(1000) < ell / 2).sum())
compare(guess, failures)
print(f"The claim allows {1000 * delta:.0f}.")

# %% [markdown]
# The claim allows fifty and a few are seen. A bound need not be sharp to be true; how far it is
# from what happens is its *tightness*, a question of its own.

# %%
figure, axes = plt.subplots(figsize=(6.5, 3))
axes.hist(squared_lengths(20_000), bins=80, density=True, color="#56B4E9", label="20 000 vectors")
grid = np.linspace(10, 125, 300)
axes.plot(grid, stats.chi2.pdf(grid, ell), color="black", label=r"density of $\chi^2_{48}$")
axes.axvline(ell / 2, color="#D55E00", label=r"$\ell/2$: claimed for all but a share δ")
axes.set(xlabel=r"$\|x\|^2$", ylabel="density", xlim=(10, 125))
axes.legend(frameon=False);

# %% [markdown]
# ## 2 · How many trials?
#
# We cannot see the true failure rate $p$; we see failures in $n$ independent trials. If $p$ were δ
# or more, all $n$ trials would go well with probability at most $(1-\delta)^n$. When this is
# tiny and all trials did go well, we may say: $p < \delta$. The risk that *we* take in saying so is
# called α. The suite uses $\alpha = .001$.
#
# So there are two risks: **δ belongs to the theorem, α to the one who checks it.**
#
# ### Exercise 1
# How many trials without a failure does it take at least, for $\delta = .05$ and $\alpha = .001$?

# %% tags=["exercise"]
trials = ...

# %% tags=["solution"]
trials = int(np.ceil(np.log(0.001) / np.log(1 - 0.05)))

# %% tags=["check"]
check.trials_needed(trials)

# %% [markdown]
# With some failures the same thought gives a *confidence interval* for $p$. Each of its ends is
# wrong with probability at most α (Clopper and Pearson, 1934), and α is .001 unless one says
# otherwise:

# %%
from theory.statistics import violation_bounds

for violations in (0, 4, 9, 30):
    lower, upper = violation_bounds(violations, 135)
    print(f"{violations:2d} failures in 135: p is between {lower:.3f} and {upper:.3f}")

# %% [markdown]
# ### Exercise 2
# Write the judge. It gets the number of violations, the number of trials and δ, and returns
# `"verified"`, `"falsified"` or `"inconclusive"`: what may be said of $p$ at level α? Use
# `violation_bounds`.

# %% tags=["exercise"]
def judge(violations, trials, delta):
    ...


# %% tags=["solution"]
def judge(violations, trials, delta):
    lower, upper = violation_bounds(violations, trials)
    if upper <= delta:
        return "verified"
    return "falsified" if lower > delta else "inconclusive"


# %% tags=["check"]
check.judge(judge)

# %% [markdown]
# **Predict**: somebody prints the claim with $.9\,\ell$ in place of $\ell/2$, and the same δ. What
# do 135 trials say: verified, falsified or inconclusive?

# %% tags=["prediction"]
guess = ...

# %%
violations = int((squared_lengths(135) < 0.9 * ell).sum())
lower, upper = violation_bounds(violations, 135)
print(f"{violations} of 135 fail; p is at least {lower:.2f}, and δ is {delta:.3f}.")
compare(guess, check.status(violations, 135, delta))

# %% [markdown]
# **Why the number of trials is fixed before the run.** Suppose that we look after every trial and
# stop as soon as the claim is "verified". Each look is a chance to be wrong. Below, the true rate
# is δ + .01, .06 for δ = .05: "verified" is an error. For the effect to be seen in class, α is .05
# here.

# %%
looks, alpha, true_rate = 1000, 0.05, 0.06
rng = np.random.default_rng(0)
failed = np.cumsum(rng.random((repeats, looks)) < true_rate, axis=1)
n = np.arange(1, looks + 1)
upper = stats.beta.ppf(1 - alpha, failed + 1, n - failed)
print(f"wrong when one looks once, after {looks}: {(upper[:, -1] <= 0.05).mean():.3f} of repeats")
print(f"wrong when one stops at the best moment:  {(upper <= 0.05).any(axis=1).mean():.3f}")

# %% [markdown]
# ## 3 · A check that can fail
#
# Here is a check of the claim with a mistake in it, of a kind that happens.

# %%
def careless(trials, variance=1.0):
    measured = squared_lengths(trials, variance=variance)
    predicted = np.minimum(ell / 2, measured)  # "the bound, at most what it bounds"
    return int((measured < predicted).sum())


print(f"{careless(135)} failures in 135 trials")

# %% [markdown]
# All is well, and always will be: nothing can make it fail. We would not notice by looking at its
# verdicts, which are those of a good check. So each theorem here gets a **negative control**: the
# same trials with exactly one assumption broken, so that the claim *is* false. The check has to
# find that. If it does not, its "verified" is worth nothing.
#
# ### Exercise 3
# The claim assumes that each $x_i$ has variance 1. Choose another variance, so that 135 trials find
# the claim to be false with probability at least .999.

# %% tags=["exercise"]
variance = ...

# %% tags=["solution"]
variance = 0.4

# %% tags=["check"]
check.control_variance(variance)

# %%
if variance is not ...:
    honest = int((squared_lengths(135, variance=variance) < ell / 2).sum())
    print(f"the control under an honest check:   {honest} failures in 135")
    print(f"the control under the careless check: {careless(135, variance)} failures in 135")

# %% [markdown]
# ## 4 · Laws, and many claims at once
#
# A stronger claim about the same vectors: $\|x\|^2$ *follows* $\chi^2_\ell$. No single trial can
# break it. One compares the distribution of all trials with the law, and gets a **p-value**: how
# often the true law would look at least as bad as what was seen. Where the law is true, p-values
# are uniform; a claim is falsified where $p \le \alpha$.
#
# **Predict**: in how many of 400 repetitions with the *true* law is $p \le .05$?

# %% tags=["prediction"]
guess = ...

# %%
p_values = np.array([
    stats.kstest(squared_lengths(200, seed), stats.chi2(ell).cdf).pvalue for seed in range(repeats)
])
compare(guess, float((p_values <= 0.05).sum()))

# %%
figure, axes = plt.subplots(figsize=(6.5, 2.8))
axes.hist(p_values, bins=20, range=(0, 1), color="#56B4E9", label="true law")
axes.axhline(repeats / 20, color="black", label="uniform")
axes.set(xlabel="p-value", ylabel="repetitions", ylim=(0, repeats / 11))
axes.legend(frameon=False, ncols=2);

# %% [markdown]
# One in twenty is below .05, by definition. The suite checks 66 theorems.
#
# ### Exercise 4
# At which level must each of 66 true theorems be checked so that with probability at least .95
# there is no false alarm at all?

# %% tags=["exercise"]
level = ...

# %% tags=["solution"]
level = 0.05 / 66

# %% tags=["check"]
check.level_for_many(level)

# %% [markdown]
# That no alarm was raised does not prove a law. It says: a law further off than so-and-so would
# have been noticed. Each card of the suite names that distance ("would have shown").
#
# ## 5 · A theorem about trained networks
#
# Now the real thing, Theorem 4.1 of [Melamed, Yehudai and Vardi
# (2023)](https://arxiv.org/abs/2303.00783). Data lie in a subspace $P$ of dimension $d - \ell$; a
# two-layer ReLU network $N(x) = \sum_i u_i\,\mathrm{ReLU}(\langle w_i, x\rangle)$ with $m$ neurons
# and random weights is trained on them. Then at a point $x_0$ of $P$ the part of the gradient
# $\nabla N(x_0)$ that is orthogonal to $P$, written $\Pi_{P^\perp}\nabla N(x_0)$, is large, though
# training saw nothing but $P$. ($k$ neurons are active at $x_0$; each coordinate of each $w_i$ is
# drawn with the variance $\sigma^2$, here $1/d$.)

# %%
from theory.subspace.theorems.large_gradient import theorem

print(theorem.statement)
settings = theorem.presets[preset]
print(settings)

# %% [markdown]
# One trial draws $P$, data, labels, $x_0$ and a network, trains it, and compares the gradient with
# the bound. **Predict** the verdict.

# %% tags=["prediction"]
guess = ...

# %%
verdict = theory.verify(theorem, settings)
compare(guess, verdict.status)
verdict

# %% [markdown]
# Read the card: how many trials, and why more than 135? (What does one violation in 135 say?) What
# was assumed, and by which margin did it hold? What did the control break? How tight is the bound?
#
# The theorem says "without decay". **Predict** the verdict when the networks are trained *with*
# weight decay: each step also multiplies the weights by a little less than 1. There is a fourth
# verdict, *not applicable*: an assumption is not met.

# %% tags=["prediction"]
guess = ...

# %%
from dataclasses import replace

decayed = theory.verify(theorem, replace(settings, weight_decay=0.01))
compare(guess, decayed.status)
for assumption in decayed.assumptions:
    print("holds " if assumption.holds else "missed", f"{assumption.margin:9.3g}", assumption.name)

# %% [markdown]
# *Not applicable* is not *falsified*. A theorem speaks of networks that meet its assumptions; of
# others it says nothing, and no trial of them can contradict it. Whether the inequality happens to
# hold there is another question, and it is what the control looks at.
#
# ## An experiment to change
#
# From how much weight decay on does the inequality itself fail? Change the last run: .01, .03, .1,
# .3. Read from `decayed.parts[0].judgement` how many trials violate it. Which assumption fails
# besides?
#
# ## An open question
#
# A *law* is "verified" when it was not rejected and no large deviation would have been missed. That
# is weaker than for a bound, where the failure rate itself is bounded. Which statement about laws
# of trained networks could be verified as strictly, and how many trials would it take?

# %% [markdown] tags=["instructor"]
# ## For the instructor
#
# **Timing.** The parts as in the table; exercise 2 takes those who have never seen a confidence
# interval ten minutes: show the four printed lines and ask for the line where δ = .05 lies. If time
# is short leave out "why the number is fixed before the run" (2 minutes) and the law (7).
#
# **Misconceptions.**
# - "δ is the chance that the verdict is wrong." It is what the theorem permits itself; ours is α.
# - "4 of 135 is 3 %, below 5 %, so it is verified." The rate that is seen is not the true rate.
# - "Not applicable means false." It means that the trials are about something else.
# - "p = .3 means that the law is true with probability .3." It is computed as if the law were true.
# - "More trials make a claim truer." They make the interval shorter; a false claim is then found.
#
# **Exam questions.**
# 1. No failure in 300 trials, δ = .03, α = .001: which verdict? *Verified: .97³⁰⁰ = .0001 ≤ .001.*
# 2. A theorem is verified, its control is not detected. What do you conclude? *Nothing about the
#    theorem: the check could not have failed.*
# 3. A bound is verified with measured/predicted = 10⁶ everywhere. Is it useful? *True and vacuous.*
# 4. Why may one not add trials until a claim is verified? *Each look is another chance to err; the
#    probability that some look errs is above α.*
#
# **Expected numbers**, with their spread over ten seeds:

# %% tags=["instructor"]
seeds = range(10)
rows = {
    "failures of ‖x‖² ≥ ℓ/2 in 1000": [(squared_lengths(1000, s) < ell / 2).sum() for s in seeds],
    "failures of ‖x‖² ≥ .9ℓ in 135": [(squared_lengths(135, s) < 0.9 * ell).sum() for s in seeds],
    "failures at variance .4 in 135": [
        (squared_lengths(135, s, 0.4) < ell / 2).sum() for s in seeds
    ],
}
for name, values in rows.items():
    print(f"{name}: median {np.median(values):.0f}, from {min(values)} to {max(values)}")
