"""The same training in PyTorch, where it is installed: as one would write it, and by hand.

None of these computes losses or margins on the way, and all run without a stopping rule; the arms
of this package do and have one.
"""

import importlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from experiments.bench.problems import Arm, Problem, Ready, Shape, problem

ABSENT = "PyTorch is not installed, so its arms are left out: pip install 'relu-theory[bench]'."


def installed() -> bool:
    """Whether PyTorch is there; it is not imported.

    Example:
        >>> installed() in (True, False)
        True
    """
    return find_spec("torch") is not None


def _torch() -> Any:
    return importlib.import_module("torch")  # untyped: pyright needs no PyTorch


def device() -> str:
    """Where its arms run: beside JAX's, on a GPU where both have one.

    Example:
        >>> device() if installed() else "cpu"
        'cpu'
    """
    import jax

    return "cuda" if _torch().cuda.is_available() and jax.default_backend() == "gpu" else "cpu"


def gram(given: Problem, steps: int) -> Any:
    """The algorithm of `theory.train_in_span`, the whole ensemble in batches of matrices.

    Z = Z(0) + C·G, C ← C − rate·A, and W = W(0) + C·X at the end; every array is made once.
    """
    torch = _torch()
    w, u, x, y, rate = given
    products, start = torch.bmm(x, x.mT), torch.bmm(w, x.mT)
    c, z = torch.zeros_like(start), torch.empty_like(start)
    on, step = torch.empty_like(z), (rate[:, None] * y / x.shape[1])[:, None, :]
    row, column, labels = u[:, None, :], u[:, :, None], y[:, None, :]
    for _ in range(steps):
        torch.baddbmm(start, c, products, out=z)
        torch.clamp_min(z, 0, out=on)
        slope = torch.sigmoid(-labels * torch.bmm(row, on)) * step
        # A positive activation has sign 1, any other 0.
        c.addcmul_(column, torch.sign(on, out=on).mul_(slope))
    return torch.baddbmm(w, c, x)


def gram_one_by_one(given: Problem, steps: int) -> Any:
    """`gram` on one network after another, whose arrays stay in cache."""
    members = (Problem(*(part[i : i + 1] for part in given)) for i in range(len(given.w)))
    return _torch().cat([gram(member, steps) for member in members])


def bmm(given: Problem, steps: int) -> Any:
    """Gradients by hand in full dimension, the whole ensemble in batches of matrices."""
    torch = _torch()
    w, u, x, y, rate = given
    w, step, labels = w.clone(), (rate[:, None] * y / x.shape[1])[:, None, :], y[:, None, :]
    for _ in range(steps):
        z = torch.bmm(w, x.mT)
        slope = torch.sigmoid(-labels * torch.bmm(u[:, None, :], z.clamp_min(0))) * step
        w.baddbmm_(u[:, :, None] * torch.where(z > 0, slope, 0), x)
    return w


def _loss(w: Any, u: Any, x: Any, y: Any) -> Any:
    torch = _torch()
    q = y * (torch.relu(x @ w.mT) @ u)
    return torch.nn.functional.softplus(-q).mean()


def vmap(given: Problem, steps: int) -> Any:
    """`torch.func.vmap` of `torch.func.grad` in full dimension."""
    func = importlib.import_module("torch.func")
    w, u, x, y, rate = given
    gradient = func.vmap(func.grad(_loss))
    for _ in range(steps):
        w = w - rate[:, None, None] * gradient(w, u, x, y)
    return w


def loop(given: Problem, steps: int) -> Any:
    """Autograd in full dimension, one network after another, with an optimiser of PyTorch."""
    torch = _torch()
    trained = []
    with torch.enable_grad():
        for w, u, x, y, rate in zip(*given, strict=True):
            w = w.clone().requires_grad_()
            optimizer = torch.optim.SGD([w], lr=float(rate))
            for _ in range(steps):
                optimizer.zero_grad()
                _loss(w, u, x, y).backward()
                optimizer.step()
            trained.append(w.detach())
    return torch.stack(trained)


def draw(given: Problem) -> Problem:
    """The same data and rates with networks drawn by PyTorch from the same laws."""
    torch = _torch()
    networks, m, d = given.w.shape
    generator = torch.Generator(given.w.device).manual_seed(0)
    options = {"dtype": given.w.dtype, "device": given.w.device, "generator": generator}
    w = torch.randn(networks, m, d, **options).mul_(d**-0.5)
    signs = torch.randint(0, 2, (networks, m), **options)
    return given._replace(w=w, u=(2 * signs - 1) * m**-0.5)


def drawn_gram(given: Problem, steps: int) -> Any:
    """`gram` with the networks drawn before."""
    return gram(draw(given), steps)


def tensors(given: Problem, where: str) -> Problem:
    """A problem in PyTorch, on a device."""
    return Problem(*(_torch().as_tensor(part, device=where) for part in given))


def arm(function: Callable[[Problem, int], Any], where: str | None = None) -> Arm:
    """An arm from a function of problem and steps, without autograd unless it asks for it.

    Args:
        function: to be run.
        where: the device; `device` when None.
    """

    def ready(given: Problem, steps: int) -> Ready:
        torch, on = _torch(), where or device()
        on_device = tensors(given, on)

        def run() -> Any:
            with torch.no_grad():
                trained = function(on_device, steps)
            if on == "cuda":
                torch.cuda.synchronize()
            return trained

        return Ready(run)

    return ready


def once(shape: tuple[int, int, int], networks: int, steps: int, where: str) -> None:
    """What a script would do: make a problem and train; for a process of its own, without JAX."""
    arm(gram, where)(problem(Shape(*shape), networks, "float32"), steps).run()
