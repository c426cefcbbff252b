"""Make a master dark: combine the darks of one night, setup and exposure, freed of their bias where that is wanted."""

from darkroom.warm import hand_over

hand_over()

from darkroom.bad_pixels import find_hot_pixels
from darkroom.cards import describe_master
from darkroom.combine import combine_images
from darkroom.detector import read_detector, stamp_detector
from darkroom.job import report_to
from darkroom.masters import MasterShelf
from darkroom.planned import read_job
from darkroom.products import write_product
from darkroom.quality import Bit, flag, flag_no_data
from darkroom.stacks import prepare_stack


def make_master_dark(recipe: dict, raw_paths: list[str], shelf: MasterShelf, product: str, threads: int) -> None:
    settings = recipe["settings"]
    detector = read_detector(recipe, shelf)
    stack = prepare_stack(recipe, raw_paths, shelf, detector, threads)

    dark = combine_images(stack.images, settings["combine"], stack.noises, stack.scales, threads=threads)

    mask = flag_no_data(dark.data)
    flag(mask, find_hot_pixels(dark.data, dark.variance, settings["hot_sigma"]), Bit.HOT)
    flag(mask, stack.mostly_saturated, Bit.HOT | Bit.BAD)  # how hot, nobody knows
    variance = dark.variance
    if variance is not None:
        variance = stack.add_pedestal_noise(variance, dark.shares)

    header = describe_master(stack.headers, recipe)
    stamp_detector(header, recipe, detector)
    header["NCOMBINE"] = (len(stack.images), "frames combined")
    header["BIASCOEF"] = (
        stack.bias_factor * float(dark.shares @ stack.scales) if stack.bias else 0.0,
        "how much of its bias was taken off",
    )
    if stack.noises:
        header["FRAMEVAR"] = (stack.noises[0].read_variance, "[adu2] variance of one frame without signal")
    write_product(product, dark.data, header, recipe, variance, mask)


with report_to(snakemake.log[0]):
    recipe = read_job(snakemake.input.recipe, snakemake.input.frames)
    shelf = MasterShelf.beside(snakemake.output[0], recipe)
    make_master_dark(recipe, snakemake.input.frames, shelf, snakemake.output[0], snakemake.threads)
