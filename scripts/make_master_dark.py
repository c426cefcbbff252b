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
    bias = masters.read(recipe["bias"])
    headers, images, quanta = [], [], []
    for frame, path in zip(recipe["frames"], raw_paths, strict=True):
        raw = read_raw(path, frame["digest"])
        image = remove_pedestal(subtract_overscan(raw, settings["overscan"]), bias).data
        quanta.append(1 / frame["exposure"] if recipe["per_second"] else 1.0)
        headers.append(raw.header)
        images.append(image * np.float32(quanta[-1]))

    dark = combine_images(images, settings["combine"], quanta)

    header = describe_master(headers, recipe)
    header["BUNIT"] = ("adu/s" if recipe["per_second"] else "adu", "unit of the image")
    header["NCOMBINE"] = (len(images), "frames combined")
    header["HOLDBIAS"] = (recipe["holds_bias"], "is the bias still in it?")
    write_product(product, dark, header, recipe)


with report_to(snakemake.log[0]):
    recipe = read_job(snakemake.input.recipe, snakemake.input.frames)
    masters = MasterShelf.beside(snakemake.output[0], recipe)
    make_master_dark(recipe, snakemake.input.frames, masters, snakemake.output[0])
