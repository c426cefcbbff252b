"""Setups: frames of one setup may be combined, and names are safe as paths."""

import re

import pytest

from darkroom.setups import describe_setups, make_slug, name_setups
from tests.unit.builders import make_frame


def find_setup(frame):
    name_setups([frame])
    return frame.setup


def frame(**fields):
    fields = {"camera": "Andor iKon", "rows": 100, "columns": 200, "readout": "1 MHz", "binning": "1x1"} | fields
    return make_frame("light", "m67.fits", **fields)


@pytest.mark.parametrize(
    "other",
    [
        {"camera": "Andor iXon"},
        {"binning": "2x2"},
        {"readout": "5 MHz"},
        {"readout": None},
        {"gain_setting": "100"},
        {"offset_setting": "10"},
        {"window": "0,512"},
        {"rows": 101},
        {"columns": 201},
        {"rows": 200, "columns": 100},
        {"overscan": "[193:200,1:100]"},
        {"trim": "[1:192,1:100]"},
        {"technique": "SPECTRUM"},
        {"part": "CHIP2"},
        {"mosaic": "RGGB"},
    ],
    ids=str,
)
def test_frames_that_must_not_be_combined_differ_in_setup(other):
    assert find_setup(frame(**other)) != find_setup(frame())


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "dark", "filter": None},
        {"filter": "B"},
        {"object": "M13"},
        {"exposure": 1.0},
        {"start": "2025-01-01T00:00:00.000", "night": "2024-12-31"},
        {"digest": "0"},
        {"technique": "IMAGE"},
        {"technique": "image,coadded"},
    ],
    ids=str,
)
def test_frames_that_may_be_combined_share_the_setup(other):
    kind = other.pop("kind", "light")
    same = vars(frame()).keys() & {"camera", "rows", "columns", "readout", "binning"}
    fields = {key: getattr(frame(), key) for key in same} | other
    assert find_setup(make_frame(kind, "x.fits", **fields)) == find_setup(frame())


def test_setup_name_shows_camera_binning_and_size_and_is_one_path_part():
    name = find_setup(frame(camera="../Andor/iKon {M} 934", binning="2x1"))
    assert re.fullmatch(r"Andor_iKon_M_934-2x1-200x100-[0-9a-f]{6}", name)
    assert find_setup(frame(camera=None)).startswith("camera-1x1-200x100-")


def test_a_setup_without_a_binning_is_called_by_no_binning():
    assert re.fullmatch(r"Andor_iKon-200x100-[0-9a-f]{6}", find_setup(frame(binning=None)))


def test_what_a_header_does_not_tell_is_taken_from_its_fellows_with_a_word():
    bias, light = frame(gain_setting=None, binning=None), frame(gain_setting="100")
    other = frame(gain_setting="0", rows=50)
    name_setups([bias, light, other])
    assert bias.setup == light.setup != other.setup
    assert (
        bias.notes == "not in its header, and taken from the other frames of its camera: binning 1x1, gain setting 100"
    )
    assert light.notes == ""


def test_what_could_be_two_things_is_taken_to_be_neither():
    bias, slow, fast = frame(readout=None), frame(readout="1 MHz"), frame(readout="5 MHz")
    name_setups([bias, slow, fast])
    assert len({bias.setup, slow.setup, fast.setup}) == 3
    assert bias.notes == "its readout is unknown, and 2 setups would fit: none is (headers.fix tells)"


def test_the_fullest_of_several_setups_that_build_on_each_other_is_taken():
    none, half, full = frame(readout=None, offset_setting=None), frame(offset_setting=None), frame(offset_setting="10")
    name_setups([full, none, half])
    assert none.setup == half.setup == full.setup


def test_frames_that_take_no_part_tell_nothing_of_others():
    bias, arc = frame(gain_setting=None), frame(gain_setting="100", problem="'arc' is no bias, dark, flat or light")
    name_setups([bias, arc])
    assert bias.setup != arc.setup
    assert bias.notes == ""


def test_plan_says_of_each_setup_what_no_header_tells():
    light, bias = frame(gain_setting="100", window="0,0"), frame(gain_setting=None)
    name_setups([light, bias])
    (line,) = describe_setups([bias, light])
    facets = "camera Andor iKon, binning 1x1, readout 1 MHz, gain setting 100, window 0,0; unknown: offset setting"
    assert line == f"{light.setup}: {facets}"


@pytest.mark.parametrize("text", ["V", "M67_001", "Ha,OIII", "r_(Sloan)", "a=b:c@d+e", "M67.2024-03-10"])
def test_safe_text_stays_as_it_is(text):
    assert make_slug(text) == text


@pytest.mark.parametrize(
    "text", ["g'", "H α", "a/b", "..", ".", "", " V", "-rf", ".hidden", "{x}", "*", "%", "x" * 100]
)
def test_unsafe_text_becomes_a_safe_part_and_a_digest(text):
    slug = make_slug(text)
    assert re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._+:=@,()-]*-)?[0-9a-f]{6}", slug)
    assert len(slug) <= 87


def test_no_filter_and_a_filter_called_none_are_told_apart():
    assert make_slug(None) == "none"
    assert re.fullmatch(r"none-[0-9a-f]{6}", make_slug("none"))


def test_file_names_that_are_no_text_have_slugs():
    assert make_slug(b"M67\xff".decode("utf-8", "surrogateescape")) != make_slug(
        b"M67\xfe".decode("utf-8", "surrogateescape")
    )


@pytest.mark.parametrize("field", ["overscan", "trim"])
def test_setups_differ_with_the_place_of_a_section(field):
    names = {find_setup(frame(**{field: section})) for section in ("[193:200,1:100]", "[194:200,1:100]", None)}
    assert len(names) == 3
