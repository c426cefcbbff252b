"""Write a light or master as a JPEG in all its pixels, to be shown to others."""

from darkroom.warm import hand_over

hand_over()

from darkroom.job import report_to
from darkroom.pictures import write_jpeg
from darkroom.previews import share
from darkroom.product_files import read_product

with report_to(snakemake.log[0]):
    write_jpeg(snakemake.output[0], share(read_product(snakemake.input.product), snakemake.params.stretch))
