"""APGD in plain NumPy, one sample at a time, with gradients written out; a linear and a two-layer
network it is tried on."""

from typing import Any

import numpy as np


class Affine:
    """z = A x + c."""

    def __init__(self, rng, d, classes):
        self.a, self.c = rng.normal(size=(classes, d)), 0.1 * rng.normal(size=classes)

    def logits(self, x):
        return self.a @ x + self.c

    def pull(self, x, v):
        return self.a.T @ v


class TwoLayer:
    """z = A max(W x + b, 0)."""

    def __init__(self, rng, d, classes, width=16):
        self.w, self.b = rng.normal(size=(width, d)), 0.3 * rng.normal(size=width)
        self.a = rng.normal(size=(classes, width))

    def logits(self, x):
        return self.a @ np.maximum(self.w @ x + self.b, 0)

    def pull(self, x, v):
        return self.w.T @ ((self.w @ x + self.b > 0) * (self.a.T @ v))


def loss(name, z, y, t):
    """A loss of one row of logits, and its gradient in the logits."""
    e, order = np.eye(len(z)), np.argsort(-z)
    if name == "ce":
        c, sign = (y, 1) if t is None else (t, -1)
        p = np.exp(z - z.max())
        p /= p.sum()
        return -sign * np.log(p[c]), sign * (p - e[c])
    other = t if t is not None else next(i for i in order if i != y)
    top, grad = z[other] - z[y], e[other] - e[y]
    if name == "margin":
        return top, grad
    below = e[order[2]] if t is None else (e[order[2]] + e[order[3]]) / 2
    down = e[order[0]] - below
    bottom = down @ z + 1e-12
    return top / bottom, grad / bottom - top * down / bottom**2


def apgd(net, x, y, start, eps, norm, name, t=None, steps=100, box=(0.0, 1.0)):
    """Every evaluated point, the losses, after which steps the size was halved, and the last
    misclassified point."""

    def project(v):
        if norm == "linf":
            v = np.minimum(np.maximum(v, x - eps), x + eps)
        else:
            v = x + (v - x) * min(1, eps / max(np.linalg.norm(v - x), 1e-300))
        return np.clip(v, *box)

    def evaluate(v):
        value, slope = loss(name, net.logits(v), y, t)
        return value, net.pull(v, slope)

    losses = np.zeros(steps)
    at = old = best = start
    best_loss, gradient = evaluate(at)
    best_gradient, checked, halved = gradient, best_loss, True
    fooled = start if np.argmax(net.logits(start)) != y else None
    eta, window, since, visited, halvings = 2 * eps, max(22 * steps // 100, 1), 0, [start], []
    for i in range(steps):
        last, old = old, at
        move = np.sign(gradient) if norm == "linf" else gradient / np.linalg.norm(gradient)
        z = project(at + eta * move)
        at = z if i == 0 else project(at + 0.75 * (z - at) + 0.25 * (at - last))
        visited.append(at)
        losses[i], gradient = evaluate(at)
        if np.argmax(net.logits(at)) != y:
            fooled = at
        if losses[i] > best_loss:
            best, best_gradient, best_loss = at, gradient, losses[i]
        since += 1
        if since == window:
            # losses[-1] is that of the last step, which is not taken yet: 0.
            rises = sum(losses[i - k] > losses[i - k - 1] for k in range(window))
            halve = rises <= 0.75 * window or (not halved and checked >= best_loss)
            if halve:
                eta, at, gradient = eta / 2, best, best_gradient
                halvings.append(i + 1)
            halved, checked, since = halve, best_loss, 0
            window = max(window - max(3 * steps // 100, 1), max(6 * steps // 100, 1))
    return np.array(visited), losses, halvings, fooled


def compiled(function: Any) -> int:
    """How many programs a jitted function has been compiled to."""
    return function._cache_size()
