"""Figures of the dimpled manifold model: what it says, measured beside its nulls."""
