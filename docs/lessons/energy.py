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
# # A defence that depends on what no prediction shows
#
# Somebody has changed an image a little so that a classifier gets it wrong. Can the classifier mend
# it? [ET3 (2026)](https://arxiv.org/abs/2603.26984) moves the image once more, down an *energy*
# that it computes from the logits, and classifies what comes out. There is a theorem that says when
# this works. There is also a catch: the energy is not determined by the classifier's answers.
#
# **When you are done** you can compute the energy's gradient; say when a step down restores a lost
# point of two classes; show that right points are not always safe; and build two classifiers that
# answer alike on every input and are defended in opposite ways.
#
# **You need** the lesson on checking (verdicts, assumptions, controls), gradients, the softmax and
# its cross-entropy.
#
# | minutes | part |
# |---|---|
# | 8 | a defence, and its control |
# | 11 | two classes by hand |
# | 8 | two theorems on trial |
# | 13 | one classifier, many energies |
# | 8 | what training fixes, and what it leaves |

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
from sklearn.datasets import load_digits

import theory
from experiments.lessons import compare
from experiments.lessons import energy as check

# %% tags=["parameters"] smoke="preset, training = 'smoke', 150"
preset = "course"
training = 400

# %% [markdown]
# ## 1 · A defence, and its control
#
# A network with one hidden layer learns 1300 images of digits, 8 × 8 pixels between 0 and 1. Then
# an attack changes every pixel of the other images by at most .15.

# %%
from theory.attacks.prototypes import Points, train_robust

images, digits = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(digits))
images, digits = jnp.asarray(images[order] / 16), jnp.asarray(digits[order])
x, y = images[1300:], digits[1300:]


def network(seed=0):
    """A network trained on the first 1300 images."""
    keys = jax.random.split(jax.random.key(seed), 2)
    one = jax.vmap(lambda key: theory.mlp(key, (64, 64, 10)))(keys[:1])
    data = Points(images[:1300], digits[:1300])
    options = {"steps": training, "batch": 100, "ascents": 0}
    trained = train_robust(one, keys[1:], data, 3e-3, 0.0, **options)
    return jax.tree.map(lambda leaf: leaf[0], trained)


net = network()
attacked = theory.attacks.apgd(net.logits, jax.random.key(2), x, y, eps=0.15, steps=20)
lost, truth = attacked.inputs[attacked.success], y[attacked.success]
print(f"right: {(net.logits(x).argmax(axis=1) == y).mean():.2f} of {len(y)} images")
print(f"lost to the attack: {len(lost)}")
before = x[attacked.success]
risen = theory.energy.energy(net.logits(lost)) > theory.energy.energy(net.logits(before))
print(f"lost images whose energy is higher than before the attack: {risen.mean():.0%}")

# %% [markdown]
# Let $f_1(x), \dots, f_K(x)$ be the logits. The *energy* of an input is
#
# $$E(x) = -\ln\sum_{k=1}^K e^{f_k(x)}.$$
#
# It is low where some logit is large. Most attacked images have a higher energy than before, as the
# last line says, so the defence walks down: it replaces $x$ by
# $x - \varepsilon\,\nabla E(x)/\|\nabla E(x)\|$ and asks the same network again. It needs neither
# the label nor any training.
#
# A lost image is *restored* if its answer is right after the step. **Predict**: which share of the
# lost images does the defence restore?

# %% tags=["prediction"]
guess = ...  # a number from 0 to 1

# %%
radius = 0.8 * 0.15 * 8  # .8 of the largest length that the attack's change can have


def restored(logits, **options):
    """The share of the lost images that is right after the defence."""
    after = theory.energy.et3(logits, lost, radius=radius, step_size=radius, steps=1, **options)
    return float((logits(after).argmax(axis=1) == truth).mean())


compare(guess, restored(net.logits))
print("a step of the same length in a random direction:",
      f"{restored(net.logits, direction='random', key=jax.random.key(3)):.2f}")

# %% [markdown]
# Some images are restored. But the **control**, a step that knows nothing, restores as many or
# more: attacked images lie close behind a boundary, and any shove may bring them back. That the
# defence does something is no evidence for its reason. (The paper's networks are trained on
# attacked images; the experiment at the end tries that.) So let us look at the reason itself.
#
# ## 2 · Two classes by hand
#
# ### Exercise 1
# Compute the energy's gradient at a point, from the logits there (an array `z` of $K$ numbers) and
# their gradients (an array `g`, whose row $k$ is $g_k = \nabla f_k$).

# %% tags=["exercise"]
def energy_gradient(z, g):
    ...


# %% tags=["solution"]
def energy_gradient(z, g):
    e = np.exp(z - z.max())
    return -(e / e.sum()) @ g


# %% tags=["check"]
check.energy_gradient(energy_gradient)

# %% [markdown]
# With $e = \mathrm{softmax}(f)$ the step therefore goes along $\sum_k e_k g_k$: a mean of the
# directions in which the logits grow, and the winner, who has the largest $e_k$, has most say.
#
# Take two classes with linear logits: $t$, the true one, and $h$, the one that is predicted. The
# *margin* $r = f_t - f_h < 0$ says that the point is lost. The step goes along $e_tg_t + e_hg_h$.
# It helps if the true class has more say, in spite of $e_t < e_h$. So the ratio that matters is
#
# $$u = \frac{e_h\|g_h\|}{e_t\|g_t\|}.$$
#
# How much does the margin change? A few random pairs of logits:

# %%
def step(z, g, eps):
    """A step of length ε down the energy of linear logits z + g·δ."""
    e = np.exp(z - z.max())
    along = (e / e.sum()) @ g
    return eps * along / np.linalg.norm(along)


def margin_after(z, g, eps):
    z = z + g @ step(z, g, eps)
    return z[0] - z[1]


rng = np.random.default_rng(0)
ratio, change = [], []
for _ in range(3000):
    g = rng.standard_normal((2, 3)) * np.array([[1], [rng.uniform(0, 1.5)]])
    z = np.array([-rng.exponential(0.5), 0.0])  # row 0 is the true class
    sizes = np.linalg.norm(g, axis=1)
    ratio.append(np.exp(z[1] - z[0]) * sizes[1] / sizes[0])
    change.append((margin_after(z, g, 1.0) - z[0]) / sizes[0])

figure, axes = plt.subplots(figsize=(5.6, 3.4))
axes.plot(ratio, change, ".", markersize=2, color="#0072B2", label="3000 lost points")
axes.plot([0, 2], [1, -1], color="black", label="$1 - u$")
axes.axhline(0, color="#999999", linewidth=0.8)
axes.axvline(1, color="#D55E00", linestyle="--", label="$u = 1$")
axes.set(xlim=(0, 2), ylim=(-2.2, 2.2), xlabel=r"$u = e_h\|g_h\|/(e_t\|g_t\|)$",
         ylabel=r"change of the margin / $(\varepsilon\|g_t\|)$")
axes.legend(frameon=False, loc="lower left");

# %% [markdown]
# To the left of $u = 1$ all points are above the line: with Δ for the change of the margin,
#
# $$\Delta \ge \varepsilon\,\|g_t\|\,(1 - u) \quad\text{where } u \le 1.$$
#
# This is at the heart of the paper's Theorem 4.1. To the right the step may go the wrong way.
#
# ### Exercise 2
# A lost point has $r = -.5$, $\|g_t\| = 2$ and $u = .4$. Which is the smallest ε for which this
# inequality promises that the margin is not negative after the step?

# %% tags=["exercise"]
eps_needed = ...

# %% tags=["solution"]
eps_needed = 0.5 / (2 * (1 - 0.4))

# %% tags=["check"]
check.eps_needed(eps_needed)

# %% [markdown]
# ## 3 · Two theorems on trial
#
# In general: if $\varepsilon \ge k|r|/\|g_t\|$ for some $k > 1$ and $u < 1 - 1/k$, then the step
# restores the point. One trial draws two linear logits that meet these conditions, some of them by
# a millionth only, and makes the step. **Predict** the verdict.

# %% tags=["prediction"]
guess = ...

# %%
from theory.energy.theorems import clean_points, two_classes

settings = two_classes.theorem.presets[preset]
verdict = theory.verify(two_classes.theorem, settings)
compare(guess, verdict.status)
for part in verdict.parts[1:]:  # the first is an exact formula for Δ
    print(f"{part.judgement.violations} of {verdict.trials} points violate: {part.claim.says}")
print("control:", verdict.control, "(detected)" if verdict.detected else "(not detected)")

# %% [markdown]
# And points that were right? At test time one does not know who was attacked, so they get the step
# as well. The paper remarks that for them no condition is needed. Try one dimension: $g_t = 1$,
# $g_h = 2$, the margin is $r = \ln 5 \approx 1.61$, and $\varepsilon = 2r$. **Predict** the margin
# after the step.

# %% tags=["prediction"]
guess = ...

# %%
r = np.log(5)
compare(guess, margin_after(np.array([r, 0.0]), np.array([[1.0], [2.0]]), 2 * r))

# %% [markdown]
# A right point is lost. Both logits grow along the step, the other one twice as fast. The suite has
# a theorem (E3) that adds what is missing: if $\rho = \|g_h\|/\|g_t\|$ is at most 1, a margin
# $r \ge 0$ changes by $\Delta \ge \varepsilon\|g_t\|(1 - \rho)$, so it never gets smaller. We put
# it on trial where the other class is up to twice as steep. **Predict** the verdict.

# %% tags=["prediction"]
guess = ...


# %%
def steep(settings, key, steeper=2.0):
    """A trial in which ‖g_h‖ is up to twice ‖g_t‖."""
    return clean_points.trial(settings, key, steeper)


verdict = theory.verify(
    replace(clean_points.theorem, trial=steep), clean_points.theorem.presets[preset]
)
compare(guess, verdict.status)
for assumption in verdict.assumptions:
    print("holds " if assumption.holds else "missed", f"{assumption.margin:9.3g}", assumption.name)
for part in verdict.parts:
    print(f"{part.judgement.violations} of {verdict.trials} points violate: {part.claim.says}")

# %% [markdown]
# *Not applicable*: an assumption is missed. That the conclusion fails as well, for many of the
# points, shows that the assumption is needed.
#
# ## 4 · One classifier, many energies
#
# Add the same number to all logits. The largest stays the largest, and the softmax does not change:
#
# $$\frac{e^{f_k + \varphi}}{\sum_j e^{f_j + \varphi}} = \frac{e^{f_k}}{\sum_j e^{f_j}}.$$
#
# This holds for a number φ of its own at every $x$. So $f$ and $f + \varphi(x)\cdot(1, \dots, 1)$
# are **one classifier**: same answers, same probabilities, same loss. Physicists call the choice of
# φ a *gauge*. The energy does see it: $E$ becomes $E - \varphi$, and so its gradient, and the
# defence, change. Here are three gauges of two linear logits, $f_t = \langle g, x\rangle$ and
# $f_h = -\langle g, x\rangle$, with $\varphi = a\langle g, x\rangle$.

# %%
g = np.array([1.0, 0.4])
side = np.linspace(-2, 2, 10)
at = np.stack(np.meshgrid(side, side), axis=-1)
figure, panels = plt.subplots(1, 3, figsize=(9, 3.2), sharey=True)
for axes, a in zip(panels, (-1.0, 0.0, 1.0), strict=True):
    z = (at @ g)[..., None] * np.array([1 + a, -1 + a])
    steps = np.array([[step(point, np.array([(1 + a) * g, (a - 1) * g]), 0.3) for point in row]
                      for row in z])
    wins = z[..., 0] > z[..., 1]
    for which, colour, name in ((wins, "#0072B2", "$t$ wins"), (~wins, "#D55E00", "$h$ wins")):
        axes.quiver(*at[which].T, *steps[which].T, color=colour, label=name)
    axes.plot(side, -side * g[0] / g[1], color="black", label="boundary")
    axes.set(title=f"$a = {a:.0f}$", xlabel="$x_1$", xlim=(-2.3, 2.6), ylim=(-2.3, 2.6))
panels[0].set_ylabel("$x_2$")
panels[1].legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.18));

# %% [markdown]
# The boundary is the same three times, and so is every answer. In the middle, the *symmetric*
# gauge, all points walk away from the boundary: a lost point gets deeper into the wrong class. On
# the right all walk towards $t$, on the left all towards $h$.
#
# ### Exercise 3
# Two logits have opposite gradients, $g_h = -g_t$. The point is lost, so that in this gauge a step
# makes things worse. Choose a gauge $\varphi = \langle v, x\rangle$ in which the step makes the
# margin larger: write the vector $v$, to be added to both gradients. `z` holds $f_t$ and $f_h$ at
# the point, and `g` has the rows $g_t$ and $g_h$.

# %% tags=["exercise"]
def gauge(z, g):
    ...


# %% tags=["solution"]
def gauge(z, g):
    return g[0]


# %% tags=["check"]
check.gauge(gauge)

# %%
from theory.energy.theorems import gauge as gauge_theorem

verdict = theory.verify(gauge_theorem.theorem, gauge_theorem.theorem.presets[preset])
print(f"{verdict.status}, {verdict.trials} points:")
for part in verdict.parts:
    print("  ", part.claim.says)

# %% [markdown]
# Have we found a perfect defence? The gauge of exercise 3 was chosen for one point, whose true
# class $t$ we knew. In use there is one gauge for all points.
#
# ### Exercise 4
# Two classes, 0 and 1, with opposite gradients, and the gauge $\varphi = \langle g_0, x\rangle$ for
# all inputs. Of the lost points, half belong to class 0 and half to class 1. All steps are long
# enough to cross the boundary if they go the right way. Which share of the lost points is restored?

# %% tags=["exercise"]
share = ...

# %% tags=["solution"]
share = 0.5

# %% tags=["check"]
check.share(share)

# %%
lean = np.linspace(-2, 2, 41)
points = [(rng.standard_normal(3), -rng.exponential(1.0)) for _ in range(400)]
shares = []
for a in lean:
    good = 0
    for i, (g0, r) in enumerate(points):
        true = i % 2  # r is the margin of the true class, at a lost point
        z = np.array([r, 0.0]) if true == 0 else np.array([0.0, r])
        eps = 4 * -r / np.linalg.norm(g0)
        after = margin_after(z, np.array([(1 + a) * g0, (a - 1) * g0]), eps)
        good += after > 0 if true == 0 else after < 0
    shares.append(good / len(points))
figure, axes = plt.subplots(figsize=(5.4, 2.8))
axes.plot(lean, shares, ".", color="#0072B2", label="400 lost points")
odds = [np.mean([abs(a) > np.tanh(-r / 2) for _, r in points]) / 2 for a in lean]
axes.plot(lean, odds, color="black", label=r"half of those with $|a| > e_h - e_t$")
axes.set(xlabel=r"gauge $\varphi = a\langle g_0, x\rangle$", ylabel="share restored", ylim=(0, 1))
axes.legend(frameon=False);

# %% [markdown]
# In no gauge of this kind is it more than one half, in the symmetric one it is none.
#
# ## 5 · What training fixes, and what it leaves
#
# Does training choose a gauge? The cross-entropy does not see φ, so its derivatives in the logits
# sum to 0 at every input. Let $z = Wh + b$ be the last layer, $h$ what enters it. The gradient of
# row $w_k$ of $W$ is $\sum_{\text{inputs}} \frac{\partial\,\text{loss}}{\partial z_k}\,h$, and
# summed over $k$ this is 0. So **descent leaves the sum of the rows exactly where the random start
# put it**. Watch:

# %%
from theory.metrics import negative_log_likelihood

start = theory.mlp(jax.random.key(7), (64, 64, 10))
slope = jax.jit(jax.grad(lambda net: negative_log_likelihood(net.logits(images), digits)))
end = start
for _ in range(200):
    end = jax.tree.map(lambda leaf, gradient: leaf - 0.5 * gradient, end, slope(end))
moved = end.weights[1] - start.weights[1]
print("largest change of a weight of the last layer:", f"{jnp.abs(moved).max():.3g}")
print("largest change of the sum of its rows:       ", f"{jnp.abs(moved.sum(axis=0)).max():.1e}")

# %% [markdown]
# Theorem E5 of the suite says so of descent with momentum, and more: started from $W + 1v^\top$ in
# place of $W$ (the vector $v$ added to every row), also Adam ends at the same classifier in the
# other gauge, $\varphi = \langle v, h\rangle$. So nothing in training prefers one. We take the
# network of part 1, add $1v^\top$ with random vectors $v$, and defend the same lost images.

# %%
from theory.energy.gauges import shifted
from theory.energy.theorems import free_gauge

verdict = theory.verify(free_gauge.theorem, free_gauge.theorem.presets[preset])
print(f"E5: {verdict.status}; control: {verdict.control}")
for size in (0.0, 2.0, 8.0):
    shares = []
    for seed in range(5):
        v = size / 8 * jax.random.normal(jax.random.key(10 + seed), (64,))
        other = shifted(net, v)
        same = (other.logits(lost).argmax(axis=1) == net.logits(lost).argmax(axis=1)).mean()
        shares.append(restored(other.logits))
    print(f"v of length {size:.0f}: {same:.0%} answers as before; restored",
          ", ".join(f"{one:.2f}" for one in shares))

# %% [markdown]
# Not one answer differs, and the defence's success does. A number about a defence is then a number
# about a gauge, which an author has chosen without knowing.
#
# ### Exercise 5
# Make a defence that does not depend on the gauge: write a function of the logits (an array, a row
# for each input) whose result gives the same answers and the same energy in every gauge. The energy
# should still depend on the input.

# %% tags=["exercise"]
def canonical(z):
    ...


# %% tags=["solution"]
def canonical(z):
    return z - z.mean(axis=1, keepdims=True)


# %% tags=["check"]
check.canonical(canonical)

# %% [markdown]
# ## An experiment to change
#
# Train the network of part 1 on attacked images: in `network`, `"ascents": 2` and .1 in place of
# the 0.0. Is the step down the energy now better than the random one? In how many of five seeds?
#
# ## An open question
#
# Which gauge should one take? Centred logits are one choice, and in the suite's trials no better
# than the one that training happened to have (`energy.gauge`). A gauge can be *learned*: φ is one
# more output, without any effect on the answers. Is there a φ that makes the step restore lost
# points against an attacker who knows it? In the suite, what the defence gains against attacks that
# do not know it shrinks against those that do (`energy.robustness`).

# %% [markdown] tags=["instructor"]
# ## For the instructor
#
# **Timing.** The parts as in the table. Exercises 1, 2 and 5 take 4 minutes each, 3 takes 5, and 4
# takes 2. If time is short leave out the trial of the right points (3 minutes) and E5's verdict.
#
# **Misconceptions.**
# - "It restores some, so it works." The random step restores some, too: what is the control?
# - "Down the energy is towards the true class." It is towards whoever has more say, $e_k\|g_k\|$.
# - "The energy belongs to the classifier." It belongs to the classifier and a gauge.
# - "Regularisation or Adam fixes the gauge." Weight decay shrinks the sum of the rows, and Adam may
#   move it, but neither has a reason to choose the one in which the defence is good.
# - "Use log-softmax, it is normalised." Then the energy is 0 everywhere, and has no gradient.
#
# **Exam questions.**
# 1. Orthogonal gradients of length 1, $r = -1$. What is u, and does the inequality promise
#    anything? *u = e > 1: no.*
# 2. For which u does the paper's condition ε > 2|r|/‖g_t‖ suffice? *k = 2: u < 1/2.*
# 3. What is the energy of f − ln Σ exp f? *0 at every input.*
# 4. Why does one step in the gauge f − f_h restore a lost point of two classes? *Then the gradients
#    are g_t − g_h and 0: the step goes straight along the gradient of the margin.*
#
# **Expected numbers**, with their spread over seeds of the network:

# %% tags=["instructor"]
down, chance = [], []
for seed in range(4):
    net = network(seed)
    attacked = theory.attacks.apgd(net.logits, jax.random.key(2), x, y, eps=0.15, steps=20)
    lost, truth = attacked.inputs[attacked.success], y[attacked.success]
    down.append(restored(net.logits))
    chance.append(restored(net.logits, direction="random", key=jax.random.key(3)))
print("restored by a step down the energy:", np.round(down, 2))
print("restored by a random step:         ", np.round(chance, 2))
