"""Make a master bias: combine the bias frames of one night and setup."""

from darkroom.warm import hand_over

hand_over()

from darkroom.cards import describe_master
from darkroom.combine import combine_images
from darkroom.detector import read_detector, stamp_detector
from darkroom.job import report_to
from darkroom.masters import MasterShelf
from darkroom.planned import read_job
from darkroom.products import write_product
from darkroom.quality import flag_no_data
from darkroom.stacks import prepare_stack


def make_master_bias(recipe: dict, raw_paths: list[str], shelf: MasterShelf, product: str, threads: int) -> None:
    detector = read_detector(recipe, shelf)
    stack = prepare_stack(recipe, raw_paths, shelf, detector, threads)

    bias = combine_images(stack.images, recipe["settings"]["combine"], stack.noises, threads=threads)

    header = describe_master(stack.headers, recipe)
    stamp_detector(header, recipe, detector)
    header["NCOMBINE"] = (len(stack.images), "frames combined")
    write_product(product, bias.data, header, recipe, bias.variance, flag_no_data(bias.data))


with report_to(snakemake.log[0]):
    recipe = read_job(snakemake.input.recipe, snakemake.input.frames)
    shelf = MasterShelf.beside(snakemake.output[0], recipe)
    make_master_bias(recipe, snakemake.input.frames, shelf, snakemake.output[0], snakemake.threads)
