"""Figures of adversarial attacks, and of the almost-linearity that chooses their targets."""
