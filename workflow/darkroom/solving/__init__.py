"""Plate solving: where a light lies on the sky, found by a solver, checked by catalogue stars, written as cards."""
