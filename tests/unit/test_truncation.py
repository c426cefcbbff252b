"""Truncation: a frame that was cut anywhere is a named problem, however it is stored; damage is so, or an image."""

import gzip
import io
from contextlib import suppress

import numpy as np
import pytest
from astropy.io import fits

from darkroom.problems import JobProblem
from darkroom.raw_images import read_raw
from tests.unit.builders import LIGHT_CARDS, index

BLOCK = 2880


def write(*hdus):
    file = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


def make_header():
    header = fits.Header(LIGHT_CARDS)
    for number in range(120):  # several blocks, as many cameras write
        header[f"HIERARCH NOTE {number}"] = "x" * (number % 40)
    return header


def make_frames():
    """The bytes of frames by how they are stored, and how many of them are needed."""
    data = np.random.default_rng(1).normal(1000, 10, (100, 90)).astype(np.uint16)
    plain = write(fits.PrimaryHDU(data, make_header()))
    tiles = fits.CompImageHDU(data, make_header(), compression_type="RICE_1")
    compressed = write(fits.PrimaryHDU(), tiles)
    with fits.open(io.BytesIO(compressed), disable_image_compression=True) as hdus:
        heap = (
            hdus[1].fileinfo()["datLoc"]
            + hdus[1].header["PCOUNT"]
            + hdus[1].header["NAXIS1"] * hdus[1].header["NAXIS2"]
        )
    in_extension = write(fits.PrimaryHDU(None, make_header()), fits.ImageHDU(data))
    return {
        "plain": (plain, len(plain) - (-data.nbytes % BLOCK)),
        "extension": (in_extension, len(in_extension) - (-data.nbytes % BLOCK)),
        "rice": (compressed, heap),
        "gzip": (packed := gzip.compress(plain), len(packed)),
    }


FRAMES = make_frames()


@pytest.mark.parametrize("way", FRAMES)
@pytest.mark.filterwarnings("ignore")
def test_frame_that_was_cut_anywhere_is_a_named_problem(tmp_path, way):
    whole, needed = FRAMES[way]
    path = tmp_path / "raw" / "a.fits"
    path.parent.mkdir()
    blocks = range(0, needed, BLOCK)
    random = np.random.default_rng(2).integers(0, needed, 200)
    for length in [*blocks, *(blocks[1:]), *random.tolist(), needed - 1]:
        path.write_bytes(whole[:length])
        found = index(path.parent)
        assert [(name, bool(frame.problem)) for name, frame in found.items()] == [("a.fits", True)], length
        assert "\n" not in found["a.fits"].problem
    path.write_bytes(whole[:needed])
    assert index(path.parent)["a.fits"].problem == ""


@pytest.mark.parametrize("way", FRAMES)
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_give_an_image_or_one_line(tmp_path, way):
    whole, needed = FRAMES[way]
    rng = np.random.default_rng(3)
    path = tmp_path / "raw" / "a.fits"
    path.parent.mkdir()
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, needed, rng.integers(1, 6)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        for frame in index(path.parent).values():
            assert "\n" not in frame.problem
            if not frame.problem:
                with suppress(JobProblem):
                    assert read_raw(str(path), frame.digest, frame.image)[:].shape == (frame.rows, frame.columns)
