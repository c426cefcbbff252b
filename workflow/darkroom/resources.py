"""Resources: the memory, time and threads that a job is given, from the size and the number of its frames."""

from __future__ import annotations

from math import ceil, isqrt, prod

from darkroom.prepared import Job

LIBRARIES = 250  # MB; Python and what a job imports
SUBMISSION = 300  # MB; Snakemake, which on a cluster starts a job by way of itself, twice
# How many planes of float32 each kind of job holds at most. tests/unit/test_memory.py holds them.
PLANES = {
    "measure_detector": 3,
    "make_master_bias": 8,
    "make_master_dark": 11,
    "make_master_flat": 14,
    "certify_master": 8,
    "collect_bad_pixels": 3,
    "solve_lights": 20,
    "calibrate_lights": 15,
    "stack_lights": 14,  # of one light: its stars are found, or it is turned
    "preview_lights": 6,
    "preview_master": 6,
    "compare_pair": 8,
    "make_report": 0,
    "make_trends": 0,
}
DRAWING = 250  # MB more, of the libraries that draw pages
PICTURE = 1.0  # MB that a page holds of each light and master
COSMIC_RAYS = 14  # planes more, to look for hits
# Bands of all lights that are stacked; of the code, which is not imported here (darkroom.stacking, bands and others).
BAND_BYTES, BAND_VALUE, BAND_SIDE = 2**29, 56, 96
STACKED = 3.5  # planes of a stack, for each colour, of which more than twice as much is held when it is written
WRITING = 2.4
SAMPLE = 3.5  # MB of each frame that a certificate looks at
THREAD = 50  # MB for the bands of all frames that a thread combines
COMBINING = {"make_master_bias", "make_master_dark", "make_master_flat", "certify_master"}
SETTING_OUT = 5  # minutes; a node under load, a file system that is slow to wake
# Seconds for a megapixel of each frame, many times what a quiet machine takes.
SECONDS_LIGHT = 1.0
SECONDS_OTHERS = 0.2
SECONDS_STACK = 5.0
SECONDS_COSMIC_RAYS = 5.0
WORK = 2**26  # pixels of raw frames that are worth a thread of their own
MOST_THREADS = 8


def estimate_memory_mb(job: Job, threads: int, cosmic_rays: bool, submitted: bool = False) -> int:
    """Return the MB that a job takes at most; the number of its frames plays hardly any part."""
    start = LIBRARIES + (SUBMISSION if submitted else 0)
    megapixels = job.pixels / 1e6
    planes = PLANES[job.kind] + (COSMIC_RAYS if cosmic_rays and job.kind == "calibrate_lights" else 0)
    bands = THREAD * threads if job.kind in COMBINING else 0
    samples = min(SAMPLE, 12 * megapixels) * len(job.frames) if job.kind == "certify_master" else 0
    if job.kind == "stack_lights":
        return ceil(start + _estimate_stack(job, 4 * megapixels * planes))
    pictures = DRAWING + PICTURE * len(job.needs) if job.kind in ("make_report", "make_trends") else 0
    return ceil(start + 4 * megapixels * planes + bands + samples + pictures)


def _estimate_stack(job: Job, light: float) -> float:
    """Return the MB of a stack's planes and bands, and of the ``light`` that is put on them."""
    rows, columns, colours = job.canvas
    lights = len(job.frames) * (2 if colours > 1 else 1)  # there are two greens
    most = BAND_BYTES // (lights * BAND_VALUE)  # pixels of a band: whole rows, or a square where lights are many
    side = max(BAND_SIDE, isqrt(most))
    within = min(rows * columns, most) if most >= BAND_SIDE * columns else min(rows, side) * min(columns, side)
    bands = within * lights * BAND_VALUE / 1e6
    stack = 4e-6 * rows * columns * colours * STACKED
    return max(stack + bands, stack + light + bands / 3, stack * WRITING)


def estimate_minutes(job: Job, cosmic_rays: bool, time_limit: float = 0.0) -> int:
    """Return the minutes after which a job has gone astray; solving a light may take the ``time_limit`` in seconds."""
    seconds, pixels = SECONDS_OTHERS, job.pixels
    if job.kind == "stack_lights":
        seconds, pixels = SECONDS_STACK, prod(job.canvas)
    if job.kind == "calibrate_lights":
        seconds = SECONDS_LIGHT + (SECONDS_COSMIC_RAYS if cosmic_rays else 0)
    images = max(len(job.frames), len(job.products))
    solving = time_limit * images if job.kind == "solve_lights" else 0.0
    return SETTING_OUT + ceil((seconds * pixels / 1e6 * images + solving) / 60)


def count_threads(job: Job, alike: int, cores: int) -> int:
    """Return the threads of a job that combines frames: what is left for it when ``alike`` jobs run at once."""
    return max(1, min(cores // max(alike, 1), ceil(job.pixels * len(job.frames) / WORK), MOST_THREADS))
