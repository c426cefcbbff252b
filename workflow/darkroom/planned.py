"""Planned recipes: what a job was given to make, as long as the plan says so.

The recipe files of former plans are removed when a run begins. So a job that outlived its run, on a cluster whose main
process was killed, finds that its own is gone, and leaves the products to the jobs of the new run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from darkroom.problems import JobProblem


class PlannedRecipe(dict[str, Any]):
    """A recipe that knows the file that planned it."""

    def __init__(self, recipe: dict[str, Any], file: Path):
        super().__init__(recipe)
        self.file = file

    def demand_in_force(self, product: str) -> None:
        """Raise a JobProblem if the recipe is not planned any longer.

        The file is opened, not only asked for: NFS may tell from memory what was there a minute ago.
        """
        try:
            self.file.open("rb").close()
        except OSError:
            raise JobProblem(f"{product}: not written, for it was planned anew since this job began") from None


def read_job(path: str, frames: Sequence[str]) -> Any:
    """Return the recipe of a master, or the recipes of a batch of lights (or of their pictures), from a recipe file.

    Raises
    ------
    JobProblem
        If the file is gone, or for another number of raw frames than the job has: the plan was made anew while the job
        waited.
    """
    recipe = read_recipe_file(path)
    planned = recipe if isinstance(recipe, list) else recipe.get("frames", [recipe["product"]])
    if len(planned) != len(frames):
        raise JobProblem(f"{path}: planned anew, for other frames, since this run began; run snakemake again")
    return recipe


def read_recipe_file(path: str) -> Any:
    """Return what a recipe file holds: one recipe, or those of a batch of lights.

    Raises
    ------
    JobProblem
        If it is gone: the plan was made anew while the job waited.
    """
    file = Path(path)
    try:
        recipe = json.loads(file.read_text(encoding="utf-8"))["recipe"]
    except FileNotFoundError:
        raise JobProblem(f"{path}: planned anew since this job was to begin; run snakemake again") from None
    return [PlannedRecipe(one, file) for one in recipe] if isinstance(recipe, list) else PlannedRecipe(recipe, file)
