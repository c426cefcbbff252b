"""Darkroom's library: plan and do the calibration of raw CCD and CMOS frames.

What runs while Snakemake parses (settings, sections, headers, frames, matching, plan, recipes, summary) imports
neither ccdproc nor scipy, so that a dry run stays quick; what scripts run may.
"""

__version__ = "0.1.0"
