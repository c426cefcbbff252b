"""Sums of HDUs against those that astropy writes, whole and with flipped bytes."""

import io

import numpy as np
import pytest
from astropy.io import fits

from darkroom.checksums import find_broken_checksum
from darkroom.sources import MemorySource


def write(checksum, shape=(70, 33), **cards):
    data = np.random.default_rng(1).integers(0, 65536, shape).astype(np.uint16)
    hdu = fits.PrimaryHDU(data, fits.Header({"OBJECT": "M 67", **cards}))
    file = io.BytesIO()
    hdu.writeto(file, checksum=checksum)
    content = bytearray(file.getvalue())
    return content, content.index(b"END" + b" " * 77) // 2880 * 2880 + 2880


def check(content, data):
    return find_broken_checksum(
        fits.Header.fromstring(bytes(content[:data])), MemorySource(bytes(content)), 0, data, len(content)
    )


@pytest.mark.parametrize("checksum", [True, "datasum", False])
@pytest.mark.parametrize("shape", [(1, 1), (70, 33), (600, 500)])
def test_what_astropy_writes_is_whole(checksum, shape):
    content, data = write(checksum, shape)
    assert check(content, data) == ""
    while content[-1] == 0:  # padding that a program left out
        content.pop()
    assert check(content, data) == ""


@pytest.mark.parametrize("checksum", [True, "datasum"])
def test_any_flipped_bit_of_the_data_is_found(checksum):
    content, data = write(checksum)
    rng = np.random.default_rng(2)
    for place in rng.integers(data, len(content), 200):
        bit = 1 << rng.integers(8)
        content[place] ^= bit
        assert check(content, data) == "DATASUM"
        content[place] ^= bit


def test_a_changed_header_is_told_from_damaged_data():
    content, data = write(True)
    place = content.index(b"M 67")
    content[place] = ord("N")
    assert check(content, data) == "CHECKSUM"
    content, data = write("datasum")
    content[content.index(b"M 67")] = ord("N")
    assert check(content, data) == ""


def test_data_and_header_changed_by_a_program_are_not_called_damaged():
    content, data = write(True)
    content[content.index(b"M 67")] = ord("N")
    content[data + 5] ^= 1
    assert check(content, data) == "CHECKSUM"
    content, data = write("datasum")  # of the data alone: nothing tells
    content[content.index(b"M 67")] = ord("N")
    content[data + 5] ^= 1
    assert check(content, data) == "DATASUM"


def test_a_checksum_alone_is_checked():
    content, data = write(True)
    card = content.index(b"DATASUM =")
    content[card : card + 80] = b" " * 80
    assert check(content, data) == "CHECKSUM"  # as the header is another one now
    header = fits.Header({"CHECKSUM": "0" * 16})
    assert find_broken_checksum(header, MemorySource(bytes(content)), 0, data, len(content)) == ""


@pytest.mark.parametrize("value", ["", "0000", "abc", "-5", "12.5", 12.5, True, None, "9" * 30, "²"])
def test_a_sum_that_is_none_is_passed_over(value):
    assert find_broken_checksum({"DATASUM": value}, MemorySource(b"\0" * 2880), 0, 2880, 2880) == ""
