"""Simulate nights of raw CCD frames whose true calibration is known.

This is the reference Darkroom is tested against, so it shares no code with it. Run as
``python -m tests.simulator FOLDER [--seed 1] [--size 512] [--eventful]`` it writes the demonstration night in
FOLDER and the truth about it in ``FOLDER/../truth``.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.camera import DEFAULT_CAMERA, SET_TEMPERATURE, Camera, Signal, expose, write_frame

READOUT = 10.0  # s between the end of a frame and the start of the next


@dataclass(frozen=True)
class Light:
    """What a light shows: `sky` in ADU; per star x, y, fwhm (pixels, 0-based) and flux (ADU)."""

    object: str
    filter: str
    exposure: float
    sky: float
    stars: list[dict[str, float]]


@dataclass(eq=False)
class Truth:
    """What was put into a night.

    `biases`, `darks` (by exposure in s) and `flats` (by filter) count the calibration frames;
    `flat_signal` is the mean level of the flats in ADU. `lights` and `scenes` go by file stem; a scene
    is the (ny, nx) image in ADU that a perfect calibration of the light gives.
    """

    camera: Camera
    date: str
    biases: int
    darks: dict[float, int]
    flats: dict[str, int]
    flat_signal: float
    lights: dict[str, Light] = field(default_factory=dict)
    scenes: dict[str, np.ndarray] = field(default_factory=dict)

    def save(self, folder: str | Path) -> None:
        """Write truth.json, bias.npy, dark_rate.npy, flat_<filter>.npy and scene_<stem>.npy."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        record = {name: value for name, value in vars(self).items() if name != "scenes"}
        (folder / "truth.json").write_text(json.dumps(record, indent=1, default=asdict) + "\n")
        arrays = {"bias": self.camera.bias_pattern(), "dark_rate": self.camera.dark_rate()}
        arrays |= {f"flat_{name}": self.camera.flat(name) for name in self.flats}
        arrays |= {f"scene_{stem}": scene for stem, scene in self.scenes.items()}
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)

    @classmethod
    def load(cls, folder: str | Path) -> "Truth":
        """Read what `save` wrote."""
        folder = Path(folder)
        record = json.loads((folder / "truth.json").read_text())
        camera = record["camera"]
        record["camera"] = Camera(**{**camera, **{name: tuple(camera[name]) for name in ("shape", "sensitivity")}})
        record["darks"] = {float(exposure): count for exposure, count in record["darks"].items()}
        record["lights"] = {stem: Light(**light) for stem, light in record["lights"].items()}
        return cls(**record, scenes={stem: np.load(folder / f"scene_{stem}.npy") for stem in record["lights"]})


def render_stars(shape: tuple[int, int], stars: list[dict[str, float]]) -> np.ndarray:
    """Draw Gaussian stars on an empty field of shape (ny, nx), in ADU."""
    image = np.zeros(shape)
    for star in stars:
        width = star["fwhm"] / np.sqrt(8 * np.log(2))
        column = np.exp(-(((np.arange(shape[0]) - star["y"]) / width) ** 2) / 2)
        row = np.exp(-(((np.arange(shape[1]) - star["x"]) / width) ** 2) / 2)
        image += np.outer(star["flux"] / (2 * np.pi * width**2) * column, row)
    return image


def simulate_night(
    folder: str | Path,
    *,
    camera: Camera = DEFAULT_CAMERA,
    seed: int = 1,
    date: str = "2024-03-10",
    biases: int = 5,
    darks: Mapping[float, int] = {60.0: 5},
    flats: Mapping[str, int] = {"V": 5},
    lights: Mapping[tuple[str, float], int] = {("V", 60.0): 3},
    flat_exposure: float = 4.0,
    flat_signal: float = 30000.0,
    flat_colour: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
    light_signal: float | tuple[float, float] = (300.0, 900.0),
    star_count: int = 10,
    pause: float = READOUT,
    spoilt: Mapping[str, Mapping[str, float]] = {},
    start: str = "23:59:30",
    bias_drift: float = 0.0,
    cards: Mapping[str, object] = {},
) -> Truth:
    """Write the raw frames of one night at longitude -105.82 and return the truth about them.

    Flats come first, at `start`; lights 3 h later; darks and biases 12 h later, or after the last light. Files are
    named bias_001.fits, dark_60s_001.fits, flat_V_001.fits, light_V_60s_001.fits.

    Parameters
    ----------
    folder
        Where the frames go; made if absent.
    camera, seed
        The camera, and the seed of all that is not a fixed pattern of it.
    date, start
        The local evening date, and the UTC time of day on that date when the first frame starts
        (by default, UTC midnight passes between the flats).
    biases, darks, flats, lights
        Number of frames: darks by exposure in s, flats by filter, lights by filter and exposure in s.
    flat_exposure, flat_signal
        Exposure of the flats in s, and their mean level in ADU; each set fades by 20 %.
    flat_colour
        Of their light, for a camera with a mosaic, as in `Camera.tint`.
    light_signal
        Sky of the lights in ADU, or that of the first and the last light; it is even over the field.
    star_count
        Stars in the field, which is dithered between lights.
    pause
        Seconds between the end of a light and the start of the next.
    spoilt
        Factors by which single lights, by file stem, differ: `sky`, and `flux` and `fwhm` of the stars.
    bias_drift
        Standard deviation of the bias level from frame to frame in ADU.
    cards
        Cards of every frame, as in `write_frame`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    truth = Truth(camera, date, biases, dict(darks), dict(flats), flat_signal)
    first = clock = datetime.fromisoformat(f"{date}T{start}+00:00")

    def shoot(stem: str, exposure: float, signal: Signal = 0.0, filter: str | None = None, **own: object) -> None:
        nonlocal clock
        offset, warmth = rng.normal(0, [bias_drift, 0.05]).tolist()
        data = expose(camera, rng, signal=signal, exposure=exposure, filter=filter, bias_offset=offset)
        header = {"CCD-TEMP": round(SET_TEMPERATURE + warmth, 2), **own, **cards}
        path, kind = folder / f"{stem}.fits", stem.partition("_")[0]
        write_frame(path, data, kind=kind, exposure=exposure, time=clock, filter=filter, camera=camera, cards=header)
        clock += timedelta(seconds=exposure + READOUT)

    for name, count in flats.items():
        for number, level in enumerate(np.linspace(1.1, 0.9, count) * flat_signal, 1):
            shoot(f"flat_{name}_{number:03d}", flat_exposure, level * camera.tint(flat_colour), name)
    clock = max(clock, first + timedelta(hours=3))
    positions = rng.uniform(0, camera.shape[::-1], (star_count, 2))
    rates = np.minimum(30 * rng.uniform(size=star_count) ** -1.4, 2e4)  # ADU/s; a few saturate
    first_sky, last_sky = np.broadcast_to(light_signal, 2).tolist()
    skies = iter(np.linspace(first_sky, last_sky, sum(lights.values())).tolist())
    for (name, exposure), count in lights.items():
        for number in range(1, count + 1):
            stem = f"light_{name}_{exposure:g}s_{number:03d}"
            dither = rng.normal(0, 2, 2)
            own = {"sky": 1.0, "flux": 1.0, "fwhm": 1.0} | dict(spoilt.get(stem, {}))
            widths = np.full(star_count, 3.0 * own["fwhm"])
            seen = np.column_stack([positions + dither, own["flux"] * rates * exposure, widths])
            stars = [dict(zip(("x", "y", "flux", "fwhm"), star, strict=True)) for star in seen.tolist()]
            light = truth.lights[stem] = Light("M67", name, exposure, own["sky"] * next(skies), stars)
            scene = truth.scenes[stem] = (light.sky + render_stars(camera.shape, stars)) * camera.tint()
            x, y = ((np.array(camera.shape[::-1]) + 1) / 2 + dither).tolist()
            shoot(stem, exposure, scene, name, OBJECT=light.object, CRPIX1=x, CRPIX2=y)
            clock += timedelta(seconds=pause - READOUT)
    clock = max(clock, first + timedelta(hours=12))
    for exposure, count in darks.items():
        for number in range(1, count + 1):
            shoot(f"dark_{exposure:g}s_{number:03d}", exposure)
    for number in range(1, biases + 1):
        shoot(f"bias_{number:03d}", 0.0)
    return truth


# Lights of both nights have a dark of their exposure in one filter and none in the other.
NIGHT: dict[str, Any] = {
    "biases": 15,
    "darks": {120.0: 9},
    "flats": {"B": 7, "V": 7},
    "lights": {("B", 120.0): 4, ("V", 90.0): 2, ("V", 60.0): 2},
    "star_count": 60,
}
# What a night can have besides: a cloud, poor focus, a filter that nobody took flats of.
EVENTFUL = NIGHT | {
    "lights": {("B", 120.0): 9, ("V", 60.0): 9, ("Ha", 120.0): 2},
    "light_signal": (450.0, 750.0),
    "star_count": 150,
    "pause": 600.0,
    "spoilt": {"light_V_60s_003": {"sky": 2.5, "flux": 0.08}, "light_B_120s_006": {"fwhm": 2.0}},
}


def main() -> None:
    """Write the demonstration night."""
    parser = argparse.ArgumentParser(description="Simulate the demonstration night.")
    parser.add_argument("folder", type=Path, help="folder of the raw frames")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, default=512, help="rows and columns of a frame, pixels")
    parser.add_argument("--eventful", action="store_true", help="with a cloud, poor focus and a filter without flats")
    options = parser.parse_args()
    camera = Camera(shape=(options.size, options.size), seed=options.seed)
    truth = simulate_night(
        options.folder, camera=camera, seed=options.seed, **(EVENTFUL if options.eventful else NIGHT)
    )
    beside = options.folder.resolve().parent / "truth"
    truth.save(beside)
    print(f"Raw frames: {options.folder}\nTruth:      {beside}")


if __name__ == "__main__":
    main()
