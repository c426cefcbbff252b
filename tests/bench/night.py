"""Nights for the benchmark, written fast: the noise is Gaussian, and all of it is cut from one long row of values.

The simulator of the tests is exact, and too slow for gigabytes. Here a frame is its noiseless image plus its standard
deviation times values that start elsewhere in the row for each frame, so that no two frames share the noise of a pixel.
"""

import json
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from tests.camera import Camera, write_frame
from tests.simulator import READOUT, render_stars

EXPOSURES = {"bias": 0.0, "dark": 60.0, "flat": 4.0, "light": 60.0}  # s
FLAT_SIGNAL = 30000.0  # ADU; each set fades by 20 %
SKY = 600.0, 900.0  # ADU, of the first light and the last
STARS = 20
# Of a pixel; what is calibrated has its error bar and its mask, of ccdproc in float64.
BYTES = {"raw": 2, "light": 4 + 4 + 1, "ccdproc": 8 + 8 + 1}


@dataclass(frozen=True)
class Night:
    """How many frames a night has (flats and lights: through each filter) and their rows and columns."""

    biases: int
    darks: int
    flats: int
    lights: int
    filters: tuple[str, ...] = ("V",)
    size: int = 2048

    def list_frames(self) -> list[tuple[str, str, str | None]]:
        """Return folder, kind and filter of every frame, in the order in which they are taken."""
        sets = [("flat", name, self.flats) for name in self.filters]
        sets += [("light", name, self.lights) for name in self.filters]
        sets += [("dark", None, self.darks), ("bias", None, self.biases)]
        return [(f"{kind}_{name}" if name else kind, kind, name) for kind, name, count in sets for _ in range(count)]

    @property
    def bytes(self) -> int:
        """Disk space for the raw frames and the largest products of them (some masters included)."""
        lights = self.lights * len(self.filters) + 12
        return self.size**2 * (BYTES["raw"] * len(self.list_frames()) + BYTES["light"] * lights)

    @property
    def ccdproc_bytes(self) -> int:
        """Disk space for what the recipe of ccdproc's guide makes: calibrated darks and flats, lights and masters."""
        kept = self.darks + (self.flats + self.lights) * len(self.filters) + 4
        return self.size**2 * BYTES["ccdproc"] * kept


NIGHTS = {
    "standard": Night(16, 16, 16, 24, ("B", "V")),
    "long": Night(16, 16, 16, 336),
    "small": Night(7, 7, 7, 3, ("B", "V")),
}


class Pixels:
    """What the pixels of a camera show: noiseless images and their standard deviations, both (ny, nx) float32."""

    def __init__(self, camera: Camera, filters: tuple[str, ...], seed: int) -> None:
        self.camera = camera
        self.bias = camera.bias_pattern().astype(np.float32)
        self.dark_rate = camera.dark_rate().astype(np.float32)
        self.flats = {name: camera.flat(name).astype(np.float32) for name in filters}
        self.rng = np.random.default_rng(seed)
        # Twice the same, so that it may start anywhere; what a frame gets has a mean of 0 and a deviation of 1.
        noise = self.rng.standard_normal(self.bias.size, np.float32)
        noise = (noise - noise.mean(dtype=float)) / noise.std(dtype=float)
        self.noise = np.concatenate([noise, noise]).astype(np.float32)
        self.stars = self._draw_stars()

    def expose(self, kind: str, filter: str | None, level: float) -> np.ndarray:
        """Take a frame whose light is `level` ADU (of a light, its sky) at a flat of one; uint16 ADU."""
        light = self.dark_rate * np.float32(EXPOSURES[kind])
        if filter:
            light += self.flats[filter] * (np.float32(level) + (self.stars if kind == "light" else np.float32(0)))
        image = np.sqrt(
            light / np.float32(self.camera.gain) + np.float32(self.camera.read_noise / self.camera.gain) ** 2
        )
        start = self.rng.integers(self.bias.size)
        image *= self.noise[start : start + image.size].reshape(image.shape)
        image += light
        image += self.bias
        return np.clip(np.rint(image, out=image), 0, self.camera.saturation, out=image).astype(np.uint16)

    def _draw_stars(self) -> np.ndarray:
        """Return the stars of the lights in ADU: the same in each, since nothing here depends on where they are."""
        places = self.rng.uniform(0, self.camera.shape[::-1], (STARS, 2))
        fluxes = 1e4 * self.rng.uniform(size=STARS) ** -1.0
        stars = [{"x": x, "y": y, "fwhm": 3.0, "flux": min(f, 1e6)} for (x, y), f in zip(places, fluxes, strict=True)]
        return render_stars(self.camera.shape, stars).astype(np.float32)


def list_levels(kind: str, count: int) -> Iterator[float]:
    """Return how bright the frames of a set are one after another, in ADU."""
    ends = {"flat": (1.1 * FLAT_SIGNAL, 0.9 * FLAT_SIGNAL), "light": SKY}.get(kind, (0.0, 0.0))
    return iter(np.linspace(*ends, count).tolist())


def write_night(night: Night, folder: Path, seed: int = 1) -> None:
    """Write the raw frames of a night below `folder`, one folder for each set, as light_V/light_V_001.fits.

    A folder that holds this very night already, written by this very code, is left as it is.
    """
    label = folder / "night.json"
    wanted = json.dumps({**asdict(night), "seed": seed, "code": zlib.crc32(Path(__file__).read_bytes())})
    if label.exists() and label.read_text() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    camera = Camera(shape=(night.size, night.size), seed=seed)
    pixels = Pixels(camera, night.filters, seed)
    frames = night.list_frames()
    clock = datetime.fromisoformat("2024-03-11T01:00:00+00:00")
    levels, numbers = {}, dict.fromkeys((place for place, _, _ in frames), 0)
    for place, kind, filter in frames:
        if place not in levels:
            levels[place] = list_levels(kind, sum(place == other for other, _, _ in frames))
            (folder / place).mkdir(parents=True)
        numbers[place] += 1
        path = folder / place / f"{place}_{numbers[place]:03d}.fits"
        data = pixels.expose(kind, filter, next(levels[place]))
        exposure = EXPOSURES[kind]
        write_frame(path, data, kind=kind, exposure=exposure, time=clock, filter=filter, camera=camera)
        clock += timedelta(seconds=exposure + READOUT)
    label.write_text(wanted)
