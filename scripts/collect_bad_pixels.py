"""Collect the bad pixels of one night and setup from its masters."""

from darkroom.warm import hand_over

hand_over()

import numpy as np
from astropy.io import fits

from darkroom.job import report_to
from darkroom.masters import MasterShelf
from darkroom.planned import read_recipe_file
from darkroom.products import write_product
from darkroom.quality import describe_bits


def collect_bad_pixels(recipe: dict, shelf: MasterShelf, product: str) -> None:
    masks = [shelf.read_mask(used) for used in recipe["masters"]]

    header = fits.Header()
    header["IMAGETYP"] = ("BAD PIXELS", "kind of frame")
    describe_bits(header)
    write_product(product, np.bitwise_or.reduce(masks), header, recipe)


with report_to(snakemake.log[0]):
    recipe = read_recipe_file(snakemake.input.recipe)
    shelf = MasterShelf.beside(snakemake.output[0], recipe)
    collect_bad_pixels(recipe, shelf, snakemake.output[0])
