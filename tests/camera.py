"""A simulated CCD camera: its fixed patterns, its exposures, and raw frames with the headers a real one writes."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

IMAGE_TYPES = {"bias": "Bias Frame", "dark": "Dark Frame", "flat": "Flat Field", "light": "Light Frame"}
SET_TEMPERATURE = -10.0  # deg C
PIXEL_SCALE = 0.5 / 3600  # deg

Signal = float | np.ndarray
PLACES = [(slice(y, None, 2), slice(x, None, 2)) for y in (0, 1) for x in (0, 1)]  # of the colours of a mosaic


@dataclass(frozen=True)
class Camera:
    """A CCD camera; its fixed patterns, arrays of shape (ny, nx), follow from `seed`."""

    shape: tuple[int, int] = (64, 64)  #: light-sensitive (ny, nx), pixels
    gain: float = 1.5  #: e-/ADU
    read_noise: float = 8.0  #: e-
    row_noise: float = 0.0  #: ADU by which whole rows jump, frame by frame, overscan left alone
    bias_level: float = 1000.0  #: ADU
    bias_structure: float = 4.0  #: amplitude of the bias pattern, ADU
    dark_current: float = 0.1  #: e-/s
    hot_fraction: float = 0.001  #: fraction of pixels that are hot
    vignetting: float = 0.12  #: loss of light halfway along an edge, twice that in a corner
    saturation: int = 65535  #: ADU
    overscan: int = 0  #: columns added on the right that see no light, and have no colour
    mosaic: str = ""  #: colours of the first two pixels of the first and of the second row, such as RGGB
    #: of these four pixels to grey light; where two of a colour differ, that is part of the flat
    sensitivity: tuple[float, float, float, float] = (0.45, 1.0, 1.0, 0.7)
    name: str = "Simulated CCD"
    seed: int = 0  #: of the fixed patterns

    def bias_pattern(self) -> np.ndarray:
        """Noiseless bias in ADU, `bias_level` included."""
        columns = np.random.default_rng([self.seed, 1]).uniform(-1, 1, self.shape[1])
        return self.bias_level + self.bias_structure * (columns + self._make_grid()[0]) / 2

    def dark_rate(self) -> np.ndarray:
        """Noiseless dark current in ADU/s: even but for a corner glow of up to twice that, and hot pixels."""
        rng = np.random.default_rng([self.seed, 2])
        y, x = self._make_grid()
        relative = 1 + np.exp(-4 * np.hypot(y - 1, x - 1))
        hot = rng.choice(relative.size, round(self.hot_fraction * relative.size), replace=False)
        relative.flat[hot] = 10 ** rng.uniform(1.3, 3.3, hot.size)
        return self.dark_current / self.gain * relative

    def flat(self, filter: str) -> np.ndarray:
        """Relative response through a filter (vignetting, dust, pixels); its median is exactly 1.

        Of a mosaic the medians of both planes of a colour are 1 in the mean.
        """
        rng = np.random.default_rng([self.seed, 3, zlib.crc32(filter.encode())])
        y, x = self._make_grid()
        y0, x0 = rng.uniform(-0.2, 0.2, 2)
        flat = (1 - self.vignetting * ((y - y0) ** 2 + (x - x0) ** 2)) * rng.normal(1, 0.01, self.shape)
        for _ in range(5):
            y0, x0 = rng.uniform(-0.9, 0.9, 2)
            ring = (np.hypot(y - y0, x - x0) - rng.uniform(0.05, 0.1)) / 0.03
            flat *= 1 - rng.uniform(0.03, 0.08) * np.exp(-(ring**2))
        for colour in set(self.mosaic):
            planes = [flat[place] for place, own in zip(PLACES, self.mosaic, strict=True) if own == colour]
            level = np.mean([np.median(plane) for plane in planes])
            for plane in planes:
                plane /= level
        if self.mosaic:
            return flat * self._lay(self.sensitivity) / self._lay(self._average_colours())
        flat /= np.median(flat)
        # Division rounds, so the one or two middle values are set: the median is 1 to the last bit.
        flat.flat[np.argsort(flat, axis=None)[(flat.size - 1) // 2 : flat.size // 2 + 1]] = 1
        return flat

    def tint(self, colour: Sequence[float] = (1.0, 1.0, 1.0, 1.0)) -> Signal:
        """What the matrix lets through of light that is `colour` on the four pixels; 1 of a monochrome camera."""
        if not self.mosaic:
            return 1.0
        return self._lay(self._average_colours()) * self._lay(colour)

    def _average_colours(self) -> list[float]:
        """Sensitivity of the colour that each of the four pixels has."""
        pairs = list(zip(self.mosaic, self.sensitivity, strict=True))
        return [float(np.mean([one for own, one in pairs if own == colour])) for colour in self.mosaic]

    def _lay(self, pattern: Sequence[float]) -> np.ndarray:
        """An image in which four values are repeated."""
        image = np.empty(self.shape)
        for place, value in zip(PLACES, pattern, strict=True):
            image[place] = value
        return image

    def _make_grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates y (ny, 1) and x (1, nx) that run from -1 to 1 across the field."""
        ny, nx = self.shape
        return np.linspace(-1, 1, ny)[:, None], np.linspace(-1, 1, nx)[None, :]


DEFAULT_CAMERA = Camera()


def expose(
    camera: Camera,
    rng: np.random.Generator,
    *,
    signal: Signal = 0.0,
    exposure: float = 0.0,
    filter: str | None = None,
    bias_offset: float = 0.0,
) -> np.ndarray:
    """Take one raw frame.

    Parameters
    ----------
    camera, rng
        The camera, and the generator of the noise.
    signal
        Noiseless light over the whole exposure in ADU, before the flat: a number or (ny, nx).
    exposure
        Exposure in s, which only the dark current depends on.
    filter
        Filter whose flat multiplies `signal`; without one the response is 1.
    bias_offset
        Drift of the bias level of this frame in ADU, overscan included.

    Returns
    -------
    numpy.ndarray
        uint16 counts in ADU, of shape (ny, nx + overscan).
    """
    ny, nx = camera.shape
    response = 1.0 if filter is None else camera.flat(filter)
    electrons = rng.poisson(camera.gain * (camera.dark_rate() * exposure + signal * response))
    counts = np.full((ny, nx + camera.overscan), camera.bias_level)
    counts[:, :nx] = camera.bias_pattern() + electrons / camera.gain
    counts += rng.normal(bias_offset, camera.read_noise / camera.gain, counts.shape)
    if camera.row_noise:
        counts[:, :nx] += rng.normal(0, camera.row_noise, (ny, 1))
    return np.clip(np.rint(counts), 0, camera.saturation).astype(np.uint16)


def write_frame(
    path: str | Path,
    data: np.ndarray,
    *,
    kind: str,
    exposure: float,
    time: datetime,
    filter: str | None = None,
    object: str | None = None,
    camera: Camera = DEFAULT_CAMERA,
    cards: Mapping[str, object] = {},
) -> None:
    """Write a raw frame with the header of a camera program such as MaxIm DL.

    Parameters
    ----------
    path, data
        The FITS file, overwritten if present, and its (ny, nx) counts in ADU.
    kind
        'bias', 'dark', 'flat' or 'light'; lights have a TAN WCS.
    exposure, time
        Exposure in s, and its start; a time without a zone is UTC.
    filter, object
        FILTER and OBJECT, left out where None.
    camera
        Gives INSTRUME and EGAIN.
    cards
        Cards to override or add; a value of None deletes the card.
    """
    utc = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    header: dict[str, Any] = {"DATE-OBS": utc.replace(tzinfo=None).isoformat(timespec="milliseconds")}
    header["JD"] = 2451545 + (utc - datetime(2000, 1, 1, 12, tzinfo=UTC)) / timedelta(days=1)
    header |= {"EXPTIME": float(exposure), "EXPOSURE": float(exposure)}
    header |= {"SET-TEMP": SET_TEMPERATURE, "CCD-TEMP": SET_TEMPERATURE, "READOUTM": "Normal"}
    header |= {"XBINNING": 1, "YBINNING": 1, "XORGSUBF": 0, "YORGSUBF": 0, "XPIXSZ": 9.0, "YPIXSZ": 9.0}
    header |= {"IMAGETYP": IMAGE_TYPES[kind], "FILTER": filter, "OBJECT": object}
    header |= {"SITELAT": "32 46 49", "SITELONG": "-105 49 13", "TELESCOP": "Simulated 0.5 m"}
    header |= {"INSTRUME": camera.name, "EGAIN": camera.gain}
    if camera.mosaic:
        header |= {"BAYERPAT": camera.mosaic, "XBAYROFF": 0, "YBAYROFF": 0, "ROWORDER": "TOP-DOWN"}  # as N.I.N.A.
    if kind == "light":
        ny, nx = camera.shape
        header |= {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "deg", "CUNIT2": "deg"}
        header |= {"CRVAL1": 132.846, "CRVAL2": 11.814, "CRPIX1": (nx + 1) / 2, "CRPIX2": (ny + 1) / 2}
        header |= {"CD1_1": -PIXEL_SCALE, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": PIXEL_SCALE}
        header |= {"RADESYS": "ICRS", "EQUINOX": 2000.0}
    header |= cards
    kept = fits.Header([(name, value) for name, value in header.items() if value is not None])
    fits.PrimaryHDU(data, kept).writeto(path, overwrite=True)
