"""Simulated fields: what a dithered, rotated, flipped camera sees of stars whose places and fluxes are known."""

from dataclasses import dataclass, field

import numpy as np
from scipy.special import erf

HIT = 3000.0  # electrons of the faintest cosmic ray


@dataclass(frozen=True)
class Pointing:
    """How a light was taken: its own place = turn(place of the field - middle) + middle + shift, y downwards.

    ``degrees`` are from the x axis to the y axis; ``see`` is the standard deviation of a Gaussian star, pixels;
    ``clear`` the part of the light that comes through.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    degrees: float = 0.0
    see: float = 1.3
    clear: float = 1.0
    sky: float = 200.0
    mirrored: bool = False
    stretch: float = 1.0


@dataclass(frozen=True)
class Field:
    """Stars of a field (x, y, electrons), and the camera's shape, gain and read noise (electrons)."""

    stars: np.ndarray
    shape: tuple[int, int] = (400, 420)
    gain: float = 1.6
    read_noise: float = 6.0
    bad_part: float = 0.002
    hits: int = 0
    mark_hits: bool = False
    seed: int = 1
    bad: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        bad = np.random.default_rng(self.seed).random(self.shape) < self.bad_part
        object.__setattr__(self, "bad", bad)

    def place(self, pointing: Pointing) -> np.ndarray:
        """Return where the stars lie (stars, 2) on a light."""
        middle = (np.array(self.shape[::-1]) - 1) / 2
        angle = np.deg2rad(pointing.degrees)
        away = self.stars[:, :2] - middle
        if pointing.mirrored:
            away = away * [-1, 1]
        x = away[:, 0] * np.cos(angle) - away[:, 1] * np.sin(angle)
        y = away[:, 0] * np.sin(angle) + away[:, 1] * np.cos(angle)
        return np.column_stack([x, y]) * pointing.stretch + middle + pointing.shift

    def expect(self, pointing: Pointing) -> np.ndarray:
        """Return the electrons of sky and stars on each pixel, integrated over it, without noise."""
        image = np.full(self.shape, pointing.sky * pointing.clear)
        for (x, y), flux in zip(self.place(pointing), self.stars[:, 2] * pointing.clear, strict=True):
            add_star(image, x, y, flux, pointing.see)
        return image

    def take(self, pointing: Pointing, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return a light (ADU, its error bars as data tell them, quality plane); hits are not flagged unless asked."""
        rng = np.random.default_rng([self.seed, number])
        counted = rng.poisson(self.expect(pointing)).astype(float)
        marked = np.zeros(self.shape, bool)
        for _ in range(self.hits):
            y, x = rng.integers(0, self.shape[0] - 3), rng.integers(0, self.shape[1] - 3)
            along = rng.integers(0, 2)
            for step in range(rng.integers(1, 4)):
                at = (y + step * along, x + step * (1 - along))
                counted[at] += rng.uniform(HIT, 10 * HIT)
                marked[at] = True
        read = counted + rng.normal(0, self.read_noise, self.shape)
        mask = np.where(self.bad, 1, 0) | np.where(marked & self.mark_hits, 8, 0)
        bars = np.sqrt(np.maximum(read, 0) + self.read_noise**2) / self.gain
        read[self.bad] = 60000 * rng.random(np.count_nonzero(self.bad))
        return (read / self.gain).astype(np.float32), bars.astype(np.float32), mask.astype(np.uint8)


def add_star(image: np.ndarray, x: float, y: float, flux: float, see: float) -> None:
    """Add a Gaussian star, integrated over pixels."""
    reach = int(np.ceil(7 * see)) + 1
    rows, columns = image.shape
    j, i = round(x), round(y)
    top, bottom = max(i - reach, 0), min(i + reach + 1, rows)
    left, right = max(j - reach, 0), min(j + reach + 1, columns)
    if top >= bottom or left >= right:
        return
    down = np.diff(erf((np.arange(top, bottom + 1) - 0.5 - y) / see / np.sqrt(2))) / 2
    across = np.diff(erf((np.arange(left, right + 1) - 0.5 - x) / see / np.sqrt(2))) / 2
    image[top:bottom, left:right] += flux * np.outer(down, across)


def scatter_stars(number: int, shape: tuple[int, int], seed: int, least: float = 2e3, most: float = 3e5) -> np.ndarray:
    """Return stars (x, y, electrons) all over a field and 60 pixels beyond, as many of each decade of brightness."""
    rng = np.random.default_rng(seed)
    rows, columns = shape
    return np.column_stack(
        [
            rng.uniform(-60, columns + 60, number),
            rng.uniform(-60, rows + 60, number),
            np.exp(rng.uniform(np.log(least), np.log(most), number)),
        ]
    )


def dither(number: int, seed: int, reach: float = 40.0, turn: float = 5.0, flip: bool = True) -> list[Pointing]:
    """Return pointings, the first one straight; shifted, rotated, and from the half of the night on upside down."""
    rng = np.random.default_rng([seed, 5])
    pointings = [Pointing()]
    for n in range(1, number):
        shift = tuple(float(s) for s in rng.uniform(-reach, reach, 2))
        degrees = float(rng.uniform(0, turn)) + (180 if flip and n >= number / 2 else 0)
        pointings.append(Pointing(shift, degrees))
    return pointings


def sum_aperture(image: np.ndarray, x: float, y: float, radius: float, parts: int = 10) -> float:
    """Return the sum of an image in a circle; pixels at its edge by their part, sampled 10 x 10."""
    rows, columns = image.shape
    top, bottom = max(int(y - radius) - 1, 0), min(int(y + radius) + 3, rows)
    left, right = max(int(x - radius) - 1, 0), min(int(x + radius) + 3, columns)
    fine = (np.arange(parts) + 0.5) / parts - 0.5
    down = (np.arange(top, bottom)[:, None] + fine).ravel() - y
    across = (np.arange(left, right)[:, None] + fine).ravel() - x
    within = np.hypot(down[:, None], across) < radius
    part = within.reshape(bottom - top, parts, right - left, parts).mean(axis=(1, 3))
    return float((part * image[top:bottom, left:right])[part > 0].sum())


def find_middle(image: np.ndarray, x: float, y: float, see: float) -> tuple[float, float]:
    """Return the place of a star near by: the centroid under a Gaussian window that moves with it."""
    reach = int(5 * see) + 1
    for _ in range(30):
        i, j = round(y), round(x)
        rows, columns = np.mgrid[i - reach : i + reach + 1, j - reach : j + reach + 1]
        weight = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 2 / see**2)
        light = weight * image[i - reach : i + reach + 1, j - reach : j + reach + 1]
        step = 2 * (light * (columns - x)).sum() / light.sum(), 2 * (light * (rows - y)).sum() / light.sum()
        x, y = x + step[0], y + step[1]
        if max(map(abs, step)) < 1e-5:
            break
    return x, y
