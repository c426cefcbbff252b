"""Calibrate a night with NumPy and astropy.io.fits alone: ``python plain_numpy.py RAW LIGHTS``.

What a careful observer writes in an afternoon: float32, one stack at a time, a mean clipped at five standard deviations
of the MAD, no error bars. It shares no code with Darkroom.
"""

import sys
from pathlib import Path

import numpy as np
from astropy.io import fits


def read(path):
    return fits.getdata(path).astype(np.float32)


def combine(stack):
    """Mean of what lies within 5 standard deviations of the median."""
    middle = np.median(stack, axis=0)
    distance = np.abs(stack - middle)
    limit = np.float32(5 * 1.4826) * np.median(distance, axis=0)
    kept = distance <= limit
    return np.where(kept, stack, 0).sum(axis=0) / kept.sum(axis=0, dtype=np.float32)


def main(raw, lights):
    raw, lights = Path(raw), Path(lights)
    bias = combine(np.array([read(path) for path in sorted(raw.glob("bias/*.fits"))]))
    paths = sorted(raw.glob("dark/*.fits"))
    dark_exposure = fits.getheader(paths[0])["EXPTIME"]
    dark = combine(np.array([read(path) - bias for path in paths]))
    fits.writeto("bias.fits", bias)
    fits.writeto("dark.fits", dark)
    for folder in sorted(raw.glob("flat_*")):
        frames = []
        for path in sorted(folder.glob("*.fits")):
            frame = read(path) - bias - dark * np.float32(fits.getheader(path)["EXPTIME"] / dark_exposure)
            frames.append(frame / np.median(frame))
        flat = combine(np.array(frames))
        flat /= np.median(flat)
        fits.writeto(f"{folder.name}.fits", flat)
        for path in sorted((raw / folder.name.replace("flat", "light")).glob("*.fits")):
            data, header = fits.getdata(path, header=True)
            light = (data.astype(np.float32) - bias - dark * np.float32(header["EXPTIME"] / dark_exposure)) / flat
            header["BUNIT"] = "adu"
            fits.writeto(lights / path.name, light.astype(np.float32), header)


if __name__ == "__main__":
    main(*sys.argv[1:])
