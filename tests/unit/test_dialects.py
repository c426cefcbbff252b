"""Dialects: what cameras and observatories call the same things."""

import pytest
import yaml
from astropy.io import fits

from darkroom.dialects import DIALECTS, read_dialects
from darkroom.headers import describe_header
from darkroom.patterns import match_name, match_word
from darkroom.values import read_card_name

NO_OVERRIDES = {"cards": {}, "words": {}}
KINDS = {"bias", "dark", "flat", "light"}
PARTS = {"recognise", "cards", "mosaic", "derive", "unsaid", "processed", "words", "rules", "folders", "names"}
# the cards of a Lick Nickel frame
NICKEL = {"NAXIS1": 1056, "NAXIS2": 1024, "COVER": 32, "DATASEC": "[1:1024,1:1024]", "VERSION": "nickel_direct"}
NICKEL |= {"DATE-BEG": "2015-05-23T07:00:01.31", "OBSTYPE": "OBJECT", "OBJECT": "M67", "EXPTIME": 60.0, "FILTNAM": "V"}
NICKEL |= {"INSTRUME": "Nickel Direct Camera", "READ-SPD": 2, "GAIN": 1, "TEMPDET": -109.5, "TEMPDETE": 0}
# the cards of an ESO NTT/EFOSC2 frame
EFOSC = {"ESO DPR TYPE": "OBJECT", "ESO DPR TECH": "IMAGE", "ESO INS FILT1 NAME": "g#782", "EXPTIME": 30.0005}
EFOSC |= {"DATE-OBS": "2020-01-02T03:04:05.6789", "ESO TEL GEOLON": -70.7345, "ESO DET OUT1 CONAD": 1.18}
EFOSC |= {"ESO DET OUT1 RON": 8.8, "ESO DET WIN1 BINX": 2, "ESO DET WIN1 BINY": 2, "INSTRUME": "EFOSC", "OBJECT": "SN"}
EFOSC |= {"ESO DET TLM1 START": 160.0, "ESO DET TLM4 START": 287.6, "ESO TEL AMBI TEMP": 16.9}


def describe(cards, /, **overrides):
    header = fits.Header()
    for keyword, value in cards.items():
        header[f"HIERARCH {keyword}" if " " in keyword else keyword] = value
    return describe_header(header, NO_OVERRIDES | overrides)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Bias Frame", "bias"),
        ("BIAS", "bias"),
        ("zero", "bias"),
        ("bias_frame", "bias"),
        ("Dark Frame", "dark"),
        ("DARK", "dark"),
        ("FLAT", "flat"),
        ("Flat Field", "flat"),
        ("flat-field", "flat"),
        ("FlatField", "flat"),
        ("SKYFLAT", "flat"),
        ("dome flat", "flat"),
        ("Light Frame", "light"),
        ("LIGHT", "light"),
        ("object", "light"),
        ("Science", "light"),
        ("arc", None),
        ("focus", None),
        ("autoguider", None),
        ("darkness", None),
    ],
)
def test_words_of_common_camera_programs(word, kind):
    known = describe({"IMAGETYP": word, "EXPTIME": 5.0})
    assert known["kind"] == kind
    assert known["kind_word"] == word
    assert known["dialect"] == "generic"


@pytest.mark.parametrize(
    ("cards", "kind"),
    [
        ({"IMAGETYP": "Dark Frame", "EXPTIME": 0.0}, "bias"),
        ({"IMAGETYP": "Dark Frame", "EXPTIME": 1e-32}, "bias"),
        ({"IMAGETYP": "DARK", "EXPTIME": "0"}, "bias"),
        ({"IMAGETYP": "Dark Frame", "EXPTIME": 0.001}, "dark"),
        ({"IMAGETYP": "Dark Frame"}, "dark"),
        ({"IMAGETYP": "object", "OBJECT": "sky flat", "EXPTIME": 5.0}, "flat"),
        ({"IMAGETYP": "OBJECT", "OBJECT": "Twilight Flat V", "EXPTIME": 5.0}, "flat"),
        ({"IMAGETYP": "Light Frame", "OBJECT": "DomeFlat", "EXPTIME": 5.0}, "flat"),
        ({"IMAGETYP": "object", "OBJECT": "flat", "EXPTIME": 5.0}, "flat"),
        ({"IMAGETYP": "object", "OBJECT": "Flatiron nebula", "EXPTIME": 5.0}, "light"),
        ({"IMAGETYP": "Bias Frame", "OBJECT": "sky flat", "EXPTIME": 0.0}, "bias"),
        ({"OBJECT": "sky flat", "EXPTIME": 5.0}, None),
    ],
)
def test_rules_tell_a_kind_before_the_words_do(cards, kind):
    assert describe(cards)["kind"] == kind


def test_nickel_light_is_described_by_lick_cards():
    known = describe(NICKEL)
    assert known["dialect"] == "lick"
    assert known["kind"] == "light"
    assert known["filter"] == "V"
    assert known["start"] == "2015-05-23T07:00:01.310"
    assert known["camera"] == "Nickel Direct Camera"
    assert known["readout"] == "2"
    assert known["trim"] == "[1:1024,1:1024]"
    assert known["overscan"] == "[1025:1056,1:1024]"  # the last 32 of 1056 columns
    assert known["gain"] is None  # GAIN is an index
    assert known["temperature"] == -109.5


@pytest.mark.parametrize(
    ("cards", "kind"),
    [
        ({"OBSTYPE": "DARK", "OBJECT": "bias", "EXPTIME": 0.0}, "bias"),
        ({"OBSTYPE": "DARK", "OBJECT": "dark", "EXPTIME": 60.0}, "dark"),
        ({"OBSTYPE": "OBJECT", "OBJECT": "sky flat", "EXPTIME": 12.0}, "flat"),
        ({"OBSTYPE": "OBJECT", "OBJECT": "NGC 188"}, "light"),
    ],
)
def test_kinds_of_nickel_frames(cards, kind):
    assert describe(NICKEL | cards)["kind"] == kind


def test_nickel_frame_without_overscan_columns_has_none():
    assert describe(NICKEL | {"COVER": 0})["overscan"] is None
    assert describe(NICKEL | {"COVER": 1056})["overscan"] is None


def test_efosc_light_is_described_by_hierarch_cards():
    known = describe(EFOSC)
    assert known["dialect"] == "eso"
    assert (known["kind"], known["kind_word"], known["technique"]) == ("light", "OBJECT", "IMAGE")
    assert known["filter"] == "g#782"
    assert known["exposure"] == 30.0005
    assert known["start"] == "2020-01-02T03:04:05.678"
    assert known["longitude"] == -70.7345
    assert known["binning"] == "2x2"
    assert (known["gain"], known["read_noise"]) == (1.18, 8.8)
    assert known["temperature"] == -113.15  # 160 K


@pytest.mark.parametrize(
    ("word", "seconds", "kind"),
    [
        ("BIAS", 0.0, "bias"),
        ("DARK", 0.0, "bias"),
        ("DARK", 300.0, "dark"),
        ("SKY,FLAT", 5.0, "flat"),
        ("FLAT,SKY", 5.0, "flat"),
        ("DOME", 5.0, None),
        ("FLAT", 5.0, "flat"),
        ("STD", 5.0, "light"),
        ("OBJECT", 5.0, "light"),
        ("OBJECT,SKY", 5.0, "light"),
        ("WAVE", 5.0, None),
        ("LAMP,FLAT", 5.0, "flat"),
    ],
)
def test_kinds_of_eso_frames(word, seconds, kind):
    assert describe(EFOSC | {"ESO DPR TYPE": word, "EXPTIME": seconds})["kind"] == kind


def test_cards_of_the_settings_are_asked_first():
    cards = {"FILTER": "V", "MYFILTER": "Ha", "EXPTIME": 5.0, "IMAGETYP": "Light Frame", "WHAT": "Dark Frame"}
    known = describe(cards, cards={"filter": ["ABSENT", "MYFILTER"], "kind": ["WHAT"]})
    assert (known["filter"], known["kind"], known["exposure"]) == ("Ha", "dark", 5.0)
    assert describe(cards, cards={"filter": ["ABSENT"]})["filter"] == "V"


def test_words_of_the_settings_come_before_the_dialect():
    cards = {"IMAGETYP": "Dusk Field", "EXPTIME": 5.0}
    assert describe(cards)["kind"] is None
    assert describe(cards, words={"flat": ["dusk*"]})["kind"] == "flat"
    assert describe({"IMAGETYP": "zero", "EXPTIME": 5.0}, words={"light": ["zero"]})["kind"] == "light"


def test_case_and_separators_do_not_count_in_words_but_do_in_names():
    assert match_word("DUSK _-field", {"flat": ["dusk field"]}) == "flat"
    assert match_name("Dusk_1", {"flat": ["dusk_*"]}) == "flat"
    assert match_name("Dusk1", {"flat": ["dusk_*"]}) is None


def test_every_dialect_is_whole_and_speaks_of_known_concepts_only():
    dialects = read_dialects()
    assert set(dialects) == {path.stem for path in DIALECTS.glob("*.yaml")}
    assert list(dialects)[-1] == "generic", "it recognises every header, so it is asked last"
    generic = dialects["generic"]
    for name, dialect in dialects.items():
        assert set(dialect) == PARTS
        assert bool(dialect["recognise"]) is (name != "generic")
        assert set(dialect["cards"]) >= set(generic["cards"])
        assert set(dialect["words"]) == KINDS
        assert set(dialect["derive"]) <= set(dialect["cards"])
        assert set(dialect["unsaid"]) <= {"any", *dialect["cards"]}
        assert {rule["kind"] for rule in dialect["rules"]} <= {*KINDS, "other"}
        asked = {key for rule in dialect["rules"] for key in rule["when"]}
        assert all(key in dialect["cards"] or key == "told" or key.isupper() for key in asked)
        for cards in filter(None, dialect["cards"].values()):
            assert read_card_name(cards[0]) == (cards[0], None, None), "a fix sets the first one"


def test_concepts_of_the_settings_are_those_of_the_dialects():
    schema = yaml.safe_load((DIALECTS.parent / "schemas" / "config.schema.yaml").read_text())
    concepts = schema["properties"]["headers"]["properties"]["cards"]["propertyNames"]["enum"]
    assert set(concepts) == set(read_dialects()["generic"]["cards"])
