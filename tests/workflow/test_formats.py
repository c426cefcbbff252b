"""Formats, end to end: however a night's raw frames are stored, its lights have the same pixels."""

import bz2
import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits

from tests.camera import Camera
from tests.running import run_snakemake
from tests.workflow.jobs import make_night, plan_night, run_job

SETTINGS = {"certification": {"use": False}}
PLANES = (0, "UNCERT", "MASK")
OVERSCAN = {"section": "[57:64,1:48]", "trim": "[1:56,1:48]"}


def reduce_night(folder: Path, **config) -> dict[str, list[np.ndarray]]:
    """Reduce a night in this process; return the planes of each light by the start of its name."""
    nights = plan_night(folder, **SETTINGS, **{"overscan": OVERSCAN, **config})
    for job in nights.jobs.values():
        run_job(nights, job)
    return read_lights(folder / "results")


def read_lights(results: Path) -> dict[str, list[np.ndarray]]:
    found = {}
    for path in sorted(results.glob("*/*/lights/*.fits")):
        with fits.open(path) as hdus:
            found[path.stem] = [hdus[plane].data.copy() for plane in PLANES]
    return found


def compress_tiles(path: Path, algorithm: str) -> None:
    with fits.open(path) as hdus:
        tiles = fits.CompImageHDU(hdus[0].data, hdus[0].header, compression_type=algorithm)
        fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(f"{path}.fz")
    path.unlink()


def compress_file(path: Path, pack, ending: str) -> None:
    Path(f"{path}{ending}").write_bytes(pack(path.read_bytes()))
    path.unlink()


def move_to_extension(path: Path) -> None:
    with fits.open(path) as hdus:
        data, header = hdus[0].data.copy(), hdus[0].header
        fits.HDUList([fits.PrimaryHDU(None, header), fits.ImageHDU(data)]).writeto(path, overwrite=True)


def store_as(path: Path, kind: type) -> None:
    with fits.open(path) as hdus:
        data, header = hdus[0].data.astype(kind), hdus[0].header.copy()
    for card in ("BZERO", "BSCALE"):
        header.remove(card, ignore_missing=True)
    fits.PrimaryHDU(data, header).writeto(path, overwrite=True)


STORING = {
    "rice": lambda path: compress_tiles(path, "RICE_1"),
    "gzip tiles": lambda path: compress_tiles(path, "GZIP_2"),
    "hcompress": lambda path: compress_tiles(path, "HCOMPRESS_1"),
    "gzip": lambda path: compress_file(path, gzip.compress, ".gz"),
    "bzip2": lambda path: compress_file(path, bz2.compress, ".bz2"),
    "extension": move_to_extension,
    "signed whole numbers": lambda path: store_as(path, np.int32),
    "floating point": lambda path: store_as(path, np.float32),
    "double precision": lambda path: store_as(path, np.float64),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A night of plain frames, and its lights."""
    folder = tmp_path_factory.mktemp("plain")
    make_night(folder / "raw", camera=Camera(shape=(48, 56), overscan=8))
    return folder / "raw", reduce_night(folder)


@pytest.mark.parametrize("way", STORING)
def test_lights_are_bit_for_bit_those_of_plain_frames(tmp_path, plain, way):
    raw, expected = plain
    shutil.copytree(raw, tmp_path / "raw")
    for path in sorted((tmp_path / "raw").iterdir()):
        STORING[way](path)
    found = reduce_night(tmp_path)
    assert list(found) == list(expected)
    assert len(found) == 2
    for light, planes in expected.items():
        for plane, other in zip(planes, found[light], strict=True):
            assert plane.dtype == other.dtype
            assert plane.tobytes() == other.tobytes(), light


def test_chips_of_one_file_are_reduced_each_by_itself(tmp_path):
    """By Snakemake itself, which is given a file as often as it holds frames."""
    cameras = [Camera(shape=(48, 56), overscan=8, seed=seed, gain=gain) for seed, gain in ((1, 1.5), (2, 1.1))]
    for number, camera in enumerate(cameras, start=1):
        make_night(tmp_path / f"chip{number}" / "raw", camera=camera, seed=number)
    expected = [reduce_night(tmp_path / f"chip{number}") for number in (1, 2)]
    (tmp_path / "raw").mkdir()
    for path in sorted((tmp_path / "chip1" / "raw").iterdir()):
        chips = [fits.getdata(tmp_path / f"chip{number}" / "raw" / path.name, header=True) for number in (1, 2)]
        extensions = [fits.ImageHDU(*chip, name=f"CHIP{number}") for number, chip in enumerate(chips, start=1)]
        fits.HDUList([fits.PrimaryHDU(), *extensions]).writeto(tmp_path / "raw" / path.name)
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(SETTINGS | {"overscan": OVERSCAN}))
    run_snakemake(tmp_path, configfile="overlay.yaml")
    found = read_lights(tmp_path / "results")
    assert len(found) == 4
    for number, lights in enumerate(expected, start=1):
        for light, planes in lights.items():
            assert [plane.tobytes() for plane in found[f"{light}_{number}"]] == [plane.tobytes() for plane in planes]


def test_planes_of_a_cube_are_lights_of_their_own(tmp_path, plain):
    raw, expected = plain
    shutil.copytree(raw, tmp_path / "raw")
    lights = sorted((tmp_path / "raw").glob("light*"))
    with fits.open(lights[0]) as first, fits.open(lights[1]) as second:
        cube = np.stack([first[0].data, second[0].data])
        fits.PrimaryHDU(cube, first[0].header).writeto(tmp_path / "raw" / "cube.fits")
    for path in lights:
        path.unlink()
    found = reduce_night(tmp_path)
    assert list(found) == ["cube_0_1", "cube_0_2"]
    for planes, other in zip(expected.values(), found.values(), strict=True):
        assert [plane.tobytes() for plane in planes] == [plane.tobytes() for plane in other]


def test_stitched_amplifiers_give_the_light_of_the_whole_chip(tmp_path):
    """Two amplifiers of one chip, each half with its overscan on its own side and a level of its own."""
    make_night(tmp_path / "one" / "raw", camera=Camera(shape=(48, 56), overscan=8))
    expected = reduce_night(tmp_path / "one", overscan=OVERSCAN | {"method": "mean"})
    (tmp_path / "raw").mkdir()
    for path in sorted((tmp_path / "one" / "raw").iterdir()):
        with fits.open(path) as hdus:
            image, header = hdus[0].data.astype(np.float32), hdus[0].header.copy()
        strip = image[:, 56:]
        extensions = []
        for left in (True, False):
            half = image[:, :28] if left else image[:, 28:56][:, ::-1]
            hdu = fits.ImageHDU(np.hstack([half, strip]) + (0 if left else 700))
            hdu.header["DETSEC"] = "[1:28,1:48]" if left else "[56:29,1:48]"
            hdu.header["DATASEC"], hdu.header["BIASSEC"] = "[1:28,1:48]", "[29:36,1:48]"
            extensions.append(hdu)
        for card in ("BIASSEC", "TRIMSEC", "DATASEC", "BZERO", "BSCALE"):
            header.remove(card, ignore_missing=True)
        fits.HDUList([fits.PrimaryHDU(None, header), *extensions]).writeto(tmp_path / "raw" / path.name)
    found = reduce_night(tmp_path, headers={"extensions": "stitch"}, overscan={"method": "mean"})
    assert len(found) == 2
    for planes, other in zip(expected.values(), found.values(), strict=True):
        np.testing.assert_allclose(other[0], planes[0], rtol=1e-5, atol=2e-3)
        np.testing.assert_allclose(other[1], planes[1], rtol=1e-4)
        assert (other[2] == planes[2]).all()
