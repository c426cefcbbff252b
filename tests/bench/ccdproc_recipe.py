"""Calibrate a night with ccdproc as its guide does: ``python ccdproc_recipe.py RAW LIGHTS``; without uncertainties."""

import sys
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.nddata import CCDData
from astropy.stats import mad_std
from ccdproc import combine, flat_correct, subtract_bias, subtract_dark

CLIP = {
    "method": "average",
    "sigma_clip": True,
    "sigma_clip_low_thresh": 5,
    "sigma_clip_high_thresh": 5,
    "sigma_clip_func": np.ma.median,
    "sigma_clip_dev_func": mad_std,
    "dtype": np.float32,
    "mem_limit": 1e9,
}


def read(path):
    return CCDData.read(path, unit="adu")


def make_master(frames, name, **options):
    master = combine(frames, **CLIP, **options)
    master.uncertainty = None  # the scatter of the frames, which every further step would carry along
    master.write(name)
    return master


def inverse_median(image):
    return 1 / np.median(image)


def take_off_dark(ccd, dark):
    return subtract_dark(ccd, dark, exposure_time="EXPTIME", exposure_unit=u.s, scale=True)


def main(raw, lights):
    raw, lights = Path(raw), Path(lights)
    bias = make_master([read(path) for path in sorted(raw.glob("bias/*.fits"))], "bias.fits")
    darks = [subtract_bias(read(path), bias) for path in sorted(raw.glob("dark/*.fits"))]
    dark = make_master(darks, "dark.fits")
    for folder in sorted(raw.glob("flat_*")):
        flats = [take_off_dark(subtract_bias(read(path), bias), dark) for path in sorted(folder.glob("*.fits"))]
        flat = make_master(flats, f"{folder.name}.fits", scale=inverse_median)
        for path in sorted((raw / folder.name.replace("flat", "light")).glob("*.fits")):
            light = flat_correct(take_off_dark(subtract_bias(read(path), bias), dark), flat)
            light.data = light.data.astype(np.float32)
            light.write(lights / path.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
