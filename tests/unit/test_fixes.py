"""Fixes: rules of the settings that correct what headers say, and what is found wrong with such rules."""

import pytest
from astropy.io import fits

from darkroom.fixes import apply_fixes, find_fixes, list_fix_problems
from darkroom.headers import describe_header
from darkroom.parsed_cards import ParsedCards

OWN = {"cards": {}, "words": {}, "dialect": None}


def make_header(cards):
    header = fits.Header([("NAXIS1", 100), ("NAXIS2", 50)])
    for keyword, value in cards.items():
        header[f"HIERARCH {keyword}" if " " in keyword else keyword] = value
    return header


def describe_fixed(cards, /, *rules, name="night/b_001.fits", **own):
    """The fixes of rules, each (match, set), and what is known of the header then."""
    header = ParsedCards(make_header(cards))
    settings = OWN | own | {"fix": [{"match": match, "set": corrected} for match, corrected in rules]}
    fixes = find_fixes(header, name, settings)
    return fixes, describe_header(apply_fixes(header, fixes), settings)


LIGHT = {"IMAGETYP": "Light Frame", "EXPTIME": 0.0, "FILTER": "R", "DATE-OBS": "2024-03-10T01:02:03"}


@pytest.mark.parametrize(
    ("match", "fits_it"),
    [
        ({}, True),
        ({"file": "b_*"}, True),
        ({"file": "B_*"}, True),
        ({"file": "night/*"}, True),
        ({"file": "*.fits"}, True),
        ({"file": "c_*"}, False),
        ({"file": "b_*", "IMAGETYP": "light frame"}, True),
        ({"IMAGETYP": "light*", "EXPTIME": 0}, True),
        ({"EXPTIME": "0..0.1"}, True),
        ({"EXPTIME": 1}, False),
        ({"IMAGETYP": "dark*"}, False),
        ({"kind": "light*", "exposure": 0, "filter": "r"}, True),
        ({"start": "2024-03-10*"}, True),
        ({"object": "*"}, False),  # there is none
        ({"object": ""}, True),
        ({"OBJECT": ""}, True),
        ({"filter": ""}, False),
    ],
    ids=str,
)
def test_rules_match_files_cards_and_concepts(match, fits_it):
    fixes, known = describe_fixed(LIGHT, (match, {"IMAGETYP": "bias"}))
    assert fixes == ({"IMAGETYP": "bias"} if fits_it else {})
    assert known["kind"] == ("bias" if fits_it else "light")


@pytest.mark.parametrize(
    ("corrected", "fixes", "concept", "value"),
    [
        ({"FILTER": "V"}, {"FILTER": "V"}, "filter", "V"),
        ({"filter": "V"}, {"FILTER": "V"}, "filter", "V"),
        ({"kind": "flat"}, {"IMAGETYP": "flat"}, "kind", "flat"),
        ({"exposure": 30}, {"EXPTIME": 30}, "exposure", 30.0),
        ({"object": "M31"}, {"OBJECT": "M31"}, "object", "M31"),
        ({"start": "2024-03-11T00:00:00"}, {"DATE-OBS": "2024-03-11T00:00:00"}, "start", "2024-03-11T00:00:00.000"),
        ({"temperature": -20}, {"CCD-TEMP": -20}, "temperature", -20.0),
        ({"technique": "spectrum"}, {"TECHNIQU": "spectrum"}, "technique", "spectrum"),
        ({"FILTER": None}, {"FILTER": None}, "filter", None),
        ({"filter": None}, {"FILTER": None}, "filter", None),
        ({"kind": None}, {"IMAGETYP": None}, "kind_word", None),
        ({"object": None}, {}, "object", None),
        ({"binning": "2x2"}, {"CCDSUM": "2x2"}, "binning", "2x2"),
        ({"mosaic": "RGGB"}, {"BAYERPAT": "RGGB"}, "mosaic", "RGGB"),
        ({"window_x": 5}, {"XORGSUBF": 5}, "window", "5,0"),
    ],
    ids=str,
)
def test_rules_set_cards_and_concepts(corrected, fixes, concept, value):
    found, known = describe_fixed(LIGHT, ({}, corrected))
    assert found == fixes
    assert known[concept] == value


def test_every_concept_can_be_set():
    sections = dict.fromkeys(("overscan", "trim", "data"), "[1:50,1:50]")
    others = {"start": "2024-03-10T01:02:03.000", "mosaic": "BGGR", "kind": "dark", "place": "[9:1,1:9]"}
    others |= sections
    for concept in ("exposure", "saturation", "gain", "read_noise", "temperature", "longitude"):
        others[concept] = 7.0
    for concept in (
        "object",
        "camera",
        "filter",
        "telescope",
        "readout",
        "gain_setting",
        "offset_setting",
        "technique",
        "calibrated",
    ):
        others[concept] = "seven"
    for dialect in ("generic", "andor", "eso", "iraf", "lick", "gemini", "sbig"):
        for concept, value in others.items():
            _, known = describe_fixed({"COVER": 3}, ({}, {concept: value}), dialect=dialect)
            assert known[concept] == value, (dialect, concept)


def test_a_concept_is_set_where_the_dialect_looks_for_it():
    eso = {"ESO DPR TYPE": "OBJECT", "EXPTIME": 0.0, "IMAGETYP": "?"}
    fixes, known = describe_fixed(eso, ({"kind": "object"}, {"kind": "bias"}))
    assert fixes == {"ESO DPR TYPE": "bias"}
    assert known["kind"] == "bias"
    fixes, known = describe_fixed(eso, ({}, {"HIERARCH ESO DPR TYPE": "DARK"}))
    assert (fixes, known["kind"]) == ({"ESO DPR TYPE": "DARK"}, "bias")
    fixes, known = describe_fixed(LIGHT, ({}, {"filter": "V"}), cards={"filter": ["MYFILTER"]})
    assert (fixes, known["filter"]) == ({"MYFILTER": "V"}, "V")


def test_what_else_holds_a_concept_goes():
    fixes, known = describe_fixed({"XBINNING": 2, "YBINNING": 1}, ({}, {"binning": "3 3"}))
    assert (fixes, known["binning"]) == ({"CCDSUM": "3 3", "XBINNING": None, "YBINNING": None}, "3x3")
    bayer = {"BAYERPAT": "GRBG", "XBAYROFF": 1, "ROWORDER": "BOTTOM-UP"}
    fixes, known = describe_fixed(bayer, ({}, {"mosaic": "BGGR"}))
    assert fixes == {"BAYERPAT": "BGGR", "XBAYROFF": None, "ROWORDER": None}
    assert known["mosaic"] == "BGGR"
    wheels = {"FILTER1": "V", "FILTER2": "ND", "FILTNAM": "V"}
    fixes, known = describe_fixed(wheels, ({}, {"filter": None}))
    assert (fixes, known["filter"]) == (dict.fromkeys(("FILTNAM", "FILTER1", "FILTER2")), None)
    fixes, known = describe_fixed({"AREA": "[5:9,1:9]"}, ({}, {"window_x": 3}), cards={"window_x": ["AREA#1"]})
    assert (fixes, known["window"]) == ({"AREA": None, "XORGSUBF": 3}, "3,0")


def test_what_a_rule_sets_is_in_the_unit_of_the_concept():
    header = fits.Header([("EXPTIME", 5000, "exposure time in ms")])
    settings = OWN | {"fix": [{"match": {"exposure": 5000}, "set": {"exposure": 6}}]}
    assert describe_header(header, settings)["exposure"] == 5.0
    assert describe_header(apply_fixes(header, find_fixes(header, "a", settings)), settings)["exposure"] == 6.0
    fixes, known = describe_fixed({"T": 5000}, ({}, {"exposure": 6}), cards={"exposure": ["T [ms]"]})
    assert (fixes, known["exposure"]) == ({"T": 6000.0}, 6.0)


def test_later_rules_see_what_earlier_ones_set():
    rules = [
        ({"IMAGETYP": "light*", "EXPTIME": 0}, {"IMAGETYP": "bias", "FILTER": None}),
        ({"kind": "bias"}, {"OBJECT": "zero"}),
        ({"IMAGETYP": "light*"}, {"OBJECT": "wrong"}),
        ({"filter": ""}, {"READOUTM": "slow"}),
        ({"object": "zero"}, {"FILTER": "none at all"}),
    ]
    fixes, known = describe_fixed(LIGHT, *rules)
    assert fixes == {"IMAGETYP": "bias", "FILTER": "none at all", "OBJECT": "zero", "READOUTM": "slow"}
    assert (known["kind"], known["object"], known["readout"]) == ("bias", "zero", "slow")


def test_a_rule_may_change_the_dialect_by_which_later_ones_are_read():
    rules = [({}, {"SWCREATE": "SharpCap"}), ({}, {"offset_setting": 9})]
    fixes, known = describe_fixed(LIGHT, *rules)
    assert (known["dialect"], fixes["BLKLEVEL"], known["offset_setting"]) == ("sharpcap", 9, "9")


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
def test_fixed_header_is_a_header():
    header = fits.Header([("FILTER", "R", "wheel 1"), ("OBJECT", "M31", "target"), ("GAIN", 2.0, "index")])
    fixed = apply_fixes(header, {"FILTER": "V", "GAIN": None, "ESO X": 5})
    assert fixed["FILTER"] == fixed.get("filter") == "V"
    assert (fixed["OBJECT"], fixed["HIERARCH ESO X"], fixed.get("GAIN", 7)) == ("M31", 5, 7)
    assert ("FILTER" in fixed, "GAIN" in fixed, "OBJECT" in fixed, "ABSENT" in fixed) == (True, False, True, False)
    assert (list(fixed), len(fixed)) == (["OBJECT", "FILTER", "ESO X"], 3)
    assert (fixed.comments["OBJECT"], fixed.comments["FILTER"]) == ("target", "")
    with pytest.raises(KeyError):
        fixed["GAIN"]
    assert header["FILTER"] == "R", "the header itself is as it was"
    assert apply_fixes(header, {}) is header
    broken = fits.Header.fromstring("FILTER  = 'no end of text".ljust(80) + "END".ljust(80))
    settings = OWN | {"fix": [{"match": {"filter": ""}, "set": {"filter": "V"}}]}
    assert find_fixes(ParsedCards(broken), "a.fits", settings) == {"FILTER": "V"}


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"match": {"file": "b*"}, "set": {"IMAGETYP": "bias"}}, ""),
        ({"match": {}, "set": {"kind": "bias", "ESO DPR TYPE": "BIAS", "HIERARCH ESO INS X": 5, "GAIN": None}}, ""),
        ({"match": {"OBJECT": "*é*"}, "set": {"OBJECT": "x" * 68}}, ""),
        ({"set": {"FILTER": "V"}}, "headers.fix.0: no match, which says which frames are meant"),
        ({"match": {"FILTER": "V"}}, "headers.fix.0: no set, which says what their cards should say"),
        ({"match": {}, "set": {}}, "headers.fix.0: sets nothing"),
        (
            {"match": {"knd": "x"}, "set": {"FILTER": 1}},
            ".match: 'knd' is neither a concept nor a card; did you mean kind",
        ),
        ({"match": {"Imagetyp": "x"}, "set": {"FILTER": 1}}, "cards are written in capitals"),
        ({"match": {}, "set": {"file": "x"}}, ".set: 'file' is neither a concept nor a card"),
        ({"match": {}, "set": {"FIL;TER": "x"}}, "neither a concept nor a card"),
        ({"match": {}, "set": {"": "x"}}, "neither a concept nor a card"),
        ({"match": {}, "set": {"BITPIX": 8}}, "BITPIX says how the pixels are stored"),
        ({"match": {}, "set": {"NAXIS1": 8}}, "NAXIS1 says how the pixels are stored"),
        ({"match": {"NAXIS1": 8}, "set": {"FILTER": "x"}}, ""),
        ({"match": {}, "set": {"FILTER": "H\u03b1"}}, "not printable ASCII"),
        ({"match": {}, "set": {"FILTER": "a\nb"}}, "not printable ASCII"),
        ({"match": {}, "set": {"FILTER": "x" * 69}}, "FILTER: a text of 69 characters, where a card holds 68"),
        ({"match": {}, "set": {"filter": "'" * 35}}, "filter: a text of 70 characters, where a card holds 68"),
        ({"match": {}, "set": {"ESO INS FILT1 NAME": "x" * 60}}, "a text of 60 characters, where a card holds 49"),
        ({"match": {}, "set": {"EXPTIME": float("nan")}}, "EXPTIME: nan is no number"),
        ({"match": {}, "set": {"EXPTIME": [1]}}, "neither text nor a number"),
        ({"match": {"EXPTIME": [1]}, "set": {"EXPTIME": 1}}, "a glob or a number is matched"),
    ],
    ids=str,
)
def test_bad_rules_are_named(rule, problem):
    problems = list(list_fix_problems([rule]))
    assert problems == [] if not problem else len(problems) == 1 and problem in problems[0], problems


def test_every_text_that_is_no_problem_fits_into_a_card():
    for key in ("FILTER", "ESO INS FILT1 NAME", "LONGERTHAN8"):
        for length in range(30, 75):
            for text in ("x" * length, "'" * (length // 2)):
                fine = not list(list_fix_problems([{"match": {}, "set": {key: text}}]))
                card = fits.Card(key if key == "FILTER" else f"HIERARCH {key}", text)
                try:
                    fits_in = len(str(card)) == 80
                except ValueError:
                    fits_in = False
                assert fine == fits_in, (key, length, text[0])


def test_number_that_no_card_can_hold_is_a_problem_in_one_line():
    for value in (10**400, float("inf"), float("nan"), -(10**309)):
        (problem,) = list_fix_problems([{"match": {"file": "*"}, "set": {"EXPTIME": value}}])
        assert "is no number that a card can hold" in problem
        assert len(problem) < 100
