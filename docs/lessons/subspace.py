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
# # Why do adversarial examples exist?
#
# A small step, invisible to the eye, makes a good classifier fail. One explanation needs no more
# than linear algebra: data fill only a few of the directions of the space that they live in. What
# a network does in the other directions it has never been taught. It was drawn at random, and
# training leaves it there. This lesson follows [Melamed, Yehudai and Vardi
# (2023)](https://arxiv.org/abs/2303.00783).
#
# **When you are done** you can say why gradient descent leaves weights off the data's subspace as
# they were drawn; compute how large the gradient is there; find one step that flips many points at
# once; and name what breaks the argument: Adam, weight decay, a small initialisation.
#
# **You need** gradients and the chain rule, orthogonal projections, Gaussian vectors, and the
# verdicts of the lesson “What does it mean to check a theorem?”.
#
# | minutes | part |
# |---|---|
# | 7 | a surprising number |
# | 12 | what training cannot touch |
# | 12 | how large is the gradient off P? |
# | 8 | one step flips all |
# | 9 | where it breaks |

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

import theory
from experiments.lessons import compare
from experiments.lessons import subspace as check
from theory.geometry import random_subspace
from theory.subspace import certified_radius, flip_distance, off_subspace_gradient
from theory.subspace.scene import points_in, squared_through_training
from theory.subspace.settings import Settings

# %% tags=["parameters"] smoke="preset, networks, seeds = 'smoke', 60, range(2)"
preset = "course"
networks = 400
seeds = range(10)

# %% [markdown]
# ## 1 · A surprising number
#
# Ten points of norm $\sqrt d$ lie in a random subspace $P$ of dimension 10 of $\mathbb{R}^d$,
# $d = 1000$; their labels $y_j$ are $1$ and $-1$. A two-layer network
#
# $$N(x) = \sum_{i=1}^m u_i \sigma(\langle w_i, x\rangle), \qquad \sigma(z) = \max(z, 0)$$
#
# is trained on them by gradient descent on the rows $w_i$, until each $y_j N(x_j) \ge 1$. The $w_i$
# are drawn from the Gaussian $\mathcal{N}(0, \sigma^2 I_d)$ with $\sigma^2 = 1/d$; the
# $u_i = \pm 1/\sqrt m$ are fixed. (The paper calls both the function and the deviation σ; one of
# them takes an argument.)

# %%
def trained_on(seed, d, dim=10, n=10, m=200):
    """A subspace, points and labels in it, and a network trained on them."""
    key_p, key_x, key_net = jax.random.split(jax.random.key(seed), 3)
    plane = random_subspace(key_p, d, dim)
    x, y = points_in(key_x, plane, n), jnp.resize(jnp.array([1.0, -1.0]), n)
    start = theory.two_layer_relu(key_net, d=d, width=m)
    return plane, x, y, theory.train_to_margin(start, x, y, margin=1.0).network


plane, x, y, net = trained_on(0, d=1000)
between = jnp.linalg.norm(x[y > 0][:, None] - x[y < 0][None, :], axis=-1)
print(f"norm of each point: {jnp.linalg.norm(x[0]):.1f}")
print(f"nearest two points of different labels: {between.min():.1f} apart")
print(f"outputs y·N: from {(y * net(x)).min():.2f} to {(y * net(x)).max():.2f}")

# %% [markdown]
# Now leave $P$: a step $z$ *orthogonal* to all of $P$. How long must it be for the sign of $N$ to
# change? Along a ray $N$ is piecewise linear, so the length is computed exactly. We go against
# $y_j$ times the part of the gradient $\nabla N(x_j)$ (by $x$, not by the weights) that is
# orthogonal to $P$.
#
# **Predict** the median length over the ten points, whose norm is 31.6.

# %% tags=["prediction"]
guess = ...

# %%
def flips(net, x, directions):
    """The length of the shortest step from each point along its direction that changes the sign."""
    return jax.vmap(flip_distance, in_axes=(None, 0, 0))(net, x, directions)


away = -y[:, None] * off_subspace_gradient(net, x, plane.basis)
own = flips(net, x, away)
compare(guess, float(jnp.median(own)))

# %% [markdown]
# Is it just that any step off $P$ is dangerous? **A control**: a random direction off $P$, the
# same for all points.

# %%
random = plane.reject(jax.random.normal(jax.random.key(9), (1000,)))
t = jnp.linspace(0, 8, 200)
figure, axes = plt.subplots(figsize=(6.5, 3.2))
for j in range(len(x)):
    for z, colour, label in (
        (away[j], "#D55E00", "against the gradient off P"),
        (random, "#0072B2", "random direction off P"),
    ):
        path = x[j] + t[:, None] * z / jnp.linalg.norm(z)
        axes.plot(t, y[j] * net(path), color=colour, lw=1, label=label if j == 0 else None)
axes.axhline(0, color="black", lw=0.8)
axes.set(xlabel=r"length of the step $\|z\|$", ylabel=r"$y_j\,N(x_j + z)$")
axes.legend(frameon=False);

# %% [markdown]
# Steps in a random direction change next to nothing. So two things have to be explained: why there
# is a large gradient off $P$, where training saw no data; and why it is so much larger than what
# a random direction sees.
#
# ## 2 · What training cannot touch
#
# ### Exercise 1
# Derive the gradient of the loss $L = \sum_j \log(1 + e^{-y_j N(x_j)})$ by the hidden weights, and
# write it as a function: row $i$ of the answer is $\partial L/\partial w_i$. The derivative of σ is
# 1 where $z > 0$ and 0 elsewhere. Shapes: `w` $(m, d)$, `u` $(m)$, `x` $(n, d)$, `y` $(n)$.

# %% tags=["exercise"]
def hidden_gradient(w, u, x, y):
    ...


# %% tags=["solution"]
def hidden_gradient(w, u, x, y):
    z = w @ x.T  # (m, n)
    outputs = u @ np.maximum(z, 0)
    slope = -y / (1 + np.exp(y * outputs))  # ∂L/∂N(x_j)
    return u[:, None] * (((z > 0) * slope) @ x)


# %% tags=["check"]
check.hidden_gradient(hidden_gradient)

# %% [markdown]
# Look at the last product: whatever stands in front, it ends in `@ x`. **Row $i$ of the gradient is
# a combination $\sum_j c_{ij} x_j$ of the points**, for any loss and any labels. In the smallest
# case one sees it in the numbers: $d = 2$, $P$ is the first axis, one neuron, one point.

# %%
w, u, point = np.array([0.5, 0.7]), 1.0, np.array([2.0, 0.0])
print("step      w₁      w₂   ∂N/∂x₁  ∂N/∂x₂")
for step in range(5):
    output = u * max(w @ point, 0)
    gradient_x = u * w * (w @ point > 0)
    print(f"{step:4d} {w[0]:7.3f} {w[1]:7.3f} {gradient_x[0]:8.3f} {gradient_x[1]:7.3f}")
    w = w + 0.5 * u * (w @ point > 0) * point / (1 + np.exp(output))

# %% [markdown]
# The label is 1. The first coordinate of $w$ learns. The second is .7 because it was *drawn* as .7,
# and the gradient by the input inherits it: $N$ changes when $x$ leaves the axis, though nothing
# was ever asked of it there.
#
# Write $\Pi x$ for the part of $x$ orthogonal to $P$, and $w_i(T)$ for $w_i$ after $T$ steps. By
# induction $\Pi w_i(T) = \Pi w_i(0)$ for all $T$. **Predict**: ten points in $\mathbb{R}^{58}$, 300
# steps in full dimension, 64-bit numbers. By how much do the weights move off $P$, as a share of
# their norm?

# %% tags=["prediction"]
guess = ...

# %%
small = Settings(d=58, ell=48)
plane_58, x_58, y_58, _ = trained_on(1, d=58)
begin_58 = theory.two_layer_relu(jax.random.key(2), d=58, width=50)


def loss(w):
    return jnp.log1p(jnp.exp(-y_58 * (jax.nn.relu(x_58 @ w.T) @ begin_58.u))).mean()


@jax.jit
def descend(w):
    return jax.lax.fori_loop(0, 300, lambda _, w: w - small.rate * jax.grad(loss)(w), w)


moved = descend(begin_58.w) - begin_58.w
norm = jnp.linalg.norm(begin_58.w)
print(f"moved on P:  {jnp.linalg.norm(plane_58.project(moved)) / norm:.3f}")
compare(guess, float(jnp.linalg.norm(plane_58.reject(moved)) / norm))

# %% [markdown]
# ### Exercise 2
# The proof is short, so it is easy to see what it takes. $P$ is no coordinate plane. Which of these
# *change* the part of the weights off $P$?
#
# `"gradient descent"`, `"momentum"`, `"mini-batches"`, `"weight decay"`, `"Adam"`,
# `"clipping by norm"`, `"clipping by value"`
#
# (Clipping by norm: a gradient that is too long is made shorter. By value: each of its coordinates
# that is too large is cut off. Weight decay: each step also takes away a small share of the
# weights.) Answer by a list of names.

# %% tags=["exercise"]
movers = ...

# %% tags=["solution"]
movers = ["Adam", "clipping by value", "weight decay"]

# %% tags=["check"]
check.what_moves(movers)

# %%
if movers is not ...:
    from theory.training import hidden_layer_only

    descent = optax.sgd(small.rate)
    for name, optimizer in {
        "momentum": optax.sgd(small.rate, momentum=0.9),
        "weight decay": optax.chain(optax.add_decayed_weights(0.01), descent),
        "Adam": optax.adam(0.01),
        "clipping by norm": optax.chain(optax.clip_by_global_norm(0.1), descent),
        "clipping by value": optax.chain(optax.clip(0.01), descent),
    }.items():
        end = theory.train(
            begin_58, x_58, y_58, optimizer=hidden_layer_only(optimizer), steps=100
        ).network
        off = jnp.linalg.norm(plane_58.reject(end.w - begin_58.w)) / norm
        print(f"{name:18s} moves W off P by {off:.1e} of its norm")

# %% [markdown]
# ## 3 · How large is the gradient off P?
#
# By the chain rule $\nabla N(x) = \sum_{i \in S} u_i w_i$, where $S$ is the set of active neurons,
# those with $\langle w_i, x\rangle > 0$. Let $k$ be their number, $\ell = d - \dim P$, and
# $g_i = \Pi w_i$. So
#
# $$\Pi \nabla N(x) = \sum_{i \in S} u_i g_i.$$
#
# For $x \in P$, whether a neuron is active depends only on the part of $w_i$ *in* $P$, which is
# independent of $g_i$. Training changes the first part and does not look at the second. So given
# $S$, the $g_i$ are still what they were at the start: independent, each coordinate
# $\mathcal{N}(0,\sigma^2)$ in $\ell$ directions.
#
# ### Exercise 3
# About how long is $\Pi\nabla N(x)$? Write the root of its mean square as a function of $k$, $m$,
# $\ell$ and $\sigma$.

# %% tags=["exercise"]
def typical_length(k, m, ell, sigma):
    ...


# %% tags=["solution"]
def typical_length(k, m, ell, sigma):
    return sigma * np.sqrt(k * ell / m)


# %% tags=["check"]
check.typical_length(typical_length)

# %% [markdown]
# The argument gives more than a size: given $S$, the vector
# $g = \sqrt{m/k}\,\Pi\nabla N(x)/\sigma$ is a standard Gaussian on the orthogonal complement of
# $P$. So $\|g\|^2$ follows $\chi^2_\ell$ exactly, before, during and after training. **Predict**
# its mean over many networks *after* training, for $\ell = 48$, at a point of $P$ that is not in
# the training set.

# %% tags=["prediction"]
guess = ...

# %%
keys = jax.random.split(jax.random.key(0), networks)
seen = jax.jit(jax.vmap(lambda key: squared_through_training(small, key)))(keys)
squared = np.asarray(seen["squared"])  # (networks, three times, off P and on P)
compare(guess, squared[:, 2, 0].mean())

# %%
figure, both = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for axes, which, dof, where in ((both[0], 0, 48, "off P"), (both[1], 1, 10, "on P")):
    top = stats.chi2.ppf(0.9999, dof) if which == 0 else np.quantile(squared[:, 2, 1], 0.98)
    for time, colour, label in ((0, "#56B4E9", "before training"), (2, "#D55E00", "after")):
        axes.hist(
            squared[:, time, which], bins=30, range=(0, top), density=True, histtype="step",
            color=colour, lw=1.6, label=label,
        )
    grid = np.linspace(0.1, top, 300)
    axes.plot(grid, stats.chi2.pdf(grid, dof), color="black", label=rf"$\chi^2_{{{dof}}}$")
    axes.set(title=where, xlabel=r"squared gradient $\cdot\, m/(k\sigma^2)$")
    axes.legend(frameon=False)
both[0].set_ylabel("density");

# %% [markdown]
# On $P$ training makes the gradient what it has to be. Off $P$ one cannot tell a trained network
# from a fresh one. A theorem of the suite claims no less, of training without weight decay. Put it
# on trial, at another point of $P$ in each trial. Its parts compare $\|g\|^2$ with $\chi^2_\ell$,
# the same of two halves of $g$, and one coordinate with a normal law. What does “verified” mean for
# a law? **Predict** the verdict.

# %% tags=["prediction"]
guess = ...

# %%
from theory.subspace.theorems.gradient_law import theorem

settings = theorem.presets[preset]
verdict = theory.verify(theorem, settings)
compare(guess, verdict.status)
for part in verdict.parts:
    shown = ", ".join(f"{name} by {size:.2g}" for name, size in part.seen.items())
    print(f"{part.name:12s} {part.judgement.status}; would have shown: {shown}")
print(f"control, {verdict.control}: {'detected' if verdict.detected else 'not detected'}")

# %% [markdown]
# (The control shrinks the matrix $W_\perp$ of rows $g_i$ by weight decay, of which the claim is not
# told.)
#
# The paper's Theorem 4.1 is a corollary: $\chi^2_\ell \ge \ell/2$ with probability at least
# $1 - e^{-\ell/16}$, the claim of the first lesson, so
# $\|\Pi\nabla N(x)\| \ge \sigma\sqrt{k\ell/2m}$.
#
# ## 4 · One step flips all
#
# If $N$ were linear along the step, the flip would be at $|N(x)|/\|\Pi\nabla N(x)\|$. With
# $\sigma^2 = 1/d$ and $k \approx m/2$ that is about $|N(x)|\sqrt{2d/\ell}$. Where data leave most
# directions out, $\ell \approx d$, this is a constant, whatever $d$ is, while $\|x\| = \sqrt d$
# grows.

# %%
dimensions = (50, 100, 200, 400, 800)
rows = []
for d in dimensions:
    plane_d, x_d, y_d, net_d = trained_on(3, d)
    off = off_subspace_gradient(net_d, x_d, plane_d.basis)
    measured = jnp.median(flips(net_d, x_d, -y_d[:, None] * off))
    rows.append((measured, jnp.median(jnp.abs(net_d(x_d))) * (2 * d / (d - 10)) ** 0.5))
measured, first_order = np.array(rows).T
figure, axes = plt.subplots(figsize=(6.5, 3.2))
axes.plot(dimensions, np.sqrt(dimensions), color="#0072B2", label=r"norm of a point, $\sqrt{d}$")
axes.plot(dimensions, measured, "o", color="#D55E00", label="median flip, measured")
axes.plot(dimensions, first_order, color="black", label=r"$|N(x)|\sqrt{2d/\ell}$")
axes.set(xlabel=r"dimension $d$, $\dim P = 10$", ylabel="length", ylim=(0, None))
axes.legend(frameon=False);

# %% [markdown]
# The gradient depends on the point through $S$ only. Is there even *one* direction for all points?
# Output rises when neurons of $u_i > 0$ rise and those of $u_i < 0$ fall. In many dimensions the
# $g_i$ are nearly orthogonal to each other.
#
# ### Exercise 4
# Write a vector $v$ orthogonal to $P$, of the weights alone, along which $N$ rises at *every* point
# of $P$, and against which it falls. The columns of `basis` $(d, \dim P)$ are an orthonormal basis
# of $P$.

# %% tags=["exercise"]
def one_for_all(w, u, basis):
    ...


# %% tags=["solution"]
def one_for_all(w, u, basis):
    v = np.sign(u) @ w
    return v - basis @ (basis.T @ v)


# %% tags=["check"]
check.one_for_all(one_for_all)

# %%
v = one_for_all(np.asarray(net.w), np.asarray(net.u), np.asarray(plane.basis))
if np.shape(v) == (1000,):
    others = points_in(jax.random.key(5), plane, 1000)  # of P, none of them trained on
    signs = jnp.sign(net(others))
    lengths = flips(net, others, -signs[:, None] * jnp.asarray(v))
    print(f"{(lengths < 8).mean():.1%} of 1000 points flip along ±v within a length of 8")
    common = flips(net, x, -y[:, None] * jnp.asarray(v))
    print(f"median along ±v, training points: {jnp.median(common):.2f}")
print(f"median along its own gradient, training points: {jnp.median(own):.2f}")
radius = certified_radius(net, x, plane)
print(f"certified radius, no shorter step off P flips: {jnp.median(radius):.2f}, again the median")

# %% [markdown]
# The last line is a theorem of the other side: $|N(x+z) - N(x)| \le \|W_\perp\|\,\|z\|$ for $z$
# orthogonal to $P$, where $\|W_\perp\|$ is the largest singular value. So no step shorter than
# $|N(x)|/\|W_\perp\|$ changes the sign. Between this and what a search finds there is a gap.
#
# ## 5 · Where it breaks
#
# The law was claimed “without weight decay”. Train with it all the same. **Predict** the verdict.

# %% tags=["prediction"]
guess = ...

# %%
decayed = theory.verify(theorem, replace(settings, weight_decay=0.01))
compare(guess, decayed.status)
for assumption in decayed.assumptions:
    print("holds " if assumption.holds else "missed", f"{assumption.margin:9.3g}", assumption.name)

# %% [markdown]
# Not applicable: the law speaks of other networks. But the proof says what is true instead. A step
# of size η with decay λ is $w_i \leftarrow w_i - \eta\,(\partial L/\partial w_i + \lambda w_i)$.
#
# ### Exercise 5
# With $\eta = 4/58$ and $T = 300$ steps: which $\lambda$ leaves a *tenth* of the weights off $P$?

# %% tags=["exercise"]
weight_decay = ...

# %% tags=["solution"]
weight_decay = (1 - 0.1 ** (1 / 300)) * 58 / 4

# %% tags=["check"]
check.decay_to_a_tenth(weight_decay)

# %%
if weight_decay is not ...:
    optimizer = optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(4 / 58))
    end = theory.train_in_span(begin_58, x_58, y_58, optimizer=optimizer, steps=300).network
    before, after = (jnp.linalg.norm(plane_58.reject(one.w)) for one in (begin_58, end))
    print(f"left of the weights off P: {after / before:.4f}")

# %% [markdown]
# Dividing the initial weights by 10 does the same to the gradient off $P$, without any decay. A
# bare number proves little: draw the weights with a deviation $\beta$ in place of $1/\sqrt d$, and
# compare many $\beta$ with the line that the law gives.

# %%
scales = np.array([0.1, 0.2, 0.5, 1.0, 2.0])


@jax.jit
def off_norms(scale):
    """Root mean square of ‖Π∇N(x₀)‖ and mean of k/m, over trained networks."""

    def one(key):
        keys = jax.random.split(key, 3)
        plane = random_subspace(keys[0], 58, 10)
        points = points_in(keys[1], plane, 11)
        labels = jnp.resize(jnp.array([1.0, -1.0]), 10)
        start = theory.two_layer_relu(keys[2], d=58, width=50)
        start = start._replace(w=scale * start.w)
        end = theory.train_to_margin(start, points[1:], labels).network
        off = off_subspace_gradient(end, points[0], plane)
        return off @ off, jnp.mean((end.w @ points[0] > 0).astype(float))

    squares, share = jax.vmap(one)(jax.random.split(jax.random.key(4), 40))
    return jnp.sqrt(squares.mean()), share.mean()


measured, share = np.array([off_norms(scale) for scale in scales]).T
figure, axes = plt.subplots(figsize=(6.5, 3.2))
axes.loglog(scales, measured, "o", color="#D55E00", label="trained networks")
axes.loglog(
    scales, scales * np.sqrt(share * 48 / 58), color="black", label=r"$\beta\sqrt{k\ell/m}$"
)
axes.set(xlabel=r"initial scale $\beta\sqrt{d}$", ylabel=r"$\|\Pi\nabla N(x_0)\|$")
axes.legend(frameon=False);

# %% [markdown]
# Both remedies follow from the theory, and neither is more than it says: they act off $P$. Steps
# *in* $P$ are another matter.
#
# ## An experiment to change
#
# Let the points leave $P$ a little: in `trained_on` add noise of standard deviation .001, .01, .1
# to each coordinate of `x` before training, and plot how far $W$ moves off $P$ and how long flips
# are. From which noise on does training notice the other directions? What is $P$ then?
#
# ## An open question
#
# The argument needs gradients that are combinations of the data. With Adam they are not; and on
# data near a *curved* surface, or with a bias and an affine $P$, the weights off it move. In such
# cases the suite can measure distances but has no law. How much of the gradient off the data is
# then still the initial draw? And in the certificate above: how far below the nearest flip must a
# radius stay that can be computed quickly?

# %% [markdown] tags=["instructor"]
# ## For the instructor
#
# **Timing.** The parts as in the table. Exercise 1 takes twelve minutes where the chain rule is
# rusty: then show $\partial N/\partial w_i = u_i 1[\langle w_i,x\rangle > 0]\,x$ and let them put
# it together. If time is short leave out exercise 5 and the figure over $d$.
#
# **Misconceptions.**
# - "The gradient off $P$ is large because training made it so." Training never touches it.
# - "$P$ is orthogonal to the data, so $\langle w_i, x\rangle$ sees the random part." It does not:
#   at points of $P$ the output, and hence the margin, is blind to it. That is why it survives.
# - "Norms of $k$ vectors add up to $k$ norms." Only if all point the same way; independent ones
#   add up by squares.
# - "A random direction off $P$ is as bad as the gradient." It sees $1/\sqrt\ell$ of it.
# - "Not applicable: so with weight decay the network is robust." It is more robust off $P$, by a
#   factor that one can compute.
#
# **Exam questions.**
# 1. Data span all of $\mathbb{R}^d$. What does the theorem say? *Nothing: $\ell = 0$.*
# 2. Where in the proof is it used that $x_0 \in P$? *Whether a neuron is active must not depend on
#    the part off $P$.*
# 3. Both layers are trained. What remains? *$\Pi w_i$ is frozen all the same; $u_i$ changes, and
#    the variance is $\sigma^2\sum_{i\in S} u_i^2$.*
# 4. The control of the law is “weight decay to .8 of the weights ignored”. By which factor is the
#    squared gradient off? *.64, so its mean is $.64\,\ell$.*
#
# **Expected numbers**, with their spread over seeds:

# %% tags=["instructor"]
found = {"median flip along the gradient": [], "median flip, random direction": []}
found["median certified radius"] = []
for seed in seeds:
    plane_s, x_s, y_s, net_s = trained_on(seed, d=1000)
    off = off_subspace_gradient(net_s, x_s, plane_s.basis)
    random = plane_s.reject(jax.random.normal(jax.random.key(seed + 100), (1000,)))
    lengths = (
        flips(net_s, x_s, -y_s[:, None] * off),
        flips(net_s, x_s, jnp.tile(random, (10, 1))),
        certified_radius(net_s, x_s, plane_s),
    )
    for name, values in zip(found, lengths, strict=True):
        found[name].append(float(jnp.median(values)))
for name, values in found.items():
    print(f"{name}: median {np.median(values):.2f}, from {min(values):.2f} to {max(values):.2f}")
