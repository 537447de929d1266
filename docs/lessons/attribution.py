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
# # When copies of a network agree
#
# Which words made a classifier say "positive"? The gradient of its output with respect to the
# words is one answer, and trained once more from another start, the same network gives another
# gradient. [Melamed and Caruana (2023)](https://arxiv.org/abs/2311.13454) make a method of it:
# train several copies and trust that on which they agree. What does agreement prove?
#
# **When you are done** you can say how well copies agree by chance; split a gradient into a part
# that was learned and a part that was only drawn; compute a p-value by simulation; and explain why
# copies trained on meaningless labels agree as well.
#
# **You need** the lesson on checking (laws, p-values, controls), projections onto a subspace, and
# gradient descent on the logistic loss.
#
# | minutes | part |
# |---|---|
# | 8 | eight explanations |
# | 10 | agreement, and chance |
# | 12 | what descent cannot touch |
# | 9 | a p-value from what learned nothing |
# | 9 | labels without meaning |

# %% tags=["setup"]
try:
    from experiments import lessons
except ModuleNotFoundError:  # as on Colab: upload the wheel of the lessons' bundle first
    # %pip install --quiet relu_theory-*.whl
    from experiments import lessons
lessons.begin()

# %%
from dataclasses import replace

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

import theory
from experiments.lessons import attribution as check
from experiments.lessons import compare

# %% tags=["parameters"] smoke="preset, draws = 'smoke', 500"
preset = "course"
draws = 5000

# %% [markdown]
# ## 1 · Eight explanations
#
# A text is a row of $T = 12$ words. A fixed table turns each word into a vector of $d = 16$
# numbers, its *embedding*; side by side these make the input $x \in R^{192}$ of a two-layer ReLU
# network $N(x)$, whose sign is the answer. All 24 training texts have ten words; the last two
# places are empty, filled with zeros. Random vectors do for words here, and the labels ±1 depend on
# the texts by a simple rule. We train eight copies, which differ in nothing but their random start.

# %%
from theory.attribution import scene as scenes
from theory.attribution.settings import Settings

T, d, copies = 12, 16, 8
settings = Settings(tokens=T, d=d, samples=24, width=64, margin=2.0, steps=3000)
key = jax.random.key(0)
texts = scenes.draw_scene(settings, key).x.at[:, 10 * d :].set(0)
score = jnp.sum(texts[:, ::2], axis=1)
labels = jnp.where(score >= jnp.median(score), 1.0, -1.0)


def trained(labels, seed=1):
    """Copies before and after training on these labels."""
    starts = scenes.draw_copies(settings, jax.random.split(jax.random.key(seed), copies))
    span = theory.geometry.Subspace(theory.geometry.orthonormalise(texts.T))
    data = scenes.Scene(texts, labels, span)
    return starts, scenes.train_copies(settings, data, starts).network


starts, ends = trained(labels)
right = jax.vmap(lambda net: (jnp.sign(net(texts)) == labels).mean())(ends)
print("texts that each copy gets right:", np.round(right, 2))

# %% [markdown]
# All copies are right about all texts. Now a new text with all twelve places filled. The gradient
# of a copy's output with respect to word $t$ is a vector $g_t \in R^{16}$: in which direction
# should this word move for the output to grow?
#
# **Predict**: at word 0, what is the cosine of the angle between the gradients of two copies, on
# average? (1: the same direction; 0: at right angles.)

# %% tags=["prediction"]
guess = ...  # a number from −1 to 1

# %%
text = jax.random.normal(jax.random.key(2), (T, d)) / np.sqrt(d)


def word_gradients(nets, text):
    """∂N_m/∂(word t) of every copy m: an array (copies, T, d)."""
    gradients = jax.vmap(lambda net: jax.grad(lambda x: net(x))(text.ravel()))(nets)
    return np.asarray(gradients.reshape(copies, T, d))


g = word_gradients(ends, text)
unit = g / np.linalg.norm(g, axis=2, keepdims=True)
cosines = np.einsum("itd,jtd->tij", unit, unit)
pairs = np.triu_indices(copies, 1)
compare(guess, cosines[0][pairs].mean())

# %%
figure, panels = plt.subplots(1, 2, figsize=(6.4, 3.2))
for axes, t in zip(panels, (0, 11), strict=True):
    for arrow in unit[:, t]:
        axes.annotate("", arrow[:2], (0, 0), arrowprops={"arrowstyle": "->", "color": "#0072B2"})
    axes.set(xlim=(-0.8, 0.8), ylim=(-0.8, 0.8), xlabel="first coordinate of $g_t/\\|g_t\\|$",
             title=f"word {t}: mean cosine {cosines[t][pairs].mean():.2f}")
    axes.set_aspect("equal")
panels[0].set_ylabel("second coordinate");

# %% [markdown]
# Eight arrows for eight copies. At word 0 the copies say much the same, at word 11 each says
# something else. A reader of *one* copy cannot tell these cases apart, since there is an arrow in
# both. Word 11 is at a place that was empty in training. What do copies say of what they never saw?
#
# ## 2 · Agreement, and chance
#
# The *agreement* of a word is the mean of $|\cos|$ over all pairs of different copies. (Without
# the absolute value opposite directions would cancel: that question comes back in part 5.)
#
# ### Exercise 1
# Write it: from an array of shape (M, d), the gradients of M copies at one word, to a number.

# %% tags=["exercise"]
def agreement(gradients):
    ...


# %% tags=["solution"]
def agreement(gradients):
    directions = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    first, second = np.triu_indices(len(gradients), 1)
    return np.abs(directions @ directions.T)[first, second].mean()


# %% tags=["check"]
check.agreement(agreement)

# %% [markdown]
# If copies know nothing of each other, what is their agreement? Not 0: two random directions are
# seldom exactly at right angles. Let $v$ be a uniform direction of $R^d$ and $e$ a fixed one.
# Then $\cos = \langle v, e\rangle$ is one of $d$ coordinates of $v$ that all have the same law, and
# whose squares add up to 1. So the mean of $\cos^2$ is $1/d$, and for large $d$ the law of
# $\sqrt d\,\cos$ is nearly that of a standard Gaussian.
#
# ### Exercise 2
# Some plots draw the line of chance at $1/\sqrt d$, for $d = 16$ at .25. Where is the mean of
# $|\cos|$ really, for $d = 16$? (Use the Gaussian.)

# %% tags=["exercise"]
chance_level = ...

# %% tags=["solution"]
chance_level = np.sqrt(2 / np.pi) / np.sqrt(16)

# %% tags=["check"]
check.chance_level(chance_level)

# %% [markdown]
# The full law is known, too: $\cos^2$ has the law $\mathrm{Beta}(\frac12, \frac{d-1}{2})$. So
# agreement of a pair can be compared with chance exactly. But is chance really what one sees at a
# place that was empty in training?
#
# ## 3 · What descent cannot touch
#
# The smallest case is linear: $N(x) = \langle w, x\rangle$, so that the gradient is $w$ itself.
# Descent on the logistic loss $\frac1n\sum_j \ln(1 + e^{-y_j\langle w, x_j\rangle})$ makes steps
#
# $$w \leftarrow w + \eta\,\frac1n\sum_j \frac{y_j}{1 + e^{y_j\langle w, x_j\rangle}}\,x_j.$$
#
# Read it again: **every step adds a combination of the training points.** Let $P$ be the subspace
# that they span. The part of $w$ orthogonal to $P$ is never touched, however long one trains: it
# stays what was drawn at the start, and every copy has drawn its own.

# %%
rng = np.random.default_rng(0)
dim, n = 40, 10
points = rng.standard_normal((n, dim)) / np.sqrt(dim)
signs = np.where(rng.random(n) < 0.5, -1.0, 1.0)
basis, _ = np.linalg.qr(points.T)  # (dim, n), orthonormal columns that span P


def descend(w, labels, steps=400, rate=20.0):
    """Descent of copies, rows of w, on the logistic loss."""
    for _ in range(steps):
        pull = labels / (1 + np.exp(labels * (w @ points.T)))  # (copies, n)
        w = w + rate * pull @ points / n
    return w


def cosine(a, b):
    return (a * b).sum(axis=-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


def parts(w):
    """What of w is in P, and what is orthogonal to it."""
    return w @ basis @ basis.T, w - w @ basis @ basis.T


start = rng.standard_normal((2000, dim))
linear = descend(start, signs)
on, off = parts(linear)
print(f"copies 0 and 1 on P:  cosine {cosine(on[0], on[1]):.5f}")
print(f"copies 0 and 1 off P: cosine {cosine(off[0], off[1]):.5f}")
print(f"moved off P, at most: {np.abs(off - parts(start)[1]).max():.0e}")

# %%
figure, axes = plt.subplots(figsize=(6, 3))
at = np.linspace(-1, 1, 60)
axes.hist(cosine(on[::2], on[1::2]), at, density=True, color="#E69F00",
          label="on $P$: learned (the bar is cut)")
axes.hist(cosine(off[::2], off[1::2]), at, density=True, color="#56B4E9", label="off $P$: drawn")
half = (dim - n - 1) / 2
fine = np.linspace(-1, 1, 400)
axes.plot(fine, stats.beta.pdf((1 + fine) / 2, half, half) / 2, color="black",
          label="chance in $\\ell = 30$ dimensions")
axes.set(xlabel="cosine of two copies", ylabel="density", ylim=(0, 4))
axes.legend(frameon=False, loc="upper left");

# %% [markdown]
# (Where $\cos^2$ has the law above, $(1 + \cos)/2$ has the law
# $\mathrm{Beta}(\frac{d-1}{2}, \frac{d-1}{2})$: the line drawn, with $\ell = 30$ in place of $d$.)
#
# With hidden neurons the argument is the same, since each neuron's weights, too, move by
# combinations of training points only. This is theorem X1 of the suite: *off the span of the texts
# the cosine of two copies' gradients at a training text has*
# $\cos^2 \sim \mathrm{Beta}(\frac12, \frac{\ell - 1}{2})$, with ℓ the number of dimensions that the
# texts leave out. A second part compares one copy with a fixed direction $v$. A third is the
# argument itself: these networks are trained with a little weight decay λ, which shrinks the part
# off $P$ and does not turn it. **Predict** the verdict. (With the preset `smoke` there are few
# trials.)

# %% tags=["prediction"]
guess = ...

# %%
from theory.attribution.theorems import off_span_cosine

trials = off_span_cosine.theorem.presets[preset]
verdict = theory.verify(off_span_cosine.theorem, trials)
compare(guess, verdict.status)
print(f"{verdict.trials} pairs of networks, ℓ = {trials.ell}")
for part in verdict.parts:
    print(f"{part.judgement.status}: {part.claim.says}")

# %% [markdown]
# A mistake that happens: an ensemble is loaded from files, and one file is loaded twice. We do the
# same: both copies get the same start. **Predict** the verdict.

# %% tags=["prediction"]
guess = ...


# %%
def twice(settings, key, same_start=True):
    """A trial whose two copies are one."""
    return off_span_cosine.trial(settings, key, same_start)


doubled = theory.verify(replace(off_span_cosine.theorem, trial=twice), trials)
compare(guess, doubled.status)
for assumption in doubled.assumptions:
    print("holds " if assumption.holds else "missed", f"{assumption.margin:9.3g}", assumption.name)
print("and the law itself is", doubled.parts[0].judgement.status)

# %% [markdown]
# The theorem says "independent copies", and measures it: *not applicable*. The law itself is
# clearly false of such pairs, whose cosine is 1 everywhere. Had nobody measured the assumption,
# this would look like a discovery: "even directions that were never trained agree!"
#
# ## 4 · A p-value from what learned nothing
#
# Back to the text of part 1. With $M = 8$ copies a word has 28 pairs, which are not independent: if
# copies 1 and 2 agree, and 1 and 3, then so do 2 and 3 more or less. There is no simple law, but
# one can *simulate* chance: draw eight random directions, compute their agreement, and do so $B$
# times. How often is chance at least as large as what was seen?
#
# ### Exercise 3
# Write the p-value of a score, given an array of $B$ scores by chance. A p-value has to be *valid*:
# by chance it is at most $q$ with probability at most $q$, for every $q$. Under chance the score
# that was seen is one more draw of the same kind: which ranks among all $B + 1$ can it have?

# %% tags=["exercise"]
def p_value(score, chance):
    ...


# %% tags=["solution"]
def p_value(score, chance):
    return (1 + np.sum(chance >= score)) / (1 + len(chance))


# %% tags=["check"]
check.p_value(p_value)

# %%
from theory.attribution.agreement import chance_scores, p_values, pair_cosines

uniform = np.asarray(chance_scores(jax.random.key(3), copies, d, draws))
seen = np.abs(np.asarray(pair_cosines(jnp.asarray(g)))).mean(axis=0)
p = np.asarray(p_values(jnp.asarray(seen), jnp.asarray(uniform)))

# %% [markdown]
# **Predict**: the mean agreement at words 10 and 11, whose places were empty in training?

# %% tags=["prediction"]
guess = ...

# %%
compare(guess, seen[10:].mean())
for t in range(T):
    print(f"word {t:2d}: agreement {seen[t]:.2f}, p = {p[t]:.4f}")

# %% [markdown]
# Is "uniform directions" the right chance? It is a claim about *untrained* networks, and can be
# looked at: draw many sets of eight untrained copies and compute their agreement at this text.

# %%
@jax.jit
def untrained_scores(key):
    """Agreement of eight untrained copies at every word of the text."""
    nets = scenes.draw_copies(settings, jax.random.split(key, copies))
    gradients = jax.vmap(lambda net: jax.grad(lambda x: net(x))(text.ravel()))(nets)
    return jnp.abs(pair_cosines(gradients.reshape(copies, T, d))).mean(axis=0)


sets = jax.random.split(jax.random.key(4), draws // 10)
null = np.asarray(jax.lax.map(untrained_scores, sets))
print(f"mean agreement, untrained copies:   {null.mean():.3f}")
print(f"mean agreement, uniform directions: {uniform.mean():.3f}")

# %%
figure, axes = plt.subplots(figsize=(6.4, 3))
axes.bar(range(T), seen, color=["#0072B2"] * 10 + ["#D55E00"] * 2)
low, high = np.quantile(null, [0.005, 0.995])
axes.axhspan(low, high, color="#009E73", alpha=0.4, label="99 % of untrained copies")
axes.axhline(uniform.mean(), color="black", label="uniform directions, mean")
axes.set(xlabel="word $t$ (10 and 11: empty in training)", ylabel="agreement", ylim=(0, 1.3))
axes.legend(frameon=False, loc="upper right");

# %% [markdown]
# For this network the two nulls are the same. They need not be: where initial gradients have
# preferred directions, copies agree before they have learned anything, and only untrained copies
# give an honest p-value. And where weights off the texts do move (by Adam, say) neither does.
#
# ## 5 · Labels without meaning
#
# So agreement, with a p-value, certifies that copies *learned* something at a word. Is what they
# learned worth anything? We shuffle the labels once, so that they have nothing to do with the texts
# any more, and train eight copies on these. **Predict** the mean agreement at words 0 to 9.

# %% tags=["prediction"]
guess = ...

# %%
shuffled = jax.random.permutation(jax.random.key(5), labels)
_, nonsense = trained(shuffled)


def on_average(nets):
    """The mean agreement at the places that were full in training."""
    gradients = jnp.asarray(word_gradients(nets, text))
    return float(jnp.abs(pair_cosines(gradients))[:, :10].mean())


compare(guess, on_average(nonsense))
print(f"with true labels it is {on_average(ends):.2f}, before training {on_average(starts):.2f}")

# %% [markdown]
# The step of part 3 says why. Text $x_j$ is added with a coefficient whose sign is $y_j$, **in
# every copy, whatever its start**. So all copies go in the same directions
# $y_1x_1, \dots, y_nx_n$, and differ only in how far. Where the labels came from plays no part. For
# the linear copies, with $c_j$ the coefficient of $x_j$ in what was added to $w$:

# %%
learned = linear - start
coefficients = np.linalg.lstsq(points.T, learned.T, rcond=None)[0].T  # (copies, n)
print(f"least y_j c_j over all copies and all j: {(signs * coefficients).min():.2f}")

# %% [markdown]
# For ReLU networks this is theorem X5: all $y_j c_j \ge 0$, and a bound on the angle between the
# copies' gradients on $P$. In its trials *all* labels are random.

# %%
from theory.attribution.theorems import shuffled_labels

verdict = theory.verify(shuffled_labels.theorem, shuffled_labels.theorem.presets[preset])
print(verdict.status, "with", verdict.trials, "pairs of copies; the control:", verdict.control,
      "(detected)" if verdict.detected else "(not detected)")

# %% [markdown]
# ### Exercise 4
# What must copies have in common, then? Make a control: from the labels of the first copy (an array
# of ±1, as many of each) make labels for the second, so that copies trained on them do *not* agree
# on $P$. Change this alone: there should still be as many labels of each kind.

# %% tags=["exercise"]
def labels_of_second(y, rng):
    ...  # rng is a NumPy generator


# %% tags=["solution"]
def labels_of_second(y, rng):
    return rng.permutation(y)


# %% tags=["check"]
check.labels_of_second(labels_of_second)

# %%
if check.labels_of_second.judge(labels_of_second).status == "right":
    found = []
    for _ in range(20):
        balanced = rng.permutation(np.repeat([-1.0, 1.0], n // 2))
        one, other = rng.standard_normal((2, 1, dim))
        one = descend(one, balanced)
        other = descend(other, np.asarray(labels_of_second(balanced, rng)))
        found.append(np.abs(cosine(parts(one)[0], parts(other)[0]))[0])
    print(f"|cos| on P, mean of 20 pairs: {np.mean(found):.2f}; with the same labels it was "
          f"{np.abs(cosine(on[::2], on[1::2])).mean():.2f}")

# %% [markdown]
# So **agreement certifies learned directions, not signal**. A low p-value says: these copies did
# not come by this direction by chance. Whether it helps on new texts is a question for test data.
#
# ## An experiment to change
#
# In `descend`, replace the step by its sign, `rate * np.sign(pull @ points)`, with a rate of .01,
# as Adam does roughly. What happens to the cosine off $P$? Which sentence of part 3 is no longer
# true?
#
# ## An open question
#
# Most networks are trained by Adam, and then the part off the texts moves, too. What is the law of
# agreement under "no signal"? The suite has no null for that: untrained copies have learned nothing
# at all, and copies on shuffled labels agree nearly as much as those on true ones. And a simpler
# score of one copy, $|\langle g_t, x_t\rangle|$ with the embedding $x_t$ of the word, finds planted
# words as well or better in the suite's trials (`attribution.planted`). What is agreement best at?

# %% [markdown] tags=["instructor"]
# ## For the instructor
#
# **Timing.** The parts as in the table; exercise 1 takes 5 minutes, 2 and 3 take 4, 4 takes 3. If
# time is short leave out the null of untrained copies (3 minutes). Do not leave out part 5: without
# it the lesson says the opposite of what is true.
#
# **Misconceptions.**
# - "By chance the agreement is 0." The mean cosine is 0, the mean of its absolute value is not.
# - "28 pairs are 28 observations." They come of 8 directions; the law of their mean is simulated.
# - "p = 0, none of 5000 was larger." The least valid p-value is 1/5001.
# - "They agree, so the word matters." They agree on shuffled labels, too.
# - "Opposite labels are a control." Then the copies learn opposite directions, and |cos| is 1.
#
# **Exam questions.**
# 1. d = 64, cosine .25 of two copies: how surprising? *√d·cos is 2: p about .05.*
# 2. How many sets of chance does one need so that one of 32 words can be significant at .05 after
#    Bonferroni's correction? *1/(1 + B) ≤ .05/32: B ≥ 639.*
# 3. Weight decay multiplies all weights by .999 in each step. Is X1 still true? *Yes: it shrinks
#    the part off P, and changes no direction.*
# 4. Two copies agree with p = .0001. Name two explanations that are not "the word matters".
#    *Shuffled labels would do the same; one checkpoint was loaded twice.*
#
# **Expected numbers**, with their spread over five seeds:

# %% tags=["instructor"]
rows = {"words 0 to 9": [], "words 10 and 11": [], "words 0 to 9, shuffled labels": []}
for seed in range(10, 15):
    for labelled in (labels, shuffled):
        nets = trained(labelled, seed)[1]
        scores = jnp.abs(pair_cosines(jnp.asarray(word_gradients(nets, text)))).mean(axis=0)
        if labelled is labels:
            rows["words 0 to 9"].append(scores[:10].mean())
            rows["words 10 and 11"].append(scores[10:].mean())
        else:
            rows["words 0 to 9, shuffled labels"].append(scores[:10].mean())
for name, values in rows.items():
    print(f"{name}: median {np.median(values):.2f}, from {min(values):.2f} to {max(values):.2f}")
