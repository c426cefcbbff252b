"""Make the page of all nights: what certificates and measurements tell over time."""

from darkroom.warm import hand_over

hand_over()

from pathlib import Path

from darkroom.gather_trends import gather_trends
from darkroom.job import report_to
from darkroom.planned import read_recipe_file
from darkroom.products import write_text
from darkroom.report_page import render_trends
from darkroom.stamps import digest_recipe
from darkroom.trends import make_trends
from darkroom.whole_files import CACHE

with report_to(snakemake.log[0]) as log:
    recipe = read_recipe_file(snakemake.input.recipe)
    results = Path(snakemake.output[0].removesuffix(recipe["product"]))
    certification, detectors = gather_trends(recipe, results)
    trends = make_trends(certification, detectors)
    page = render_trends(trends, recipe["title"], digest_recipe(recipe), recipe, kept=results / CACHE)
    write_text(snakemake.output[0], page, recipe)
    print(f"{len(certification)} certificates, {len(detectors)} measurements", file=log)
