"""Pictures: grey levels written as PNG or JPEG, with what is known of them; the same content as the same bytes.

Arrays of uint8 are of shape (rows, columns), or (rows, columns, 3) in red, green and blue. Row 0 of the image is the
lowest of the picture, as everywhere with FITS.
"""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from darkroom.products import replace_product
from darkroom.stamps import STAMP, digest_recipe

THUMBNAIL = 96  # pixels at most, each way
SMALL_QUALITY, QUALITY = 80, 90  # of JPEG
LONGEST_SIDE = 65500  # pixels of a JPEG
GREYS = bytes(np.repeat(np.arange(256, dtype=np.uint8), 3))
RUN_LENGTHS = 3  # the way of zlib to pack that looks for runs only (Z_RLE)

Levels = NDArray[np.uint8]


def scale_picture(levels: Levels, size: int) -> Levels:
    """Return a picture whose longer side has so many pixels at most; a smaller one is never made larger."""
    rows, columns = levels.shape[:2]
    longer = max(rows, columns)
    if longer <= size:
        return levels
    shape = max(1, round(columns * size / longer)), max(1, round(rows * size / longer))
    return np.asarray(Image.fromarray(levels).resize(shape, Image.Resampling.BOX))


def join_pictures(before: Levels, after: Levels) -> Levels:
    """Return two pictures of one size side by side."""
    return np.concatenate([before, after], axis=1)


def make_thumbnail(levels: Levels) -> bytes:
    """Return a picture as a JPEG of 96 pixels at most."""
    stream = io.BytesIO()
    _turn(scale_picture(levels, THUMBNAIL)).save(stream, "JPEG", quality=SMALL_QUALITY)
    return stream.getvalue()


def write_png(
    path: str, levels: Levels, figures: dict[str, Any], recipe: dict[str, Any], small: Levels | None = None
) -> None:
    """Write a picture as PNG with the texts RECIPE (digest), recipe and figures (JSON); whole or not at all.

    Of the picture ``small``, where there is one, a thumbnail is made for the text thumbnail (a JPEG, in base64).
    Figures that are no finite number are written as null.

    Raises
    ------
    JobProblem
        If the file cannot be written, or was planned anew.
    """
    texts = PngImagePlugin.PngInfo()
    texts.add_text(STAMP, digest_recipe(recipe))  # first, so that it is found at once
    texts.add_text("figures", json.dumps(_replace_unknown(figures), sort_keys=True, allow_nan=False))
    if small is not None:
        texts.add_text("thumbnail", base64.b64encode(make_thumbnail(small)).decode())
    texts.add_text("recipe", json.dumps(recipe, sort_keys=True), zip=True)
    picture = _turn(levels)
    if picture.mode == "L":
        # Of grey levels in a palette each pixel is packed as it is, in a quarter of the time; noise is no shorter for
        # being told by its neighbours.
        picture = Image.frombytes("P", picture.size, picture.tobytes())
        picture.putpalette(GREYS)
    with replace_product(path, recipe) as temporary:
        picture.save(temporary, "PNG", pnginfo=texts, compress_type=RUN_LENGTHS)


def write_jpeg(path: str, levels: Levels) -> None:
    """Write a picture as JPEG in the best quality that is of use, whole or not at all.

    Raises
    ------
    JobProblem
        If the file cannot be written.
    """
    picture = _turn(scale_picture(levels, LONGEST_SIDE))
    with replace_product(path, {}) as temporary:
        picture.save(temporary, "JPEG", quality=QUALITY)


def _turn(levels: Levels) -> Image.Image:
    """Return a picture with the first row at its foot."""
    return Image.fromarray(np.ascontiguousarray(levels[::-1]))


def _replace_unknown(value: Any) -> Any:
    """Return figures as plain numbers, without those that JSON cannot hold."""
    if isinstance(value, dict):
        return {str(key): _replace_unknown(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_replace_unknown(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
