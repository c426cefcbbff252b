"""Draw the preview of a master, and describe its pixels."""

from darkroom.warm import hand_over

hand_over()

from darkroom.job import report_to
from darkroom.pictures import write_png
from darkroom.planned import read_job
from darkroom.previews import preview_master
from darkroom.product_files import read_product

with report_to(snakemake.log[0]):
    recipe = read_job(snakemake.input.recipe, snakemake.input.products)
    master = read_product(snakemake.input.products[0], recipe["of"]["digest"])
    levels, figures = preview_master(master, recipe["settings"])
    write_png(snakemake.output[0], levels, figures, recipe, levels)
