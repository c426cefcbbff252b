"""Stack raw frames as their lights were stacked, to be compared."""

from darkroom.warm import hand_over

hand_over()

from darkroom.job import report_to
from darkroom.stacking.raw_stack import make_raw_stack

with report_to(snakemake.log[0]):
    wanted = snakemake.input
    make_raw_stack(wanted.stack, list(wanted.lights), list(wanted.frames), snakemake.output[0])
