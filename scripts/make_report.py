"""Make the page of a night, and the table of its lights."""

from darkroom.warm import hand_over

hand_over()

from pathlib import Path

from darkroom.gather_night import gather_night
from darkroom.job import report_to
from darkroom.night_tables import tabulate_lights
from darkroom.planned import read_recipe_file
from darkroom.products import write_text
from darkroom.report_page import render_night
from darkroom.stamps import digest_recipe
from darkroom.whole_files import CACHE

with report_to(snakemake.log[0]) as log:
    recipe = read_recipe_file(snakemake.input.recipe)
    results = Path(snakemake.output.page.removesuffix(recipe["product"]))
    night = gather_night(recipe, results)
    page = render_night(night, digest_recipe(recipe), recipe, kept=results / CACHE)
    write_text(snakemake.output.table, tabulate_lights(night), recipe)
    write_text(snakemake.output.page, page, recipe)
    print(f"{len(night.made)} lights, {len(night.masters)} masters, {len(night.problems)} problems", file=log)
