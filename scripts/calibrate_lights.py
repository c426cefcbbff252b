"""Calibrate a batch of lights: those whose recipe is already stamped in their product are left alone."""

from darkroom.warm import hand_over

hand_over()

from dataclasses import dataclass
from pathlib import Path

from darkroom.cards import describe_light
from darkroom.detector import read_detector, stamp_detector
from darkroom.job import read_job, report_to
from darkroom.light_masters import LightShelf
from darkroom.lights import calibrate_light
from darkroom.masters import MasterShelf
from darkroom.overlap import overlap
from darkroom.problems import JobProblem
from darkroom.products import write_product
from darkroom.raw_images import RawImage, read_raw
from darkroom.stamps import digest_recipe, read_stamp


@dataclass(frozen=True)
class Light:
    recipe: dict
    raw_path: str
    product: str

    def is_up_to_date(self) -> bool:
        return Path(self.product).exists() and read_stamp(Path(self.product)) == digest_recipe(self.recipe)


def read_light(light: Light) -> RawImage:
    return read_raw(light.raw_path, light.recipe["frames"][0]["digest"])


def make_light(light: Light, raw: RawImage, shelf: LightShelf) -> tuple:
    detector = read_detector(light.recipe, shelf.shelf)
    calibrated = calibrate_light(raw, light.recipe, shelf.prepare(light.recipe), detector)
    header = describe_light(raw.header, light.recipe, calibrated.gain)
    stamp_detector(header, light.recipe, detector)
    return header, calibrated


def write_light(light: Light, made: tuple) -> None:
    header, calibrated = made
    mask = calibrated.mask if light.recipe["settings"]["mask"] else None
    write_product(light.product, calibrated.data, header, light.recipe, calibrated.variance, mask)


with report_to(snakemake.log[0]) as log:
    recipes = read_job(snakemake.input.recipe, snakemake.input.frames)
    lights = [Light(*each) for each in zip(recipes, snakemake.input.frames, snakemake.output, strict=True)]
    shelf = LightShelf(MasterShelf.beside(snakemake.output[0], recipes[0]))
    due = [light for light in lights if not light.is_up_to_date()]
    problems = []
    for light, problem in overlap(due, read_light, lambda light, raw: make_light(light, raw, shelf), write_light):
        if problem:  # the other lights are made all the same
            problems.append(str(problem))
        else:
            print(f"{light.product}: made", file=log)
    print(f"{len(lights) - len(due)} up to date", file=log)
    if problems:
        raise JobProblem("\n".join(dict.fromkeys(problems)))
