"""Show a raw light beside the calibrated one, or a single bias beside the master, at the same stretch."""

from darkroom.warm import hand_over

hand_over()

from darkroom.job import report_to
from darkroom.pictures import write_png
from darkroom.planned import read_job
from darkroom.previews import compare_bias, compare_light
from darkroom.product_files import read_product
from darkroom.raw_images import read_planned

with report_to(snakemake.log[0]):
    recipe = read_job(snakemake.input.recipe, snakemake.input.frames)
    product = read_product(snakemake.input.products[0], recipe["of"]["digest"])
    raw = read_planned(snakemake.input.frames[0], recipe["frames"][0])
    compare = {"light": compare_light, "bias": compare_bias}[recipe["what"]]
    levels, figures = compare(product, raw, recipe)
    write_png(snakemake.output[0], levels, figures, recipe)
