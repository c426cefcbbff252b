"""The same stack of the raw frames, to be compared: by the places and weights of the lights, uncalibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.history import LEFT_OUT, NO_STACK, add_sentence, list_sentences, read_reason
from darkroom.prepared_images import prepare_image
from darkroom.problems import JobProblem
from darkroom.product_files import read_product
from darkroom.products import write_product
from darkroom.raw_images import read_planned
from darkroom.stacking.light_files import LightFile, open_light
from darkroom.stacking.resample import Read
from darkroom.stacking.stack_lights import PlacedLight, choose_canvas, stack_lights
from darkroom.stacking.star_lists import list_stars
from darkroom.stacking.transforms import Transform

Image = NDArray[np.float32]


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
    placed, level, shape = [], 0.0, product.data.shape
    for path, frame, wanted in zip(lights, frames, recipe["lights"], strict=True):
        if wanted["path"] not in rows:
            continue
        light = open_light(path, wanted["digest"])
        one = _place(light, frame, rows[light.name])
        placed.append(one)
        if light.name.endswith(f"/{product.header['STACKREF']}"):
            level, shape = one.level * one.scale, light.shape
    canvas = choose_canvas(placed, shape, recipe["settings"]["canvas"] == "whole")
    made = stack_lights(placed, canvas, recipe["settings"]["sigma"], recipe["settings"]["weights"])
    header = product.header.copy(strip=True)
    for sentence in list_sentences(product.header, LEFT_OUT):
        add_sentence(header, sentence)
    header["IMAGETYP"] = ("RAW STACK", "kind of frame")
    header.remove("CALSTAT", ignore_missing=True)
    header["SKYLEVEL"] = (round(level, 4), "level of the sky, that of the reference")
    described = {**recipe, "product": recipe["product"].replace("/stacks/", "/stacks/raw/"), "kind": "raw_stack"}
    write_product(output, made.data + np.float32(level), header, described, made.variance)


def _place(light: LightFile, frame: str, row: Any) -> PlacedLight:
    """Return a raw frame as it is stacked: where its light lies, on the scale of the stack."""
    image = _read_raw(light, frame)
    stars = list_stars(image)
    gain = float(light.header["CALGAIN"]) if light.header.get("BUNIT") == "electron" else 1.0
    return PlacedLight(
        _make_reader(light, frame, stars.noise),
        light.shape,
        Transform(np.array(row["matrix"], float), np.array(row["shift"], float)),
        stars.level,
        stars.noise,
        float(row["scale"]) * gain,
        light.seconds,
        light.middle,
        stars.fwhm,
    )


def _read_raw(light: LightFile, frame: str) -> Image:
    overscan = light.recipe["settings"]["overscan"]
    raw = read_planned(frame, light.recipe["frames"][0])
    return prepare_image(raw, overscan and overscan | {"section": None})[:]


def _make_reader(light: LightFile, frame: str, noise: float) -> Read:
    def read(rows: slice, columns: slice) -> tuple[Image, float, None]:
        return _read_raw(light, frame)[rows, columns], noise**2, None

    return read
