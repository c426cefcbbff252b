"""A night of a field whose stars are known: dithered, rotated, flipped, with a cloud, a trail and a blank field."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from tests.fields import Field, Pointing, dither, scatter_stars
from tests.unit.builders import write_raw

SHAPE = (400, 420)
BIAS, GAIN, READ_NOISE = 500.0, 1.6, 6.0
CARDS = {"EGAIN": GAIN, "RDNOISE": READ_NOISE}
CLOUDY, TRAILED = 9, 10  # numbers of the lights that are to be left out
BEGIN = datetime(2024, 3, 11, 2)
SETTINGS = """
dark: {use: false}
certification: {use: false}
detector: {compare: false}
stacks: {use: true}
"""


@dataclass(frozen=True)
class Night:
    """The field, how each of its lights was taken, and which part of the light is left where the flat is one."""

    field: Field
    pointings: list[Pointing]
    part: float


def write_night(raw, number: int = 9, seed: int = 3) -> Night:
    """Write biases, flats, lights of M67 (two of them poor) and lights of a field without stars, below ``raw``."""
    rng = np.random.default_rng(seed)
    field = Field(scatter_stars(150, SHAPE, seed, most=6e5), SHAPE, GAIN, READ_NOISE, bad_part=0.0, hits=20)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    flat = 1 - 0.15 * (((x - 200) / 210) ** 2 + ((y - 190) / 200) ** 2)

    def write(name: str, electrons: np.ndarray, kind: str, when: datetime, exposure: float = 60.0, **cards) -> None:
        counts = rng.poisson(electrons) + rng.normal(0, READ_NOISE, SHAPE)
        data = np.clip(np.rint(counts / GAIN + BIAS), 0, 65535).astype(np.uint16)
        write_raw(raw / name, kind, exposure, data, when.isoformat(), **CARDS, **cards)

    for n in range(5):
        write(f"bias{n}.fits", np.zeros(SHAPE), "bias", BEGIN - timedelta(minutes=30 - n), 0.0)
        write(f"flat{n}.fits", 40000.0 * flat, "flat", BEGIN - timedelta(minutes=20 - n), 5.0, FILTER="V")
    pointings = dither(number, seed)
    pointings += [Pointing((12.0, -9.0), 1.5, clear=0.3), Pointing((-14.0, 6.0), -2.0)]
    for n, pointing in enumerate(pointings):
        image = field.expect(pointing)
        if n == number + 1:  # the telescope moved on while it was exposed
            steps = [replace(pointing, shift=(pointing.shift[0] + step, pointing.shift[1])) for step in range(7)]
            image = np.mean([field.expect(step) for step in steps], axis=0)
        for _ in range(field.hits):
            image[tuple(rng.integers(0, SHAPE))] += rng.uniform(3e3, 3e4)
        write(f"m67_{n:02d}.fits", image * flat, "light", BEGIN + timedelta(minutes=2 * n), OBJECT="M67", FILTER="V")
    for n in range(3):
        when = BEGIN + timedelta(minutes=40 + 2 * n)
        write(f"blank_{n}.fits", 200.0 * flat, "light", when, OBJECT="blank", FILTER="V")
    return Night(field, pointings, float(np.median(flat)))
