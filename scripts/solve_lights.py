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
from darkroom.problems import JobProblem
from darkroom.raw_images import RawImage, read_planned
from darkroom.solving.solutions import write_solution
from darkroom.solving.solve_light import UnsolvedLight, solve_light
from darkroom.solving.tools import find_tools


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


def demand_tools(planned: dict) -> None:
    """Refuse to solve by another solver or other indexes than planned, as a node of a cluster may have: or that there
    are none would be taken for what the lights tell.
    """
    found = find_tools(snakemake.params.places)
    if found.describe() != planned:
        lacking = f": {found.missing}" if found.missing else "; the nodes of a cluster need the same"
        raise JobProblem(f"not solved: this machine has another solver or other star indexes than planned{lacking}")


with report_to(snakemake.log[0]) as log:
    recipes = read_job(snakemake.input.recipe, snakemake.input.frames)
    demand_tools(recipes[0]["solve"]["tools"])
    lights = [Light(*each) for each in zip(recipes, snakemake.input.frames, snakemake.output, strict=True)]
    shelf = LightShelf(MasterShelf.beside(snakemake.output[0], recipes[0]))
    make_all(lights, read_light, lambda light, raw: solve(light, raw, shelf), write, log)
