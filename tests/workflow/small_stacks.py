"""Small nights to be stacked in this process: a few lights of a field that is known, with headers as they come."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from darkroom.stacking.raw_stack import make_raw_stack
from tests.fields import Field, Pointing, dither, scatter_stars
from tests.unit.builders import write_raw
from tests.workflow.engine import run_due
from tests.workflow.jobs import plan_night
from tests.workflow.reduced import merge

SHAPE = (160, 176)
GAIN, BIAS, READ_NOISE = 1.6, 500.0, 6.0
BEGIN = datetime(2024, 3, 11, 2)
SENSITIVITY = {"R": 0.45, "G": 1.0, "B": 0.7}
SETTINGS: dict[str, Any] = {
    "dark": {"use": False},
    "flat": {"use": False},
    "certification": {"use": False},
    "detector": {"compare": False},
    "stacks": {"use": True},
}
FIELD = Field(scatter_stars(60, SHAPE, 3, least=5e3), SHAPE, GAIN, READ_NOISE, bad_part=0.0)
EMPTY = Field(np.empty((0, 3)), SHAPE, GAIN, READ_NOISE, bad_part=0.0)
POINTINGS = dither(4, 2, reach=12, turn=3)

Change = Callable[[int, np.ndarray], np.ndarray]


def take_counts(field: Field, pointing: Pointing, number: int, mosaic: str = "") -> np.ndarray:
    """Return a raw frame in ADU; behind a Bayer matrix if its colours are told."""
    rng = np.random.default_rng([number, 7])
    electrons = field.expect(pointing)
    for place, colour in enumerate(mosaic):
        electrons[place // 2 :: 2, place % 2 :: 2] *= SENSITIVITY[colour]
    counted = rng.poisson(electrons) + rng.normal(0, field.read_noise, field.shape)
    return np.clip(np.rint(counted / field.gain + BIAS), 0, 65535).astype(np.uint16)


def write_stars(
    folder: Path,
    pointings: list[Pointing],
    field: Field = FIELD,
    mosaic: str = "",
    cards: Callable[[int], Mapping[str, Any]] = lambda number: {},
    change: Change = lambda number, counts: counts,
    name: str = "light",
) -> None:
    """Write biases and lights of a field below ``folder``/raw; ``cards`` and ``change`` tell what is odd in each."""
    camera = {"EGAIN": GAIN, "RDNOISE": READ_NOISE} | ({"BAYERPAT": mosaic, "XBAYROFF": 0} if mosaic else {})
    for n in range(2):
        rng = np.random.default_rng([n, 9])
        bias = np.rint(BIAS + rng.normal(0, READ_NOISE / GAIN, SHAPE)).astype(np.uint16)
        write_raw(
            folder / "raw" / f"bias{n}.fits", "bias", 0.0, bias, (BEGIN - timedelta(hours=1)).isoformat(), **camera
        )
    for n, pointing in enumerate(pointings):
        counts = change(n, take_counts(field, pointing, n, mosaic))
        when = (BEGIN + timedelta(minutes=5 * n)).isoformat()
        path = write_raw(folder / "raw" / f"{name}{n}.fits", "light", 60.0, counts, when, **camera)
        with fits.open(path, mode="update") as hdus:
            hdus[0].header.update({"OBJECT": "M67", "FILTER": "V"} | dict(cards(n)))


def make_stacks(folder: Path, **settings: Any) -> Path:
    """Reduce and stack a night whose lights all make one stack; return it. No job may fail."""
    _, _, failed = run_due(folder, **merge(SETTINGS, settings))
    assert not failed, failed
    [stack] = folder.glob("results/*/*/stacks/*.fits")
    return stack


def make_raw(folder: Path, stack: Path, **settings: Any) -> Path:
    """Stack the raw frames of a stack; return the file."""
    nights = plan_night(folder, **merge(SETTINGS, settings))
    [job] = [job for job in nights.jobs.values() if job.kind == "stack_lights"]
    output = stack.parent / "raw" / stack.name
    output.parent.mkdir(exist_ok=True)
    make_raw_stack(str(stack), [str(folder / "results" / path) for path in job.shows], job.frames, str(output))
    return output


def read_stack(path: Path) -> tuple[fits.Header, dict[str, np.ndarray], dict[str, str]]:
    """Return a stack's header, its planes, and why lights were left out of it."""
    with fits.open(path) as hdus:
        planes = {hdu.name: np.array(hdu.data) for hdu in hdus if hdu.is_image and hdu.data is not None}
        rows = hdus["LIGHTS"].data if "LIGHTS" in hdus else []
        return hdus[0].header, planes, {row["light"].split("/")[-1]: row["reason"] for row in rows if row["reason"]}
