"""The same stack of the raw frames, to be compared: by the places and weights of the lights, uncalibrated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.history import LEFT_OUT, NO_STACK, add_sentence, list_sentences, read_reason
from darkroom.prepared_images import PreparedImage, prepare_image
from darkroom.problems import JobProblem
from darkroom.product_files import read_product
from darkroom.products import write_product
from darkroom.raw_images import read_planned
from darkroom.stacking.colour_stack import measure_colour_scales, stack_colours
from darkroom.stacking.colours import COLOURS, list_colour_stars
from darkroom.stacking.light_files import LightFile, open_light
from darkroom.stacking.resample import Read
from darkroom.stacking.stack_lights import Canvas, PlacedLight, Stack, choose_canvas, stack_lights
from darkroom.stacking.stack_products import name_levels
from darkroom.stacking.star_lists import StarList, list_stars
from darkroom.stacking.transforms import Transform

Image = NDArray[np.float32]
# What is said of lights, and not true of raw frames.
CALIBRATION = re.compile(r"CALSTAT|HOLDBIAS|HOLDDARK|OVERSUB|LINEARIS|DARKSCAL|(BIAS|DARK|FLAT)(FIL|ID)\d?")


def make_raw_stack(stack: str, lights: Sequence[str], frames: Sequence[str], output: str) -> None:
    """Stack the raw frames of a stack as their lights were stacked: trimmed, in the lights' unit, no pixel masked.

    Parameters
    ----------
    stack : str
        The stack of the lights.
    lights, frames : sequence of str
        Its lights, in the order of its recipe, and their raw frames.
    output : str
        The file to write.

    Raises
    ------
    JobProblem
        If there is no such stack, or a file is gone or of another plan; if the output cannot be written.
    """
    product = read_product(stack)
    if product.header.get("IMAGETYP") != "STACK":
        why = read_reason(product.header, NO_STACK) or "it is another file"
        raise JobProblem(f"{stack}: there is no stack to compare with ({why})")
    recipe = product.recipe
    with fits.open(stack) as hdus:
        rows = {str(row["light"]): row for row in hdus["LIGHTS"].data if row["used"]}
    used, raws = [], []
    for path, frame, wanted in zip(lights, frames, recipe["lights"], strict=True):
        if wanted["path"] in rows:
            used.append(open_light(path, wanted["digest"]))
            raws.append(frame)
    number = [light.name.rpartition("/")[2] for light in used].index(product.header["STACKREF"])
    placed = [_place(light, frame, rows[light.name]) for light, frame in zip(used, raws, strict=True)]
    canvas = choose_canvas(placed, used[number].shape, recipe["settings"]["canvas"] == "whole")
    how = recipe["settings"]["sigma"], recipe["settings"]["weights"]
    if used[number].mosaic:
        made, levels = _stack_colours(used, raws, placed, number, canvas, how)
    else:
        made, levels = stack_lights(placed, canvas, *how), [placed[number].level * placed[number].scale]
        made.data += np.float32(levels[0])
    header = _describe(product.header, levels, made.noise_factor)
    described = {**recipe, "product": recipe["product"].replace("/stacks/", "/stacks/raw/"), "kind": "raw_stack"}
    write_product(output, made.data, header, described, made.variance)


def _describe(stack: fits.Header, levels: list[float], noise_factor: float) -> fits.Header:
    """Return the header of a stack as that of one of raw frames, which are calibrated by nothing."""
    header = stack.copy(strip=True)
    header.remove("HISTORY", ignore_missing=True, remove_all=True)
    for sentence in list_sentences(stack, LEFT_OUT):
        add_sentence(header, sentence)
    header["IMAGETYP"] = ("RAW STACK", "kind of frame")
    for keyword in [name for name in header if CALIBRATION.fullmatch(name)]:
        header.remove(keyword, ignore_missing=True, remove_all=True)
    for name, level in zip(name_levels(levels), levels, strict=True):
        header[name] = round(level, 4)
    header["NOISFACT"] = round(noise_factor, 4)
    return header


def _stack_colours(
    lights: Sequence[LightFile],
    frames: Sequence[str],
    placed: Sequence[PlacedLight],
    reference: int,
    canvas: Canvas,
    how: tuple[float | None, str],
) -> tuple[Stack, list[float]]:
    """Return the colours of raw mosaics stacked on the scales of their lights, and their levels."""
    mosaics = [str(light.mosaic) for light in lights]
    skies: dict[str, list[StarList]] = {colour: [] for colour in COLOURS}
    of_lights: dict[str, list[StarList]] = {colour: [] for colour in COLOURS}
    for light, frame, mosaic in zip(lights, frames, mosaics, strict=True):
        image = _prepare_raw(light, frame)[:]
        for colour in COLOURS:
            calibrated = light.find_stars(colour)
            of_lights[colour].append(calibrated)
            raw = list_colour_stars(image, None, None, mosaic, colour)
            skies[colour].append(replace(raw, noise=_tell_noise(raw, calibrated.noise / _find_gain(light))))
    scales = {
        colour: [scale * _find_gain(light) for scale, light in zip(own, lights, strict=True)]
        for colour, own in measure_colour_scales(of_lights, placed, reference).items()
    }
    return stack_colours(placed, mosaics, skies, scales, reference, canvas, *how)


def _place(light: LightFile, frame: str, row: Any) -> PlacedLight:
    """Return a raw frame as it is stacked: where its light lies, on the scale of the stack."""
    prepared = _prepare_raw(light, frame)
    image = prepared[:]
    stars = list_colour_stars(image, None, None, light.mosaic) if light.mosaic else list_stars(image)
    gain = _find_gain(light)
    noise = _tell_noise(stars, float(row["noise"]) / gain)
    return PlacedLight(
        _make_reader(prepared, noise),
        light.shape,
        Transform(np.array(row["matrix"], float), np.array(row["shift"], float)),
        stars.level,
        noise,
        float(row["scale"]) * gain,
        light.seconds,
        light.middle,
        stars.fwhm,
    )


def _find_gain(light: LightFile) -> float:
    """Return what the light was multiplied by."""
    return float(light.header["CALGAIN"]) if light.header.get("BUNIT") == "electron" else 1.0


def _tell_noise(raw: StarList, of_light: float) -> float:
    """Return the noise of a raw frame's sky, no less than the light has, in ADU: integers alone may show none."""
    return float(np.fmax(raw.noise, of_light))


def _prepare_raw(light: LightFile, frame: str) -> PreparedImage:
    """Return a raw frame, trimmed; its pixels are not held in memory, but read again when they are asked for."""
    overscan = light.recipe["settings"]["overscan"]
    raw = read_planned(frame, light.recipe["frames"][0])
    prepared = prepare_image(raw, overscan and overscan | {"section": None})
    raw.release()
    return prepared


def _make_reader(prepared: PreparedImage, noise: float) -> Read:
    def read(rows: slice, columns: slice) -> tuple[Image, float, None]:
        return prepared[rows, columns], noise**2, None

    return read
