"""Distances to the boundary of points: anywhere, on a subspace, and off it."""

import numpy as np
from xarray import DataArray, Dataset

from theory.attacks.restricted import SIDES


def all_found(data: Dataset) -> DataArray:
    """Where all three of the distances, over ``side``, were found."""
    return np.isfinite(data.distance).all("side")


def identity(distance: DataArray) -> DataArray:
    """δ_std²(δ_on⁻² + δ_off⁻²): 1 for a linear model, whatever the subspace (D2).

    Example:
        >>> distance = DataArray([4.0, 5.0, 20 / 3], {"side": ["std", "on", "off"]}, "side")
        >>> round(float(identity(distance)), 6)
        1.0
    """
    std, on, off = (distance.sel(side=side) for side in SIDES)
    return std**2 * (on**-2 + off**-2)
