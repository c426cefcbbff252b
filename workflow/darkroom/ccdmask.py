"""The pixels that ccdmask calls bad, found in those parts of an image alone in which there may be any."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TILE = 24  # pixels; the blocks in which the noise is measured
NEAR = 3  # reach of the median, seven pixels wide
CHUNK = 32  # tiles looked at at once, for the memory

Image = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


def mask_tiles(image: Image, candidates: Mask, sigma: float) -> Mask:
    """Return which candidates `ccdproc.ccdmask` calls bad, ``byblocks``, with both limits at this ``sigma`` of its own.

    On 2048 x 2048 pixels it takes half a minute, so it is shown only the tiles that hold candidates, one below the
    other; a tile is one of its blocks, in which it measures the noise, and the running median reaches no further than
    its margin. The image (rows, columns), all of it finite, goes on beyond its edges as if mirrored there.
    """
    core = TILE - 2 * NEAR
    up, across = (-(-length // core) for length in image.shape)
    found = np.zeros((up * core, across * core), bool)
    found[: image.shape[0], : image.shape[1]] = candidates
    tiles = found.reshape(up, core, across, core).swapaxes(1, 2)  # a view
    y, x = np.nonzero(tiles.any(axis=(2, 3)))
    rows, columns = (np.pad(np.arange(length), (NEAR, NEAR + -length % core), mode="reflect") for length in image.shape)
    lines = mirror_ends(np.arange(y.size * TILE)) if y.size else np.zeros(0, int)
    for start in range(0, y.size, CHUNK):
        own = slice(start, min(start + CHUNK, y.size))
        tile, line = np.divmod(lines[start * TILE : own.stop * TILE + 2 * NEAR], TILE)
        strip = image[rows[y[tile] * core + line][:, None], columns[x[tile][:, None] * core + np.arange(TILE)]]
        bad = mask_blocks(strip, sigma).reshape(-1, TILE, TILE)
        tiles[y[own], x[own]] &= bad[:, NEAR:-NEAR, NEAR:-NEAR]
    return found[: image.shape[0], : image.shape[1]]


def mask_blocks(strip: Image, sigma: float) -> Mask:
    """Return what ccdmask calls bad of a strip of blocks, one below the other, shape (NEAR + rows + NEAR, TILE).

    Without the NEAR rows on both ends. Bad is what differs from the median of the 7 x 7 pixels around it by more than
    ``sigma`` times half the distance of the block's percentiles 30.9 and 69.1, that is half a standard deviation.
    """
    side = 2 * NEAR + 1
    windows = np.lib.stride_tricks.sliding_window_view(mirror_ends(strip.T).T, (side, side))
    around = windows.reshape(-1, TILE, side * side)
    around.partition(side * side // 2, axis=-1)
    away = strip[NEAR:-NEAR] - around[..., side * side // 2]
    low, high = np.percentile(away.reshape(-1, TILE * TILE), [30.9, 69.1], axis=1)
    return np.abs(away) > np.repeat(sigma * (high - low) / 2, TILE)[:, None]


def mirror_ends(image: NDArray[Any]) -> NDArray[Any]:
    """Return an array with NEAR rows more at both ends, as ccdmask goes on there."""
    return np.pad(image, [(NEAR, NEAR)] + [(0, 0)] * (image.ndim - 1), mode="symmetric")
