"""Measure what many frames cost: ``python -m tests.scale --frames 1000 10000``; docs/scale.md has the outcome."""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from darkroom.prepare import prepare
from tests.bench.timed import Measurement, measure
from tests.running import REPOSITORY
from tests.scale.nights import FIRST, FrameWriter, Set, count_frames, list_sets, write_nights
from tests.scale.stubs import write_stubs

HEADER = "| frames | nights | lights | step | seconds | of the processor | MB |"
CONFIG = {"raw": "raw", "results": "results"}


@dataclass(frozen=True)
class Size:
    """How many frames there are, in how many nights, and how many of them are lights."""

    frames: int
    nights: int
    lights: int


def measure_size(folder: Path, size: Size, run: bool) -> Iterator[tuple[str, Measurement]]:
    """Yield what each step takes with so many frames; products are stubs, unless they are to be made by a `run`.

    Raises
    ------
    AssertionError
        If a dry run names anything but what has to be made.
    """
    write_nights(folder / "raw", size.frames, size.nights)
    yield "first look (-n)", call(folder, "-n")
    yield "nothing made yet (-n)", call(folder, "-n", lights=size.lights)
    if run:
        yield "everything made", call(folder)
    else:
        write_stubs(prepare({key: str(folder / value) for key, value in CONFIG.items()}))
        yield "all products looked at (-n)", call(folder, "-n", lights=0)
    yield "nothing to do (-n)", call(folder, "-n", lights=0)
    yield "nothing to do", call(folder)
    add_light(folder / "raw", size)
    yield "one new light (-n)", call(folder, "-n", lights=1)
    if run:
        yield "one new light", call(folder)
        yield "nothing to do", call(folder, "-n", lights=0)


def call(folder: Path, *args: str, lights: int | None = None) -> Measurement:
    """Run Snakemake in `folder`; a dry run has to name so many lights."""
    config = [f"{key}={value}" for key, value in CONFIG.items()]
    command = [sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"), "--cores", "2", *args]
    found = measure([*command, "--config", *config], folder, folder / "printed.log")
    if lights is not None:
        jobs = re.findall(r"^Job \d+: \S*/lights: (.*)$", (folder / "printed.log").read_text(), re.MULTILINE)
        named = sum(name.endswith(".fits") for job in jobs for name in job.split(", "))
        assert named == lights, f"{named} lights named, not {lights}; see {folder}/printed.log"
    return found


def add_light(raw: Path, size: Size) -> None:
    """Write one more light of the last night."""
    last = count_frames(size.frames, size.nights)[-1]
    one = list_sets(last)[-1]
    evening = FIRST + timedelta(days=size.nights - 1)
    more = Set(one.kind, one.filter, one.exposure, one.count + 1)
    FrameWriter(raw, seed=2).write(evening, more, more.count, evening + timedelta(hours=3))


def describe_size(frames: int, nights: int | None) -> Size:
    """Return the nights and lights that so many frames have."""
    counts = count_frames(frames, nights)
    lights = sum(one.count for count in counts for one in list_sets(count) if one.kind == "light")
    return Size(frames, len(counts), lights)


def measure_all(folder: Path, args: argparse.Namespace) -> None:
    print(HEADER, "|" + " --- |" * HEADER.count(" |"), sep="\n", flush=True)
    for frames in args.frames:
        size = describe_size(frames, args.nights)
        place = folder / str(frames)
        if place.exists():
            sys.exit(f"{place} is there already; name another --folder")
        for step, took in measure_size(place, size, args.run):
            cells = [f"{size.frames:,}", size.nights, f"{size.lights:,}", step]
            cells += [f"{took.seconds:.1f}", f"{took.processor:.1f}", f"{took.memory:.0f}"]
            print("|", " | ".join(map(str, cells)), "|", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[1000, 10000], help="how many, for each measurement")
    parser.add_argument("--nights", type=int, help="in how many nights (one of 333 frames each)")
    parser.add_argument("--run", action="store_true", help="make the products, instead of stubs of them")
    parser.add_argument("--folder", type=Path, help="where; kept (a temporary folder, removed)")
    args = parser.parse_args()
    if args.folder:
        measure_all(args.folder.resolve(), args)
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure_all(Path(folder), args)


if __name__ == "__main__":
    main()
