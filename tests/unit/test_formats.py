"""Formats: frames in extensions, compressed, as planes of a cube or as amplifiers of one chip, against plain ones."""

import bz2
import gzip

import numpy as np
import pytest
from astropy.io import fits

from darkroom.problems import JobProblem
from darkroom.raw_images import read_raw
from tests.unit.builders import LIGHT_CARDS, index, write_raw

SHAPE = (40, 60)


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


def noise(seed, shape=SHAPE, kind=np.uint16):
    return np.random.default_rng(seed).normal(1000, 10, shape).astype(kind)


def make_primary(data=None, **cards):
    hdu = fits.PrimaryHDU(data)
    hdu.header.update(LIGHT_CARDS | cards)
    return hdu


def read(raw, frame, released=False):
    image = read_raw(frame.path, frame.digest, frame.image)
    if released:
        image.release()
    return image


def assert_reads_as(raw, name, expected):
    """The frame of this name is good, and its pixels are those expected, from memory and read again."""
    frame = index(raw)[name]
    assert frame.problem == ""
    assert (frame.rows, frame.columns) == expected.shape
    for released in (False, True):
        image = read(raw, frame, released)
        np.testing.assert_array_equal(image[:], expected.astype(np.float64).astype(np.float32))
        rows = np.array([0, 1, 7, 39])
        np.testing.assert_array_equal(image[rows, 3:9], image[:][rows, 3:9])
    return frame


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
@pytest.mark.parametrize("name", ["a.fits.gz", "a.fits.bz2", "a.fits"])
def test_compressed_file_is_read_whatever_it_is_called(raw, pack, name):
    data = noise(1)
    make_primary(data).writeto(raw / "plain.fits")
    (raw / name).write_bytes(pack((raw / "plain.fits").read_bytes()))
    (raw / "plain.fits").unlink()
    assert_reads_as(raw, name, data)


@pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "NOCOMPRESS"])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32])
def test_tiles_hold_what_was_put_into_them(raw, algorithm, kind):
    data = noise(2, kind=kind) if kind != np.uint8 else noise(2).astype(np.uint8)
    lossless = {"quantize_level": 0} if np.dtype(kind).kind == "f" else {}
    if lossless and algorithm in ("RICE_1", "HCOMPRESS_1"):
        pytest.skip("these hold whole numbers alone")
    tiles = fits.CompImageHDU(data, make_primary().header, compression_type=algorithm, **lossless)
    fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(raw / "a.fits.fz")
    frame = assert_reads_as(raw, "a.fits.fz", data)
    assert (frame.kind, frame.filter, frame.exposure) == ("light", "V", 60.0)


def test_image_in_an_extension_has_the_cards_of_both_headers(raw):
    data = noise(3)
    extension = fits.ImageHDU(data)
    extension.header.update({"EXPTIME": 5.0, "GAIN": 2.5})
    fits.HDUList([make_primary(), extension]).writeto(raw / "a.fits")
    frame = assert_reads_as(raw, "a.fits", data)
    assert (frame.exposure, frame.gain, frame.filter) == (5.0, 2.5, "V")
    header = read(raw, frame).header
    assert (header["EXPTIME"], header["FILTER"]) == (5.0, "V")


@pytest.mark.parametrize(
    ("names", "labels"), [(("A", "B"), ["A", "B"]), (("", ""), ["1", "2"]), (("X", "X"), ["1", "2"])]
)
def test_several_chips_in_a_file_are_frames_of_setups_of_their_own(raw, names, labels):
    chips = [noise(4), noise(5)]
    extensions = [fits.ImageHDU(chip, name=name) for chip, name in zip(chips, names, strict=True)]
    fits.HDUList([make_primary(), *extensions]).writeto(raw / "a.fits")
    found = index(raw)
    assert list(found) == ["a.fits[1]", "a.fits[2]"]
    assert [frame.part for frame in found.values()] == labels
    assert len({frame.setup for frame in found.values()}) == 2
    for name, chip in zip(found, chips, strict=True):
        assert_reads_as(raw, name, chip)


def test_chip_is_read_and_verified_by_itself(raw):
    chips = [noise(6), noise(7)]
    fits.HDUList([make_primary(), *map(fits.ImageHDU, chips)]).writeto(raw / "a.fits")
    first, second = index(raw).values()
    content = bytearray((raw / "a.fits").read_bytes())
    content[-2881] ^= 1  # in the second chip
    filter = content.index(b"= 'V ") + 3
    content[filter] = ord("R")  # in the first header, which is that of both
    damaged = raw / "a.fits"
    damaged.write_bytes(content)
    for frame in (first, second):
        with pytest.raises(JobProblem, match="has changed since the plan"):
            read(raw, frame)
    content[filter] = ord("V")
    damaged.write_bytes(content)
    np.testing.assert_array_equal(read(raw, first)[:], chips[0])
    with pytest.raises(JobProblem, match="has changed since the plan"):
        read(raw, second)


@pytest.mark.parametrize("compressed", [False, True])
def test_planes_of_a_cube_are_frames_one_after_the_other(raw, compressed):
    cube = noise(8, (3, *SHAPE))
    if compressed:
        tiles = fits.CompImageHDU(cube, make_primary().header, compression_type="RICE_1")
        fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(raw / "a.fits")
    else:
        make_primary(cube).writeto(raw / "a.fits")
    number = 1 if compressed else 0
    found = index(raw)
    assert list(found) == [f"a.fits[{number},{plane}]" for plane in (1, 2, 3)]
    assert [frame.start[11:19] for frame in found.values()] == ["02:00:00", "02:01:00", "02:02:00"]
    assert len({frame.setup for frame in found.values()}) == 1
    for name, plane in zip(found, cube, strict=True):
        assert_reads_as(raw, name, plane)


def test_cube_of_one_plane_is_an_image(raw):
    data = noise(9, (1, *SHAPE))
    make_primary(data).writeto(raw / "a.fits")
    assert_reads_as(raw, "a.fits", data[0])


def write_amplifiers(path, image, gap=0):
    """A chip read out by four amplifiers, each towards its corner, with eight columns of overscan beside each part."""
    rows, columns = (length // 2 for length in image.shape)
    extensions = []
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        part = image[y * rows : (y + 1) * rows, x * columns : (x + 1) * columns]
        part = part[:: -1 if y else 1, :: -1 if x else 1]
        level = 100 * (1 + x + 2 * y)
        stored = np.hstack([part + level, np.full((rows, 8), level)]).astype(np.uint16)
        hdu = fits.ImageHDU(stored, name=f"AMP{x}{y}")
        xs, ys = (x * (columns + gap) + 1, x * (columns + gap) + columns), (y * rows + 1, (y + 1) * rows)
        xs, ys = (xs[::-1] if x else xs), (ys[::-1] if y else ys)
        hdu.header["DETSEC"] = f"[{xs[0]}:{xs[1]},{ys[0]}:{ys[1]}]"
        hdu.header["DATASEC"] = f"[1:{columns},1:{rows}]"
        hdu.header["BIASSEC"] = f"[{columns + 1}:{columns + 8},1:{rows}]"
        hdu.header.update({"GAIN": 2.0 + 0.1 * x, "CRPIX1": 5.0, "CTYPE1": "RA---TAN"})
        extensions.append(hdu)
    fits.HDUList([make_primary(), *extensions]).writeto(path)


@pytest.mark.parametrize("gap", [0, 6])
def test_amplifiers_are_stitched_each_less_its_own_overscan(raw, gap):
    from darkroom.prepared_images import prepare_image

    image = noise(10)
    write_amplifiers(raw / "a.fits", image, gap)
    (frame,) = index(raw, headers__extensions="stitch").values()
    assert frame.problem == ""
    assert frame.gain == pytest.approx(2.05)
    expected = np.full((40, 60 + gap), np.nan)
    expected[:, :30], expected[:, 30 + gap :] = image[:, :30], image[:, 30:]
    amplifiers = [{"section": strip, "trim": "[1:30,1:20]"} for strip in frame.strips]
    overscan = {"section": frame.overscan, "trim": None, "method": "median", "amplifiers": amplifiers}
    for released in (False, True):
        stitched = read(raw, frame, released)
        assert stitched.shape == expected.shape
        np.testing.assert_array_equal(prepare_image(stitched, overscan)[:], expected)
        np.testing.assert_array_equal(prepare_image(stitched, overscan)[5:33:3, 20:50], expected[5:33:3, 20:50])
        rows = np.array([1, 3, 38])
        np.testing.assert_array_equal(prepare_image(stitched, overscan)[rows], expected[rows])
    assert stitched.header["CRPIX1"] == 5.0
    assert "BIASSEC" not in stitched.header


def test_amplifiers_are_separate_setups_unless_they_are_to_be_stitched(raw):
    write_amplifiers(raw / "a.fits", noise(11))
    assert [frame.part for frame in index(raw).values()] == ["AMP00", "AMP10", "AMP01", "AMP11"]


@pytest.mark.parametrize(
    ("card", "value", "problem"),
    [
        ("DETSEC", None, "cannot be stitched: extension 1 has no DETSEC"),
        (
            "DETSEC",
            "[1:31,1:20]",
            "cannot be stitched: DETSEC [1:31,1:20] of extension 1 does not fit the 30 x 20 pixels",
        ),
        ("DETSEC", "[60:31,1:20]", "cannot be stitched: by DETSEC two of its parts lie upon each other"),
        ("DETSEC", "[900001:900030,1:20]", "cannot be stitched: by DETSEC its parts lie far apart"),
        ("DETSEC", "somewhere", "cannot be stitched: DETSEC somewhere of extension 1 is no section"),
    ],
)
def test_amplifiers_that_do_not_fit_together_are_a_problem(raw, card, value, problem):
    write_amplifiers(raw / "a.fits", noise(12))
    with fits.open(raw / "a.fits", mode="update") as hdus:
        if value is None:
            del hdus[1].header[card]
        else:
            hdus[1].header[card] = value
    (frame,) = index(raw, headers__extensions="stitch").values()
    assert frame.problem.startswith(problem)
    assert frame.problem.endswith("headers.extensions: separate takes each by itself")


def test_frame_and_its_compressed_copy_count_once(raw):
    data = noise(13)
    make_primary(data).writeto(raw / "a.fits")
    tiles = fits.CompImageHDU(data, make_primary().header, compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(raw / "a.fits.fz")
    (raw / "b.fits.gz").write_bytes(gzip.compress((raw / "a.fits").read_bytes()))
    found = {name: frame.problem for name, frame in index(raw).items()}
    assert found == {
        "a.fits": "",
        "a.fits.fz": "the same content as a.fits",
        "b.fits.gz": "the same content as a.fits",
    }


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
def test_cut_or_garbled_compressed_file_is_a_problem(raw, pack):
    make_primary(noise(14)).writeto(raw / "a.fits")
    whole = pack((raw / "a.fits").read_bytes())
    for cut in range(1, len(whole), 97):
        (raw / "a.fits").write_bytes(whole[:cut])
        assert index(raw)["a.fits"].problem != ""
    garbled = bytearray(whole)
    garbled[len(whole) // 2] ^= 255
    (raw / "a.fits").write_bytes(garbled)
    assert "compression is" in index(raw)["a.fits"].problem


def test_a_bomb_does_not_go_off(raw):
    empty = make_primary(np.zeros((4000, 4000), np.int16))
    empty.writeto(raw / "a.fits")
    (raw / "a.fits").write_bytes(gzip.compress((raw / "a.fits").read_bytes()))
    assert "when decompressed, as no frame does" in index(raw)["a.fits"].problem


def test_file_that_lacks_extensions_is_truncated(raw):
    fits.HDUList([make_primary(NEXTEND=3), fits.ImageHDU(noise(15)), fits.ImageHDU(noise(16))]).writeto(raw / "a.fits")
    assert index(raw)["a.fits"].problem == "truncated: 2 of 3 extensions; copy it again"


def test_reduced_file_with_its_errors_and_mask_is_no_raw_frame(raw):
    planes = [fits.ImageHDU(noise(17, kind=np.float32), name="UNCERT"), fits.ImageHDU(noise(18), name="MASK")]
    fits.HDUList([make_primary(noise(19)), *planes]).writeto(raw / "a.fits")
    assert index(raw)["a.fits"].problem.startswith("no raw frame: it has been worked on (it comes with UNCERT, MASK)")


def test_table_beside_the_image_is_passed_over(raw):
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0, 2.0])])
    data = noise(20)
    fits.HDUList([make_primary(data), table]).writeto(raw / "a.fits")
    assert_reads_as(raw, "a.fits", data)


def test_extension_without_an_image_is_a_problem(raw):
    write_raw(raw / "good.fits")
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0, 2.0])])
    fits.HDUList([make_primary(), table]).writeto(raw / "a.fits")
    assert index(raw)["a.fits"].problem.startswith("no two-dimensional image in the first HDU or in its extensions")


def test_planes_of_a_colour_image_are_filters(raw):
    make_primary(noise(21, (3, *SHAPE)), CTYPE3="RGB").writeto(raw / "a.fits")
    found = index(raw).values()
    assert [frame.filter for frame in found] == ["R", "G", "B"]
    assert len({frame.start for frame in found}) == 1


def test_planes_follow_each_other_by_the_cycle_that_the_camera_tells(raw):
    make_primary(noise(22, (2, *SHAPE)), KCT=61.5).writeto(raw / "a.fits")
    assert [frame.start[14:] for frame in index(raw).values()] == ["00:00.000", "01:01.500"]


def test_file_that_was_cut_between_two_extensions_is_named_by_its_fellows(raw):
    for name in ("a.fits", "b.fits", "c.fits"):
        chips = [fits.ImageHDU(noise(ord(name[0]) + number)) for number in (0, 30)]
        fits.HDUList([make_primary(), *chips]).writeto(raw / name)
    with fits.open(raw / "c.fits") as hdus:
        end = hdus[2].fileinfo()["hdrLoc"]
    (raw / "c.fits").write_bytes((raw / "c.fits").read_bytes()[:end])
    found = index(raw)
    assert {name for name, frame in found.items() if frame.problem} == {"c.fits"}
    assert found["c.fits"].problem == "truncated: 1 images, where others of its camera have 2 and more"


def test_preview_beside_the_image_is_passed_over(raw):
    data = noise(23)
    fits.HDUList([make_primary(data), fits.ImageHDU(noise(24, (8, 12)), name="THUMBNAIL")]).writeto(raw / "a.fits")
    assert_reads_as(raw, "a.fits", data)


def test_cube_and_its_compressed_copy_count_once(raw):
    cube = noise(25, (2, *SHAPE))
    make_primary(cube).writeto(raw / "a.fits")
    tiles = fits.CompImageHDU(cube, make_primary().header, compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), tiles]).writeto(raw / "a.fits.fz")
    assert sum(frame.problem == "" for frame in index(raw).values()) == 2
