"""Headers: numbers, angles, times and sections, however a card spells them or fails to."""

import pytest
from astropy.io import fits

from darkroom.headers import describe_header
from darkroom.patterns import matches
from darkroom.quantities import read_angle

NO_OVERRIDES = {"cards": {}, "words": {}}


def describe(**cards):
    header = fits.Header({name.replace("_", "-"): value for name, value in cards.items()})
    return describe_header(header, NO_OVERRIDES)


def from_text(*lines):
    header = fits.Header.fromstring("".join(line.ljust(80) for line in (*lines, "END")))
    return describe_header(header, NO_OVERRIDES)


@pytest.mark.parametrize(
    ("value", "degrees"),
    [
        ("-105 49 13", -(105 + 49 / 60 + 13 / 3600)),
        ("-105:49:13", -(105 + 49 / 60 + 13 / 3600)),
        ("-105d49m13s", -(105 + 49 / 60 + 13 / 3600)),
        ("+10 30 00", 10.5),
        ("10 30", 10.5),
        (" 10 30 36.5 ", 10 + 30 / 60 + 36.5 / 3600),
        ("-0 30 00", -0.5),
        ("-00:00:36", -0.01),
        ("70 44 07 W", -(70 + 44 / 60 + 7 / 3600)),
        ("70:44:07W", -(70 + 44 / 60 + 7 / 3600)),
        ("-70 44 07 W", -(70 + 44 / 60 + 7 / 3600)),
        ("149 04 12 E", 149.07),
        ("-105.82", -105.82),
        (-105.82, -105.82),
        (254, 254.0),
    ],
)
def test_angles_are_read_as_degrees(value, degrees):
    assert read_angle(value) == pytest.approx(degrees, abs=1e-12)


@pytest.mark.parametrize("value", ["", "west", "105 W of here", None, True, "nan", float("inf"), "1:", ":1:2"])
def test_what_is_no_angle_is_none(value):
    assert read_angle(value) is None


@pytest.mark.parametrize(
    ("cards", "start"),
    [
        ({"DATE_OBS": "2024-03-10T23:59:30"}, "2024-03-10T23:59:30.000"),
        ({"DATE_OBS": "2024-03-10T23:59:30.1239"}, "2024-03-10T23:59:30.123"),
        ({"DATE_OBS": "2024-03-10T23:59:30."}, "2024-03-10T23:59:30.000"),
        ({"DATE_OBS": "2024-03-10T23:59:30.5Z"}, "2024-03-10T23:59:30.500"),
        ({"DATE_OBS": "2024-03-10 23:59:30"}, "2024-03-10T23:59:30.000"),
        ({"DATE_OBS": "2024-03-10", "TIME_OBS": "23:59:30.25"}, "2024-03-10T23:59:30.250"),
        ({"DATE_OBS": "2024-03-10", "UT": "7:05:09"}, "2024-03-10T07:05:09.000"),
        ({"DATE_OBS": "2024-03-10T01:02:03", "TIME_OBS": "23:59:30"}, "2024-03-10T01:02:03.000"),
        ({"DATE_BEG": "2024-03-10T01:02:03"}, "2024-03-10T01:02:03.000"),
        ({"DATE_OBS": "27/02/97", "UT": "01:02:03"}, "1997-02-27T01:02:03.000"),
        ({"DATE_OBS": "27/02/97 01:02:03"}, "1997-02-27T01:02:03.000"),
        # a leap second, and a camera program that rounds up to sixty
        ({"DATE_OBS": "2016-12-31T23:59:60"}, "2017-01-01T00:00:00.000"),
        ({"DATE_OBS": "2024-02-29T23:59:60.0"}, "2024-03-01T00:00:00.000"),
    ],
)
def test_start_is_read_from_one_card_or_two(cards, start):
    assert describe(**cards)["start"] == start


@pytest.mark.parametrize(
    "cards",
    [
        {},
        {"DATE_OBS": "2024-03-10"},
        {"DATE_OBS": "2024-03-10", "UT": 7.5},
        {"DATE_OBS": "2024-03-10", "UT": "dawn"},
        {"DATE_OBS": "2024-02-30T01:02:03"},
        {"DATE_OBS": "2024-13-01T01:02:03"},
        {"DATE_OBS": "2024-03-10T25:00:00"},
        {"DATE_OBS": "2024-03-10T23:60:00"},
        {"DATE_OBS": "2024-03-10T23:59:99"},
        {"DATE_OBS": "yesterday"},
        {"DATE_OBS": 2460380.5},
        # what programs write that were never told the time, and a date that no calendar can shift
        {"DATE_OBS": "0000-00-00T00:00:00"},
        {"DATE_OBS": "0001-01-01T00:00:00"},
        {"DATE_OBS": "9999-12-31T23:59:60"},
    ],
    ids=str,
)
def test_what_is_no_moment_is_none(cards):
    assert describe(**cards)["start"] is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *[(60, 60.0), (0.5, 0.5), ("40", 40.0), (" 40.5 ", 40.5), ("4.E1", 40.0), (1e-32, 1e-32), (".5", 0.5)],
        *[("60 s", 60.0), ("1.5 min", 90.0), ("250ms", 0.25), ("1/250", 0.004), ("1/4 s", 0.25)],
    ],
)
def test_exposure_is_a_number_even_if_written_as_text(value, seconds):
    assert describe(EXPTIME=value)["exposure"] == seconds


@pytest.mark.parametrize("value", ["", "long", "60 m", "1/0", "s", True, "nan", "inf"])
def test_exposure_that_is_no_number_is_none(value):
    assert describe(EXPTIME=value)["exposure"] is None


def test_first_card_that_says_something_counts():
    assert describe(EXPTIME="  ", EXPOSURE=30.0)["exposure"] == 30.0
    assert describe(EXPTIME=60.0, EXPOSURE=30.0)["exposure"] == 60.0
    assert describe(FILTER="", FILTNAM="  R ")["filter"] == "R"


@pytest.mark.parametrize(
    ("cards", "binning"),
    [
        ({}, None),  # unknown
        ({"XBINNING": 1, "YBINNING": 1}, "1x1"),
        ({"BINNING": 2.0}, "2x2"),
        ({"BINNING": "2*2"}, "2x2"),
        ({"YBINNING": 2}, "2x2"),
        ({"XBINNING": 2, "YBINNING": 2}, "2x2"),
        ({"XBINNING": 2}, "2x2"),
        ({"XBINNING": 2, "YBINNING": 1}, "2x1"),
        ({"XBINNING": 2.0, "YBINNING": "1"}, "2x1"),
        ({"CCDSUM": "2 1"}, "2x1"),
        ({"CCDSUM": "3 3"}, "3x3"),
        ({"BINNING": "2x1"}, "2x1"),
        ({"BINNING": 2}, "2x2"),
    ],
    ids=str,
)
def test_binning_is_written_in_one_way(cards, binning):
    assert describe(**cards)["binning"] == binning


def test_settings_of_the_camera_are_the_same_as_number_and_as_text():
    assert describe(CAM_GAIN=100)["gain_setting"] == describe(CAM_GAIN="100.0")["gain_setting"] == "100"
    assert describe(XORGSUBF=0, YORGSUBF=0)["window"] == describe(YORGSUBF="0")["window"] == "0,0"
    assert describe()["window"] is None  # unknown
    assert describe(XORGSUBF=512, YORGSUBF=10.0)["window"] == "512,10"


@pytest.mark.parametrize(
    ("cards", "overscan", "trim"),
    [
        ({"BIASSEC": "[97:100,1:50]", "TRIMSEC": "[1:96,1:50]"}, "[97:100,1:50]", "[1:96,1:50]"),
        ({"BIASSEC": " [97:100, 1:50] "}, "[97:100,1:50]", None),
        ({"BIASSEC": "[97:101,1:50]", "TRIMSEC": "[1:96,1:51]"}, None, None),  # outside the image
        ({"BIASSEC": "none", "TRIMSEC": 5}, None, None),
        ({"BIASSEC": "[0:0,0:0]", "TRIMSEC": "[96:1,1:50]"}, None, None),
        ({}, None, None),
    ],
)
def test_sections_that_make_no_sense_are_passed_over(cards, overscan, trim):
    known = describe(NAXIS1=100, NAXIS2=50, **cards)
    assert (known["overscan"], known["trim"]) == (overscan, trim)


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
def test_undefined_and_broken_cards_say_nothing():
    known = from_text(
        "EXPTIME =                      / undefined",
        "FILTER  = 'no end of text",
        "OBJECT  = (1, 2",
        "IMAGETYP= 'Light Frame'",
        "XBINNING= = = =",
        "DATE-OBS",
        "LONG-OBS= 1.2.3.4",
    )
    assert known["exposure"] is None
    assert known["kind"] == "light"
    assert known["start"] is None
    assert known["longitude"] is None
    assert known["binning"] is None


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
def test_header_without_a_size_is_described():
    known = from_text(
        "NAXIS1  = = 5", "NAXIS2  = 'x'", "BIASSEC = '[1:2,1:2]'", "BAYERPAT= 'RGGB'", "ROWORDER= 'BOTTOM-UP'"
    )
    assert (known["overscan"], known["mosaic"]) == (None, "GBRG")
    assert known["notes"] == "overscan section [1:2,1:2] does not fit 0 x 0 pixels: not used"


def test_next_card_is_asked_where_the_first_is_undefined():
    assert from_text("EXPTIME =", "EXPOSURE=                 12.5")["exposure"] == 12.5


@pytest.mark.parametrize(
    ("value", "pattern", "same"),
    [
        ("Sky Flat", "*sky*flat*", True),
        ("SKY_FLAT", "skyflat", True),
        (0, 0, True),
        ("0.0", 0, True),
        (1e-5, 0, False),
        ("zero", 0, False),
        (None, 0, False),
        (None, "*", False),
        (5, "*", True),
        ("dark", ["bias", "d?rk"], True),
        ("dark", ["bias", 0], False),
    ],
)
def test_values_match_globs_and_numbers(value, pattern, same):
    assert matches(value, pattern) is same


def describe_commented(overrides=NO_OVERRIDES, **cards):
    """What is known of a header whose cards have comments: card=(value, comment)."""
    header = fits.Header([(name.replace("_", "-"), *card) for name, card in cards.items()])
    return describe_header(header, overrides)


@pytest.mark.parametrize(
    ("cards", "gain"),
    [
        ({"GAIN": 1.9}, 1.9),
        ({"GAIN": "2.43"}, 2.43),
        ({"GAIN": 20.0}, 20.0),
        ({"GAIN": 20.5}, None),
        ({"GAIN": 100}, None),  # a setting
        ({"GAIN": 139.0}, None),
        ({"GAIN": 0}, None),
        ({"GAIN": -1.5}, None),
        ({"GAIN": True}, None),
        ({"GAIN": "high"}, None),
        ({"EGAIN": 0.25, "GAIN": 100}, 0.25),
        ({"EGAIN": 0.0, "GAIN": 1.5}, 1.5),
        ({"EGAIN": 1e9, "GAIN": 1.5}, 1.5),
        # who sets an offset sets a gain: 10 is no e-/ADU here
        ({"GAIN": 10, "OFFSET": 50}, None),
        ({"GAIN": 10, "BLKLEVEL": 0}, None),
        ({"GAIN": 10, "CAM_GAIN": 10}, None),
        ({"GAIN": 10, "OFFSET": 50, "EGAIN": 0.8}, 0.8),
    ],
    ids=str,
)
def test_gain_is_only_what_a_camera_may_have_in_electrons(cards, gain):
    assert describe(**cards)["gain"] == gain


@pytest.mark.parametrize(
    ("comment", "gain"),
    [
        ("Nominal Photo-electrons per ADU.", 2.0),
        ("e-/ADU", 2.0),
        ("", 2.0),
        ("DCS GAIN INDEX", None),
        ("Gain setting of the camera", None),
        ("Sensor gain", None),
        ("[dB] amplification", None),
        ("[ADU/e-] conversion", None),
        ("ADU per electron", None),
    ],
)
def test_comment_of_gain_tells_what_it_counts(comment, gain):
    assert describe_commented(GAIN=(2.0, comment))["gain"] == gain
    own = {"cards": {"gain": ["GAIN"]}, "words": {}}
    assert describe_commented(own, GAIN=(2.0, comment))["gain"] == 2.0, "what the settings name counts"


@pytest.mark.parametrize(
    ("value", "noise"), [(8.5, 8.5), (1000.0, 1000.0), (1001, None), (0.0, None), (-1, None), ("5.4", 5.4)]
)
def test_read_noise_is_only_what_a_camera_may_have(value, noise):
    assert describe(RDNOISE=value)["read_noise"] == noise
    assert describe(RDNOISE=value, READNOIS=7.0)["read_noise"] == (noise or 7.0)


@pytest.mark.parametrize(
    ("cards", "celsius"),
    [
        ({"CCD_TEMP": 30.0, "SET_TEMP": -10.0}, 30.0),  # the cooler is off
        ({"SET_TEMP": -10.0}, -10.0),
        ({"CCD_TEMP": -999.0, "SET_TEMP": -10.0}, -10.0),
        ({"CCD_TEMP": "", "SET_TEMP": -1.7e308}, None),
        ({"CCDTEMP": 150.615, "CCDTEMP1": 0.0}, -122.535),
        ({"DET_TEMP": "-95.5"}, -95.5),
        ({"TEMPERAT": -5.23}, -5.23),
        ({"TEMPERAT": 12.0, "CCD_TEMP": -20.0}, -20.0),  # of the air
        ({"AMBTEMP": 11.0, "FOCUSTMP": 5.0, "CAMTEMP": "44 C"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_temperature_is_measured_first_and_the_set_point_stands_in(cards, celsius):
    assert describe(**cards)["temperature"] == celsius


def test_another_gain_in_electrons_is_another_setting_where_nothing_else_tells():
    assert describe(EGAIN=1.5)["gain_setting"] == "1.5"
    assert describe(EGAIN=1.5, GAIN=100)["gain_setting"] == "100"


@pytest.mark.parametrize(
    ("cards", "start"),
    [
        ({"DATE_OBS": "2013/07/13", "UT": "00:57:33"}, "2013-07-13T00:57:33.000"),
        ({"DATE_OBS": "27/02/2013", "UT": "01:02:03"}, "2013-02-27T01:02:03.000"),
        ({"DATE_OBS": "2013-07-13", "UT": "2013-07-13T00:57:33"}, "2013-07-13T00:57:33.000"),
        ({"DATE_OBS": "2013-07-13T01:57:33+01:00"}, "2013-07-13T00:57:33.000"),
        ({"DATE_OBS": "2013-07-13T00:57:33 UTC"}, "2013-07-13T00:57:33.000"),
        ({"DATE_OBS": "2013-07-13T00:57"}, "2013-07-13T00:57:00.000"),
        ({"DATE_OBS": "1928-07-23T21:03:27"}, "1928-07-23T21:03:27.000"),
        ({"MJD_OBS": 59845.5879109}, "2022-09-23T14:06:35.502"),
        ({"MJD_OBS": "59845.5879109"}, "2022-09-23T14:06:35.502"),
        ({"JD": 2459846.0879109}, "2022-09-23T14:06:35.502"),
        ({"DATE_OBS": "2013-07-13", "MJD_OBS": 56486.5}, "2013-07-13T12:00:00.000"),
        ({"DATE_OBS": "no clock", "JD": 2456487.0}, None),  # whole days tell no time
        ({"MJD_OBS": 56486.0}, None),
        ({"MJD_OBS": 1e300}, None),
        ({"JD": 59845.5879}, None),
        ({"DATE_OBS": "2013-07-13", "UT": "10:61:00"}, None),
    ],
    ids=str,
)
def test_start_in_other_forms(cards, start):
    assert describe(**cards)["start"] == start


@pytest.mark.parametrize(
    ("card", "seconds"),
    [
        ((160000, "exposure time in ms"), 160.0),
        ((1500, "[ms] exposure"), 1.5),
        ((2.0, "Exposure time (minutes)"), 120.0),
        ((20, "[s] exposure, measured to 1 ms"), 20.0),
        ((20, "EXPOSURE IN SECONDS"), 20.0),
        ((2500, "microseconds"), 0.0025),
        ((20, ""), 20.0),
        (("20 s", "exposure time in ms"), 20.0),
    ],
)
def test_comment_of_an_exposure_tells_its_unit(card, seconds):
    assert describe_commented(EXPTIME=card)["exposure"] == pytest.approx(seconds, rel=1e-12)


def test_comment_of_a_temperature_tells_kelvin():
    assert describe_commented(CCD_TEMP=(77.0, "[K] dewar"))["temperature"] == -196.15
    assert describe_commented(CCD_TEMP=(77.0, "[degC] dewar"))["temperature"] == 77.0
    assert describe_commented(CCD_TEMP=("20 C", "[K] dewar"))["temperature"] == 20.0


def test_next_card_is_asked_where_the_first_holds_no_such_thing():
    assert describe(EXPTIME="n/a", EXPOSURE=30.0)["exposure"] == 30.0
    assert describe(FILTER="UNKNOWN", FILTNAM="R")["filter"] == "R"


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ({"FILTER": "UNKNOWN"}, None),
        ({"FILTER": "'R'"}, "R"),
        ({"FILTER": '"H alpha"'}, "H alpha"),
        ({"FILTER": "d'"}, "d'"),
        ({"FILTER": "''"}, None),
        ({"FILTER": 48}, "48"),
        ({"FILTER": 2.0}, "2"),
        ({"FILTER": "None"}, "None"),
        ({"FILTER1": "J", "FILTER2": "None"}, "J"),
        ({"FILTER1": "B", "FILTER2": "ND1"}, "B+ND1"),
        ({"FILTER1": "open1-6", "FILTER2": "unknown"}, "open1-6"),
        ({"FILTER": "RGGB", "FILTER1": "L-eXtreme"}, "L-eXtreme"),
        ({"FILTER": "rggb"}, None),
    ],
    ids=str,
)
def test_filters_in_any_form(cards, name):
    assert describe(**cards)["filter"] == name


# The pattern of a picture, how it is stored, and the colours of the first two pixels of the file's first two rows.
# The offsets and row orders are those of the test images that Siril's documentation of FITS orientation links to.
@pytest.mark.parametrize(
    ("cards", "mosaic"),
    [
        ({"BAYERPAT": "RGGB"}, "RGGB"),
        ({"BAYERPAT": " bggr "}, "BGGR"),
        ({"BAYERPAT": "'GRBG'"}, "GRBG"),
        ({"COLORTYP": "GBRG"}, "GBRG"),
        ({"BAYERPAT": "RGGB", "ROWORDER": "TOP-DOWN"}, "RGGB"),
        ({"BAYERPAT": "RGGB", "ROWORDER": "BOTTOM-UP"}, "GBRG"),
        ({"BAYERPAT": "GRBG", "ROWORDER": "bottom_up"}, "BGGR"),
        ({"BAYERPAT": "RGGB", "ROWORDER": "BOTTOM-UP", "NAXIS2": 51}, "RGGB"),  # the last row is the first of a pair
        ({"BAYERPAT": "RGGB", "XBAYROFF": 1}, "GRBG"),
        ({"BAYERPAT": "RGGB", "YBAYROFF": 1}, "GBRG"),
        ({"BAYERPAT": "RGGB", "XBAYROFF": 1, "YBAYROFF": 1}, "BGGR"),
        ({"BAYERPAT": "RGGB", "XBAYROFF": 2, "YBAYROFF": -3}, "GBRG"),
        ({"BAYERPAT": "RGGB", "YBAYROFF": 1, "ROWORDER": "BOTTOM-UP"}, "RGGB"),
        ({"COLORTYP": 2, "XBAYROFF": 1, "YBAYROFF": 0}, "GRBG"),
        ({"COLORTYP": 0}, None),
        ({"COLORTYP": "RGB"}, None),
        ({"BAYERPAT": "NONE"}, None),
        ({"FILTER": "RGGB", "XBAYROFF": 1}, "GRBG"),
        ({"FILTER": "2"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_mosaic_is_in_the_order_of_the_pixels(cards, mosaic):
    known = describe(**{"NAXIS1": 100, "NAXIS2": 50} | cards)
    assert (known["mosaic"], known["notes"]) == (mosaic, "")


@pytest.mark.parametrize("value", ["CMYG", "GGRGGB", "RRGB", 3, True, "R\tG", "RGGBRGGB"])
def test_what_is_no_mosaic_is_noted(value):
    known = from_text(f"BAYERPAT= {value!r:<20}" if not isinstance(value, bool) else "BAYERPAT=                    T")
    assert known["mosaic"] is None
    assert known["notes"].startswith("mosaic ")


def test_place_of_an_amplifier_is_told_as_it_stands():
    assert describe(DETSEC=" [2048:1025,1:2048] ", CCDSEC="[1:2,3:4]")["place"] == "[2048:1025,1:2048]"
    assert describe(CCDSEC="[1:2,3:4]")["place"] == "[1:2,3:4]"
    assert describe()["place"] is None
    assert describe(DATASEC="[5:96,1:50]", NAXIS1=100, NAXIS2=50)["data"] == "[5:96,1:50]"


def test_ranges_match_numbers():
    assert matches(0.0005, "0..0.000999")
    assert matches("1e-32", "0..0.000999")
    assert not matches(0.001, "0..0.000999")
    assert not matches(-1, "0..0.000999")
    assert matches("0..0.5", "0..0.5")
