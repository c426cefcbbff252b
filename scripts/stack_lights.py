"""Put the lights of one object on top of each other."""

from darkroom.warm import hand_over

hand_over()

from darkroom.job import report_to
from darkroom.planned import read_recipe_file
from darkroom.stacking.night_stack import make_stack

with report_to(snakemake.log[0]) as log:
    recipe = read_recipe_file(snakemake.input.recipe)
    for line in make_stack(list(snakemake.input.lights), recipe, snakemake.output[0]):
        print(line, file=log)
    print(f"{snakemake.output[0]}: made", file=log)
