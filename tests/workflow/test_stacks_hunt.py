"""Stacks of odd nights: coordinates that are not right, lights without a good pixel, colours, quantised raw frames."""

from dataclasses import replace

import numpy as np
import pytest

from darkroom.history import NO_STACK, read_reason
from darkroom.previews import share
from darkroom.problems import JobProblem
from darkroom.product_files import read_product
from darkroom.stacking.star_lists import list_stars
from tests.fields import Field, Pointing, scatter_stars, sum_aperture
from tests.workflow.small_stacks import (
    BIAS,
    EMPTY,
    FIELD,
    GAIN,
    POINTINGS,
    READ_NOISE,
    SENSITIVITY,
    SHAPE,
    make_raw,
    make_stacks,
    read_stack,
    write_stars,
)

BLURRED = [replace(pointing, see=1.8) for pointing in POINTINGS]


def tell_sky(pointing, scale=2 / 3600, away=0.0):
    """Cards as a solver writes them; ``scale`` degrees a pixel, ``away`` degrees off."""
    turn = np.deg2rad(pointing.degrees)
    return {
        "SOLVED": True,
        **{"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 100.0 + away, "CRVAL2": 20.0},
        **{"CRPIX1": (SHAPE[1] + 1) / 2 + pointing.shift[0], "CRPIX2": (SHAPE[0] + 1) / 2 + pointing.shift[1]},
        **{"CD1_1": -scale * np.cos(turn), "CD1_2": -scale * np.sin(turn)},
        **{"CD2_1": -scale * np.sin(turn), "CD2_2": scale * np.cos(turn)},
    }


@pytest.mark.parametrize("weights", ["noise", "flat"])
def test_a_solved_light_without_a_good_pixel_is_left_out(tmp_path, weights):
    def fill(number, counts):
        return np.full_like(counts, 65535) if number == 1 else counts

    write_stars(tmp_path, POINTINGS, cards=lambda n: tell_sky(POINTINGS[n]), change=fill)
    stack = make_stacks(tmp_path, health={"empty": "warn"}, stacks={"weights": weights})
    header, planes, left_out = read_stack(stack)
    assert left_out == {"light1.fits": "hardly a pixel of it is good and shows noise: nothing tells its sky"}
    assert header["NCOMBINE"] == 3
    assert np.isfinite(planes["PRIMARY"]).mean() > 0.99


def test_blank_lights_are_stacked_by_solved_coordinates(tmp_path):
    write_stars(tmp_path, POINTINGS, EMPTY, cards=lambda n: tell_sky(POINTINGS[n]))
    header, _, left_out = read_stack(make_stacks(tmp_path))
    assert (header["NCOMBINE"], left_out) == (4, {})


@pytest.mark.parametrize(
    ("odd", "reason"),
    [({"away": 0.15}, "lies beside the reference"), ({"scale": 3 / 3600}, "its pixels are 1.5 times as large")],
    ids=["far", "scale"],
)
def test_coordinates_that_no_star_confirms_must_fit_the_reference(tmp_path, odd, reason):
    """Or a light that has no pixel in common counts, and a canvas for the whole becomes as large as they are wrong."""
    write_stars(tmp_path, POINTINGS, EMPTY, cards=lambda n: tell_sky(POINTINGS[n], **(odd if n == 2 else {})))
    header, planes, left_out = read_stack(make_stacks(tmp_path, stacks={"canvas": "whole"}))
    assert header["NCOMBINE"] == 3
    assert list(left_out) == ["light2.fits"]
    assert reason in left_out["light2.fits"]
    assert planes["PRIMARY"].shape[1] < 1.5 * SHAPE[1]


def test_no_two_solved_fields_in_common_are_no_stack(tmp_path):
    write_stars(tmp_path, POINTINGS, EMPTY, cards=lambda n: tell_sky(POINTINGS[n], away=0.15 * n))
    header, planes, _ = read_stack(make_stacks(tmp_path))
    assert "another field" in read_reason(header, NO_STACK)
    assert not planes


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """A night behind a Bayer matrix, its stack and that of the raw frames."""
    folder = tmp_path_factory.mktemp("colours")
    write_stars(folder, BLURRED, mosaic="RGGB")
    stack = make_stacks(folder)
    return read_stack(stack), read_stack(make_raw(folder, stack))


def test_raw_mosaics_are_stacked_in_colours_as_well(colours):
    (header, planes, _), (told, raw, _) = colours
    assert raw["PRIMARY"].shape == planes["PRIMARY"].shape == (3, *SHAPE)
    number = int(header["STACKREF"].removeprefix("light").removesuffix(".fits"))
    places = FIELD.place(BLURRED[number])
    inside = ((places > 30) & (places < (SHAPE[1] - 31, SHAPE[0] - 31))).all(axis=1)
    bright = max(np.flatnonzero(inside), key=lambda n: FIELD.stars[n, 2])
    for plane, colour in enumerate("RGB"):
        level = told[f"SKYLEV{plane + 1}"]
        # biases of their own noise aside
        assert level == pytest.approx(BIAS * GAIN + 200 * SENSITIVITY[colour], abs=2)
        assert np.nanmedian(raw["PRIMARY"][plane]) == pytest.approx(level, abs=3)
        sums = [
            sum_aperture(np.nan_to_num(image[plane].astype(float) - sky), *places[bright], 9)
            for image, sky in ((raw["PRIMARY"], level), (planes["PRIMARY"], header[f"SKYLEV{plane + 1}"]))
        ]
        assert sums[0] == pytest.approx(sums[1], rel=0.01)


def test_colours_say_nothing_of_a_bayer_matrix(colours):
    for header, _, _ in colours:
        assert not {"BAYERPAT", "XBAYROFF", "YBAYROFF", "COLORTYP"} & set(header)


def test_raw_stacks_do_not_say_what_was_done_to_lights(colours):
    (header, _, _), (told, _, _) = colours
    assert {"CALSTAT", "HOLDBIAS", "BIASFIL"} <= set(header)
    assert not {"CALSTAT", "HOLDBIAS", "HOLDDARK", "OVERSUB", "LINEARIS", "BIASFIL", "BIASID", "SKYLEVEL"} & set(told)
    assert told["NOISFACT"] > 1


def test_a_colour_that_is_saturated_everywhere_is_blank(tmp_path):
    def fill(number, counts):
        counts[1::2, 1::2] = 65535
        return counts

    write_stars(tmp_path, BLURRED, mosaic="RGGB", change=fill)
    stack = make_stacks(tmp_path)
    header, planes, _ = read_stack(stack)
    assert np.isfinite(planes["PRIMARY"]).mean(axis=(1, 2)) == pytest.approx([1, 1, 0], abs=0.05)
    assert (planes["MASK"][2] != 0).all()
    assert not planes["COVERAGE"][2].any()
    assert header["SKYLEV3"] == 0
    assert read_stack(make_raw(tmp_path, stack))[1]["PRIMARY"].shape == (3, *SHAPE)


def test_a_canvas_for_the_whole_has_no_place_on_the_chip(tmp_path):
    """Its first pixel is none of the reference's."""
    write_stars(tmp_path, POINTINGS, cards=lambda n: {"LTV1": -10.0, "CCDSEC": "[1:176,1:160]"})
    header, _, _ = read_stack(make_stacks(tmp_path, stacks={"canvas": "whole"}))
    assert not {"LTV1", "CCDSEC", "XORGSUBF", "YORGSUBF"} & set(header)


def test_many_fields_of_no_name_are_told_in_a_short_line(tmp_path):
    """Their reasons made a line of 200 letters for each of a hundred lights; the table tells each its own."""
    for number in range(6):
        field = Field(scatter_stars(60, SHAPE, 100 + number, least=5e3), SHAPE, GAIN, READ_NOISE, bad_part=0.0)
        write_stars(tmp_path, [Pointing()], field, name=f"field{number}_", cards=lambda n: {"OBJECT": ""})
    stack = make_stacks(tmp_path)
    header, planes, reasons = read_stack(stack)
    assert not planes
    assert read_reason(header, NO_STACK).endswith("; and 2 more of 6 lights")
    assert len(read_reason(header, NO_STACK)) < 800
    assert [reason == "no stack" for reason in reasons.values()].count(True) == 1  # the reference
    assert all("not registered" in reason for reason in reasons.values() if reason != "no stack")
    with pytest.raises(JobProblem, match="no stack to be shown"):
        share(read_product(str(stack)), "zscale")


def test_noise_below_an_integer_makes_no_light_outweigh_others():
    """Four like lights of 0.25 ADU, of which a bias of fractions is taken off, had weights of 0.04 to 0.8."""
    expected = FIELD.expect(replace(POINTINGS[0], sky=20.0)) / 20
    pattern = np.random.default_rng(9).choice([0, 0.0005, 0.5], SHAPE, p=[0.5, 0.49, 0.01])
    noises = []
    for number in range(4):
        rng = np.random.default_rng(number)
        image = np.rint(expected + rng.normal(0, 0.25, SHAPE)) - pattern
        bars = np.sqrt(expected / 20 + 0.1**2 + 1 / 12)
        noises.append(list_stars(image.astype(np.float32), bars.astype(np.float32)).noise)
    truth = np.sqrt(0.25**2 + 1 / 12)
    assert min(noises) > 0.6 * truth
    assert max(noises) < 1.2 * truth
    assert max(noises) < 1.1 * min(noises)
