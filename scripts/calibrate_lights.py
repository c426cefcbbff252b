"""Calibrate a batch of lights: those whose recipe is already stamped in their product are left alone."""

from pathlib import Path

import numpy as np

from darkroom.calibrate import FULL_SCALE, divide_flat, remove_cosmic_rays, remove_pedestal
from darkroom.cards import describe_light
from darkroom.job import read_job, report_to
from darkroom.overscan import subtract_overscan, trim_frame
from darkroom.products import JobProblem, MasterShelf, read_raw, write_product
from darkroom.stamps import digest_recipe, read_stamp


def calibrate_light(recipe: dict, raw_path: str, masters: MasterShelf, product: str) -> None:
    settings = recipe["settings"]
    raw = read_raw(raw_path, recipe["frames"][0]["digest"])
    light = subtract_overscan(raw, settings["overscan"])
    scale = recipe["dark"]["scale"] if recipe["dark"] else 1.0
    light = remove_pedestal(light, masters.read(recipe["bias"]), masters.read(recipe["dark"]), scale)
    no_flat = None
    if recipe["flat"]:
        light, no_flat = divide_flat(light, masters.read(recipe["flat"]), settings["flat_minimum"])
    if settings["cosmic_rays"]:
        full = settings["cosmic_rays"]["saturation"] or FULL_SCALE
        saturated = trim_frame(raw, settings["overscan"]).data >= full
        light = remove_cosmic_rays(light, saturated, settings["cosmic_rays"])
    if no_flat is not None:
        light.data[no_flat] = np.nan
    write_product(product, light.data, describe_light(raw.header, recipe), recipe)


with report_to(snakemake.log[0]) as log:
    recipes = read_job(snakemake.input.recipe, snakemake.input.frames)
    problems: list[str] = []
    masters = MasterShelf.beside(snakemake.output[0], recipes[0])
    for recipe, raw_path, product in zip(recipes, snakemake.input.frames, snakemake.output, strict=True):
        if Path(product).exists() and read_stamp(Path(product)) == digest_recipe(recipe):
            print(f"{product}: up to date", file=log)
        else:
            try:
                calibrate_light(recipe, raw_path, masters, product)
                print(f"{product}: made", file=log)
            except JobProblem as problem:  # the other lights are made first
                problems.append(str(problem))
    if problems:
        raise JobProblem("\n".join(dict.fromkeys(problems)))
