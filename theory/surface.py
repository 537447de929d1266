"""The set on which a function of three coordinates is zero, as a surface."""

from itertools import product

import numpy as np


def zero_set(values: np.ndarray, axes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Quadrilaterals of {N = 0} by surface nets: all of it inside the grid, whatever its shape.

    Every cube that the surface crosses holds one vertex, the mean of the zeros on its edges (of N
    interpolated along the edge); every edge that it crosses joins the vertices of the four cubes
    around the edge. Folds are rounded, and sheets merged, below the size of a cube.

    Args:
        values: N on the grid, of shape (len(axes[0]), len(axes[1]), len(axes[2])).
        axes: the grid's coordinates.

    Returns:
        Corners, of shape (quadrilaterals, 4, 3).

    Example:
        >>> x = np.linspace(0, 1, 4)
        >>> quads = zero_set(np.broadcast_to(x - 0.25, (4, 4, 4)), (x, x, x))
        >>> quads.shape, np.unique(quads[..., 2]).tolist()
        ((4, 4, 3), [0.25])
    """
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    edges = []
    total, count = np.zeros((*(n - 1 for n in values.shape), 3)), 0
    for axis in range(3):
        first, last = (np.delete(values, at, axis) for at in (-1, 0))
        crossed = (first < 0) != (last < 0)
        share = np.where(crossed, first, 0) / np.where(crossed, first - last, 1)
        start, end = (np.delete(grid, at, axis) for at in (-1, 0))
        zeros = start + share[..., None] * (end - start)
        for around in product((0, 1), repeat=2):
            # A cube's edges along this axis: either end of its extent along the two others.
            window = _window(axis, around)
            total = total + np.where(crossed[window][..., None], zeros[window], 0)
            count = count + crossed[window]
        edges.append(crossed)
    vertices = total / np.maximum(count, 1)[..., None]
    quads = []
    for axis, crossed in enumerate(edges):
        inner = crossed[tuple(slice(None) if other == axis else slice(1, -1) for other in range(3))]
        cubes = (_window(axis, around) for around in ((0, 0), (0, 1), (1, 1), (1, 0)))
        quads.append(np.stack([vertices[cube][inner] for cube in cubes], axis=1))
    return np.concatenate(quads)


def solid(radius: float, cube: bool) -> np.ndarray:
    """Quadrilaterals of a ball, or of a cube of about its volume, around the origin.

    Example:
        >>> quads = solid(2.0, cube=False)
        >>> bool((abs(np.linalg.norm(quads, axis=-1) - 2) < 0.1).all())
        True
    """
    side = np.linspace(-1.2, 1.2, 9)
    points = np.stack(np.meshgrid(side, side, side, indexing="ij"))
    norms = np.linalg.norm(points, ord=np.inf if cube else 2, axis=0)
    return radius * zero_set((0.85 if cube else 1) - norms, (side, side, side))


def brightness(quads: np.ndarray, light: np.ndarray) -> np.ndarray:
    """|cos| of the angle between light and normal times |light|, at most 1: both faces shine.

    Example:
        >>> square = np.array([[[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]])
        >>> brightness(square, np.array([1.0, 0.0, 0.5])).tolist()
        [0.5]
    """
    normal = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    length = np.linalg.norm(normal, axis=1)
    return np.minimum(np.abs(normal @ light) / np.where(length > 0, length, 1), 1)


def _window(axis: int, offsets: tuple[int, ...]) -> tuple[slice, ...]:
    """All of one axis, and the two others one shorter, from an offset of 0 or 1 on."""
    slices = [slice(o, o - 1 or None) for o in offsets]
    slices.insert(axis, slice(None))
    return tuple(slices)
