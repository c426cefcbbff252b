"""TPV heads: the distortion of a solved file as SExtractor, SCAMP and SWarp know it, in a text file beside it.

They pass over SIP, and take what stands in ``light.head`` in place of the cards of ``light.fits``. SIP bends pixels
before the CD matrix, TPV the plane behind it (FITS registry of conventions, TPV); as the matrix is linear, each
polynomial of the one is one of the other, of the same order, and nothing is lost.

``python -m darkroom.solving.tpv_head FILE...`` writes the heads of solved lights and stacks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from astropy.io import fits

from darkroom.whole_files import replace_whole

# Number of the first PV term of each order; those between are odd powers of the radius.
FIRST_TERMS = (0, 1, 4, 7, 12, 17, 24, 31)
_COPIED = ("CUNIT1", "CUNIT2", "CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")

Polynomial = dict[tuple[int, int], float]  # factors by powers of two variables


def make_tpv_head(header: fits.Header) -> fits.Header:
    """Return the cards of a TAN or TAN-SIP header's coordinates with its distortion as TPV.

    Raises
    ------
    ValueError
        If the header has no such coordinates with a CD matrix, or a polynomial of a higher order than TPV knows.
    """
    types = [str(header.get(f"CTYPE{axis}")) for axis in (1, 2)]
    if [name.removesuffix("-SIP") for name in types] != ["RA---TAN", "DEC--TAN"] or "CD1_1" not in header:
        raise ValueError("it has no coordinates of the sky, TAN or TAN-SIP with a CD matrix")
    head = fits.Header([("CTYPE1", "RA---TPV"), ("CTYPE2", "DEC--TPV")])
    for keyword in (*_COPIED, "RADESYS", "EQUINOX"):
        if keyword in header:
            head[keyword] = header[keyword]
    (a, b), (c, d) = cd = [[float(header.get(f"CD{row}_{column}", 0)) for column in (1, 2)] for row in (1, 2)]
    area = a * d - b * c
    u: Polynomial = {(1, 0): d / area, (0, 1): -b / area}  # pixels, by places on the plane
    v: Polynomial = {(1, 0): -c / area, (0, 1): a / area}
    bent = [_bend(header, name, own, u, v) for name, own in (("A", u), ("B", v))]
    for axis, row in enumerate(cd, start=1):
        plane: Polynomial = {}
        for factor, each in zip(row, bent, strict=True):
            _add(plane, each, factor)
        for p, q in sorted(plane, key=sum):
            own, other = (p, q) if axis == 1 else (q, p)  # the axis's own variable comes first
            head[f"PV{axis}_{FIRST_TERMS[own + other] + other}"] = plane[p, q]
    return head


def write_head(path: Path) -> Path:
    """Write the head of a solved file beside it, whole or not at all, and return where.

    Raises
    ------
    ValueError
        As `make_tpv_head`.
    OSError
        If one cannot be read or the other not be written.
    """
    head = make_tpv_head(fits.getheader(path, 0))
    place = path.with_suffix(".head")
    with replace_whole(place) as temporary:
        temporary.write_text(head.tostring(sep="\n", endcard=True, padding=False) + "\n", encoding="ascii")
    return place


def _bend(header: fits.Header, name: str, straight: Polynomial, u: Polynomial, v: Polynomial) -> Polynomial:
    """Return a pixel axis with its SIP polynomial, by places on the plane."""
    order = int(header.get(f"{name}_ORDER", 0))
    if order >= len(FIRST_TERMS):
        raise ValueError(f"TPV has no terms of order {order}")
    bent = dict(straight)
    for p in range(order + 1):
        for q in range(order + 1 - p):
            if factor := float(header.get(f"{name}_{p}_{q}", 0)):
                term: Polynomial = {(0, 0): factor}
                for each in (*[u] * p, *[v] * q):
                    term = _multiply(term, each)
                _add(bent, term, 1.0)
    return bent


def _multiply(one: Polynomial, other: Polynomial) -> Polynomial:
    product: Polynomial = {}
    for (p, q), factor in one.items():
        _add(product, {(p + r, q + s): each for (r, s), each in other.items()}, factor)
    return product


def _add(total: Polynomial, other: Polynomial, factor: float) -> None:
    for powers, value in other.items():
        total[powers] = total.get(powers, 0.0) + factor * value


def main(arguments: Sequence[str]) -> int:
    """Write the heads of files; return 1 if one could not be, and say why."""
    failed = 0
    for argument in arguments:
        try:
            print(write_head(Path(argument)))
        except (OSError, ValueError) as error:
            print(f"{argument}: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
