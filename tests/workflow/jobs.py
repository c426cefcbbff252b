"""What many tests share: small nights, a plan without Snakemake, and one job run in this process."""

import gc
import runpy
from pathlib import Path
from typing import Any

from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, ResourceList, Snakemake, Wildcards

from darkroom.prepare import prepare
from darkroom.prepared import Job, Prepared
from tests.camera import Camera
from tests.running import REPOSITORY, UNSEEN
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
    results = Path(nights.results)
    files = InputFiles([str(results / job.recipe), *job.frames, *(str(results / path) for path in job.masters)])
    files._set_name("recipe", 0)
    files._set_name("frames", 1, end=1 + len(job.frames))
    files._set_name("masters", 1 + len(job.frames), end=len(files))
    log = results / job.log
    log.parent.mkdir(parents=True, exist_ok=True)
    outputs = [results / path for path in job.products]
    for path in outputs:
        if job.kind != "calibrate_lights":  # Snakemake removes them first
            path.unlink(missing_ok=True)
    snakemake = Snakemake(
        input_=files,
        output=OutputFiles(list(map(str, outputs))),
        params=Params(fromdict={"warn_only": nights.if_failed == "warn"}),
        wildcards=Wildcards(),
        threads=1,
        resources=ResourceList(),
        log=Log([str(log)]),
        config={},
        rulename=job.kind,
        bench_iteration=None,
    )
    try:
        runpy.run_path(str(REPOSITORY / "scripts" / f"{job.kind}.py"), init_globals={"snakemake": snakemake})
    finally:
        gc.unfreeze()  # this process goes on
