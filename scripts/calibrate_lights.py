"""Calibrate a batch of lights."""

from darkroom.warm import hand_over

hand_over()

from dataclasses import dataclass

from darkroom.cards import describe_light
from darkroom.detector import read_detector, stamp_detector
from darkroom.job import report_to
from darkroom.light_masters import LightShelf
from darkroom.lights import calibrate_light
from darkroom.masters import MasterShelf
from darkroom.overlap import make_all
from darkroom.planned import read_job
from darkroom.products import write_product
from darkroom.raw_images import RawImage, read_planned


@dataclass(frozen=True)
class Light:
    recipe: dict
    raw_path: str
    product: str


def read_light(light: Light) -> RawImage:
    return read_planned(light.raw_path, light.recipe["frames"][0])


def make_light(light: Light, raw: RawImage, shelf: LightShelf) -> tuple:
    detector = read_detector(light.recipe, shelf.shelf)
    calibrated = calibrate_light(raw, light.recipe, shelf.prepare(light.recipe), detector)
    header = describe_light(raw.header, light.recipe, calibrated.gain)
    stamp_detector(header, light.recipe, detector)
    if solution := light.recipe.get("solution"):
        from darkroom.solving.solutions import add_solution  # the WCS takes a while to import

        add_solution(header, str(shelf.shelf.results / solution["path"]), solution["digest"])
    return header, calibrated


def write_light(light: Light, made: tuple) -> None:
    header, calibrated = made
    mask = calibrated.mask if light.recipe["settings"]["mask"] else None
    write_product(light.product, calibrated.data, header, light.recipe, calibrated.variance, mask)


with report_to(snakemake.log[0]) as log:
    recipes = read_job(snakemake.input.recipe, snakemake.input.frames)
    lights = [Light(*each) for each in zip(recipes, snakemake.input.frames, snakemake.output, strict=True)]
    shelf = LightShelf(MasterShelf.beside(snakemake.output[0], recipes[0]))
    make_all(lights, read_light, lambda light, raw: make_light(light, raw, shelf), write_light, log)
