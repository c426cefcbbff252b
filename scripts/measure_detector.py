"""Measure a detector: gain and read noise of one night and setup, from its own bias frames and flats."""

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from math import ceil, hypot
from typing import TextIO

import numpy as np

from darkroom.calibrate import find_slope, judge_flat, linearise, measure_level
from darkroom.job import read_job, report_to
from darkroom.noise import ROUNDING_VARIANCE, find_read_variance
from darkroom.pairs import Measured, choose_pairs, combine_measured
from darkroom.photon_transfer import measure_gain
from darkroom.prepared_images import prepare_image
from darkroom.products import write_figures
from darkroom.raw_images import read_raw
from darkroom.read_out import measure_read_out

PIXELS = 2**22  # in pairs; they give the read noise to 0.05 % and the gain to 0.1 %
LEAST_PAIRS = 4  # of large frames, so that a disturbed one is outvoted
PEDESTAL_FRAMES = 3


def measure_detector(recipe: dict, raw_paths: list[str], product: str, log: TextIO) -> None:
    settings = recipe["settings"]
    frames = sorted(
        zip(recipe["frames"], raw_paths, strict=True), key=lambda each: (each[0]["start"] or "", each[0]["name"])
    )
    unlit, flats = choose_unlit(frames), [each for each in frames if each[0]["role"] == "flat"]
    gains, left_out, read_out, read_noise = [], [], None, None
    if unlit:
        samples = [read_frame(*each, settings) for each in unlit[:PEDESTAL_FRAMES]]
        bias = np.median([image for _, image in samples], axis=0)
        # flats count from where the overscan is zero, the saturation from where the raw frame is
        raw, image = samples[0]
        offset = measure_level(prepare_image(raw, settings["overscan"]).read_counts(slice(None)) - image, "median")
        wanted = max(LEAST_PAIRS, ceil(PIXELS / bias.size))
        read_out = measure_read_out(read_unlit(unlit, wanted, settings))
    if read_out is not None:
        pixel = read_out.pixel.value
        of_overscan = find_read_variance(pixel, settings["overscan"], raw.shape) - pixel**2 - ROUNDING_VARIANCE
        read_noise = read_out.find_noise(of_overscan)
        read_flats = partial(read_good_flats, wanted=wanted, bias=bias, recipe=recipe, left_out=left_out)
        for name in sorted({frame["filter"] or "" for frame, _ in flats}):
            own = [each for each in flats if (each[0]["filter"] or "") == name]
            full = settings["saturation"]
            full = None if full is None else straighten(full - offset, float(np.nanmedian(bias)), settings)
            gains.append(measure_gain(read_flats(own), pixel * find_slope(settings["linearity"]), bias, full))
    gain = combine_measured([each for each in gains if each is not None])

    for text in left_out:
        print(f"left out {text}", file=log)
    figures = {"gain": gain, "read_noise": read_noise, "read_noise_electrons": convert_to_electrons(read_noise, gain)}
    described = {name: asdict(each) if each is not None else None for name, each in figures.items()}
    write_figures(product, described | {"flats_left_out": left_out}, recipe)


def choose_unlit(frames: list) -> list:
    """The bias frames, or where there is no pair of them the darks of the shortest exposure."""
    biases = [each for each in frames if each[0]["role"] == "bias"]
    darks = [each for each in frames if each[0]["role"] == "dark"]
    shortest = min((frame["exposure"] for frame, _ in darks), default=None)
    shortest_darks = [each for each in darks if each[0]["exposure"] == shortest]
    return biases if len(biases) >= 2 or len(shortest_darks) < 2 else shortest_darks


def read_frame(frame: dict, path: str, settings: dict) -> tuple:
    """The frame as it was read, and its image in ADU with the overscan off."""
    raw = read_raw(path, frame["digest"])
    return raw, prepare_image(raw, settings["overscan"])[:]


def read_unlit(unlit: list, wanted: int, settings: dict) -> Iterator[np.ndarray]:
    for pair in choose_pairs(len(unlit), wanted)[:wanted]:
        for number in pair:
            yield read_frame(*unlit[number], settings)[1]


def read_good_flats(flats: list, wanted: int, bias: np.ndarray, recipe: dict, left_out: list) -> Iterator[np.ndarray]:
    """As many pairs of flats as are wanted, of which neither is too faint or saturated."""
    settings, given = recipe["settings"], 0
    for pair in choose_pairs(len(flats), wanted):
        images = []
        for frame, path in (flats[number] for number in pair):
            raw, image = read_frame(frame, path, settings)
            reason = judge_flat(raw, image - bias, settings, settings["saturation"])
            if reason:
                left_out.append(f"{frame['name']}: {reason}")
            else:
                images.append(straighten(image, bias, settings))
        if len(images) == 2:
            yield from images
            given += 1
        if given == wanted:
            return


def straighten(image: np.ndarray | float, bias: np.ndarray | float, settings: dict) -> np.ndarray:
    """What a flat would be had the camera been linear: photons tell the gain of that one alone."""
    if not settings["linearity"]:
        return image
    return bias + linearise(np.asarray(image - bias), settings["linearity"])


def convert_to_electrons(read_noise: Measured | None, gain: Measured | None) -> Measured | None:
    if read_noise is None or gain is None:
        return None
    value = read_noise.value * gain.value
    error = value * hypot(read_noise.error / read_noise.value, gain.error / gain.value)
    return Measured(value, error, read_noise.pairs)


with report_to(snakemake.log[0]) as log:
    recipe = read_job(snakemake.input.recipe, snakemake.input.frames)
    measure_detector(recipe, snakemake.input.frames, snakemake.output[0], log)
