"""Make a master bias: combine the bias frames of one night and setup."""

from darkroom.cards import describe_master
from darkroom.combine import combine_images
from darkroom.job import read_job, report_to
from darkroom.overscan import subtract_overscan
from darkroom.products import read_raw, write_product


def make_master_bias(recipe: dict, raw_paths: list[str], product: str) -> None:
    settings = recipe["settings"]
    headers, images = [], []
    for frame, path in zip(recipe["frames"], raw_paths, strict=True):
        raw = read_raw(path, frame["digest"])
        headers.append(raw.header)
        images.append(subtract_overscan(raw, settings["overscan"]).data)

    bias = combine_images(images, settings["combine"])

    header = describe_master(headers, recipe)
    header["BUNIT"] = ("adu", "unit of the image")
    header["NCOMBINE"] = (len(images), "frames combined")
    write_product(product, bias, header, recipe)


with report_to(snakemake.log[0]):
    recipe = read_job(snakemake.input.recipe, snakemake.input.frames)
    make_master_bias(recipe, snakemake.input.frames, snakemake.output[0])
