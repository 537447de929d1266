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
# # Perpendicular to the data: compared with what?
#
# Images fill a thin, perhaps curved sheet in the space of all pixels, a *manifold* of few
# dimensions. The **dimpled manifold model** of [Shamir, Melamed and BenShmuel
# (2021)](https://arxiv.org/abs/2106.10151) says: a network lets its decision boundary cling to that
# sheet and bends it a little, into dimples, around the training images. Then the boundary is near
# to every image in the direction *across* the sheet, and far *along* it, which would explain
# adversarial examples. One can measure both distances. This lesson is about what such a measurement
# says, and it begins with a number that says nothing.
#
# **When you are done** you can compute what a random subspace would give in place of the manifold;
# put that law on trial; choose a control that has power; and tell evidence for a claim from what
# would have come out anyhow.
#
# **You need** orthogonal projections, Gaussian vectors, classifiers with logits, and the verdicts
# of the lesson “What does it mean to check a theorem?”.
#
# | minutes | part |
# |---|---|
# | 8 | a ratio of two |
# | 12 | the null, by hand |
# | 10 | the law on trial |
# | 12 | images beside their null |
# | 7 | where it bends |

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
import optax
from scipy import stats
from sklearn.datasets import load_digits

import theory
from experiments.lessons import compare
from experiments.lessons import dimples as check
from theory.attacks.restricted import restricted, share_off
from theory.dimples.settings import Subspace
from theory.geometry import principal

# %% tags=["parameters"] smoke="trials, images, seeds = 80, 60, range(1)"
trials = 300
images = 200
seeds = range(4)

# %% [markdown]
# ## 1 · A ratio of two
#
# Digits of $8 \times 8$ pixels, $d = 64$, and a network with one hidden layer of 100 neurons. For
# each test image we look for a near point of another class: go against the gradient of the image's
# own logit less the mean of all logits until the class changes, then find the boundary by
# bisection. Once freely (distance $\delta_{std}$), and once with each gradient projected onto the
# span of the first $k = 8$ principal components of the images, our stand-in for the manifold
# ($\delta_{on}$).

# %%
pixels, classes = load_digits(return_X_y=True)
pixels, classes = jnp.asarray(pixels / 16), jnp.asarray(classes)
seen, labels = pixels[:1400], classes[:1400]
optimizer = optax.adam(3e-3)


@jax.jit
def trained(key):
    """A network with 100 neurons after 400 steps on all training images."""

    def loss(net):
        logits = net.logits(seen)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def step(_, carry):
        net, state = carry
        change, state = optimizer.update(jax.grad(loss)(net), state)
        return optax.apply_updates(net, change), state

    start = theory.mlp(key, (64, 100, 10))
    return jax.lax.fori_loop(0, 400, step, (start, optimizer.init(start)))[0]


net = trained(jax.random.key(0))
x, y = pixels[-images:], classes[-images:]
right = net.logits(x).argmax(axis=1) == y
x, y = x[right], y[right]
print(f"{right.mean():.0%} of {images} test images are right; we go on with these.")

# %%
def distance(net, x, y, basis, side):
    """To the boundary: on the span of the basis, off it, or anywhere ("std")."""
    return restricted(net.logits, x, y, basis, side).distance


components = principal(seen, 8)
std = distance(net, x, y, components, "std")
on = distance(net, x, y, components, "on")
print(f"median δ_std {jnp.median(std):.2f}, median δ_on {jnp.median(on):.2f}")
print(f"median of the ratio δ_on/δ_std: {jnp.median(on / std):.2f}")

# %% [markdown]
# On the manifold one has to go nearly twice as far. So is the boundary nearest *across* the
# manifold, as the model says? **Predict** the median ratio when the principal components are
# replaced by *random* directions: for each image another random subspace of dimension 8.

# %% tags=["prediction"]
guess = ...

# %%
def random_bases(n, k, d=64, seed=0):
    """n random subspaces of dimension k, as orthonormal columns (n, d, k)."""
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((n, d, k)))[0]


on_random = distance(net, x, y, random_bases(len(x), 8), "on")
compare(guess, float(jnp.median(on_random / std)))

# %%
ways = {
    "nearest, anywhere": (components, "std"),
    "on components": (components, "on"),
    "on random": (random_bases(1, 8), "on"),
}
ends = {"image": x[:1]}
for name, way in ways.items():
    ends[name] = restricted(net.logits, x[:1], y[:1], *way).inputs
figure, row = plt.subplots(1, 4, figsize=(8, 2.3))
for axes, (name, picture) in zip(row, ends.items(), strict=True):
    axes.imshow(picture.reshape(8, 8), cmap="gray", vmin=-0.5, vmax=1.5)
    axes.set(title=f"{name}\nδ = {jnp.linalg.norm(picture - x[0]):.2f}", xticks=[], yticks=[])

# %% [markdown]
# A random subspace is *worse*: there one has to go farther still. It has nothing to do with images.
# So the ratio of nearly two is no evidence that the manifold is avoided; it looks like evidence of
# the opposite. A claim about a measurement has to say what would have come out if it were false:
# its **null**. What is it here?
#
# ## 2 · The null, by hand
#
# Take a linear model of two classes, $f(x) = \langle g, x\rangle + c$ with $f > 0$ at the point
# $x$. The boundary is where $f = 0$. Let $\Pi$ be the orthogonal projection onto a subspace of
# dimension $k$.
#
# ### Exercise 1
# How far is the boundary from $x$: anywhere, along the subspace, and orthogonal to it? Write a
# function of the value $f = f(x) > 0$, of `g` $(d)$ and of `basis` $(d, k)$, whose columns are
# orthonormal. It gives $\delta_{std}$, $\delta_{on}$, $\delta_{off}$.

# %% tags=["exercise"]
def distances(f, g, basis):
    ...


# %% tags=["solution"]
def distances(f, g, basis):
    on = basis @ (basis.T @ g)
    return [f / np.linalg.norm(part) for part in (g, on, g - on)]


# %% tags=["check"]
check.distances(distances)

# %% [markdown]
# So $(\delta_{std}/\delta_{on})^2 = \|\Pi g\|^2/\|g\|^2$: the share of the squared gradient that
# lies in the subspace. Now let the subspace be random. Turn everything so that it is spanned by the
# first $k$ axes; then $g/\|g\|$ is a random unit vector. The squares of its $d$ coordinates add up
# to 1, and none is preferred: each is $1/d$ on average.
#
# **Predict** the mean share, for $d = 100$ and $k = 10$.

# %% tags=["prediction"]
guess = ...

# %%
d, k = 100, 10
rng = np.random.default_rng(0)
g = rng.standard_normal(d)  # any fixed vector will do
bases = random_bases(5000, k, d)
shares = (np.einsum("ndk,d->nk", bases, g) ** 2).sum(axis=1) / (g @ g)
compare(guess, shares.mean())

# %% [markdown]
# Even the whole distribution is known. A random unit vector is a Gaussian one divided by its norm,
# so the share is $\sum_{i\le k} z_i^2 / \sum_{i\le d} z_i^2$ with independent $z_i \sim
# \mathcal{N}(0, 1)$. This law is called $\mathrm{Beta}(k/2, (d-k)/2)$.

# %%
figure, axes = plt.subplots(figsize=(6.5, 3))
ratios = 1 / np.sqrt(shares)
axes.hist(ratios, bins=80, density=True, color="#56B4E9", label="5000 random subspaces")
grid = np.linspace(ratios.min(), ratios.max(), 300)
density = stats.beta.pdf(grid**-2, k / 2, (d - k) / 2) * 2 * grid**-3
axes.plot(grid, density, color="black", label=r"from Beta$(k/2, (d-k)/2)$")
axes.axvline((d / k) ** 0.5, color="#D55E00", ls=":", label=r"$\sqrt{d/k}$")
axes.set(xlabel=r"$\delta_{on}/\delta_{std}$", ylabel="density")
axes.legend(frameon=False);

# %% [markdown]
# ### Exercise 2
# Somebody reports for pictures of $28 \times 28$ pixels and a manifold of dimension 16 how many
# times farther one has to go on the manifold. About which ratio would a random subspace give?

# %% tags=["exercise"]
ratio = ...

# %% tags=["solution"]
ratio = (784 / 16) ** 0.5

# %% tags=["check"]
check.null_ratio(ratio)

# %% [markdown]
# ## 3 · The law on trial
#
# In the suite the same law is a theorem, `dimples.random-subspace`. Its trials do not use the
# formula of exercise 1: they attack a linear model by gradient steps and bisection, as one attacks
# a network, so that the attack is on trial, too. **Predict** the verdict.

# %% tags=["prediction"]
guess = ...

# %%
from theory.dimples.theorems import random_subspace

theorem, settings = random_subspace.theorem, Subspace(d=100, k=10, trials=trials)
print(theorem.statement)
verdict = theory.verify(theorem, settings)
compare(guess, verdict.status)
for part in verdict.parts:
    print(f"{part.name:11s} {part.judgement.status}: {part.claim.says}")
print(f"control, {verdict.control}: {'detected' if verdict.detected else 'not detected'}")

# %% [markdown]
# Look at the last line. The law assumes that the subspace *does not know the gradient*. The control
# plants one vector in it at cosine .1 with the gradient, and in these small trials that goes
# unnoticed. (The suite's own trials have $d = 400$ and notice it.) A control without power tells
# nothing about the check.
#
# ### Exercise 3
# Why is a cosine of .1 nothing special in $\mathbb{R}^{100}$? Choose a cosine that 200 trials
# notice with probability .99 or more, for $d = 100$ and $k = 10$.

# %% tags=["exercise"]
cosine = ...

# %% tags=["solution"]
cosine = 0.35

# %% tags=["check"]
check.control_cosine(cosine)

# %% [markdown]
# Now put the law on trial for subspaces that do know the gradient, with your cosine (or .3).
# **Predict** the verdict: verified, falsified, not applicable?

# %% tags=["prediction"]
guess = ...

# %%
planted = cosine if isinstance(cosine, float) and 0 < cosine < 1 else 0.3


def leaning(settings, key, cosine=planted):
    return random_subspace.trial(settings, key, cosine)


known = theory.verify(replace(theorem, trial=leaning), replace(settings, trials=200))
compare(guess, known.status)
for assumption in known.assumptions:
    print("holds " if assumption.holds else "missed", f"{assumption.margin:9.3g}", assumption.name)
print("and the law by itself:", known.parts[0].judgement.status)

# %% [markdown]
# The law is wrong for such subspaces, and it never spoke of them. **This is what a null is for.**
# The principal components of the images on which a network was trained may well know its gradients.
# If the distances on them do not follow the law, then they do; and the side on which they fall
# tells how.
#
# ## 4 · Images beside their null
#
# So the number to report is $R = (\delta_{on}/\delta_{std})/\sqrt{d/k}$: above 1 the manifold is
# avoided more than a random subspace is, below 1 less. A network is not linear, so $R$ is measured
# for random subspaces on the same images, too.

# %%
dimensions = (4, 8, 16, 32)
start = theory.mlp(jax.random.key(0), (64, 100, 10))  # the same network before training
found = []
for k in dimensions:
    basis = principal(seen, k)
    by_basis = [distance(net, x, y, b, "on") for b in (basis, random_bases(len(x), k))]
    found.append(
        [float(jnp.median(on / std)) / (64 / k) ** 0.5 for on in by_basis]
        + [float(jnp.median(share_off(one.logits, x, y, basis))) for one in (start, net)]
    )
components_r, random_r, share_before, share_after = np.array(found).T

# %%
figure, both = plt.subplots(1, 2, figsize=(9.5, 3.2))
quantiles = [stats.beta.ppf([0.25, 0.75], k / 2, (64 - k) / 2) for k in dimensions]
band = np.array([(q**-0.5) / (64 / k) ** 0.5 for q, k in zip(quantiles, dimensions, strict=True)])
both[0].fill_between(dimensions, *band.T, color="black", alpha=0.15, label="null, its central half")
both[0].axhline(1, color="black")
both[0].plot(dimensions, random_r, "D-", color="#009E73", label="random subspaces")
both[0].plot(dimensions, components_r, "s-", color="#0072B2", label="principal components")
both[0].set(xlabel=r"dimension $k$", ylabel=r"median $R$", ylim=(0, 1.4))
null = [(1 - k / 64) ** 0.5 for k in dimensions]
both[1].plot(dimensions, null, color="black", label=r"random, $\sqrt{1 - k/d}$")
both[1].plot(dimensions, share_before, "o", color="#56B4E9", label="before training")
both[1].plot(dimensions, share_after, "s-", color="#0072B2", label="after training")
both[1].set(xlabel=r"dimension $k$", ylabel="share of the gradient off", ylim=(0, 1.1))
for axes in both:
    axes.legend(frameon=False, loc="lower right" if axes is both[0] else "lower left")

# %% [markdown]
# Random subspaces are near 1, a little below where $k$ is small (a network is no linear model).
# Principal components are clearly below: **on these images the manifold is avoided less than a
# random subspace.** The right panel says the same of gradients.
#
# ### Exercise 4
# Three reports, made up, give the median of $\delta_{on}/\delta_{std}$:
#
# | report | $d$ | $k$ | ratio |
# |---|---|---|---|
# | 1 | 784 | 16 | 2.9 |
# | 2 | 3072 | 128 | 5.0 |
# | 3 | 64 | 4 | 6.0 |
#
# Is the manifold avoided `"less"` than a random subspace, the `"same"`, or `"more"`? Answer by a
# list of three of these words.

# %% tags=["exercise"]
verdicts = ...

# %% tags=["solution"]
verdicts = ["less", "same", "more"]

# %% tags=["check"]
check.reports(verdicts)

# %% [markdown]
# ### Exercise 5
# “Seven tenths of the gradient's norm lie off the 16 components, so gradients point off the
# manifold.” What share of the norm of a *random* vector of $\mathbb{R}^{64}$ lies off 16
# dimensions?

# %% tags=["exercise"]
share = ...

# %% tags=["solution"]
share = (1 - 16 / 64) ** 0.5

# %% tags=["check"]
check.share_off_null(share)

# %% [markdown]
# Why should trained gradients turn *towards* the data? In the lesson “Why do adversarial examples
# exist?” data lie *exactly* in a subspace $P$ of dimension 10 of $\mathbb{R}^{58}$, and the
# gradient off $P$ is large: a theorem. **Predict** the median of $R$ over trained networks there,
# computed from the gradient as in exercise 1, $R = (\|\nabla N\|/\|\Pi_P\nabla N\|)/\sqrt{58/10}$.

# %% tags=["prediction"]
guess = ...

# %%
from theory.subspace.scene import squared_through_training
from theory.subspace.settings import Settings

keys = jax.random.split(jax.random.key(0), 200)
squared = jax.jit(jax.vmap(lambda key: squared_through_training(Settings(d=58, ell=48), key)))(keys)
off_p, on_p = np.moveaxis(np.asarray(squared["squared"]), -1, 0)  # (networks, three times)
r = np.median(np.sqrt((off_p + on_p) / on_p) / np.sqrt(58 / 10), axis=0)
compare(guess, r[2])
print(f"before training: {r[0]:.2f}")

# %% [markdown]
# Both are true. The gradient off $P$ is large, because it stays as it was drawn. That on $P$ is
# larger still for its few dimensions, because training made it grow. “Large” and “larger than on a
# random subspace” are two claims.
#
# ## 5 · Where it bends
#
# Exercise 1 gave $\delta_{std}^{-2} = \delta_{on}^{-2} + \delta_{off}^{-2}$ for linear models. For
# a network the two sides differ by as much as its boundary bends between the three points. The
# suite has this as `dimples.distances-add`. **Predict** the verdict when the model has a two-layer
# ReLU network added to it.

# %% tags=["prediction"]
guess = ...

# %%
from theory.dimples.theorems import distances_add


def bent(settings, key, bend=1.0):
    return distances_add.trial(settings, key, bend)


settings = Subspace(d=100, k=10, trials=50)
crooked = theory.verify(replace(distances_add.theorem, trial=bent), settings)
compare(guess, crooked.status)
print("and the identity by itself:", crooked.parts[0].judgement.status)
off = distance(net, x, y, components, "off")
sides = std**2 * (on**-2 + off**-2)
print(f"on digits δ_std²(δ_on⁻² + δ_off⁻²) has median {jnp.median(sides):.2f}; straight would be 1")

# %% [markdown]
# ## An experiment to change
#
# Replace the principal components of *largest* variance by those of smallest:
# `principal(seen, 64)[:, -k:]`. What becomes of $R$, and of the share of the gradient off them?
# Some of these directions are pixels that are always 0. What has training to say about them?
#
# ## An open question
#
# Of the model's six claims the suite judges each beside a null, on digits: two are supported
# (limiting gradients off the manifold makes training longer; training on adversarial images with
# wrong labels works), three are not, one is undecided. But which subspace *is* the manifold at an
# image? Components and the tangents of an autoencoder are two guesses. And the null is a law for
# linear models only: what is it for a network, for which random subspaces give a median of $R$ a
# little below 1?

# %% [markdown] tags=["instructor"]
# ## For the instructor
#
# **Timing.** The parts as in the table. The step from “twice as far” to “compared with what?” is
# the lesson: let them argue before the random subspace is run. If time is short leave out part 5
# and the bent model.
#
# **Misconceptions.**
# - "$\delta_{on} > \delta_{std}$ shows that the boundary is across." On any subspace it is at least
#   as far: fewer directions to go in.
# - "A random subspace is neutral, so its ratio is 1." It is $\sqrt{d/k}$.
# - "$R < 1$ refutes the model." It refutes this claim with this stand-in for the manifold.
# - "The control was not detected, so the law is in doubt." The control had no power here.
# - "The mean of $R$ is 1 under the null." That of $R^{-2}$ is; the mean of $R$ is above 1.
#
# **Exam questions.**
# 1. $k = d/2$: what is the null of $\delta_{on}/\delta_{off}$? *1, by symmetry.*
# 2. Only images are kept for which the attack on the subspace succeeds within a given length. Which
#    way does $R$ go? *Down: the farthest are left out.*
# 3. $\delta_{std} = 3$, $\delta_{on} = 5$, a linear model: what is $\delta_{off}$? *1/9 − 1/25 =
#    16/225, so 15/4.*
# 4. Why do the trials of the theorem attack the model where a formula is known? *The attack is what
#    is used on networks; the formula would check itself.*
#
# **Expected numbers**, with their spread over seeds of the network:

# %% tags=["instructor"]
rows = []
for seed in seeds:
    net_s = trained(jax.random.key(seed))
    well = net_s.logits(pixels[-images:]).argmax(axis=1) == classes[-images:]
    x_s, y_s = pixels[-images:][well], classes[-images:][well]
    sides = (components, "std"), (components, "on"), (random_bases(len(x_s), 8, seed=seed), "on")
    std_s, on_s, random_s = (distance(net_s, x_s, y_s, *side) for side in sides)
    rows.append([jnp.median(on_s / std_s), jnp.median(random_s / std_s)])
for name, values in zip(("components", "random"), np.array(rows).T, strict=True):
    spread = f"from {min(values):.2f} to {max(values):.2f}"
    print(f"δ_on/δ_std, {name}: median {np.median(values):.2f}, {spread}")
