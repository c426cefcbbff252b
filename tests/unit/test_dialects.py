"""Dialects: what cameras and observatories call the same things."""

import pytest
import yaml
from astropy.io import fits

from darkroom.dialects import DIALECTS, list_hint_cards, read_dialects
from darkroom.headers import describe_header
from darkroom.patterns import match_name, match_word
from darkroom.values import read_card_name

NO_OVERRIDES = {"cards": {}, "words": {}}
KINDS = {"bias", "dark", "flat", "light"}
PARTS = {"recognise", "cards", "sky", "mosaic", "derive", "unsaid", "processed", "words", "rules", "folders", "names"}
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
        assert set(dialect["sky"]) == set(generic["sky"])
        assert len(dialect["sky"]["right_ascension"]) == len(dialect["sky"]["declination"]), "they are asked in pairs"
        assert set(dialect["derive"]) <= set(dialect["cards"])
        assert set(dialect["unsaid"]) <= {"any", *dialect["cards"]}
        assert {rule["kind"] for rule in dialect["rules"]} <= {*KINDS, "other"}
        asked = {key for rule in dialect["rules"] for key in rule["when"]}
        assert all(key in dialect["cards"] or key == "told" or key.isupper() for key in asked)
        for cards in filter(None, dialect["cards"].values()):
            assert read_card_name(cards[0]) == (cards[0], None, None, ()), "a fix sets the first one"


def test_concepts_of_the_settings_are_those_of_the_dialects():
    schema = yaml.safe_load((DIALECTS.parent / "schemas" / "config.schema.yaml").read_text())
    concepts = schema["properties"]["headers"]["properties"]["cards"]["propertyNames"]["enum"]
    generic = read_dialects()["generic"]
    assert sorted(concepts) == sorted([*generic["cards"], *generic["sky"]])


class AskedCards(dict):
    """A header that knows which cards it was asked for."""

    def __init__(self, cards):
        super().__init__(cards)
        self.asked = set()

    def get(self, keyword, default=None):
        self.asked.add(keyword)
        return super().get(keyword, default)


@pytest.mark.parametrize("name", read_dialects())
def test_frames_are_not_asked_for_what_only_solving_needs(name):
    """They are read by the thousand."""
    header = AskedCards({"FOCALLEN": 1000.0, "OBJECT": "M67"})
    own = {"focal_length": ["MYFOCAL"], "right_ascension": ["MYRA"]}
    known = describe_header(header, {"cards": own, "words": {}, "dialect": name})
    assert known == describe_header({"OBJECT": "M67"}, NO_OVERRIDES | {"dialect": name})
    dialect = read_dialects()[name]
    others = {
        keyword for names in dialect["cards"].values() for card in names for keyword in read_card_name(card).keywords
    }
    sky = {read_card_name(card).keyword for names in dialect["sky"].values() for card in names}
    assert "OBJECT" in header.asked
    assert header.asked.isdisjoint((sky | {"MYFOCAL", "MYRA"}) - others)


def test_sky_cards_of_the_settings_come_first():
    own = {"focal_length": ["TELFOCAL"], "pixel_size": ["CHIPPIX"]}
    cards = list_hint_cards("generic", {"cards": own})
    assert cards["focal_length"][:2] == ["TELFOCAL", "FOCALLEN"]
    assert cards["pixel_size"][:2] == ["CHIPPIX", "XPIXSZ"]
    assert cards["position"] == list_hint_cards("generic", {"cards": {}})["position"]
    assert "CCDSUM#1" in cards["binning_x"]
    assert list_hint_cards("eso", {"cards": {}})["focal_length"] == []


def test_right_ascensions_go_with_their_declinations():
    pairs = list_hint_cards("generic", {"cards": {}})["position"]
    assert pairs[:3] == [["OBJCTRA", "OBJCTDEC"], ["RA", "DEC"], ["RA-MNT", "DEC-MNT"]]
    both = {"right_ascension": ["MYRA"], "declination": ["MYDEC"]}
    assert list_hint_cards("generic", {"cards": both})["position"] == [["MYRA", "MYDEC"], *pairs]
    one = list_hint_cards("generic", {"cards": {"right_ascension": ["MYRA"]}})["position"]
    assert one == [*(["MYRA", declination] for _, declination in pairs), *pairs]


# What programs and observatories write: enough of the cards of a real frame to know it by, and what they mean.
HEADERS = {
    "maxim": (
        {"SWCREATE": "MaxIm DL Version 5.21 130912 01A17", "IMAGETYP": "LIGHT", "EXPTIME": 90.0, "EXPOSURE": 90.0}
        | {"FILTER": "R", "DATE-OBS": "2013-03-11T03:35:20", "XBINNING": 1, "YBINNING": 1, "READOUTM": "Monochrome"}
        | {"XORGSUBF": 0, "YORGSUBF": 0, "CCD-TEMP": -42.0, "SITELONG": "-97 12 12", "OBJECT": "ey-uma"},
        {"kind": "light", "filter": "R", "exposure": 90.0, "readout": "Monochrome", "window": "0,0", "mosaic": None}
        | {"start": "2013-03-11T03:35:20.000", "temperature": -42.0, "binning": "1x1"},
    ),
    "acp": (
        {"SWCREATE": "MaxIm DL Version 6.18", "TELESCOP": "ACP->TCSGalilHybrid.DFM.ASCOM.Telescope", "FILTER": "r"}
        | {"IMAGETYP": "LIGHT", "DATE-OBS": "2018-08-23T08:49:30", "DATE": "23/08/18", "UT": "08:49:30"}
        | {"SITELONG": "-96 27 12", "LONG-OBS": -98.4532, "EXPTIME": 90.0, "PEDESTAL": 0},
        {"kind": "light", "start": "2018-08-23T08:49:30.000", "longitude": -98.4532, "filter": "r"},
    ),
    "sbig": (
        {"DATE-OBS": "2019-04-30", "TIME-OBS": "00:37:54", "CCDSFPT": 4, "CCDXBIN": 1, "CCDYBIN": 1, "EXPOSURE": 0.16}
        | {"CCDSUBFL": 0, "CCDSUBFT": 16, "TEMPERAT": -5.232, "E-GAIN": 0.46, "SBIGIMG": 5, "INSTRUME": "SBIG ST-7"},
        {
            "kind": "flat",
            "kind_word": "CCDSFPT 4",
            "exposure": 0.16,
            "start": "2019-04-30T00:37:54.000",
            "temperature": -5.232,
            "gain": 0.46,
        }
        | {"binning": "1x1", "window": "0,16"},
    ),
    "nina": (
        {"SWCREATE": "N.I.N.A. 1.10.2.90", "IMAGETYP": "LIGHT", "EXPOSURE": 30.0, "EXPTIME": 30.0, "GAIN": 12}
        | {"OFFSET": 30, "EGAIN": 1.002, "DATE-LOC": "2021-03-02T21:19:00.455", "DATE-OBS": "2021-03-02T20:19:00.455"}
        | {"BAYERPAT": "RGGB", "XBAYROFF": 0, "YBAYROFF": 0, "ROWORDER": "TOP-DOWN", "SET-TEMP": -10.0},
        {"kind": "light", "gain": 1.002, "gain_setting": "12", "offset_setting": "30", "mosaic": "RGGB"}
        | {"start": "2021-03-02T20:19:00.455", "temperature": -10.0, "filter": None},
    ),
    "sharpcap": (
        {"SWCREATE": "SharpCap v4.1.12946.0, 64 bit", "EXPTIME": 280, "GAIN": 10, "BLKLEVEL": 1, "CCD-TEMP": -0.5}
        | {"DATE-OBS": "2025-03-19T22:51:59.3846323", "COLORTYP": "RGB", "RDNOISE": 1.7, "FRAMETYP": "Dark"},
        {"kind": "dark", "gain": None, "gain_setting": "10", "offset_setting": "1", "mosaic": None, "notes": ""}
        | {"start": "2025-03-19T22:51:59.384", "read_noise": 1.7},
    ),
    "asiair": (
        {"CREATOR": "ZWO ASIAIR Plus", "IMAGETYP": "Light", "EXPTIME": 120.0, "GAIN": 5, "BAYERPAT": "RGGB"}
        | {"INSTRUME": "ZWO ASI2600MC Pro", "DATE-OBS": "2026-02-18T22:30:15.000", "OFFSET": 50, "CCD-TEMP": -10.0},
        {"kind": "light", "gain": None, "gain_setting": "5", "offset_setting": "50", "mosaic": "RGGB"},
    ),
    "andor": (
        {"HEAD": "DU8285_VP", "ACQMODE": "Single", "READMODE": "Image", "IMGRECT": "1, 1024, 1024, 1", "HBIN": 2}
        | {"VBIN": 2, "SUBRECT": "101, 612, 612, 91", "EXPOSURE": 10.0, "TEMP": -999.0, "UNSTTEMP": -55.5, "GAIN": 15}
        | {"PREAMP": 5.1, "FRAME": "2012-08-07T21:59:49.658", "DATE": "2012-08-07T22:00:00", "OUTPTAMP": "EM"},
        {"kind": None, "kind_word": None, "exposure": 10.0, "start": "2012-08-07T21:59:49.658", "binning": "2x2"}
        | {"window": "101,91", "temperature": -55.5, "gain": None, "gain_setting": "5.1+15", "camera": "DU8285_VP"},
    ),
    "fli": (
        {"INSTRUME": "FLI ProLine PL16803", "IMAGETYP": "flat", "EXPTIME": 3.5, "DATE-OBS": "2015-01-02T03:04:05"},
        {"kind": "flat", "exposure": 3.5, "camera": "FLI ProLine PL16803"},
    ),
    "iraf": (
        {"IMAGETYP": "zero", "OBSERVAT": "KPNO", "DATE-OBS": "2005-01-02", "UT": "03:04:05.5", "EXPTIME": 0.0}
        | {"CCDSUM": "2 1", "GAIN": 2.1, "RDNOISE": 5.5, "CCDSEC": "[1025:2048,1:2048]", "DETSEC": "[2048:1025,1:2048]"}
        | {"FILTERS": "V", "GTINDEX": 3, "DEWTEMP": -120.5},
        {"kind": "bias", "start": "2005-01-02T03:04:05.500", "binning": "2x1", "gain": 2.1, "longitude": -111.6}
        | {"place": "[2048:1025,1:2048]", "window": "1025,1", "gain_setting": "3", "temperature": -120.5},
    ),
    "ing": (
        {"ORIGIN": "ING La Palma", "IMAGETYP": "sky", "OBSTYPE": "SKY", "DATE-OBS": "2022-09-23", "RUN": 1633255}
        | {"UT": "19:51:59.443", "UTSTART": "19:51:59.443", "CCDSPEED": "SLOW", "GAIN": 1.2, "CCDTEMP": 150.615}
        | {"RTDATSEC": "[785:1150,1:4200]", "LONGITUD": -17.877605, "EXPTIME": 120.01},
        {"kind": "light", "start": "2022-09-23T19:51:59.443", "readout": "SLOW", "gain": 1.2, "window": "785,1"}
        | {"temperature": -122.535, "longitude": -17.877605},
    ),
    "lco": (
        {"SITEID": "cpt", "ENCID": "doma", "OBSTYPE": "SKYFLAT", "CONFMODE": "full_frame", "CCDATEMP": -100.2}
        | {"CCDSTEMP": -100.0, "DATE-OBS": "2019-07-01T16:20:11.223", "GAIN": 1.85, "RDNOISE": 8.0, "FILTER": "rp"}
        | {"CCDSUM": "1 1", "OBJECT": "N/A", "BIASSEC": "UNKNOWN", "EXPTIME": 7.2},
        {"kind": "flat", "temperature": -100.2, "readout": "full_frame", "longitude": 20.81, "object": None}
        | {"overscan": None, "notes": "", "filter": "rp", "gain": 1.85},
    ),
    "gemini": (
        {"TELESCOP": "Gemini-South", "OBSTYPE": "OBJECT", "OBSCLASS": "dayCal", "OBJECT": "Twilight", "EXPTIME": 4.0}
        | {"DATE-OBS": "2017-06-13", "TIME-OBS": "22:21:20.5", "FILTER1": "open1-6", "FILTER2": "r_G0326"}
        | {"GRATING": "MIRROR", "CCDSUM": "2 2", "CCDSEC": "[513:1024,1:4224]"},
        {"kind": "flat", "filter": "r_G0326", "technique": "image", "start": "2017-06-13T22:21:20.500"}
        | {"longitude": -70.737, "window": "513,1", "binning": "2x2"},
    ),
    "pocs": (
        {"CREATOR": "POCSv0.1.1", "FIELD": "FlatDither00", "IMAGETYP": "Light Frame", "FILTER": "g_band"}
        | {"CAM-GAIN": 100, "EGAIN": 1.14, "DATE-OBS": "2021-01-12T09:24:53.382", "LONG-OBS": 149.13, "EXPTIME": 300},
        {"kind": "flat", "object": "FlatDither00", "filter": "g_band", "gain": 1.14, "gain_setting": "100"},
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_programs_and_observatories(name):
    cards, expected = HEADERS[name]
    known = describe({"NAXIS1": 2048, "NAXIS2": 4300} | cards)
    assert known["dialect"] == name
    assert {concept: known[concept] for concept in expected} == expected


def test_every_dialect_is_recognised_from_its_own_cards():
    assert {*HEADERS, "eso", "lick", "generic"} == set(read_dialects())


@pytest.mark.parametrize(
    ("name", "cards", "kind"),
    [
        ("sbig", {"CCDSFPT": 1}, "light"),
        ("sbig", {"CCDSFPT": 2}, "bias"),
        ("sbig", {"CCDSFPT": 3}, "dark"),
        ("sbig", {"CCDSFPT": 0}, None),
        ("sbig", {"IMAGETYP": "Dark Frame"}, "dark"),
        ("gemini", {"OBSTYPE": "BIAS", "OBJECT": "Bias"}, "bias"),
        ("gemini", {"OBSTYPE": "FLAT", "OBJECT": "GCALflat", "OBSCLASS": "partnerCal"}, "flat"),
        ("gemini", {"OBSTYPE": "OBJECT", "OBJECT": "M8", "OBSCLASS": "science"}, "light"),
        ("gemini", {"OBSTYPE": "OBJECT", "OBJECT": "M8", "OBSCLASS": "acq"}, None),
        ("gemini", {"OBSTYPE": "ARC", "OBJECT": "CuAr"}, None),
        ("lco", {"OBSTYPE": "EXPOSE"}, "light"),
        ("lco", {"OBSTYPE": "STANDARD"}, "light"),
        ("lco", {"OBSTYPE": "BIAS"}, "bias"),
        ("lco", {"OBSTYPE": "BPM"}, None),
        ("iraf", {"IMAGETYP": "object"}, "light"),
        ("iraf", {"IMAGETYP": "dflat"}, "flat"),
        ("iraf", {"IMAGETYP": "sflat"}, "flat"),
        ("iraf", {"IMAGETYP": "comp"}, None),
        ("iraf", {"IMAGETYP": "focus"}, None),
        ("iraf", {"IMAGETYP": "other"}, None),
        ("ing", {"IMAGETYP": "zero", "OBSTYPE": "BIAS"}, "bias"),
        ("ing", {"IMAGETYP": "arc", "OBSTYPE": "ARC"}, None),
        ("pocs", {"IMAGETYP": "Light Frame", "FIELD": "DoradoGroup-p0p0_sky"}, "light"),
        ("pocs", {"IMAGETYP": "Dark Frame", "FIELD": "Bias", "EXPTIME": 1e-32}, "bias"),
        ("asiair", {"IMAGETYP": "Dark", "EXPTIME": 60}, "dark"),
        ("nina", {"IMAGETYP": "DARKFLAT"}, "dark"),
        ("nina", {"IMAGETYP": "SNAPSHOT"}, None),
        ("andor", {"IMAGETYP": "bias"}, "bias"),
    ],
)
def test_kinds_of_programs_and_observatories(name, cards, kind):
    known = describe(HEADERS[name][0] | cards)
    assert (known["dialect"], known["kind"]) == (name, kind)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        *[
            (word, "bias")
            for word in ("Bias 1", "BIASFRAME", "zeros", "Offset Frame", "offset", "Nullbild", "Zero_001")
        ],
        *[(word, "dark") for word in ("Darks", "dark_01", "Flat Dark", "Dunkelbild", "noir", "Oscuro", "dark current")],
        *[(word, "flat") for word in ("Flats", "dome flats", "PFLAT", "Twilight Flat", "Weissbild", "flat_V")],
        *[(word, "light") for word in ("Lights", "Science Frame", "Objet", "Standard Star", "Ciencia", "light_003")],
        *[(word, None) for word in ("comp", "arc", "focus", "pointing", "sky", "test", "skylight", "snapshot")],
    ],
)
def test_observers_write_anything(word, kind):
    assert describe({"IMAGETYP": word, "EXPTIME": 5.0})["kind"] == kind


@pytest.mark.parametrize(
    "word", ["?", "", "  ", "Unknown", "N/A", "--", "none", "2012-08-07T21:59:49", 17, "UNDEFINED"]
)
def test_kind_card_that_says_nothing_is_as_if_there_were_none(word):
    assert describe({"IMAGETYP": word})["kind_word"] is None
    assert describe({"IMAGETYP": word, "OBSTYPE": "FLAT"})["kind"] == "flat"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *[
            (name, "flat")
            for name in ("flat", "Flat 3", "flat_field", "FlatDither00", "sky flat", "sky V flat", "flat_V")
        ],
        *[(name, "flat") for name in ("twilight flat 2", "Dome Flats", "evening twilight flat", "flats01", "flat: B")],
        *[(name, "light") for name in ("Flatiron nebula", "Flaming Star", "Sky near Flatiron", "flattened galaxy")],
        *[(name, "light") for name in ("Dark Doodad", "Biased star", "sky", "M31", "Zeroth field", "Inflation")],
    ],
)
def test_a_light_is_a_flat_by_its_object_only_if_that_says_so(name, kind):
    assert describe({"IMAGETYP": "Light Frame", "OBJECT": name, "EXPTIME": 5.0})["kind"] == kind


def test_a_light_of_no_length_is_a_bias_if_its_object_says_so():
    assert describe({"IMAGETYP": "object", "OBJECT": "bias", "EXPTIME": 0.0})["kind"] == "bias"
    assert describe({"IMAGETYP": "object", "OBJECT": "bias", "EXPTIME": 5.0})["kind"] == "light"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *[(name, "bias") for name in ("bias1", "bias_3", "slitview.00000352.BIAS", "Zero001", "offset_003", "n1-bias")],
        *[(name, "dark") for name in ("dark", "Dark-300s", "darks01", "flatdark_2", "m_dark_60", "DarkFrame1")],
        *[
            (name, "flat")
            for name in ("flats01", "Pencil65.FLAT", "flat29.5(2)", "flatV", "flatr_1", "skyflat3", "R_flat")
        ],
        *[(name, "light") for name in ("Light_M31_001", "science2", "n_light")],
        *[
            (name, None)
            for name in ("Flatiron_001", "darkshark_2", "IC310_4", "M31", "twilight", "inflation", "sunlight")
        ],
    ],
)
def test_file_names_tell_a_kind(name, kind):
    assert match_name(name, read_dialects()["generic"]["names"]) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *[(name, "bias") for name in ("BIAS", "Bias Frames", "01_bias", "offsets", "zero", "bias-10C")],
        *[(name, "dark") for name in ("Darks", "dark_300s", "FlatDarks", "2024_darks", "Dunkelbilder")],
        *[(name, "flat") for name in ("Flats", "flat V", "skyflats_V", "domeflats", "AutoFlat", "FlatField")],
        *[(name, "light") for name in ("Lights", "light_Ha", "science", "objects")],
        *[(name, None) for name in ("M31", "raw", "Flatiron", "biased", "calib")],
    ],
)
def test_folder_names_tell_a_kind(name, kind):
    assert match_name(name, read_dialects()["generic"]["folders"]) == kind


def test_settings_name_the_dialect():
    cards = HEADERS["andor"][0]
    assert describe(cards, dialect="andor") == describe(cards)
    forced = describe(cards, dialect="generic")
    assert (forced["dialect"], forced["window"], forced["kind_word"]) == ("generic", None, None)
    assert describe({"GAIN": 1}, dialect="lick")["gain"] is None
    with pytest.raises(ValueError, match=r"'maxin' is no dialect; there are acp, andor, .*maxim"):
        describe(cards, dialect="maxin")


def test_cards_of_settings_have_units_and_parts():
    cards = {"T": 250, "AREA": "[5:1028, 9:520]", "A": "slow", "B": 2}
    own = {"exposure": ["T [ms]"], "window_x": ["AREA#1"], "window_y": ["AREA#3"], "readout": ["X + A + B"]}
    known = describe(cards, cards=own)
    assert (known["exposure"], known["window"], known["readout"]) == (0.25, "5,9", "slow+2")
    assert describe({"AREA": "all"}, cards=own)["window"] is None
    assert describe({"T": 250}, cards={"exposure": ["T [furlong]"]})["exposure"] is None
