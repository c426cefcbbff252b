"""Sections in FITS notation: x first, counted from one, both ends included."""

import numpy as np
import pytest

from darkroom.sections import Section, parse_section


@pytest.mark.parametrize(
    "text", ["[3:5,2:9]", " [3:5,2:9] ", "[ 3 : 5 , 2 : 9 ]", "3:5,2:9", "[0003:0005,0002:0009]", "[3:5,2:9]\n"]
)
def test_notation_is_read_with_spaces_zeros_and_without_brackets(text):
    assert parse_section(text) == (3, 5, 2, 9)


def test_section_is_written_as_it_is_read():
    assert str(Section(3, 5, 2, 9)) == "[3:5,2:9]"
    assert parse_section(str(Section(1, 1024, 1, 7))) == Section(1, 1024, 1, 7)


@pytest.mark.parametrize(
    "text", ["", "[]", "[1:2]", "[1:2,3]", "[1:2,3:4,5:6]", "[a:b,c:d]", "[1.0:2,3:4]", "[-1:2,3:4]", "[*,1:2]", "None"]
)
def test_other_forms_are_refused(text):
    with pytest.raises(ValueError, match="is not a section such as"):
        parse_section(text)


@pytest.mark.parametrize("text", ["[0:5,1:9]", "[1:5,0:9]", "[5:3,1:9]", "[1:5,9:1]"])
def test_counting_from_zero_or_backwards_is_refused(text):
    with pytest.raises(ValueError, match="must count from 1 and run upwards"):
        parse_section(text)


def test_slices_pick_the_pixels_counted_by_hand():
    # pixel (x, y) in FITS notation holds 100 y + x
    image = 100 * np.arange(1, 8)[:, None] + np.arange(1, 10)[None, :]
    section = parse_section("[3:5,2:6]")
    part = image[section.slices]
    assert part.shape == section.shape == (5, 3)
    assert part[0].tolist() == [203, 204, 205]
    assert part[:, 0].tolist() == [203, 303, 403, 503, 603]
    assert image[parse_section("[9:9,7:7]").slices].tolist() == [[709]]


@pytest.mark.parametrize(
    ("shape", "fits"), [((9, 5), True), ((9, 6), True), ((8, 5), False), ((9, 4), False), ((5, 9), False)]
)
def test_section_fits_into_an_image_of_rows_by_columns(shape, fits):
    assert parse_section("[3:5,2:9]").fits_into(shape) is fits


def test_which_way_an_overscan_runs_is_told_by_what_it_spans():
    image = parse_section("[1:64,11:30]")  # a narrow window: its overscan is wider than tall, and yet of columns
    assert parse_section("[65:96,11:30]").spans_rows_of(image)
    assert not parse_section("[65:96,11:30]").spans_columns_of(image)
    assert not parse_section("[65:96,12:30]").spans_rows_of(image)
    assert parse_section("[1:64,31:34]").spans_columns_of(image)
    assert not parse_section("[1:64,31:34]").spans_rows_of(image)
    assert not parse_section("[2:64,31:34]").spans_columns_of(image)
