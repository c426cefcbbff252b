"""Draw previews of a batch of lights, and measure what they tell of the sky."""

from darkroom.warm import hand_over

hand_over()

from dataclasses import dataclass

from darkroom.job import report_to
from darkroom.overlap import make_all
from darkroom.pictures import write_png
from darkroom.planned import read_job
from darkroom.previews import preview_light
from darkroom.product_files import Product, read_product


@dataclass(frozen=True)
class Preview:
    recipe: dict
    light: str
    product: str


def read_light(preview: Preview) -> Product:
    return read_product(preview.light, preview.recipe["of"]["digest"])


def write_picture(preview: Preview, made: tuple) -> None:
    levels, plain, figures = made
    write_png(preview.product, levels, figures, preview.recipe, plain)


with report_to(snakemake.log[0]) as log:
    recipes = read_job(snakemake.input.recipe, snakemake.input.products)
    previews = [Preview(*each) for each in zip(recipes, snakemake.input.products, snakemake.output, strict=True)]
    make_all(previews, read_light, lambda one, light: preview_light(light, one.recipe["settings"]), write_picture, log)
