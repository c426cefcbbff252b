"""Measure a detector: gain and read noise of one night and setup, from its own bias frames and flats."""

from darkroom.warm import hand_over

hand_over()

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from math import ceil, hypot, prod
from typing import TextIO

import numpy as np

from darkroom.calibrate import find_slope, judge_flat, linearise, measure_level, thin_out
from darkroom.job import report_to
from darkroom.medians import take_median
from darkroom.mosaics import find_mosaic, find_step
from darkroom.noise import ROUNDING_VARIANCE, find_read_variance
from darkroom.pairs import Measured, choose_pairs, choose_rows, combine_measured
from darkroom.photon_transfer import measure_gain
from darkroom.planned import read_job
from darkroom.prepared_images import PreparedImage, prepare_image
from darkroom.products import write_figures
from darkroom.raw_images import RawImage, read_planned
from darkroom.read_out import measure_read_out

PIXELS = 2**22  # in pairs, in evenly spread bands; they give the read noise to 0.05 % and the gain to 0.1 %
LEAST_PAIRS = 4  # of large frames, so that a disturbed one is outvoted
PEDESTAL_FRAMES = 3


def measure_detector(recipe: dict, raw_paths: list[str], product: str, log: TextIO) -> None:
    settings = recipe["settings"]
    mosaic = find_mosaic(recipe)
    frames = sorted(
        zip(recipe["frames"], raw_paths, strict=True), key=lambda each: (each[0]["start"] or "", each[0]["name"])
    )
    unlit, flats = choose_unlit(frames), group_flats(frames)
    gains, left_out, read_out, read_noise = [], [], None, None
    if unlit:
        raw, image = read_frame(*unlit[0], settings)
        wanted = max(LEAST_PAIRS, ceil(PIXELS / prod(image.shape)))
        fewest = min(wanted, len(unlit) // 2, sum(len(own) // 2 for own in flats.values()) or wanted)
        rows = choose_rows(image.shape, PIXELS // max(fewest, 1), find_step(recipe))
        # flats count from where the overscan is zero, the saturation from where the raw frame is
        offset = measure_level(image.read_counts(rows) - image[rows], "median")
        samples = {0: image[rows]}
        numbers = [number for pair in choose_pairs(len(unlit), wanted)[:wanted] for number in pair]
        for number in numbers:
            if number not in samples:
                samples[number] = read_frame(*unlit[number], settings)[1][rows]
        bias = take_median(list(samples.values())[:PEDESTAL_FRAMES])
        read_out = measure_read_out(samples[number] for number in numbers)
    if read_out is not None:
        pixel = read_out.pixel.value
        of_overscan = find_read_variance(pixel, settings["overscan"], raw.shape) - pixel**2 - ROUNDING_VARIANCE
        read_noise = read_out.find_noise(of_overscan)
        mosaics = recipe.get("mosaic"), mosaic
        read_flats = partial(
            read_good_flats,
            wanted=wanted,
            rows=rows,
            bias=bias,
            settings=settings,
            mosaics=mosaics,
            left_out=left_out,
        )
        for own in flats.values():
            full = settings["saturation"]
            full = None if full is None else straighten(full - offset, float(np.nanmedian(bias)), settings)
            of_pixel = pixel * find_slope(settings["linearity"])
            gains.append(measure_gain(read_flats(own), of_pixel, bias, full, mosaic))
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


def group_flats(frames: list) -> dict[str, list]:
    """The flats of each filter, in the order of their names."""
    groups: dict[str, list] = {}
    for each in frames:
        if each[0]["role"] == "flat":
            groups.setdefault(each[0]["filter"] or "", []).append(each)
    return dict(sorted(groups.items()))


def read_frame(frame: dict, path: str, settings: dict) -> tuple[RawImage, PreparedImage]:
    """The frame as it was read, and its image in ADU with the overscan off, of which rows can be asked for."""
    raw = read_planned(path, frame)
    return raw, prepare_image(raw, settings["overscan"])


def read_good_flats(
    flats: list, wanted: int, rows: np.ndarray, bias: np.ndarray, settings: dict, mosaics: tuple, left_out: list
) -> Iterator[np.ndarray]:
    """These rows of as many pairs of flats as are wanted, of which neither is too faint or saturated."""
    given = 0
    for pair in choose_pairs(len(flats), wanted):
        images = []
        for frame, path in (flats[number] for number in pair):
            raw, image = read_frame(frame, path, settings)
            sample = image[rows]
            reason = judge_flat(thin_out(raw), sample - bias, settings, settings["saturation"], mosaics)
            if reason:
                left_out.append(f"{frame['name']}: {reason}")
            else:
                images.append(straighten(sample, bias, settings))
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
