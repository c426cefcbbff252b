"""Solution: a fitted WCS by its numbers, and what is told of it.

Apart from how it is found, so that lights into which it is copied depend on no more than this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.wcs import WCS


@dataclass(frozen=True)
class SkyFit:
    """A fitted WCS by its numbers: ``crpix`` as in FITS (from 1), ``crval`` in degrees, ``cd`` in degrees a pixel.

    ``a`` and ``b`` are SIP's coefficients by powers of x and y, ``ap`` and ``bp`` those of the inverse; empty of TAN.
    """

    crpix: tuple[float, float]
    crval: tuple[float, float]
    cd: tuple[tuple[float, float], tuple[float, float]]
    a: dict[tuple[int, int], float] = field(default_factory=dict)
    b: dict[tuple[int, int], float] = field(default_factory=dict)
    ap: dict[tuple[int, int], float] = field(default_factory=dict)
    bp: dict[tuple[int, int], float] = field(default_factory=dict)

    @property
    def order(self) -> int:
        """The order of the polynomial, 1 if there is none."""
        return max((p + q for p, q in self.a), default=1)

    def make_wcs(self) -> WCS:
        """Return it as astropy's WCS."""
        from astropy.wcs import WCS, Sip  # what only copies cards does without

        wcs = WCS(naxis=2)
        end = "-SIP" if self.a else ""
        wcs.wcs.ctype = [f"RA---TAN{end}", f"DEC--TAN{end}"]
        wcs.wcs.crpix, wcs.wcs.crval, wcs.wcs.cd = self.crpix, self.crval, self.cd
        wcs.wcs.cunit = ["deg", "deg"]
        wcs.wcs.lonpole = 180.0
        wcs.wcs.radesys = "ICRS"
        if self.a:
            size = self.order + 1
            inverse = max(p + q for p, q in self.ap) + 1
            tables = [_tabulate(each, size) for each in (self.a, self.b)]
            wcs.sip = Sip(*tables, *(_tabulate(each, inverse) for each in (self.ap, self.bp)), self.crpix)
        wcs.wcs.set()
        return wcs


@dataclass(frozen=True)
class Solution:
    """A WCS that was checked, and what is told of it.

    ``shape`` are the light's rows and columns; ``rms`` (seconds of arc, and ``rms_pixels``) is that of the stars left
    out of the fit, ``matches`` their number of ``catalogue`` ones in the frame, ``by_chance`` how many would match by
    chance. ``scale`` in seconds of arc a pixel, ``rotation`` the angle of the image's upward direction from north
    through east in degrees, ``mirrored`` whether the image is not as the sky is seen; ``centre`` (RA, Dec) and ``size``
    (width, height) in degrees.
    """

    fit: SkyFit
    shape: tuple[int, int]
    rms: float
    rms_pixels: float
    matches: int
    catalogue: int
    by_chance: float
    scale: float
    rotation: float
    mirrored: bool
    centre: tuple[float, float]
    size: tuple[float, float]
    solver: str = ""
    reference: str = ""

    @property
    def text(self) -> str:
        """All of it in one line for a person."""
        ra, dec = self.centre
        return (
            f'RA {ra:.4f} Dec {dec:+.4f}, {self.size[0]:.3g} x {self.size[1]:.3g} deg, {self.scale:.4g}"/pixel, '
            f"up is {round(self.rotation, 2) % 360:.2f} deg east of north{', mirrored' if self.mirrored else ''}; "
            f'rms {self.rms:.2g}" ({self.rms_pixels:.2f} pixels) of {self.matches} stars of {self.catalogue}, '
            f"{self.by_chance:.1f} by chance"
        )


def _tabulate(coefficients: dict[tuple[int, int], float], size: int) -> NDArray[np.float64]:
    table = np.zeros((size, size))
    for (p, q), value in coefficients.items():
        table[p, q] = value
    return table
