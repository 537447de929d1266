"""Figures of a test-time defence: what it moves, and what it is worth against whom."""
