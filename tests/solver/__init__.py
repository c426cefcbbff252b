"""Plate solving: simulated and real skies, with the real solvers where they are installed."""
