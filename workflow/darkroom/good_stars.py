"""Good stars: which of the objects of a light are stars at all, and which of these show how sharp it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from darkroom.sky_windows import Image, Mask, Values, Window
from darkroom.star_shapes import FWHM, Shapes, choose_reach, count_stamps, measure_shapes

FLANK = 0.08  # of a star's height, that of its pixels on opposite sides of the highest one; hits have none to some side
LINE = 4.0  # longer axis over shorter one of what can be no star, times that of the others
ALONE = 2.5  # FWHM to the next object, of a star whose shape is taken
FAINT = 0.05  # brightness of a neighbour that does not matter
FULL = 0.9  # of the greatest height: where several stars are so high, and no mask tells, they may be full


def judge_stars(windows: list[Window], pixel: float, masked: bool) -> tuple[Shapes, int]:
    """Return the shape of the good stars of some windows, and how many objects may be stars.

    ``pixel`` is the side of the light-sensitive pixel in those of the windows; ``masked`` says that full ones are
    flagged.
    """
    objects = [window.objects for window in windows]
    alike = [have_flanks(window) for window in windows]
    length = np.concatenate([each["a"] / np.maximum(each["b"], 0.1) for each in objects])
    usual = float(np.median(length[np.concatenate(alike)])) if any(each.any() for each in alike) else 1.0
    for each, which in zip(objects, alike, strict=True):
        which &= each["a"] < LINE * usual * np.maximum(each["b"], 0.1)
    best = [np.flatnonzero(which & (each["flag"] == 0)) for each, which in zip(objects, alike, strict=True)]
    heights = np.concatenate([each["peak"][which] for each, which in zip(objects, best, strict=True)])
    if not masked and heights.size and np.count_nonzero(heights > FULL * heights.max()) > 2:
        best = [which[each["peak"][which] <= FULL * heights.max()] for each, which in zip(objects, best, strict=True)]
    fwhm = _guess_width(objects, best)
    shapes = Shapes()
    for _ in range(2):
        stamps = cut_stamps(windows, best, fwhm)
        shapes = measure_shapes(stamps, fwhm, pixel)
        if not shapes.fwhm or shapes.fwhm < 1.4 * fwhm:
            break
        fwhm = shapes.fwhm
    return shapes, sum(int(np.count_nonzero(which)) for which in alike)


def have_flanks(window: Window) -> Mask:
    """Return which objects are wider than a pixel in all directions: no hot pixels, no hits, no columns."""
    objects, image = window.objects, window.image
    y, x = objects["ypeak"], objects["xpeak"]
    rows, columns = image.shape
    sides = [
        image[np.clip(y + dy, 0, rows - 1), np.clip(x + dx, 0, columns - 1)]
        + image[np.clip(y - dy, 0, rows - 1), np.clip(x - dx, 0, columns - 1)]
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1))
    ]
    return np.min(sides, axis=0) > 2 * FLANK * image[y, x]


def cut_stamps(windows: list[Window], best: list[NDArray[np.int_]], fwhm: float) -> Image:
    """Return the brightest of some objects that lie alone, with no bad pixel near their middle: (n, side, side)."""
    reach = choose_reach(fwhm)
    number, core, found = count_stamps(reach), int(np.ceil(fwhm)), []
    brightest = np.sort(np.concatenate([w.objects["cflux"][b] for w, b in zip(windows, best, strict=True)]))
    least = brightest[-3 * number] if len(brightest) > 3 * number else 0.0
    for window, which in zip(windows, best, strict=True):
        each = window.objects
        x, y = (np.rint(each[name]).astype(int) for name in ("x", "y"))
        rows, columns = window.image.shape
        inside = (np.minimum(x, y) >= reach) & (x < columns - reach) & (y < rows - reach)
        for n in which[inside[which] & (each["cflux"][which] >= least)]:
            away = np.hypot(each["x"] - each["x"][n], each["y"] - each["y"][n])
            if np.count_nonzero((away < ALONE * fwhm) & (each["cflux"] > FAINT * each["cflux"][n])) > 1:
                continue
            near = np.s_[y[n] - core : y[n] + core + 1, x[n] - core : x[n] + core + 1]
            if window.bad is None or not window.bad[near].any():
                stamp = window.image[y[n] - reach : y[n] + reach + 1, x[n] - reach : x[n] + reach + 1]
                found.append((float(each["cflux"][n]), stamp))
    found.sort(key=lambda item: -item[0])
    side = 2 * reach + 1
    return np.array([stamp for _, stamp in found[:number]], np.float32).reshape(-1, side, side)


def _guess_width(objects: list[Values], best: list[NDArray[np.int_]]) -> float:
    """Return about the FWHM of the brighter half of some objects, by their moments above the limit."""
    areas = np.concatenate([(each["a"] * each["b"])[which] for each, which in zip(objects, best, strict=True)])
    light = np.concatenate([each["cflux"][which] for each, which in zip(objects, best, strict=True)])
    if not areas.size:
        return 3.0
    return float(np.clip(FWHM * np.sqrt(np.median(areas[light >= np.median(light)])), 1.5, 30))
