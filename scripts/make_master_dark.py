"""Make a master dark: combine the darks of one night, setup and exposure, freed of their bias where that is wanted."""

import numpy as np

from darkroom.calibrate import remove_pedestal
from darkroom.cards import describe_master
from darkroom.combine import combine_images
from darkroom.job import read_job, report_to
from darkroom.overscan import subtract_overscan
from darkroom.products import MasterShelf, read_raw, write_product


def make_master_dark(recipe: dict, raw_paths: list[str], masters: MasterShelf, product: str) -> None:
    settings = recipe["settings"]
    raws = [read_raw(path, frame["digest"]) for path, frame in zip(raw_paths, recipe["frames"], strict=True)]
    bias = masters.read(recipe["bias"])
    images = [remove_pedestal(subtract_overscan(raw, settings["overscan"]), bias).data for raw in raws]
    quanta = np.ones(len(images))
    if recipe["per_second"]:
        quanta = np.array([1 / frame["exposure"] for frame in recipe["frames"]])
        images = [image * np.float32(quantum) for image, quantum in zip(images, quanta, strict=True)]

    dark = combine_images(images, settings["combine"], quanta)

    header = describe_master([raw.header for raw in raws], recipe)
    header["BUNIT"] = ("adu/s" if recipe["per_second"] else "adu", "unit of the image")
    header["NCOMBINE"] = (len(images), "frames combined")
    header["HOLDBIAS"] = (recipe["holds_bias"], "is the bias still in it?")
    write_product(product, dark, header, recipe)


with report_to(snakemake.log[0]):
    recipe = read_job(snakemake.input.recipe, snakemake.input.frames)
    masters = MasterShelf.beside(snakemake.output[0], recipe)
    make_master_dark(recipe, snakemake.input.frames, masters, snakemake.output[0])
