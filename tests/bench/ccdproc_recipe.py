"""Calibrate a night with ccdproc: ``python ccdproc_recipe.py RAW LIGHTS [memory]``.

The usual way is that of ccdproc's own guide, the CCD Data Reduction Guide (Craig and Chambers; its notebooks 02-04,
03-05, 03-06, 05-03, 05-04 and 06-00): each calibrated frame is a file, and files are combined by name within 350 MB, in
the default precision. Where biases have no overscan, the raw ones are combined. With ``memory`` it is done as fast as
ccdproc allows: all frames of a master in memory, float32, no uncertainties.
"""

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
}


def read(path):
    return CCDData.read(path, unit="adu")


def inverse_median(image):
    return 1 / np.median(image)


def take_off_dark(ccd, dark):
    return subtract_dark(ccd, dark, exposure_time="EXPTIME", exposure_unit=u.s, scale=True)


class InFiles:
    """The guide's way: whatever comes next reads files."""

    def __init__(self):
        self.folder = Path("reduced")
        self.folder.mkdir()

    def keep(self, ccd, path):
        kept = self.folder / path.name
        ccd.write(kept)
        return kept

    def combine(self, frames, name, **options):
        master = combine([str(path) for path in frames], **CLIP, mem_limit=350e6, unit="adu", **options)
        master.meta["combined"] = True
        master.write(self.folder / name)
        return CCDData.read(self.folder / name)

    def finish(self, light, path):
        light.write(path)


class InMemory:
    """The fast way."""

    def keep(self, ccd, path):
        return ccd

    def combine(self, frames, name, **options):
        images = [read(frame) if isinstance(frame, Path) else frame for frame in frames]
        master = combine(images, **CLIP, mem_limit=1e9, dtype=np.float32, **options)
        master.uncertainty = None  # the scatter of the frames, which every further step would carry along
        master.write(name)
        return master

    def finish(self, light, path):
        light.data = light.data.astype(np.float32)
        light.write(path)


def main(raw, lights, way="files"):
    raw, lights, way = Path(raw), Path(lights), InMemory() if way == "memory" else InFiles()
    bias = way.combine(sorted(raw.glob("bias/*.fits")), "bias.fits")
    darks = [way.keep(subtract_bias(read(path), bias), path) for path in sorted(raw.glob("dark/*.fits"))]
    dark = way.combine(darks, "dark.fits")

    def free_of_pedestal(path):
        return take_off_dark(subtract_bias(read(path), bias), dark)

    for folder in sorted(raw.glob("flat_*")):
        flats = [way.keep(free_of_pedestal(path), path) for path in sorted(folder.glob("*.fits"))]
        flat = way.combine(flats, f"{folder.name}.fits", scale=inverse_median)
        for path in sorted((raw / folder.name.replace("flat", "light")).glob("*.fits")):
            way.finish(flat_correct(free_of_pedestal(path), flat), lights / path.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
