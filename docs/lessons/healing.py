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
# # Healing a pruned network
#
# Throw away nine weights in ten of a trained network, and it forgets much of what it knew. How much
# of that comes back if the weights that are left may change, with a few inputs and no labels at
# all? [STARFISH (2026)](https://arxiv.org/abs/2606.01126) makes the *hidden states* of the pruned
# network like those of the whole one. We build the method from its parts and check what is claimed
# of each.
#
# **When you are done** you can compute the best remaining weights of a layer in closed form; write
# a distance of directions that has no trap at zero; keep pruned weights exactly 0 under any
# optimiser; and choose a control for a method that seems to heal.
#
# **You need** the lesson on checking (verdicts, assumptions, controls), least squares, gradients,
# and what the hidden layers of a network are.
#
# | minutes | part |
# |---|---|
# | 8 | nine weights in ten |
# | 14 | one layer, in closed form |
# | 12 | directions, and a fixed point |
# | 6 | zeros that stay zero |
# | 8 | does it heal, and what would not? |

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
from sklearn.datasets import load_digits

import theory
from experiments.lessons import compare
from experiments.lessons import healing as check
from theory import healing

# %% tags=["parameters"] smoke="preset, training, steps = 'smoke', 150, 60"
preset = "course"
training = 400
steps = 300

# %% [markdown]
# ## 1 · Nine weights in ten
#
# The *dense* network has two hidden layers of 128 neurons and learns 1000 images of digits. A
# *mask* says for every weight of the hidden layers whether it is kept (1) or pruned (0). Ours keeps
# the largest tenth of each matrix by absolute value.

# %%
from theory.attacks.prototypes import Points, train_robust

images, digits = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(digits))
images, digits = jnp.asarray(images[order] / 16), jnp.asarray(digits[order])
few, x, y = images[1000:1060], images[1100:], digits[1100:]  # 60 images to heal with, 697 to test


def network(seed=0):
    """A dense network."""
    keys = jax.random.split(jax.random.key(seed), 2)
    one = jax.vmap(lambda key: theory.mlp(key, (64, 128, 128, 10)))(keys[:1])
    data = Points(images[:1000], digits[:1000])
    options = {"steps": training, "batch": 100, "ascents": 0}
    trained = train_robust(one, keys[1:], data, 3e-3, 0.0, **options)
    return jax.tree.map(lambda leaf: leaf[0], trained)


def masks_of(net, share):
    """Masks of the smallest weights of the hidden layers; None for what stays whole."""
    hidden = healing.smallest(healing.magnitude(net.weights[:-1]), share)
    return type(net)((*hidden, None), (None, None, None))


def accuracy(net):
    return float((net.logits(x).argmax(axis=1) == y).mean())


dense = network()
masks = masks_of(dense, 0.9)
pruned = healing.apply_masks(dense, masks)
print(f"dense: {accuracy(dense):.2f} of the test images right")

# %% [markdown]
# **Predict**: what share of the test images does the network get right with 90 % of its hidden
# weights set to 0?

# %% tags=["prediction"]
guess = ...  # a number from 0 to 1

# %%
compare(guess, accuracy(pruned))

# %% [markdown]
# It loses a good part, not all. Now we let the method do its work, with 60 images it has never seen
# and whose labels we do not use. It changes the weights that are left, in the hidden layers only.
# **Predict** the share again.

# %% tags=["prediction"]
guess = ...


# %%
def states(net, x):
    """What the hidden layers give, one array (images, neurons) for each."""
    return tuple(jax.nn.relu(h) for h in net.preactivations(x)[:-1])


optimizer = healing.annealed_adam(1e-2, steps)


def healed(net, masks, start, inputs):
    """The network after healing."""
    return healing.heal(
        states, net, start, masks, inputs, optimizer=optimizer, steps=steps
    ).params


starfish = healed(dense, masks, pruned, few)
compare(guess, accuracy(starfish))

# %% [markdown]
# Where does this come from? No information was added about digits; 60 images show the network where
# its states should be, and the remaining weights make up for those that went. How far that can
# work is easiest to see in a single layer.
#
# ## 2 · One layer, in closed form
#
# ### Exercise 1
# The smallest case. Two inputs $x_1$, $x_2$ have mean 0, variance 1 and covariance .8. The dense
# neuron computes $z = x_1 + x_2$. We prune the second weight. Which first weight $w$ makes the mean
# of $(w\,x_1 - z)^2$ least?

# %% tags=["exercise"]
best = ...

# %% tags=["solution"]
best = 1 + 0.8  # E[x₁z]/E[x₁²]

# %% tags=["check"]
check.best(best)

# %% [markdown]
# So the survivor should not stay where it was. In general let $X$ be the inputs of a layer, one row
# for each of $n$ images, $z$ the $n$ values that one of its neurons should have before its ReLU,
# $w$ its weights, and $M$ the diagonal matrix of its mask. With few images the problem may have
# many solutions, so one adds a small $\lambda > 0$ and minimises, over all $w$ that are 0 where the
# mask is,
#
# $$f(w) = \|Xw - z\|^2 + \lambda\|w\|^2.$$
#
# ### Exercise 2
# Write the minimiser in closed form.

# %% tags=["exercise"]
def masked_ridge(X, z, mask, lam):
    ...  # X: (n, d), z: (n,), mask: (d,) of 0 and 1 -> (d,)


# %% tags=["solution"]
def masked_ridge(X, z, mask, lam):
    kept = np.asarray(mask).astype(bool)
    A = X[:, kept]
    w = np.zeros(X.shape[1])
    w[kept] = np.linalg.solve(A.T @ A + lam * np.eye(kept.sum()), A.T @ z)
    return w


# %% tags=["check"]
check.masked_ridge(masked_ridge)

# %% [markdown]
# Is this also where gradient descent goes, that sets pruned weights to 0 after every step? With
# $G = X^\top X$ and steps of length $\eta = 1/(\mathrm{tr}\,G + \lambda)$ along the gradient of
# $\frac12 f$, theorem H3 says how fast:
#
# $$(1 - \eta\lambda)^t\,\|\Pi w_0\| \le \|w_t - w^*\| \le (1 - \eta\lambda)^t\,\|w_0 - w^*\|,$$
#
# where $w_t$ is where descent is after $t$ steps, $w^*$ is the closed form and Π the projection
# onto those directions of the kept weights that no input sees. Why the upper bound? Each step
# multiplies $w - w^*$ by $I - \eta(MGM + \lambda I)$ (on the kept weights), and the eigenvalues of
# this matrix are between 0 and $1 - \eta\lambda$. In a direction that no input sees the factor is
# exactly $1 - \eta\lambda$, and $w^*$ has no part there: hence the lower bound.

# %%
rng = np.random.default_rng(0)
n, d, lam = 8, 24, 0.4
X = rng.standard_normal((n, d)) / np.sqrt(d)
z = X @ rng.standard_normal(d)
mask = (np.arange(d) < 12).astype(float)
G = X.T @ X
star = np.linalg.solve(mask[:, None] * G * mask + lam * np.eye(d) + np.diag(1 - mask),
                       mask * (X.T @ z))
eta = 1 / (np.trace(G) + lam)
w = start = mask * rng.standard_normal(d)
distances = []
for _ in range(150):
    distances.append(np.linalg.norm(w - star))
    w = mask * (w - eta * (G @ w - X.T @ z + lam * w))
seen, _ = np.linalg.qr((X * mask).T)
unseen = np.linalg.norm(start - seen @ (seen.T @ start))

# %%
figure, axes = plt.subplots(figsize=(5.6, 3.2))
t = np.arange(150)
axes.plot(t, distances, color="#0072B2", linewidth=2.5, label=r"descent, $\|w_t - w^*\|$")
axes.plot(t, (1 - eta * lam) ** t * distances[0], "--", color="black", label="upper bound")
axes.plot(t, (1 - eta * lam) ** t * unseen, ":", color="black", label="lower bound")
axes.set(xlabel="step $t$", ylabel="distance from the closed form", yscale="log")
axes.legend(frameon=False);

# %% [markdown]
# Now on trial, for whole layers. **Predict** the verdict.

# %% tags=["prediction"]
guess = ...

# %%
from theory.healing.theorems import masked_ridge as ridge_theorem

settings = ridge_theorem.theorem.presets[preset]
verdict = theory.verify(ridge_theorem.theorem, settings)
compare(guess, verdict.status)
for part in verdict.parts:
    low, high = part.tightness.min, part.tightness.max
    print(f"{part.claim.says}: measured/bound from {low:.2f} to {high:.2f}")
print("control:", verdict.control, "(detected)" if verdict.detected else "(not detected)")

# %% [markdown]
# The control is a mistake that is easily made: solve for *all* weights, and set the pruned ones to
# 0 afterwards or not at all. We put the theorem on trial with that closed form. **Predict** the
# verdict.

# %% tags=["prediction"]
guess = ...


# %%
def whole(settings, key, ignored=True):
    """A trial whose closed form does not look at the mask."""
    return ridge_theorem.trial(settings, key, ignored)


verdict = theory.verify(replace(ridge_theorem.theorem, trial=whole), settings)
compare(guess, verdict.status)
for assumption in verdict.assumptions:
    print("holds " if assumption.holds else "missed", f"{assumption.margin:9.3g}", assumption.name)
for part in verdict.parts:
    print(f"{part.judgement.violations} of {verdict.trials} violate: {part.claim.says}")

# %% [markdown]
# *Not applicable*: this $w^*$ is not the one that the theorem speaks of, and the report says by how
# much. The upper bound is false of it in every trial, for descent goes elsewhere. The lower bound
# is not violated, since the distance has only grown: **a part that a control does not break is not
# tested by it.**
#
# ## 3 · Directions, and a fixed point
#
# Layer by layer is not all. When the first layer has healed badly, the second gets other inputs
# than it had, so STARFISH trains all layers at once, and compares *directions*: if $h_r$ is a
# layer's state for image $r$ and $h^*_r$ that of the dense network, the loss is the mean of
# $1 - \cos\angle(h_r, h^*_r)$ over images and layers. A ReLU layer gives a row of zeros now and
# then, and a zero has no direction:


# %%
def naive(h, target):
    lengths = jnp.linalg.norm(h, axis=1) * jnp.linalg.norm(target, axis=1)
    return jnp.mean(1 - jnp.sum(h * target, axis=1) / lengths)


same = jnp.array([[3.0, 4.0], [0.0, 0.0]])
print("distance of equal states:", naive(same, same))

# %% [markdown]
# Adding a small ε inside the square roots, $\varphi(h) = h/\sqrt{\|h\|^2 + \varepsilon}$, removes
# the division by 0. Is $1 - \langle\varphi(h), \varphi(h^*)\rangle$ then a good distance?
#
# ### Exercise 3
# Write a distance of states `h` and `target`, arrays (rows, features), with `jax.numpy`, such that
# for rows that are not small it is the mean of $1 - \cos$ up to $10^{-4}$; for equal states it is
# exactly 0, rows of zeros included; and neither it nor its gradient in `h` is ever NaN. (Which
# square is $2 - 2\cos$ for unit vectors?)

# %% tags=["exercise"]
def distance(h, target):
    ...


# %% tags=["solution"]
def distance(h, target):
    def direction(h):
        return h / jnp.sqrt(jnp.sum(h**2, axis=1, keepdims=True) + 1e-8)

    return jnp.mean(jnp.sum((direction(h) - direction(target)) ** 2, axis=1)) / 2


# %% tags=["check"]
check.distance(distance)

# %% [markdown]
# Written as a square, the distance and its gradient vanish together where the states are equal. So
# *the dense network is a fixed point of healing* (H1). The trial draws networks with dead neurons
# and rows of zeros in every layer, and computes the distance D and its gradient ∇, for directions
# (cosine) and for squared differences (mse).

# %%
from theory.healing.theorems import dense_fixed_point

settings = dense_fixed_point.theorem.presets[preset]
print("the dense network:", theory.verify(dense_fixed_point.theorem, settings).status)

# %% [markdown]
# Now with one weight in a thousand pruned. The theorem's conclusion is that distance and gradient
# are 0. **Predict** the verdict.

# %% tags=["prediction"]
guess = ...


# %%
def thinner(settings, key, pruned=True):
    """A trial with a thousandth of the weights pruned."""
    return dense_fixed_point.trial(settings, key, pruned)


verdict = theory.verify(replace(dense_fixed_point.theorem, trial=thinner), settings)
compare(guess, verdict.status)
for assumption in verdict.assumptions:
    print("holds " if assumption.holds else "missed", f"{assumption.margin:9.3g}", assumption.name)
print("violations:", {part.name: part.judgement.violations for part in verdict.parts})

# %% [markdown]
# The mask is not of ones only, and the conclusion fails in all trials: there is something to heal.
#
# ## 4 · Zeros that stay zero
#
# Pruned weights must stay 0, exactly: a weight of $10^{-9}$ has to be stored like any other. Two
# ways to see to that: mask the *gradients* (what has no gradient does not move), or mask the
# *weights* after every step. **Predict**: of plain descent, Adam, and a descent that adds noise to
# the gradients that it gets, how many leave all pruned weights at 0 if only gradients are masked?

# %% tags=["prediction"]
guess = ...  # 0, 1, 2 or 3

# %%
keep = jnp.asarray(mask)
goal = jnp.asarray(rng.standard_normal(d))
recipes = {
    "descent": optax.sgd(0.1),
    "Adam": optax.adam(0.1),
    "noisy descent": optax.noisy_sgd(0.1, key=jax.random.key(0)),
}
largest = {}
for name, recipe in recipes.items():
    for what in ("gradients", "weights"):
        w = keep * goal / 2
        memory = recipe.init(w)
        for _ in range(20):
            updates, memory = recipe.update(keep * (w - goal), memory, w)
            w = w + updates
            if what == "weights":
                w = jnp.where(keep == 1, w, 0)
        largest[name, what] = float(jnp.abs(jnp.where(keep == 0, w, 0)).max())
compare(guess, sum(largest[name, "gradients"] == 0 for name in recipes))
for (name, what), size in largest.items():
    print(f"{name:14} {what} masked: largest pruned weight {size:.2g}")
print("0·NaN is", 0 * np.nan, "and where(False, NaN, 0) is", jnp.where(False, np.nan, 0.0))

# %% [markdown]
# With masked gradients it depends on the optimiser, and a test with Adam alone would pass. With
# masked weights nothing depends on it (H2). The last line is why one selects and does not multiply.
#
# ## 5 · Does it heal, and what would not?
#
# Accuracy came back in part 1. Because the states agree with those of the dense network *at the
# same image*? Perhaps any training would do, of layers that are merely put back in order. A control
# has to break this one thing.
#
# ### Exercise 4
# Healing compares row $r$ of the pruned network's states with row $r$ of the targets, for $n$
# images. Write the rows of the targets that the control uses instead: an array of $n$ indices. The
# targets should be the same set of states as before, but no image should have its own.

# %% tags=["exercise"]
def rows_of_control(n):
    ...


# %% tags=["solution"]
def rows_of_control(n):
    return np.roll(np.arange(n), 1)


# %% tags=["check"]
check.rows_of_control(rows_of_control)

# %% [markdown]
# **Predict** the accuracy at 90 % after the control, given that the pruned network had what you saw
# in part 1.

# %% tags=["prediction"]
guess = ...


# %%
def aligned_wrongly(net, masks, start, inputs, rows):
    """Healing in which image r is to have the dense states of image rows[r]."""
    goals = states(net, inputs[rows])

    def loss(params, data):
        inputs, goals = data
        return healing.distance(states(params, inputs), goals)

    options = {"optimizer": optimizer, "steps": steps, "batch": 32}
    flags = type(net)((True, True, False), (False, False, False))
    found = healing.masked_descent(loss, start, masks, (inputs, goals), trainable=flags, **options)
    return found.params


control = aligned_wrongly(dense, masks, pruned, few, np.roll(np.arange(len(few)), 1))
compare(guess, accuracy(control))

# %%
shares = (0.5, 0.75, 0.9, 0.95, 0.98)
found = {"pruned": [], "ridge, layer by layer": [], "directions of states": []}
for share in shares:
    masks = masks_of(dense, share)
    pruned = healing.apply_masks(dense, masks)
    found["pruned"].append(accuracy(pruned))
    found["ridge, layer by layer"].append(accuracy(healing.reconstruct(dense, pruned, masks, few)))
    found["directions of states"].append(accuracy(healed(dense, masks, pruned, few)))
figure, axes = plt.subplots(figsize=(5.6, 3.2))
looks = (("#D55E00", "v"), ("#009E73", "s"), ("#0072B2", "o"))
for (name, values), (colour, marker) in zip(found.items(), looks, strict=True):
    axes.plot(range(5), values, marker=marker, color=colour, label=name)
axes.axhline(accuracy(dense), color="black", linestyle="--", label="dense")
axes.axhline(0.1, color="#999999", linestyle=":", label="guessing")
axes.set(xticks=range(5), xticklabels=[f"{share:.0%}" for share in shares], ylim=(0, 1.02),
         xlabel="share $s$ of the hidden weights that is pruned", ylabel="share of images right")
axes.legend(frameon=False, loc="center left");

# %% [markdown]
# With targets of other images the network does not heal but gets worse: what heals is that each
# image is given its own states. It has an end: at 98 % neither method gets far. And on this small
# network the closed form of part 2, which needs no optimiser, does about as well, and at 95 % a
# little better. *A method is to be judged beside the simplest one that uses the same data.*
#
# ## An experiment to change
#
# Heal with 6 images in place of 60 (`few[:6]`). What do both methods do now, compared with leaving
# the pruned network alone? Look also at `healing.negative_log_likelihood(net.logits(x), y)`: does
# confidence come back with accuracy?
#
# ## An open question
#
# For one layer descent on the squared distance has a closed form and a rate (H3), and for
# directions every step that is short enough goes down (H5 of the suite). For all layers at once the
# suite has neither: when do aligned states in the middle help the output, and when do they use up
# weights that the output would have needed? In the suite, at 95 % pruned, aligning the last of
# three hidden layers alone beats aligning all (`healing.states`). What tells beforehand which to
# choose?

# %% [markdown] tags=["instructor"]
# ## For the instructor
#
# **Timing.** The parts as in the table. Exercise 1 takes 3 minutes, 2 takes 6, 3 takes 8 (most meet
# the NaN gradient for the first time), 4 takes 3. If time is short give exercise 3's square away,
# and leave out part 4's code.
#
# **Misconceptions.**
# - "The best remaining weights are the old ones." Only if the inputs are uncorrelated.
# - "Solve, then mask." The solution without the mask counts on weights that are then missing.
# - "`where` protects from NaN." It does in the value, not in the gradient: both branches are
#   differentiated.
# - "Masked gradients suffice, my test passes." With which optimiser?
# - "The loss fell, so it heals." In the control the loss falls as well; the accuracy does not rise.
#
# **Exam questions.**
# 1. Exercise 1 with uncorrelated inputs: what is the best weight? *1: nothing can be made up for.*
# 2. Why is the minimiser of f unique for λ > 0? *The Hessian on the kept weights is at least 2λI.*
# 3. At the dense network Adam moves the weights a little. Does this contradict H1? *No: the
#    gradient is 0 up to rounding, and Adam divides by its size.*
# 4. A state that is 0 in the pruned network and not in the dense one: which distance has exercise
#    3? *½: the square of one unit vector, halved.*
#
# **Expected numbers** at 90 %, with their spread over seeds of the network:

# %% tags=["instructor"]
rows = {"pruned": [], "ridge": [], "directions": [], "control": []}
for seed in range(4):
    net = network(seed)
    masks = masks_of(net, 0.9)
    start = healing.apply_masks(net, masks)
    rows["pruned"].append(accuracy(start))
    rows["ridge"].append(accuracy(healing.reconstruct(net, start, masks, few)))
    rows["directions"].append(accuracy(healed(net, masks, start, few)))
    wrongly = aligned_wrongly(net, masks, start, few, np.roll(np.arange(len(few)), 1))
    rows["control"].append(accuracy(wrongly))
for name, values in rows.items():
    print(f"{name}: median {np.median(values):.2f}, from {min(values):.2f} to {max(values):.2f}")
