"""Make a master flat: free the flats of one night, setup and filter of bias and dark, scale, combine and normalise."""

from typing import TextIO

import numpy as np

from darkroom.calibrate import judge_flat, measure_level, remove_pedestal
from darkroom.cards import describe_master
from darkroom.combine import combine_images
from darkroom.job import read_job, report_to
from darkroom.overscan import subtract_overscan
from darkroom.products import JobProblem, MasterShelf, read_raw, write_product


def make_master_flat(recipe: dict, raw_paths: list[str], masters: MasterShelf, product: str, log: TextIO) -> None:
    settings = recipe["settings"]
    bias = masters.read(recipe["bias"])
    kept, left_out = [], []
    for frame, path in zip(recipe["frames"], raw_paths, strict=True):
        raw = read_raw(path, frame["digest"])
        used = frame.get("dark")
        dark, scale = masters.read(used), used["scale"] if used else 1.0
        image = remove_pedestal(subtract_overscan(raw, settings["overscan"]), bias, dark, scale).data
        reason = judge_flat(raw.data, image, settings, recipe["saturation"])
        if reason:
            left_out.append(f"{frame['name']}: {reason}")
            print(f"left out {left_out[-1]}", file=log)
        else:
            level = 1.0 if settings["scale"] == "none" else measure_level(image, settings["scale"])
            kept.append((frame, raw.header, image / np.float32(level), level))
    if not kept:
        raise JobProblem(
            f"{product}: every flat frame was left out ({'; '.join(left_out[:3])}); "
            "see flat.min_counts and flat.max_counts in config.yaml"
        )
    frames, headers, images, levels = zip(*kept, strict=True)

    flat = combine_images(images, settings["combine"], quanta=1 / np.array(levels))
    flat /= np.float32(measure_level(flat, settings["normalise"]))

    header = describe_master(headers, recipe | {"frames": frames})
    header["BUNIT"] = ("", "normalised, no unit")
    header["NCOMBINE"] = (len(images), "frames combined")
    for text in left_out:
        header["HISTORY"] = f"left out {ascii(text)[1:-1]}"
    write_product(product, flat, header, recipe)


with report_to(snakemake.log[0]) as log:
    recipe = read_job(snakemake.input.recipe, snakemake.input.frames)
    masters = MasterShelf.beside(snakemake.output[0], recipe)
    make_master_flat(recipe, snakemake.input.frames, masters, snakemake.output[0], log)
