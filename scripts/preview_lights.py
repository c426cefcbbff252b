"""Draw previews of a batch of lights, and measure what they tell of the sky."""

from darkroom.warm import hand_over

hand_over()

from dataclasses import dataclass

from darkroom.job import report_to
from darkroom.overlap import overlap
from darkroom.pictures import write_png
from darkroom.planned import read_job
from darkroom.previews import preview_light
from darkroom.problems import JobProblem
from darkroom.product_files import Product, read_product


@dataclass(frozen=True)
class Preview:
    recipe: dict
    product: str
    picture: str


def read_light(preview: Preview) -> Product:
    return read_product(preview.product, preview.recipe["of"]["digest"])


def write_picture(preview: Preview, made: tuple) -> None:
    levels, plain, figures = made
    write_png(preview.picture, levels, figures, preview.recipe, plain)


with report_to(snakemake.log[0]) as log:
    recipes = read_job(snakemake.input.recipe, snakemake.input.products)
    previews = [Preview(*each) for each in zip(recipes, snakemake.input.products, snakemake.output, strict=True)]
    problems = []
    for preview, problem in overlap(
        previews, read_light, lambda preview, light: preview_light(light, preview.recipe["settings"]), write_picture
    ):
        if problem:  # the other lights are shown all the same
            problems.append(str(problem))
        else:
            print(f"{preview.picture}: made", file=log)
    if problems:
        raise JobProblem("\n".join(dict.fromkeys(problems)))
