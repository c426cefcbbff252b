"""What the rules tell a scheduler of the memory of stacks and solutions holds true: each is a process, and measured."""

import sys
from math import isqrt

import numpy as np
import pytest
from astropy.io import fits

from darkroom.prepare import prepare
from darkroom.resources import BAND_BYTES, BAND_SIDE, BAND_VALUE, LIBRARIES, estimate_memory_mb, estimate_minutes
from darkroom.stacking import bands, stack_lights
from tests.bench.budget import write_job
from tests.bench.stack_memory import Case, estimate_stack, measure_stack
from tests.bench.timed import measure
from tests.fields import add_star
from tests.unit.builders import write_raw
from tests.workflow.engine import run_due
from tests.workflow.jobs import plan_night
from tests.workflow.solving_night import Tools

CASES = {
    "two small ones": Case(2, 512, 512),
    "more than a band takes": Case(12, 1024, 1024),
    "on the pixels of all": Case(2, 1800, 1800, 45.0, canvas="whole"),
    "many wide ones": Case(60, 140, 4096),
    "colours": Case(2, 1200, 1200, mosaic="RGGB"),
    "colours on the pixels of all": Case(2, 1200, 1200, 45.0, mosaic="GBRG", canvas="whole"),
}
LARGE = {
    "two large ones": Case(2, 4096, 4096),
    "two large ones, turned": Case(2, 4096, 4096, 45.0, canvas="whole"),
    "forty large ones": Case(40, 4096, 4096),
    "large colours": Case(2, 4096, 4096, 45.0, mosaic="RGGB", canvas="whole"),
}
MOST = 2  # times what it takes beside the libraries that a job may be given


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """MB of a process that has imported what a stack needs."""
    folder = tmp_path_factory.mktemp("libraries")
    code = "from snakemake import iocontainers; import darkroom.stacking.night_stack"
    return measure([sys.executable, "-c", code], folder, folder / "log").memory


def check(case, folder, libraries):
    took, given = measure_stack(case, folder)
    print(f"{case}: {took.memory:.0f} MB of {given}, {took.seconds:.1f} s")
    assert took.memory < given
    assert given - LIBRARIES < MOST * (took.memory - libraries)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_stack_takes_no_more_memory_than_it_is_given_and_not_half_of_it(name, tmp_path, libraries):
    check(CASES[name], tmp_path, libraries)


@pytest.mark.extra
@pytest.mark.parametrize("name", LARGE)
def test_large_stack_takes_no_more_memory_than_it_is_given_and_not_half_of_it(name, tmp_path, libraries):
    check(LARGE[name], tmp_path, libraries)


@pytest.mark.slow
def test_libraries_of_a_stack_take_what_is_given_to_them_and_not_half_of_it(libraries):
    assert libraries < LIBRARIES < 2 * libraries


def measure_solving(folder, size, mosaic, lights=2):
    """Measure the job that looks for lights with masters and error bars, where the solver finds nothing; and its MB."""
    tools = Tools(folder / "tools")
    tools.install("")
    tools.add_index()
    rng = np.random.default_rng(1)
    told = {"BAYERPAT": mosaic} if mosaic else {}
    noise = rng.normal(0, 5, (size, size))
    stars = np.zeros((size, size))
    for x, y in rng.uniform(20, size - 20, (300, 2)):
        add_star(stars, x, y, 3e4, 1.3)
    for kind, level, number in (("bias", 0, 2), ("dark", 20, 2), ("flat", 20000, 2), ("light", 500, lights)):
        for n in range(number):
            image = np.roll(noise, 3 * n) + level + 300 + (stars if kind == "light" else 0)
            data = np.clip(image, 0, 65535).astype(np.uint16)
            write_raw(folder / "raw" / f"{kind}{n}.fits", kind, None, data, f"2024-03-11T01:0{n}:00", **told)
    settings = {"solve": {"use": True, "scale": [5, 7], "indexes": [str(tools.indexes)]}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", tools.path)
        _, _, failed = run_due(folder, certification={"use": False}, **settings)
        assert not failed
        nights = plan_night(folder, certification={"use": False}, **settings)
        (job,) = [job for job in nights.jobs.values() if job.kind == "solve_lights"]
        took = measure(write_job(nights, job, folder / "job.json"), folder, folder / "job.log")
    (reason, *_) = [str(fits.getheader(path)["HISTORY"]) for path in folder.glob("results/2*/*/solutions/*.wcs")]
    assert "no pattern matches" in reason.replace("\n", "")
    return took, estimate_memory_mb(job, 1, cosmic_rays=False)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "mosaic"), [(600, None), (2048, None), (2048, "RGGB")])
def test_solving_takes_no_more_memory_than_it_is_given_and_not_half_of_it(size, mosaic, tmp_path, libraries):
    took, given = measure_solving(tmp_path, size, mosaic)
    print(f"{size} {mosaic}: {took.memory:.0f} MB of {given}, {took.seconds:.1f} s")
    assert took.memory < given
    assert given - LIBRARIES < MOST * (took.memory - libraries)


def test_bands_are_those_of_the_code():
    """Which would import NumPy where the rules are read."""
    assert (BAND_BYTES, BAND_VALUE) == (stack_lights.MEMORY, bands.PER_VALUE)
    canvas = stack_lights.Canvas((4096, 4096))
    for number in (10**3, 10**6):
        boxes = [bands.widen(box, canvas)[0] for box in bands.cut_bands(canvas, number, BAND_BYTES)]
        assert max(rows.stop - rows.start for rows, _ in boxes) == max(
            BAND_SIDE, isqrt(BAND_BYTES // (number * BAND_VALUE))
        )


def write_night(folder, **cards):
    for n in range(2):
        write_raw(folder / f"bias{n}.fits", "bias", time=f"2024-03-11T01:0{n}:00", **cards)
        write_raw(folder / f"light{n}.fits", "light", time=f"2024-03-11T02:0{n}:00", FILTER="V", OBJECT="M67", **cards)


@pytest.mark.parametrize("canvas", ["reference", "whole"])
@pytest.mark.parametrize("mosaic", [None, "RGGB"])
def test_plan_tells_how_large_a_stack_is(tmp_path, canvas, mosaic):
    """Frames of 6 x 8 pixels, 10 from corner to corner."""
    write_night(tmp_path / "raw", **({"BAYERPAT": mosaic} if mosaic else {}))
    off = {"dark": {"use": False}, "flat": {"use": False}, "certification": {"use": False}}
    told = {"raw": str(tmp_path / "raw"), "results": str(tmp_path / "results"), **off}
    planned = prepare({**told, "stacks": {"use": True, "canvas": canvas}})
    (job,) = [job for job in planned.jobs.values() if job.kind == "stack_lights"]
    assert job.canvas == [*((6, 8) if canvas == "reference" else (10, 10)), 3 if mosaic else 1]
    assert estimate_memory_mb(job, 1, cosmic_rays=False) in (LIBRARIES, LIBRARIES + 1)
    assert estimate_memory_mb(job, 1, cosmic_rays=False, submitted=True) > LIBRARIES + 100
    assert 5 < estimate_minutes(job, cosmic_rays=False, time_limit=600) <= 6


def test_memory_does_not_grow_with_lights():
    assert estimate_stack(Case(3, 4096, 4096)) == estimate_stack(Case(20, 4096, 4096))
    assert estimate_stack(Case(900, 4096, 4096)) == pytest.approx(estimate_stack(Case(20, 4096, 4096)), rel=0.01)
