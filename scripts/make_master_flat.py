"""Make a master flat: free the flats of one night, setup and filter of bias and dark, scale, combine and normalise."""

from darkroom.warm import hand_over

hand_over()

from typing import TextIO

import numpy as np

from darkroom.bad_pixels import find_bad_pixels
from darkroom.calibrate import measure_colours
from darkroom.cards import describe_master
from darkroom.combine import combine_images
from darkroom.detector import read_detector, stamp_detector
from darkroom.job import report_to
from darkroom.masters import MasterShelf
from darkroom.mosaics import name_planes, treat_planes
from darkroom.planned import read_job
from darkroom.problems import JobProblem
from darkroom.products import write_figures, write_product
from darkroom.quality import Bit, flag, flag_no_data
from darkroom.stacks import Stack, prepare_stack, split_by_level
from darkroom.stamps import name_certificate, name_refusal


def make_master_flat(
    recipe: dict, raw_paths: list[str], shelf: MasterShelf, product: str, threads: int, log: TextIO
) -> None:
    settings = recipe["settings"]
    detector = read_detector(recipe, shelf)
    stack = prepare_stack(recipe, raw_paths, shelf, detector, threads)
    for text in stack.left_out:
        print(f"left out {text}", file=log)
    if not stack.images:
        why = f"every flat frame was left out ({'; '.join(stack.left_out[:3])})"
        # for the next plan, that takes another one
        found = {"master": recipe["product"], "verdict": "not made", "failures": [why], "figures": {}}
        write_figures(name_refusal(name_certificate(product)), found, recipe)
        raise JobProblem(f"{product}: {why}; see flat.min_counts and flat.max_counts in config.yaml")

    flat = combine_images(stack.images, settings["combine"], stack.noises, stack.scales, stack.illumination, threads)
    image, variance = flat.data, flat.variance
    if variance is not None:
        variance = stack.add_pedestal_noise(variance, flat.shares)
    levels = normalise_flat(image, variance, settings["normalise"], stack.mosaic)

    mask = flag_no_data(image)
    flag(mask, image <= 0, Bit.LOW_FLAT)
    flag(mask, find_bad(image, stack) | stack.mostly_saturated, Bit.BAD)

    header = describe_master(stack.headers, recipe | {"frames": stack.frames})
    stamp_detector(header, recipe, detector)
    header["NCOMBINE"] = (len(stack.images), "frames combined")
    level = float(np.median(stack.levels))
    header["LEVEL"] = (round(level, 3), "[adu] median level of the frames")
    for colour in sorted(set(stack.mosaic or "")):
        of_colour = level * levels[colour] / float(np.mean([levels[each] for each in stack.mosaic]))
        header[f"LEVEL_{colour}"] = (round(of_colour, 3), f"[adu] that of their {colour} pixels")
    for text in stack.left_out:
        header["HISTORY"] = f"left out {ascii(text)[1:-1]}"
    write_product(product, image, header, recipe, variance, mask)


def normalise_flat(image: np.ndarray, variance: np.ndarray | None, how: str, mosaic: str | None) -> dict[str, float]:
    """Divide a flat, and its variance, in place by its level, or each colour of a mosaic by its own.

    So a light keeps the ratios of its colours, as with separate CFA flat scaling factors in PixInsight and with
    -equalize_cfa in Siril (where red and blue come to the level of green): the colour of the lamp is not in it. As
    there, all green pixels have one level. Where those of the red and of the blue rows differ in sensitivity, that is
    for the flat to take out: with two levels a chequered pattern would stay in the light, which no demosaicing expects.
    """
    levels = measure_colours(image, how, mosaic)
    for colour, plane in name_planes(image, mosaic):
        plane /= np.float32(levels[colour])
    for colour, plane in name_planes(variance, mosaic) if variance is not None else ():
        plane /= np.float32(levels[colour]) ** 2
    return levels


def find_bad(image: np.ndarray, stack: Stack) -> np.ndarray:
    """The pixels that are bad among those around, in a mosaic among those of their colour."""
    halves = split_by_level(stack)
    if not stack.mosaic:
        return find_bad_pixels(image, *halves)
    return treat_planes(lambda *planes: (find_bad_pixels(*planes),), image, *halves)[0]


with report_to(snakemake.log[0]) as log:
    recipe = read_job(snakemake.input.recipe, snakemake.input.frames)
    shelf = MasterShelf.beside(snakemake.output[0], recipe)
    make_master_flat(recipe, snakemake.input.frames, shelf, snakemake.output[0], snakemake.threads, log)
