"""What many tests share: small nights, a plan without Snakemake, and one job run in this process."""

import gc
from pathlib import Path
from typing import Any

from darkroom.prepare import prepare
from darkroom.prepared import Job, Prepared
from tests.bench.budget import describe_job
from tests.bench.one_job import run_script
from tests.camera import Camera
from tests.running import UNSEEN
from tests.simulator import Truth, simulate_night

CAMERA = Camera(shape=(48, 56))


def make_night(folder: Path, **own: Any) -> Truth:
    """Write two frames of each kind, in V and of 60 s; `own` is what differs, as in `simulate_night`."""
    two = {"biases": 2, "darks": {60.0: 2}, "flats": {"V": 2}, "lights": {("V", 60.0): 2}}
    return simulate_night(folder, **{"camera": CAMERA, **two, **own})


def plan_night(folder: Path, **config: Any) -> Prepared:
    """Plan the night in `folder`/raw, with products in `folder`/results; nothing to look at unless said otherwise."""
    return prepare({"raw": str(folder / "raw"), "results": str(folder / "results"), **UNSEEN, **config})


def run_job(nights: Prepared, job: Job) -> None:
    """Run a job's script with what its rule gives it."""
    described = describe_job(nights, job, threads=1)
    Path(described["log"]).parent.mkdir(parents=True, exist_ok=True)
    for path in described["output"]:
        if job.kind != "calibrate_lights":  # Snakemake removes them first
            Path(path).unlink(missing_ok=True)
    try:
        run_script(described)
    finally:
        gc.unfreeze()  # this process goes on
