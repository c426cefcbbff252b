"""Measure the peak memory of a master flat of many large frames: ``python -m tests.bench.memory [--frames 100 200]``.

The peak of the fewest must be below 1 GB, and that of the most no more than a tenth above it.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from astropy.io import fits

from darkroom.prepare import prepare
from darkroom.prepared import Job, Prepared
from tests.bench.budget import write_job
from tests.bench.night import Night, write_night
from tests.bench.rules import ask_rules
from tests.bench.timed import Measurement, measure
from tests.running import REPOSITORY

LIMIT = 1000.0  # MB
GROWTH = 1.1
NIGHT = Night(biases=3, darks=3, flats=4, lights=0)  # each flat is copied, with a header of its own


def copy_flats(folder: Path, number: int) -> None:
    """Fill a folder of flats up to `number`: the pixels of those that are there, with other times."""
    flats = sorted(folder.glob("*.fits"))
    for count in range(len(flats), number):
        source = flats[count % NIGHT.flats]
        content = source.read_bytes()
        header = fits.Header.fromstring(content)
        size = len(header.tostring())
        start = datetime.fromisoformat(header["DATE-OBS"]) + timedelta(seconds=10 * (count // NIGHT.flats))
        header["DATE-OBS"] = start.isoformat(timespec="milliseconds")
        path = source.with_name(f"{source.stem[:-3]}{count + 1:03d}.fits")
        path.write_bytes(header.tostring().encode() + content[size:])


def run_below(nights: Prepared, job: Job, folder: Path, threads: dict[str, int]) -> Measurement:
    """Run a job and, before it, all that it needs; return what the job itself took."""
    makers = {product: each for each in nights.jobs.values() for product in each.products}
    for path in job.needs:
        if not (Path(nights.results) / path).exists():
            run_below(nights, makers[path], folder, threads)
    command = write_job(nights, job, folder / "job.json", threads[job.products[0]])
    return measure(command, folder, folder / "job.log")


def measure_flat(raw: Path, folder: Path) -> tuple[Measurement, Measurement, float]:
    """Return what the master flat took, what its certificate did, and the MB that the rule gives the former."""
    told = ask_rules(raw, folder / "results")
    threads = {product: given["threads"] for product, given in told.items()}
    nights = prepare({"raw": str(raw), "results": str(folder / "results")})
    (flat,) = [job for job in nights.jobs.values() if job.kind == "make_master_flat"]
    (certificate,) = [job for job in nights.jobs.values() if job.name.endswith("certificates/master_flat_V")]
    made = run_below(nights, flat, folder, threads)
    return made, run_below(nights, certificate, folder, threads), told[flat.products[0]]["mem_mb"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the peak memory of a master flat of many large frames.")
    parser.add_argument("--frames", type=int, nargs="+", default=[100, 200], help="default: 100 200")
    parser.add_argument("--size", type=int, default=4096, help="rows and columns of a frame, pixels; default: 4096")
    options = parser.parse_args()
    library = str(REPOSITORY / "workflow")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [library, os.environ.get("PYTHONPATH")]))
    peaks = []
    print(f"{'flats':>5} {'flat MB':>8} {'s':>7} {'given MB':>9} {'certificate MB':>15} {'s':>7}")
    with tempfile.TemporaryDirectory(prefix="darkroom-memory-") as name:
        raw = Path(name) / "raw"
        write_night(replace(NIGHT, size=options.size), raw)
        for number in sorted(options.frames):
            copy_flats(raw / "flat_V", number)
            folder = Path(name) / str(number)
            folder.mkdir()
            flat, certificate, given = measure_flat(raw, folder)
            peaks.append(flat.memory)
            line = f"{number:5d} {flat.memory:8.0f} {flat.seconds:7.1f} {given:9.0f}"
            print(f"{line} {certificate.memory:15.0f} {certificate.seconds:7.1f}", flush=True)
    if peaks[0] > LIMIT or peaks[-1] > GROWTH * peaks[0]:
        sys.exit(f"memory: more than {LIMIT:.0f} MB, or it grows by more than a tenth with the number of frames")


if __name__ == "__main__":
    main()
