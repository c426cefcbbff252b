"""Measure the peak memory of stacks: ``python -m tests.bench.stack_memory [--lights 2 40] [--size 4096]``.

Each stack is a job of its own, of calibrated lights that are written for it; what a scheduler would be told stands
beside what it took. On the canvas of all lights these are turned against each other, which makes it largest.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, hypot
from pathlib import Path

import numpy as np
from astropy.io import fits

from darkroom.prepared import Job
from darkroom.products import write_product
from darkroom.resources import LIBRARIES, estimate_memory_mb
from darkroom.stamps import digest_recipe
from tests.bench.timed import Measurement, measure
from tests.fields import Pointing, add_star
from tests.running import REPOSITORY

STARS = 60
SETTINGS = {"weights": "noise", "sigma": 4, "min_flux": 0.5, "max_fwhm": 1.5, "max_elongation": 1.4}
PLACE = {"night": "2024-03-10", "setup": "setup", "kind": "stack"}
MAKE = """
import json, sys
from snakemake import iocontainers
from darkroom.stacking.night_stack import make_stack
told = json.load(open(sys.argv[1]))
print(make_stack(told["paths"], told["recipe"], told["output"]))
"""


@dataclass(frozen=True)
class Case:
    """How many lights a stack has, their rows and columns, by how much they are turned, and their colours."""

    lights: int
    rows: int
    columns: int
    degrees: float = 0.0
    mosaic: str = ""
    canvas: str = "reference"


def write_lights(case: Case, folder: Path, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Write lights of one field, turned and dithered; yield the path and the digest of each.

    Their noise is that of one frame, moved along: what a stack takes does not depend on it.
    """
    rng = np.random.default_rng(seed)
    shape = case.rows, case.columns
    noise = rng.normal(200, 12, shape).astype(np.float32)
    middle = (np.array(shape[::-1]) - 1) / 2
    places = rng.uniform(0.25, 0.75, (STARS, 2)) * (case.columns, case.rows)
    mask = (rng.random(shape) < 0.002).astype(np.uint8)
    for number in range(case.lights):
        pointing = Pointing(tuple(rng.uniform(-20, 20, 2)), case.degrees * number / max(case.lights - 1, 1))
        angle = np.deg2rad(pointing.degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        image = np.roll(noise, 7 * number)
        turned = (places - middle) @ turn.T + middle + pointing.shift
        for (x, y), flux in zip(turned, np.geomspace(3e4, 1e6, STARS), strict=True):
            add_star(image, x, y, flux, 1.5)
        name = f"night/setup/lights/light_{number:03d}.fits"
        start = f"2024-03-11T02:{number:02d}:00.000"
        recipe = {"product": name, "frames": [{"name": f"{number}.fits", "exposure": 60.0, "start": start}]}
        recipe |= PLACE | {"settings": {"overscan": None}} | ({"mosaic": case.mosaic} if case.mosaic else {})
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        variance = np.full(shape, 144, np.float32)
        write_product(str(path), image, fits.Header({"BUNIT": "electron", "EXPTIME": 60.0}), recipe, variance, mask)
        yield str(path), digest_recipe(recipe)


def measure_stack(case: Case, folder: Path) -> tuple[Measurement, float]:
    """Return what the stack took, and the MB that its rule is given; the lights are removed."""
    lights = dict(write_lights(case, folder))
    product = "night/setup/stacks/field.fits"
    recipe = PLACE | {"product": product, "settings": SETTINGS | {"canvas": case.canvas}}
    recipe["lights"] = [{"path": path, "digest": digest} for path, digest in lights.items()]
    told = {"paths": list(lights), "recipe": recipe, "output": str(folder / "field.fits")}
    (folder / "stack.json").write_text(json.dumps(told))
    took = measure([sys.executable, "-c", MAKE, str(folder / "stack.json")], folder, folder / "log")
    shape = fits.getheader(folder / "field.fits")
    assert shape["NAXIS"] == (3 if case.mosaic else 2), (folder / "log").read_text()
    assert shape["NCOMBINE"] == case.lights, (folder / "log").read_text()
    for path in lights:
        os.unlink(path)
    return took, estimate_stack(case)


def estimate_stack(case: Case) -> float:
    """Return the MB that a rule is given for such a stack."""
    frames = [str(number) for number in range(case.lights)]
    job = Job("stack_lights", "stack", ["stack.fits"], "", frames, frames, True, case.rows * case.columns)
    sides = [case.rows, case.columns] if case.canvas == "reference" else [ceil(hypot(case.rows, case.columns))] * 2
    job.canvas = [*sides, 3 if case.mosaic else 1]
    return estimate_memory_mb(job, 1, cosmic_rays=False)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the peak memory of stacks.")
    parser.add_argument("--lights", type=int, nargs="+", default=[2, 40], help="default: 2 40")
    parser.add_argument("--size", type=int, default=4096, help="rows and columns of a light, pixels; default: 4096")
    parser.add_argument("--colours", action="store_true", help="of colour mosaics")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(REPOSITORY / "workflow"), os.environ.get("PYTHONPATH")])
    )
    print(f"{'lights':>6} {'canvas':>10} {'turned':>6} {'MB':>7} {'given MB':>9} {'s':>7}")
    for number in options.lights:
        for canvas, degrees in (("reference", 0.0), ("reference", 45.0), ("whole", 45.0)):
            case = Case(number, options.size, options.size, degrees, "RGGB" if options.colours else "", canvas)
            with tempfile.TemporaryDirectory(prefix="darkroom-stack-") as name:
                took, given = measure_stack(case, Path(name))
            print(
                f"{number:6d} {canvas:>10} {degrees:6g} {took.memory:7.0f} {given:9.0f} {took.seconds:7.1f}", flush=True
            )
    print(f"of which libraries: up to {LIBRARIES} MB")


if __name__ == "__main__":
    main()
