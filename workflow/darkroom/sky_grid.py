"""Sky grid: lines of right ascension and declination over a picture, where its header tells where it points.

Headers are as astrometry programs and observers leave them; what makes no sense gives no grid.
"""

from __future__ import annotations

import math
import warnings
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from astropy.io import fits
from astropy.visualization.wcsaxes import WCSAxes
from astropy.wcs import WCS
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from darkroom.sky_cards import Cards, read_sky_cards

matplotlib.rcdefaults()  # whatever the observer has set for plots of another kind

DPI = 100
MARGIN = 18  # pixels around the lines, for what they are labelled with
SMALLEST_SIDE = 96  # pixels of a picture that has room for labels
SMALLEST, LARGEST = 1.0, 90 * 3600.0  # seconds of arc from corner to corner, of a field that gets a grid
LINE = {"color": "white", "alpha": 0.45, "linewidth": 0.6}
SHADE = 0.6  # how dark it is around lines and letters, which else were lost on what is white

Levels = NDArray[np.uint8]


def draw_grid(levels: Levels, header: fits.Header, shown: tuple[int, int]) -> Levels:
    """Return a picture with lines of right ascension and declination; as it is, if the header tells of no such place.

    Parameters
    ----------
    levels : array of uint8, shape (rows, columns) or (rows, columns, 3)
        The picture, the image's first row first.
    header : Header
        That of the image, of any quality.
    shown : tuple of int
        How many rows and columns of the image the picture shows.
    """
    cards = read_sky_cards(header)
    if cards is None or min(levels.shape[:2]) < SMALLEST_SIDE:
        return levels
    lines = _draw_lines(cards, shown, levels.shape[:2])
    if lines is None:
        return levels
    white, dark = (each if levels.ndim == 2 else each[..., None] for each in lines)
    return (levels * (255 - dark) // 255 * (255 - white) // 255 + white).astype(np.uint8)


@lru_cache(maxsize=8)
def _draw_lines(cards: Cards, shown: tuple[int, int], shape: tuple[int, int]) -> tuple[Any, Any] | None:
    """Return how much of each pixel is white by a line or letter, and how much dark around one, 0 to 255; or None.

    In the order of the image's rows. What is drawn is kept for lights that point at the same place by their headers.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that are nearly right
            with np.errstate(all="ignore"):
                wcs = WCS(fits.Header(dict(cards)), fix=False)
                return _paint(wcs, shown, shape) if _is_sound(wcs, shown) else None
    except Exception:  # whatever WCSLIB, astropy or matplotlib makes of such numbers: the picture goes without
        return None


def _is_sound(wcs: WCS, shown: tuple[int, int]) -> bool:
    """Return whether pixels lie on the sky, side by side, in a field that can be a camera's, and are found again."""
    rows, columns = shown
    matrix = wcs.pixel_scale_matrix
    if not (np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1e-6 * np.prod(np.linalg.norm(matrix, axis=1))):
        return False
    corners = np.array([[0, 0], [columns, rows], [columns, 0], [0, rows], [columns / 2, rows / 2]]) - 0.5
    places = wcs.all_pix2world(corners, 0)
    if not (np.isfinite(places).all() and (np.abs(places[:, wcs.wcs.lat]) <= 90).all()):
        return False
    back = wcs.wcs_world2pix(wcs.wcs_pix2world(corners, 0), 0)
    long, lat = np.radians(places[:, wcs.wcs.lng]), np.radians(places[:, wcs.wcs.lat])
    points = np.stack([np.cos(lat) * np.cos(long), np.cos(lat) * np.sin(long), np.sin(lat)], axis=1)
    apart = np.degrees([math.dist(points[0], points[1]), math.dist(points[2], points[3])]) * 3600
    return bool((np.abs(back - corners) < 1).all() and (apart > SMALLEST).all() and (apart < LARGEST).all())


def _paint(wcs: WCS, shown: tuple[int, int], shape: tuple[int, int]) -> tuple[Any, Any]:
    """Return what WCSAxes draws over so many pixels of the image, in a picture of this shape; see `_draw_lines`."""
    canvas, axes = _make_canvas(shape)
    axes.reset_wcs(wcs)
    axes.coords.frame.set_linewidth(0)
    for length, side, limit in zip(shown, shape, (axes.set_ylim, axes.set_xlim), strict=True):
        edge = MARGIN * length / side
        limit(edge - 0.5, length - edge - 0.5)
    right_ascension, declination = (axes.coords[axis] for axis in (wcs.wcs.lng, wcs.wcs.lat))
    right_ascension.set_separator(("h", "m", "s"))  # as plain text; raised letters would take as long as all the rest
    declination.set_separator(("°", "'", '"'))
    along_x, along_y = np.abs(wcs.pixel_scale_matrix[wcs.wcs.lng])
    upright = along_x >= along_y
    for coordinate, below in ((right_ascension, upright), (declination, not upright)):
        coordinate.set_auto_axislabel(False)
        coordinate.set_ticks_visible(False)
        coordinate.set_ticklabel(
            color="white",
            fontproperties=_find_font(),
            rotation="horizontal" if below else "vertical",
            pad=1,
            exclude_overlapping=True,
        )
        coordinate.set_ticklabel_position("b" if below else "l")
        coordinate.grid(**LINE)
    canvas.draw()
    white = np.asarray(canvas.buffer_rgba())[::-1, :, 3]  # all is drawn in white
    dark = np.asarray(Image.fromarray(white).filter(ImageFilter.MaxFilter(3)))
    return white.astype(np.uint16), (dark * SHADE).astype(np.uint16)


@lru_cache(maxsize=2)
def _make_canvas(shape: tuple[int, int]) -> tuple[FigureCanvasAgg, WCSAxes]:
    """Return an empty canvas of so many rows and columns with axes that reach nearly to its edges.

    To make them takes as long as to draw a grid.
    """
    figure = Figure(figsize=(shape[1] / DPI, shape[0] / DPI), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    figure.patch.set_alpha(0)
    across, up = MARGIN / shape[1], MARGIN / shape[0]
    axes = WCSAxes(figure, [across, up, 1 - 2 * across, 1 - 2 * up], aspect="auto")
    figure.add_axes(axes)
    axes.patch.set_alpha(0)
    return canvas, axes


@cache
def _find_font() -> FontProperties:
    """Return the font that comes with matplotlib, whatever others there are."""
    return FontProperties(fname=str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size=7)
