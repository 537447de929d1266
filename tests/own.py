"""Four theorems of one's own, each made of what `relu-theory new theorem` writes."""

from experiments.command.tools import EXAMPLES

WRITTEN = (EXAMPLES / "theorem.txt").read_text(encoding="utf-8")


def changed(*pairs: tuple[str, str]) -> str:
    """The example with some of its text in other words."""
    text = WRITTEN.replace("NAME", "mine.bound")
    for old, new in pairs:
        assert text.count(old) == 1, (old, text.count(old))
        text = text.replace(old, new)
    return text


FALSE = changed(("jnp.sqrt(2 * jnp.log(N / DELTA))", "0.9 * jnp.max(x)"))
UNMET = changed(
    ('{"variance 1": -jnp.abs(jnp.asarray(scale - 1.0))}',
     '{"variance 1": -jnp.abs(jnp.asarray(scale - 1.0)), "n ≥ 1000": jnp.asarray(N - 1000.0)}'),
)  # fmt: skip
LEMMA = '''"""The Cauchy–Schwarz inequality for the rows of a random matrix and a random vector:
no row has a larger product with the vector than the product of their norms."""

import jax
import jax.numpy as jnp

from theory.claims import AtMost
from theory.theorem import Control, Theorem, Trial


def trial(settings, key, scale=1.0) -> Trial:
    """Measured: max_i ⟨a_i, x⟩. Predicted: max_i ‖a_i‖·‖x‖, of norms that are divided by scale."""
    key_a, key_x = jax.random.split(key)
    a, x = jax.random.normal(key_a, (20, 3)), jax.random.normal(key_x, (3,))
    bound = jnp.max(jnp.linalg.norm(a, axis=1)) * jnp.linalg.norm(x) / scale
    return Trial(jnp.max(a @ x), bound, {"whole norms": 1.0 - jnp.asarray(scale)})


theorem = Theorem(
    name="mine.schwarz",
    statement="max_i ⟨a_i, x⟩ ≤ max_i ‖a_i‖·‖x‖",
    claim=AtMost(),
    trial=trial,
    control=Control(name="a fifth of the norms", numbers={"scale": 5.0}),
)
'''

FILES = {
    "true": (changed(), "verified", True),
    "false": (FALSE, "falsified", None),
    "unmet": (UNMET, "not applicable", None),
    "lemma": (LEMMA, "verified", True),
}
"""Text, verdict and whether the control is detected."""

MISTAKES = {
    "no_control": (
        changed(('    control=Control(name="variance 4", numbers={"scale": 2.0}),\n', "")),
        r"line 23 \(theorem = Theorem\(\): .*missing .*'control'",
    ),
    "untraceable": (
        changed(("x = scale * jax", "x = float(jnp.asarray(scale)) * jax")),
        r"line 17 \(x = float.*Concretiz",
    ),
    "shape": (
        changed(("Trial(jnp.max(x), bound", "Trial(x, bound")),
        r"line 15 \(def trial\): mine\.bound.*shape \(100,\) and must have \(\)",
    ),
    "inside": (
        changed(("(key, (N,))", "(key, (N,)) @ jnp.ones(3)")),
        r"line 17 .*contracting dimensions",
    ),
    "deeper": (
        changed(
            ("def trial(", "def halved(x):\n    return x[::2] + x\n\n\ndef trial("),
            ("jnp.max(x), bound", "jnp.max(halved(x)), bound"),
        ),
        r"line 16 \(return x\[::2\] \+ x\): TypeError",
    ),
    "syntax": (changed(("def trial(", "def trial((")), "line 15: invalid syntax"),
    "nothing": (changed(("theorem = ", "claim = ")), "has neither `theorem = Theorem"),
}
"""Text, and what is said of it."""
