"""Many nights of tiny frames, written fast: real headers, 12 x 16 pixels, no two files alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.camera import Camera, write_frame

SHAPE = 12, 16
FILTERS = "B", "V"
EXPOSURES = 30.0, 60.0  # s, of darks and lights
LEVELS = {"bias": 0.0, "dark": 1.0, "flat": 30000.0, "light": 600.0}  # ADU above the bias
FIRST = datetime.fromisoformat("2023-01-01T03:00:00")  # UTC, an evening at the site of the headers
TIME = b"2000-01-01T00:00:00.000"  # of the headers that are written over
FRAMES_PER_NIGHT = 333


@dataclass(frozen=True)
class Set:
    """Frames of one kind that a night has, taken one after another."""

    kind: str
    filter: str | None
    exposure: float
    count: int

    @property
    def name(self) -> str:
        """Its folder, and what its frames' names begin with."""
        return "_".join(filter(None, [self.kind, self.filter, f"{self.exposure:g}s"]))


def list_sets(frames: int) -> list[Set]:
    """Return what a night of so many frames holds: 16 biases, 16 darks, 16 flats through each filter, else lights."""
    sets = [Set("flat", name, 4.0, 16) for name in FILTERS]
    sets += [Set("dark", None, exposure, 8) for exposure in EXPOSURES] + [Set("bias", None, 0.0, 16)]
    lights = frames - sum(one.count for one in sets)
    kinds = [(name, exposure) for name in FILTERS for exposure in EXPOSURES]
    shares = [lights // len(kinds) + (number < lights % len(kinds)) for number in range(len(kinds))]
    return sets + [
        Set("light", name, exposure, share) for (name, exposure), share in zip(kinds, shares, strict=True) if share > 0
    ]


def count_frames(frames: int, nights: int | None = None) -> list[int]:
    """Return how many of the frames each of the nights has, as evenly as can be; 333 a night unless told otherwise."""
    nights = nights or max(1, round(frames / FRAMES_PER_NIGHT))
    return [frames // nights + (number < frames % nights) for number in range(nights)]


def write_nights(folder: Path, frames: int, nights: int | None = None, seed: int = 1) -> int:
    """Write so many raw frames below `folder`, a folder for each night and set; return how many there are."""
    writer = FrameWriter(folder, seed)
    for number, count in enumerate(count_frames(frames, nights)):
        evening = FIRST + timedelta(days=number)
        for frame in list_frames(list_sets(count), evening):
            writer.write(evening, *frame)
    return writer.written


def list_frames(sets: list[Set], start: datetime) -> Iterator[tuple[Set, int, datetime]]:
    """Yield set, number and start of each frame of a night."""
    for one in sets:
        for number in range(1, one.count + 1):
            yield one, number, start
            start += timedelta(seconds=10)


class FrameWriter:
    """Writes raw frames: one header for each set, in which the start is written over, and pixels from a long row."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.folder = folder
        self.camera = Camera(shape=SHAPE)
        self.noise = np.random.default_rng(seed).normal(0, 1, 2**20).astype(np.float32)
        self.headers: dict[Set, bytes] = {}
        self.written = 0

    def write(self, evening: datetime, one: Set, number: int, start: datetime) -> Path:
        """Write one frame; return where."""
        place = self.folder / evening.date().isoformat() / one.name
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{evening.date():%Y%m%d}_{one.name}_{number:03d}.fits"
        header = self._write_header(one).replace(
            b"2000-01-01T00:00:00.000", start.isoformat("T", "milliseconds").encode()
        )
        path.write_bytes(header + self._expose(one).tobytes().ljust(2880, b"\0"))
        self.written += 1
        return path

    def _write_header(self, one: Set) -> bytes:
        if one not in self.headers:
            template = self.folder / "template"
            self.folder.mkdir(parents=True, exist_ok=True)
            blank = np.zeros(SHAPE, np.uint16)
            start = datetime.fromisoformat(TIME.decode())
            how: dict[str, Any] = {"kind": one.kind, "exposure": one.exposure, "filter": one.filter}
            write_frame(template, blank, time=start, camera=self.camera, **how)
            content = template.read_bytes()
            template.unlink()
            self.headers[one] = content[: len(content) - 2880]  # the pixels take one block
        return self.headers[one]

    def _expose(self, one: Set) -> np.ndarray:
        """Return pixels in ADU as FITS stores them (big-endian, less 32768)."""
        pixels = SHAPE[0] * SHAPE[1]
        start = self.written * 7 % (self.noise.size - pixels)
        level = LEVELS[one.kind]
        deviation = np.sqrt((level / self.camera.gain) + (self.camera.read_noise / self.camera.gain) ** 2)
        image = np.rint(self.camera.bias_level + level + deviation * self.noise[start : start + pixels])
        return (image - 32768).astype(">i2")
