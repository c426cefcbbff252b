"""Stacking: calibrated lights of one object registered by their stars, resampled, clipped and averaged."""
