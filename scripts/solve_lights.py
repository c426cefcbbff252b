"""Find where the lights of a batch lie on the sky."""

from darkroom.warm import hand_over

hand_over()

from dataclasses import dataclass

from darkroom.cards import describe_light
from darkroom.detector import read_detector
from darkroom.job import report_to
from darkroom.light_masters import LightShelf
from darkroom.lights import calibrate_light
from darkroom.masters import MasterShelf
from darkroom.overlap import make_all
from darkroom.planned import read_job
from darkroom.raw_images import RawImage, read_planned
from darkroom.solving.solutions import write_solution
from darkroom.solving.solve_light import UnsolvedLight, solve_light


@dataclass(frozen=True)
class Light:
    recipe: dict
    raw_path: str
    product: str


def read_light(light: Light) -> RawImage:
    return read_planned(light.raw_path, light.recipe["frames"][0])


def solve(light: Light, raw: RawImage, shelf: LightShelf):
    recipe = light.recipe
    calibrated = calibrate_light(raw, recipe, shelf.prepare(recipe), read_detector(recipe, shelf.shelf))
    settings, mosaic = recipe["solve"] | snakemake.params.places, bool(recipe.get("mosaic"))
    try:
        header = describe_light(raw.header, recipe)
        return solve_light(calibrated.data, header, settings, recipe["cards"], calibrated.mask, mosaic)
    except UnsolvedLight as reason:
        return str(reason)


def write(light: Light, outcome) -> None:
    write_solution(light.product, light.recipe, outcome)


with report_to(snakemake.log[0]) as log:
    recipes = read_job(snakemake.input.recipe, snakemake.input.frames)
    lights = [Light(*each) for each in zip(recipes, snakemake.input.frames, snakemake.output, strict=True)]
    shelf = LightShelf(MasterShelf.beside(snakemake.output[0], recipes[0]))
    make_all(lights, read_light, lambda light, raw: solve(light, raw, shelf), write, log)
