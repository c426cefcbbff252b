"""Previews: lights and masters as small pictures with their figures, and what they were made of beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.history import NO_STACK, NOT_SOLVED, read_reason
from darkroom.mosaics import SIDE
from darkroom.pictures import join_pictures, scale_picture
from darkroom.pixel_statistics import describe_pixels
from darkroom.prepared_images import prepare_image
from darkroom.problems import JobProblem
from darkroom.product_files import Product
from darkroom.raw_images import RawImage
from darkroom.sky_measures import find_green, measure_light
from darkroom.stretch import find_stretch, sample_finite, shrink, shrink_mosaic, stretch_image
from darkroom.texts import make_printable

Image = NDArray[np.floating[Any]]
Levels = NDArray[np.uint8]


def preview_light(product: Product, settings: dict[str, Any]) -> tuple[Levels, Levels, dict[str, Any]]:
    """Return the picture of a light, the same without a grid, and what its pixels tell of the sky."""
    step, first = (SIDE, find_green(product.mosaic)) if product.mosaic else (1, (0, 0))
    one = product.of_one_colour
    figures = measure_light(one.data, one.uncertainty, one.mask, unit=product.unit, step=step, first=first)
    figures["sky_rms"] = product.header.get("SOLVRMS")
    figures["unsolved"] = read_reason(product.header, NOT_SOLVED)
    small, shown = shrink_colours(product.data, settings["size"], product.mosaic)
    levels = _show(small, settings)
    return _add_grid(levels, product.header, shown) if settings["grid"] else levels, levels, figures


def preview_master(product: Product, settings: dict[str, Any]) -> tuple[Levels, dict[str, Any]]:
    """Return the picture of a master, and what its pixels are like."""
    small, _ = shrink_colours(product.data, settings["size"], product.mosaic)
    return _show(small, settings), {"unit": product.unit, **describe_pixels(product.data)}


def compare_light(product: Product, raw: RawImage, recipe: dict[str, Any]) -> tuple[Levels, dict[str, Any]]:
    """Return the raw frame of a light and the light, side by side at the stretch of the light, and what they are.

    The raw frame is trimmed as the light is, brought to its unit by the gain, and to its median (each colour to its
    own), so that what is left to see is what calibrating does.
    """
    settings = recipe["settings"]
    trim = settings["overscan"] and settings["overscan"] | {"section": None}
    after, _ = shrink_colours(product.data, settings["size"], product.mosaic)
    before, _ = shrink_colours(prepare_image(raw, trim)[:], settings["size"], product.mosaic)
    if product.unit == "electron":
        before *= np.float32(product.header["CALGAIN"])
    frame = recipe["frames"][0]
    exposure = f", {frame['exposure']:g} s" if frame["exposure"] is not None else ""
    figures = {
        "title": f"{make_printable(frame['name'])}{exposure}",
        "before_label": f"raw, at the level of the light ({product.unit})",
        "after_label": f"calibrated ({product.unit})",
    }
    return _compare(_bring_to_level(before, after), after, after, settings, figures)


def compare_bias(product: Product, raw: RawImage, recipe: dict[str, Any]) -> tuple[Levels, dict[str, Any]]:
    """Return a single bias frame and the master, side by side at the stretch of the single one, and what they are.

    The frame is trimmed, less its overscan where the master's frames are, and brought to the master's median.
    """
    settings = recipe["settings"]
    after, _ = shrink(product.data, settings["size"])
    before, _ = shrink(prepare_image(raw, settings["overscan"])[:], settings["size"])
    before = _bring_to_level(before, after)
    name, number = make_printable(recipe["frames"][0]["name"]), product.header.get("NCOMBINE", "?")
    figures = {
        "title": f"{name} and the master bias",
        "before_label": "a single bias, at the level of the master",
        "after_label": f"the master bias, of {number} frames",
    }
    return _compare(before, after, before, settings, figures)


def share(product: Product, how: str) -> Levels:
    """Return a light or master as a picture of all its pixels; a colour mosaic of all its cells of 2 x 2.

    Raises
    ------
    JobProblem
        If it is a file that tells why there is no stack.
    """
    if why := read_reason(product.header, NO_STACK):
        raise JobProblem(f"there is no stack to be shown ({why})")
    image, _ = shrink_colours(product.data, max(product.data.shape), product.mosaic)
    return stretch_image(image, find_stretch(image, how))


def shrink_colours(image: Image, size: int, mosaic: str | None) -> tuple[Image, tuple[int, int]]:
    """Return an image made small, and how many rows and columns of it are shown; see `darkroom.stretch.shrink`.

    Of a mosaic each cell of 2 x 2 pixels makes one, in red, green (the mean of two) and blue along the last axis. The
    sky has no colour then: each colour is brought to the mean of their medians.

    Parameters
    ----------
    image : array, shape (rows, columns)
        Not less than 2 x 2 pixels of a mosaic; or three planes of shape (colours, rows, columns).
    mosaic : str or None
        The colours of the first two pixels of the first two rows, such as RGGB.
    """
    if image.ndim == 3:
        made = [shrink(plane, size) for plane in image]
        return _balance(np.stack([small for small, _ in made], axis=-1)), _measure_shown(*made[0], image.shape[1:])
    if mosaic is None:
        small, factor = shrink(image, size)
        return small, _measure_shown(small, factor, image.shape)
    planes, factor = shrink_mosaic(image, size)
    found: dict[str, list[Image]] = {}
    for colour, plane in zip(mosaic, planes, strict=True):
        found.setdefault(colour, []).append(plane)
    colours = _balance(np.stack([_join(found[colour]) for colour in "RGB"], axis=-1))
    rows, columns = _measure_shown(planes[0], factor, (image.shape[0] // SIDE, image.shape[1] // SIDE))
    return colours, (SIDE * rows, SIDE * columns)


def measure_median(image: Image) -> float:
    """Return the median of the finite pixels, 0 of none."""
    values = sample_finite(image)
    return float(np.median(values.astype(np.float64))) if values.size else 0.0


def _join(planes: list[Image]) -> Image:
    """Return the mean of planes; where one has no number, what the other has."""
    if len(planes) == 1:
        return planes[0]
    one, other = planes
    with np.errstate(invalid="ignore", over="ignore"):
        mean = (one + other) / 2
    return np.where(np.isfinite(one), np.where(np.isfinite(other), mean, one), other)


def _balance(colours: Image) -> Image:
    """Bring each colour to the mean of their medians, in place."""
    medians = np.array([measure_median(colours[..., number]) for number in range(3)])
    with np.errstate(over="ignore", invalid="ignore"):
        colours += (np.mean(medians) - medians).astype(np.float32)
    return colours


def _measure_shown(small: Image, factor: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return how many rows and columns the pixels of a small image stand for."""
    return small.shape[0] * min(factor, shape[0]), small.shape[1] * min(factor, shape[1])


def _show(small: Image, settings: dict[str, Any]) -> Levels:
    return scale_picture(stretch_image(small, find_stretch(small, settings["stretch"])), settings["size"])


def _add_grid(levels: Levels, header: fits.Header, shown: tuple[int, int]) -> Levels:
    if "CTYPE1" not in header:
        return levels
    from darkroom.sky_grid import draw_grid  # matplotlib takes a while

    return draw_grid(levels, header, shown)


def _bring_to_level(image: Image, like: Image) -> Image:
    """Return an image, or each of its colours, with the median of another."""
    if image.ndim == 2:
        with np.errstate(over="ignore", invalid="ignore"):
            return image + np.float32(measure_median(like) - measure_median(image))
    return np.stack([_bring_to_level(image[..., n], like[..., n]) for n in range(image.shape[-1])], axis=-1)


def _compare(
    before: Image, after: Image, told_by: Image, settings: dict[str, Any], figures: dict[str, Any]
) -> tuple[Levels, dict[str, Any]]:
    stretch = find_stretch(told_by, settings["stretch"])
    first, second = (scale_picture(stretch_image(one, stretch), settings["size"]) for one in (before, after))
    return join_pictures(first, second), figures | {"width": first.shape[1]}
