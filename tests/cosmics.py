"""Simulated exposures with stars and cosmic ray hits that are known pixel by pixel.

``python -m tests.cosmics [--size 512] [--seeds 4]`` tells, case by case, how many of the hit pixels are found and how
many of the clean ones are lost. It shares no code with what it puts to the test.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.special import erf

FULL = 65535.0  # ADU
DETECTED = 5.0  # standard deviations that a hit pixel must stand out to count
CLEAN = 0.1  # standard deviations of charge below which a pixel counts as clean
HITS = 30  # on 512 x 512 pixels: half an hour of a camera with pixels of 15 micrometres


@dataclass(frozen=True)
class Case:
    """What is exposed: levels in electrons, widths in pixels, stars per 512 x 512 pixels."""

    fwhm: float = 4.0
    sky: float = 100.0  #: electrons per pixel
    read_noise: float = 8.0  #: electrons
    gain: float = 1.0  #: electrons per ADU
    stars: int = 20
    hits: int = HITS

    @property
    def name(self) -> str:
        """A line that tells the cases apart."""
        return (
            f"fwhm {self.fwhm:g}, sky {self.sky:g} e-, read noise {self.read_noise:g} e-, gain {self.gain:g}, "
            f"{self.stars} stars, {self.hits} hits"
        )


@dataclass(eq=False)
class Exposure:
    """A simulated image and the truth about it; all arrays of one shape (rows, columns)."""

    image: np.ndarray  #: ADU, float32, bias off
    variance: np.ndarray  #: ADU squared, as one who has only the image would tell it
    saturated: np.ndarray  #: bool
    scene: np.ndarray  #: noiseless, without hits, ADU
    charge: np.ndarray  #: what the hits added, in true standard deviations of the pixel without the hit
    cores: np.ndarray  #: bool: within a pixel of the centre of a star that stands out by 20 standard deviations


def simulate_exposure(case: Case, seed: int, shape: tuple[int, int] = (512, 512)) -> Exposure:
    """Expose a field of stars, some of them saturated and bleeding, with hits of all kinds."""
    rng = np.random.default_rng([seed, 7])
    share = shape[0] * shape[1] / 512**2
    full = FULL * case.gain
    positions, peaks = draw_stars(case, rng, shape, round(case.stars * share))
    light = case.sky + render_stars(shape, positions, peaks, case.fwhm)
    noise = np.sqrt(light + case.read_noise**2 + case.gain**2 / 12)
    charge = np.zeros(shape)
    for _ in range(round(case.hits * share)):
        add_hit(charge, noise, rng)
    electrons = spread_bleed(rng.poisson(light) + rng.poisson(charge).astype(float), full)
    raw = np.rint((electrons + rng.normal(0, case.read_noise, shape)) / case.gain)
    saturated = raw >= FULL
    image = np.minimum(raw, FULL).astype(np.float32)
    variance = np.maximum(image, 0) / case.gain + (case.read_noise / case.gain) ** 2 + 1 / 12
    y, x = np.indices(shape)
    cores = np.zeros(shape, bool)
    for (x0, y0), peak in zip(positions, peaks, strict=True):
        if peak > 20 * noise[min(round(y0), shape[0] - 1), min(round(x0), shape[1] - 1)]:
            cores |= np.hypot(x - x0, y - y0) <= 1
    return Exposure(image, variance.astype(np.float32), saturated, light / case.gain, charge / noise, cores)


def draw_stars(
    case: Case, rng: np.random.Generator, shape: tuple[int, int], number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw positions (x, y) and peaks in electrons from a power law; three are near or above full."""
    positions = rng.uniform(0, np.array(shape[::-1]) - 1, (number, 2))
    faintest = 5 * np.sqrt(case.sky + case.read_noise**2)
    full = FULL * case.gain
    peaks = np.minimum(faintest * rng.uniform(size=number) ** -1.2, 0.7 * full)
    if number >= 3:
        peaks[:3] = np.array([10, 2, 0.8]) * full
    return positions, peaks


def render_stars(shape: tuple[int, int], positions: np.ndarray, peaks: np.ndarray, fwhm: float) -> np.ndarray:
    """Draw stars with a core and a wider halo (a tenth of the light), integrated over each pixel."""
    image = np.zeros(shape)
    for weight, wide in ((0.9, 1.0), (0.1, 2.5)):
        sigma = wide * fwhm / np.sqrt(8 * np.log(2))
        height = weight * 2 * np.pi * (fwhm / np.sqrt(8 * np.log(2))) ** 2
        column, row = (
            np.diff(erf((np.arange(-0.5, length) - positions[:, [axis]]) / sigma / np.sqrt(2)), axis=1) / 2
            for length, axis in ((shape[0], 1), (shape[1], 0))
        )
        image += np.einsum("s,sy,sx->yx", height * peaks, column, row, optimize=True)
    return image


def add_hit(charge: np.ndarray, noise: np.ndarray, rng: np.random.Generator) -> None:
    """Add one hit to `charge`, in electrons: a pixel, two, a straight track or a worm; a third of them faint."""
    rows, columns = charge.shape
    x, y = rng.uniform(-0.5, columns - 0.5), rng.uniform(-0.5, rows - 0.5)
    level = np.exp(rng.uniform(np.log(500), np.log(20000)))  # electrons per pixel of length
    if rng.uniform() < 1 / 3:
        level = np.exp(rng.uniform(np.log(3), np.log(30))) * np.median(noise)
    kind = rng.choice(["pixel", "two", "track", "worm"], p=[0.25, 0.15, 0.4, 0.2])
    if kind in ("pixel", "two"):
        x, y, step = round(x), round(y), rng.choice([(0, 1), (1, 0), (1, 1), (1, -1)])
        for number in range(1 + (kind == "two")):
            deposit(charge, x + number * step[0], y + number * step[1], level * (rng.uniform(0.3, 1) if number else 1))
        return
    steps = int(20 * rng.uniform(3, 40))
    angle = rng.uniform(0, 2 * np.pi) + (np.cumsum(rng.normal(0, 0.08, steps)) if kind == "worm" else np.zeros(steps))
    loss = np.exp(np.cumsum(rng.normal(0, 0.08, steps)))  # along the track
    blur = rng.normal(0, rng.choice([0, 0.3]), (2, steps))  # diffusion on the way to the pixels
    deposit(
        charge,
        np.rint(x + np.cumsum(np.cos(angle)) / 20 + blur[0]).astype(int),
        np.rint(y + np.cumsum(np.sin(angle)) / 20 + blur[1]).astype(int),
        level * loss / loss.mean() / 20,
    )


def deposit(charge: np.ndarray, x: int | np.ndarray, y: int | np.ndarray, electrons: float | np.ndarray) -> None:
    """Add electrons to the pixels (x, y) that lie within the image."""
    x, y, electrons = np.broadcast_arrays(np.atleast_1d(x), y, electrons)
    inside = (x >= 0) & (x < charge.shape[1]) & (y >= 0) & (y < charge.shape[0])
    np.add.at(charge, (y[inside], x[inside]), electrons[inside])


def spread_bleed(electrons: np.ndarray, full: float) -> np.ndarray:
    """Let what exceeds the full well run along the columns, half of it up and half down."""
    excess = np.maximum(electrons - full, 0) / 2
    electrons = np.minimum(electrons, full)
    for column in np.flatnonzero(excess.any(axis=0)):
        for way in (slice(None), slice(None, None, -1)):
            well, more, carried = electrons[way, column], excess[way, column], 0.0
            for row in range(len(well)):
                carried += more[row]
                taken = min(full - well[row], carried)
                well[row] += taken
                carried -= taken
    return electrons


def list_cases() -> list[Case]:
    """List a faint, a middling and a bright sky in a sparse field, and two crowded fields, for each sharpness."""
    levels = [(5, 3, 1, 20), (100, 8, 0.5, 20), (2000, 15, 3, 20), (5, 15, 3, 125), (300, 5, 1, 125)]
    return [
        Case(fwhm=fwhm, sky=sky, read_noise=noise, gain=gain, stars=stars)
        for fwhm in (4.0, 1.5)
        for sky, noise, gain, stars in levels
    ]


def count_found(exposure: Exposure, hits: np.ndarray) -> np.ndarray:
    """Count hit pixels found and in all, clean ones flagged and in all, star cores flagged and in all.

    What is full or within two pixels of that takes no part.
    """
    judged = ~binary_dilation(exposure.saturated, iterations=2)
    hit = judged & (exposure.charge >= DETECTED)
    clean = judged & (exposure.charge < CLEAN)
    cores = clean & exposure.cores
    return np.array([[(hits & pixels).sum(), pixels.sum()] for pixels in (hit, clean, cores)]).ravel()


def main() -> None:
    """Print the table."""
    from darkroom.cosmic_rays import find_cosmic_rays
    from darkroom.settings import check_settings

    defaults = check_settings({})["lights"]["cosmic_rays"]
    parser = argparse.ArgumentParser(description="Tell how well cosmic ray hits are found, case by case.")
    parser.add_argument("--size", type=int, default=512, help="rows and columns, pixels")
    parser.add_argument("--seeds", type=int, default=4, help="exposures per case")
    options = parser.parse_args()
    print(f"{'hit pixels found':>17} {'clean flagged':>14} {'star cores flagged':>19}  case")
    for case in list_cases():
        counts = np.zeros(6)
        for seed in range(options.seeds):
            exposure = simulate_exposure(case, seed, (options.size, options.size))
            hits, _ = find_cosmic_rays(exposure.image, exposure.variance, exposure.saturated, defaults)
            counts += count_found(exposure, hits)
        found, flagged, cores = counts[::2] / np.maximum(counts[1::2], 1)
        print(f"{found:17.1%} {flagged * 1e4:11.2f}e-4 {cores:19.1%}  {case.name}", flush=True)


if __name__ == "__main__":
    main()
