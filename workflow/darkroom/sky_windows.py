"""Windows of a light: in each the level of the sky and its noise, and what stands out, by Source Extractor's means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray

from darkroom.quality import Bit

WINDOW = 512  # side of a window, pixels
MESH = 64  # side of the squares in which the sky's level is found; a star is smaller, a gradient larger
FEWEST = 16  # pixels that tell a level and a noise
ENOUGH = 0.4  # part of bad pixels up to which squares tell a level: Source Extractor wants half of a square
SAMPLE = 2**14  # pixels of a window from which its noise is told
ROUGHLY = 4  # of that sample, one in so many tells what stands out
AROUND = 4  # pixels from what stands out to what is empty sky
DETECTION = 2.0  # standard deviations by which a star is above the sky, smoothed over 3 x 3: 5.3 of what is smoothed
LEVELS = 8  # at which overlapping stars are told apart
CROWDED = 0.15  # part of the pixels above the limit from which it is raised
RAISED = 4.0  # by how much more, where there is too much to tell apart even so
LARGEST = 1e15  # what lies beyond is no count, and its square no float32
SHOWN = int(Bit.INTERPOLATED | Bit.SATURATED)  # flagged pixels that still show where a star is

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Values = NDArray[Any]


@dataclass(frozen=True)
class Window:
    """What is found in a window: the image less its sky, which pixels are bad, objects, and a sample of empty sky.

    ``levels`` and ``residuals`` are the sky's level at those pixels and what they differ by, ``bars`` their error bars.
    """

    image: Image
    bad: Mask | None
    objects: Values
    levels: Values
    residuals: Values
    bars: Values

    @property
    def blind(self) -> int:
        """How many pixels are bad."""
        return 0 if self.bad is None else int(np.count_nonzero(self.bad))


def choose_windows(length: int) -> list[slice]:
    """Return where the windows lie along an axis: all of it, or in the middle of both halves."""
    if length < 2 * WINDOW:
        return [slice(0, length)]
    return [
        slice(start, start + WINDOW) for start in ((length // 2 - WINDOW) // 2, (length + length // 2 - WINDOW) // 2)
    ]


def look_at(data: Values, mask: NDArray[np.uint8] | None, bars: Values | None) -> Window | None:
    """Find sky and objects in a window; None if it has hardly a pixel that can be used."""
    with np.errstate(over="ignore"):  # what is too large is no value
        image = np.array(data, np.float32, order="C")
    if image.size < FEWEST:
        return None
    bad, hidden = _find_bad(image, mask)
    if bad is not None and image.size - np.count_nonzero(bad) < FEWEST:
        return None
    half, half_bad = image[::2].copy(), None if bad is None else bad[::2].copy()  # tells as well, in half of the time
    if half_bad is None or half_bad.mean() < ENOUGH:
        spread = sep.Background(half, mask=half_bad, bw=MESH, bh=MESH // 2)
        level = np.repeat(spread.back(), 2, axis=0)[: len(image)]
    else:
        level, spread = np.full(image.shape, np.median(image if bad is None else image[~bad])), None
    image -= level
    if hidden is not None:
        image[hidden] = 0
    rows = np.arange(0, image.shape[0], max(1, image.size // SAMPLE) | 1)  # even and odd ones, which may differ
    seen = np.ones((len(rows), image.shape[1]), bool) if bad is None else ~bad[rows]
    objects, segments = extract(image, estimate_noise(image[rows][seen][::ROUGHLY]))
    if len(objects) and spread is not None:  # where a galaxy shines, the sky's noise is more than elsewhere
        at = objects["ycpeak"] // 2, objects["xcpeak"]
        objects = objects[objects["cpeak"] > DETECTION * spread.rms()[at]]
    empty = seen & _find_empty(segments, rows)
    if np.count_nonzero(empty) < FEWEST:
        empty = seen
    errors = np.empty(0) if bars is None else np.asarray(bars[rows][empty], np.float64)
    errors = errors[np.isfinite(errors) & (errors > 0) & (errors < LARGEST)]
    return Window(image, bad, objects, level[rows][empty], image[rows][empty], errors)


def extract(image: Image, noise: float) -> tuple[Values, NDArray[np.int32]]:
    """Return what stands out of an image without sky, and a plane that is zero where nothing does."""
    limit = DETECTION * noise
    if not limit > 0:
        return sep.extract(np.zeros((1, 1), np.float32), 1.0), np.zeros(image.shape, np.int32)
    while np.count_nonzero(image > limit) > CROWDED * image.size:
        limit *= 2
    sep.set_extract_pixstack(max(300_000, image.size))
    try:
        objects, segments = sep.extract(image, limit, deblend_nthresh=LEVELS, segmentation_map=True)
    except Exception as error:  # it raises no other: more objects in one than it takes
        if "overflow" not in str(error):
            raise
        objects, segments = sep.extract(
            image, RAISED * limit, deblend_nthresh=1, deblend_cont=1.0, clean=False, segmentation_map=True
        )
    return objects, segments


def estimate_noise(values: Values) -> float:
    """Return the standard deviation of Gaussian values, most of which are good; by their mean where most are equal."""
    away = np.abs(values - np.median(values))
    return 1.4826 * float(np.median(away)) or 1.2533 * float(away.mean(dtype=np.float64))


def _find_bad(image: Image, mask: NDArray[np.uint8] | None) -> tuple[Mask | None, Mask | None]:
    """Return which pixels tell nothing of the sky, and which not even of stars; None for none; they are made zero.

    Full pixels without a value are given the largest there is, so that a bright star has no hole.
    """
    unusable = None
    if not (image.max() < LARGEST and image.min() > -LARGEST):  # NaN is neither
        unusable = ~(np.abs(image) < LARGEST)
        image[unusable] = 0
    flagged = mask is not None and bool(mask.any())
    if mask is None or not flagged:
        return unusable, unusable
    bad, shown = mask != 0, (mask & np.uint8(SHOWN)) != 0
    if unusable is not None:
        full = unusable & ((mask & np.uint8(Bit.SATURATED)) != 0)
        image[full] = image.max()
        bad |= unusable
        shown &= ~unusable | full
    return bad, bad & ~shown


def _find_empty(segments: NDArray[np.int32], rows: NDArray[np.int_]) -> Mask:
    """Return where in some rows there is nothing near by, shape (rows, columns)."""
    height, width = segments.shape
    near = [np.clip(rows + away, 0, height - 1) for away in (-AROUND, 0, AROUND)]
    taken = np.logical_or.reduce([segments[each] != 0 for each in near])
    empty = ~taken
    for away in range(1, min(AROUND, width - 1) + 1):
        empty[:, away:] &= ~taken[:, :-away]
        empty[:, :-away] &= ~taken[:, away:]
    return empty
