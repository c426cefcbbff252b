"""Raw images: pixels as astropy reads them, whole or by rows, from memory or from the disk."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from darkroom.problems import JobProblem
from darkroom.raw_images import read_raw
from tests.unit.builders import digest_of, write_raw


def write(path, data, **cards):
    """Write numbers as they are, with cards that say what they stand for."""
    hdu = fits.PrimaryHDU(data)
    for keyword, value in cards.items():
        hdu.header[keyword] = value
    hdu.writeto(path, overwrite=True)
    return path


def test_raw_frame_is_read_as_float_with_its_zero_point(tmp_path):
    path = write_raw(tmp_path / "x.fits", data=np.array([[0, 1], [32768, 65535]], np.uint16))
    frame = read_raw(str(path), digest_of(path))
    assert frame[:].dtype == np.float32
    assert frame[:].tolist() == [[0, 1], [32768, 65535]]
    assert frame.header["IMAGETYP"] == "Light Frame"


STORED = st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.float32, np.float64])
IMAGES = STORED.flatmap(
    lambda kind: hnp.arrays(kind, (5, 4), elements=st.floats(width=32) if np.dtype(kind).kind == "f" else None)
)


@given(IMAGES)
def test_pixels_are_those_that_astropy_reads(tmp_path_factory, data):
    path = write(tmp_path_factory.mktemp("raw") / "x.fits", data)
    expected = data.astype(np.float64).astype(np.float32)
    np.testing.assert_array_equal(read_raw(str(path), digest_of(path))[:], expected)


@pytest.mark.parametrize("kind", [np.int16, np.int32])
def test_scaled_numbers_are_what_the_header_says_and_blank_ones_are_none(tmp_path, kind):
    path = tmp_path / "x.fits"
    write(path, np.array([[-5, 7], [8, 1000]], kind), BSCALE=0.5, BZERO=100.0, BLANK=8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = fits.getdata(path)
    assert np.isnan(expected[1, 0])
    np.testing.assert_array_equal(read_raw(str(path), digest_of(path))[:], expected)


def test_counts_about_a_large_zero_point_keep_their_digits(tmp_path):
    path = write(tmp_path / "x.fits", np.array([[0, 1], [1000, 70001]], np.uint32))
    assert read_raw(str(path), digest_of(path))[:].tolist() == [[0, 1], [1000, 70001]]


@pytest.mark.parametrize("released", [False, True])
def test_rows_are_those_of_the_whole_from_memory_or_from_the_disk(tmp_path, released):
    data = np.arange(30 * 7, dtype=np.uint16).reshape(30, 7)
    path = write_raw(tmp_path / "x.fits", data=data)
    frame = read_raw(str(path), digest_of(path))
    if released:
        frame.release()
    for rows in (slice(None), slice(3, 9), slice(2, 29, 5), slice(7, 7), np.array([0, 1, 2, 11, 12, 29])):
        np.testing.assert_array_equal(frame[rows], data[rows])
        np.testing.assert_array_equal(frame[rows, 1::2], data[rows, 1::2])
    frame[2:4][:] = 0
    np.testing.assert_array_equal(frame[2:4], data[2:4])


@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_raw_frame_that_is_gone_changed_or_cut_is_a_problem_in_one_line(tmp_path):
    path = write_raw(tmp_path / "x.fits")
    with pytest.raises(JobProblem, match=r"x\.fits: the raw frame has changed since the plan was made"):
        read_raw(str(path), "another")
    path.write_bytes(path.read_bytes()[:5800])
    with pytest.raises(JobProblem, match=r"x\.fits: the raw frame cannot be read \(.+\)"):
        read_raw(str(path), digest_of(path))
    path.unlink()
    with pytest.raises(JobProblem, match=r"x\.fits: the raw frame is gone"):
        read_raw(str(path), "any")


def test_raw_frame_that_changes_between_two_looks_at_it_is_a_problem(tmp_path):
    path = write_raw(tmp_path / "x.fits", data=np.ones((6, 8), np.uint16))
    frame = read_raw(str(path), digest_of(path))
    frame.release()
    assert frame[:2].tolist() == [[1] * 8] * 2
    write_raw(path, data=np.full((6, 8), 2, np.uint16))
    with pytest.raises(JobProblem, match=r"x\.fits: the raw frame has changed"):
        frame[2:4]
    path.unlink()
    with pytest.raises(JobProblem, match=r"x\.fits: the raw frame is gone"):
        frame[2:4]


@pytest.mark.parametrize("cards", [{"BZERO": "high"}, {"BSCALE": True, "BLANK": "none"}])
def test_header_that_makes_no_sense_is_a_problem_in_one_line(tmp_path, cards):
    path = write(tmp_path / "x.fits", np.ones((4, 4), np.int16))
    content = path.read_bytes()
    for keyword, value in cards.items():
        card = str(fits.Card(keyword, value)).encode()
        content = content.replace(b"END" + b" " * 77, card + b"END" + b" " * 77, 1)[: len(content)]
    path.write_bytes(content)
    with pytest.raises(JobProblem, match=r"x\.fits: the raw frame cannot be read"):
        read_raw(str(path), digest_of(path))
