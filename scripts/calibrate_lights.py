"""Calibrate a batch of lights: those whose recipe is already stamped in their product are left alone."""

from pathlib import Path

from darkroom.cards import describe_light
from darkroom.detector import read_detector, stamp_detector
from darkroom.job import read_job, report_to
from darkroom.lights import calibrate_light
from darkroom.masters import MasterShelf
from darkroom.products import JobProblem, read_raw, write_product
from darkroom.stamps import digest_recipe, read_stamp


def make_light(recipe: dict, raw_path: str, shelf: MasterShelf, product: str) -> None:
    raw = read_raw(raw_path, recipe["frames"][0]["digest"])
    detector = read_detector(recipe, shelf)
    light = calibrate_light(raw, recipe, shelf, detector)
    header = describe_light(raw.header, recipe, light.gain)
    stamp_detector(header, recipe, detector)
    write_product(product, light.data, header, recipe, light.variance, light.mask)


with report_to(snakemake.log[0]) as log:
    recipes = read_job(snakemake.input.recipe, snakemake.input.frames)
    problems: list[str] = []
    shelf = MasterShelf.beside(snakemake.output[0], recipes[0])
    for recipe, raw_path, product in zip(recipes, snakemake.input.frames, snakemake.output, strict=True):
        if Path(product).exists() and read_stamp(Path(product)) == digest_recipe(recipe):
            print(f"{product}: up to date", file=log)
        else:
            try:
                make_light(recipe, raw_path, shelf, product)
                print(f"{product}: made", file=log)
            except JobProblem as problem:  # the other lights are made first
                problems.append(str(problem))
    if problems:
        raise JobProblem("\n".join(dict.fromkeys(problems)))
