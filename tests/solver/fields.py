"""A field of real stars through a made-up camera: where each falls, by plain trigonometry, and what an image shows."""

import math
from dataclasses import dataclass

import numpy as np

SKY, NOISE = 500.0, 5.0  # ADU
SIGMA = 1.1  # pixels, of a star


@dataclass(frozen=True)
class Camera:
    """Where a frame points (degrees), its scale (arcsec a pixel), its turn, whether mirrored, size and barrel."""

    ra: float = 85.0
    dec: float = 1.5
    scale: float = 6.0
    angle: float = 37.0  # of up, from north through east
    mirrored: bool = False
    shape: tuple[int, int] = (900, 1200)
    barrel: float = 5e-9  # by which a radius shrinks, times its cube: 2 pixels in the corners

    def project(self, places: np.ndarray) -> np.ndarray:
        """Pixels (x, y from 0) of places on the sky, shape (stars, 2)."""
        ra, dec = np.radians(places).T
        a, d = math.radians(self.ra), math.radians(self.dec)
        below = np.sin(d) * np.sin(dec) + np.cos(d) * np.cos(dec) * np.cos(ra - a)
        east = np.cos(dec) * np.sin(ra - a) / below
        north = (np.cos(d) * np.sin(dec) - np.sin(d) * np.cos(dec) * np.cos(ra - a)) / below
        turn = math.radians(self.angle)
        up = north * math.cos(turn) + east * math.sin(turn)
        right = north * math.sin(turn) - east * math.cos(turn)  # west, where north is up
        if self.mirrored:
            right = -right
        radius = np.degrees(np.hypot(right, up)) * 3600 / self.scale
        factor = np.degrees(1) * 3600 / self.scale * (1 - self.barrel * radius**2)
        middle = (self.shape[1] - 1) / 2, (self.shape[0] - 1) / 2
        pixels = np.column_stack([right * factor + middle[0], up * factor + middle[1]])
        return np.where((below > 0)[:, None], pixels, np.nan)

    def find_inside(self, places: np.ndarray, margin: float = 0) -> np.ndarray:
        """Which places are in the frame."""
        x, y = self.project(places).T
        rows, columns = self.shape
        return (x > margin) & (x < columns - 1 - margin) & (y > margin) & (y < rows - 1 - margin)


def make_heights(count: int, seed: int) -> np.ndarray:
    """Heights of stars, from 40 to 20000 ADU, few bright ones."""
    return 40 * np.random.default_rng(seed).uniform(0.002, 1, count) ** -1.0


def draw_field(camera: Camera, places: np.ndarray, heights: np.ndarray, seed: int = 1) -> np.ndarray:
    """An image of stars on a noisy sky, float32, shape of the camera."""
    rng = np.random.default_rng(seed)
    image = rng.normal(SKY, NOISE, camera.shape)
    for (x, y), height in zip(camera.project(places), heights, strict=True):
        if not (-8 < x < camera.shape[1] + 8 and -8 < y < camera.shape[0] + 8):
            continue
        top, left = max(0, round(y) - 8), max(0, round(x) - 8)
        part = image[top : max(0, round(y) + 9), left : max(0, round(x) + 9)]
        rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        part += height * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * SIGMA**2))
    return image.astype(np.float32)
