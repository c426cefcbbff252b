"""Cards: what of a raw header stays true in a product, and what is kept though it cannot be mended."""

import io

import pytest
from astropy.io import fits
from astropy.wcs import WCS

from darkroom.cards import clean_header, describe_light, describe_master, shift_coordinates

TRIMMED = {"section": "[101:104,1:50]", "trim": "[11:90,4:50]"}


def from_text(*lines):
    return fits.Header.fromstring("".join(line.ljust(80)[:80] for line in (*lines, "END")))


def make_recipe(kind="light", overscan=None, **frames):
    """A recipe of frames by name, each with its start and exposure."""
    frames = frames or {"m67.fits": ("2024-03-11T02:00:00.000", 60.0)}
    described = [
        {"name": name, "digest": f"digest of {name!a}", "start": start, "exposure": exposure}
        for name, (start, exposure) in frames.items()
    ]
    holds = {"unit": "relative" if kind == "flat" else "adu", "bias": kind != "flat"}
    return {"kind": kind, "settings": {"overscan": overscan}, "frames": described, "holds": holds}


def make_wcs_header():
    header = fits.Header({"NAXIS": 2, "NAXIS1": 104, "NAXIS2": 50, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"})
    header.update({"CRVAL1": 132.846, "CRVAL2": 11.814, "CRPIX1": 40.5, "CRPIX2": 20.25, "RADESYS": "ICRS"})
    header.update({"CD1_1": -1e-4, "CD1_2": 1e-6, "CD2_1": 2e-6, "CD2_2": 1e-4})
    return header


def test_every_reference_pixel_moves_with_the_trim():
    header = make_wcs_header()
    header.update({"CRPIX1A": 1.0, "CRPIX2A": 1.0, "CRPIX1P": 5, "CRPIX2P": 6, "LTV1": 0.0, "LTV2": 2.0})
    header.update({"CRPIX12": 7.0, "XCRPIX1": 7.0, "CRVAL1A": 3.0, "LTM1_1": 1.0})
    before = header.copy()
    shift_coordinates(header, "[11:90,4:50]")  # ten columns and three rows go
    moved = {name: before[name] - header[name] for name in before if before[name] != header[name]}
    assert moved == {
        "CRPIX1": 10,
        "CRPIX2": 3,
        "CRPIX1A": 10,
        "CRPIX2A": 3,
        "CRPIX1P": 10,
        "CRPIX2P": 3,
        "LTV1": 10,
        "LTV2": 3,
    }


def test_a_star_keeps_its_place_on_the_sky_through_a_trim():
    header = make_wcs_header()
    ra, dec = WCS(header).wcs_pix2world(60.0, 30.0, 1)
    light = describe_light(header, make_recipe(overscan=TRIMMED))
    assert WCS(light).wcs_pix2world(60.0 - 10, 30.0 - 3, 1) == [pytest.approx(ra), pytest.approx(dec)]


def test_trim_of_the_far_side_moves_nothing():
    header = make_wcs_header()
    shift_coordinates(header, "[1:90,1:40]")
    assert header == make_wcs_header()


def test_reference_pixel_given_twice_moves_once():
    header = from_text("CRPIX1  =                 40.5", "CRPIX1  =                 40.5")
    shift_coordinates(header, "[11:90,1:50]")
    assert header["CRPIX1"] == 30.5


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
@pytest.mark.parametrize("value", ["", "'middle'", "1.2.3"])
def test_reference_pixel_that_is_no_number_stays(value):
    header = from_text(f"CRPIX1  = {value}", "CRPIX2  =                 20.0")
    shift_coordinates(header, "[11:90,4:50]")
    assert header["CRPIX2"] == 17.0
    assert value.strip("'") in str(header.cards["CRPIX1"])


def test_light_keeps_what_is_still_true_and_loses_what_is_not():
    raw = make_wcs_header()
    raw.update({"OBJECT": "M67", "CCD-TEMP": -10.1, "BZERO": 32768, "BSCALE": 1, "DATAMAX": 65535, "BLANK": -1})
    raw.update({"CHECKSUM": "abc", "DATASUM": "123", "SATURATE": 60000.0, "CBLACK": 1, "CWHITE": 2, "BUNIT": "counts"})
    raw.update({"BIASSEC": "[101:104,1:50]", "TRIMSEC": "[11:90,4:50]", "DATASEC": "[1:100,1:50]"})
    raw["HISTORY"] = "a night to remember"
    before = raw.copy()
    light = describe_light(raw, make_recipe(overscan=TRIMMED))
    assert raw == before, "the raw header itself must not change"
    gone = set(raw) - set(light)
    assert gone == {"NAXIS", "NAXIS1", "NAXIS2", "BZERO", "BSCALE", "DATAMAX", "BLANK", "CHECKSUM", "DATASUM"} | {
        "SATURATE",
        "CBLACK",
        "CWHITE",
        "BIASSEC",
        "TRIMSEC",
        "DATASEC",
    }
    assert (light["OBJECT"], light["CCD-TEMP"], light["CRVAL1"]) == ("M67", -10.1, 132.846)
    assert light["BUNIT"] == "adu"
    assert (light["RAWFILE"], light["RAWID"]) == ("m67.fits", "digest of 'm67.fits'")
    assert list(light["HISTORY"]) == ["a night to remember"]


def test_sections_stay_where_no_overscan_was_taken_off():
    light = describe_light(fits.Header({"DATASEC": "[1:100,1:50]", "CRPIX1": 5.0}), make_recipe())
    assert (light["DATASEC"], light["CRPIX1"]) == ("[1:100,1:50]", 5.0)


def test_name_that_is_not_ascii_is_written_so_that_it_can_be_read_back():
    recipe = make_recipe(**{"M67_ü.fits": ("2024-03-11T02:00:00.000", 60.0)})
    light = describe_light(fits.Header(), recipe)
    assert light["RAWFILE"].encode("ascii").decode("unicode_escape") == "M67_ü.fits"


def test_master_keeps_only_the_cards_on_which_all_frames_agree():
    common = {"INSTRUME": "CCD", "GAIN": 1.5, "XBINNING": 2, "FLIPPED": True, "HIERARCH ESO DET ID": "x"}
    first = fits.Header(common | {"CCD-TEMP": -10.0, "JD": 1.0, "ONLY1": 1, "LAST": 1})
    second = fits.Header(common | {"CCD-TEMP": -10.1, "JD": 2.0, "ONLY2": 1, "LAST": 1})
    third = fits.Header(common | {"CCD-TEMP": -10.0, "JD": 3.0, "ONLY1": 1, "LAST": 2})
    for header in (first, second, third):
        header["HISTORY"] = "written of one exposure"
        header["COMMENT"] = "written of one exposure"
    frames = {name: ("2024-03-11T02:00:00.000", 60.0) for name in "abc"}
    master = describe_master([first, second, third], make_recipe("dark", **frames))
    own = {"IMAGETYP", "EXPTIME", "BUNIT", "DATE-OBS", "DATE-END"}
    assert set(master) == {"INSTRUME", "GAIN", "XBINNING", "FLIPPED", "ESO DET ID"} | own
    assert {name: master[name] for name in ("INSTRUME", "GAIN", "FLIPPED")} == {
        "INSTRUME": "CCD",
        "GAIN": 1.5,
        "FLIPPED": True,
    }


def test_master_says_mean_exposure_first_start_and_last_end():
    frames = {
        "b": ("2024-03-11T02:00:00.000", 60.0),
        "a": ("2024-03-10T23:58:30.500", 30.0),
        "c": ("2024-03-11T01:59:59.000", 90.25),
    }
    raws = [fits.Header({"DATE-OBS": start, "EXPTIME": seconds}) for start, seconds in frames.values()]
    master = describe_master(raws, make_recipe("dark", **frames))
    assert master["IMAGETYP"] == "MASTER DARK"
    assert master["EXPTIME"] == pytest.approx((60 + 30 + 90.25) / 3, abs=1e-6)
    assert master["DATE-OBS"] == "2024-03-10T23:58:30.500"
    assert master["DATE-END"] == "2024-03-11T02:01:29.250"


def test_master_bias_has_no_exposure():
    frames = {name: ("2024-03-11T02:00:00.000", None) for name in "ab"}
    master = describe_master([fits.Header(), fits.Header()], make_recipe("bias", **frames))
    assert master["EXPTIME"] == 0.0
    assert master["DATE-OBS"] == master["DATE-END"]


def test_master_has_no_place_on_the_sky():
    raw = make_wcs_header()
    raw.update({"CRPIX1A": 1.0, "CTYPE1A": "x", "PV1_1": 0.5, "EQUINOX": 2000.0})
    frames = {name: ("2024-03-11T02:00:00.000", 1.0) for name in "ab"}
    master = describe_master([raw, raw.copy()], make_recipe("flat", **frames))
    assert set(master) == {"IMAGETYP", "EXPTIME", "BUNIT", "DATE-OBS", "DATE-END"}


def test_old_names_are_renamed_and_do_not_overrule_new_ones():
    header = clean_header(fits.Header({"RADECSYS": "FK5", "EPOCH": 2000.0}))
    assert {name: header[name] for name in header} == {"RADESYS": "FK5", "EQUINOX": 2000.0}
    header = clean_header(fits.Header({"RADECSYS": "FK5", "RADESYS": "ICRS", "EPOCH": 1950.0, "EQUINOX": 2000.0}))
    assert {name: header[name] for name in header} == {"RADESYS": "ICRS", "EQUINOX": 2000.0}
    assert "EQUINOX" not in clean_header(fits.Header({"EPOCH": "tonight"}))


@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
def test_cards_that_cannot_be_mended_are_kept_as_history():
    broken = [
        "GARBLED = (1.0, 2",
        "OPEN    = 'no end of text",
        "TABBED  = 'a\tb'",
        "A?B     = 'odd name'",
        "LENGTH  = 5 / \x7f",
    ]
    clean = clean_header(from_text(*broken, "lower   =                    7", "OBJECT  = 'M67     '"))
    text = "".join(map(str, clean.cards))
    fits.PrimaryHDU(header=clean).writeto(io.BytesIO(), output_verify="exception")
    assert (clean["OBJECT"], clean["LOWER"]) == ("M67", 7)
    for what in ("1.0, 2", "no end of text", "a\\tb", "odd name", "LENGTH  = 5"):
        assert what in text


def test_second_card_of_one_name_is_kept_as_history():
    clean = clean_header(from_text("FILTER  = 'V       '", "FILTER  = 'B       '"))
    assert clean["FILTER"] == "V"
    assert clean.count("FILTER") == 1
    assert ["FILTER" in line and "'B'" in line for line in clean["HISTORY"]] == [True]


def test_comments_stay_in_their_order():
    header = fits.Header()
    for text in ("one", "two", "one"):
        header["COMMENT"] = text
    header["HISTORY"] = "three"
    clean = clean_header(header)
    assert (list(clean["COMMENT"]), list(clean["HISTORY"])) == (["one", "two", "one"], ["three"])


@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
@pytest.mark.filterwarnings("ignore::astropy.io.fits.verify.VerifyWarning")
@pytest.mark.parametrize("value", ["= (1.0, 2", "= 1.2.3", "= 'no end", "no value", "= 'a\0b'", "="])
def test_broken_card_stops_neither_a_light_nor_a_master(value):
    raws = [from_text("INSTRUME= 'CCD     '", f"GARBLED {value}", "GAIN    =                  1.5") for _ in range(2)]
    frames = {name: ("2024-03-11T02:00:00.000", 1.0) for name in "ab"}
    for header in (describe_light(raws[0], make_recipe()), describe_master(raws, make_recipe("bias", **frames))):
        clean = clean_header(header)
        assert (clean["INSTRUME"], clean["GAIN"]) == ("CCD", 1.5)


def test_master_of_trimmed_frames_has_no_sections():
    raws = [fits.Header({"BIASSEC": "[101:104,1:50]", "TRIMSEC": "[11:90,4:50]", "GAIN": 1.5}) for _ in range(2)]
    frames = {name: ("2024-03-11T02:00:00.000", 1.0) for name in "ab"}
    assert set(describe_master(raws, make_recipe("bias", **frames))) >= {"BIASSEC", "TRIMSEC"}
    trimmed = describe_master(raws, make_recipe("bias", overscan=TRIMMED, **frames))
    assert {"BIASSEC", "TRIMSEC"}.isdisjoint(trimmed)
    assert trimmed["GAIN"] == 1.5


@pytest.mark.parametrize(
    ("order", "trim", "pattern"),
    [
        (None, "[2:91,4:51]", "BGGR"),
        ("TOP-DOWN", "[2:91,3:50]", "GRBG"),
        ("BOTTOM-UP", "[2:91,3:50]", "BGGR"),
        ("BOTTOM-UP", "[2:91,3:49]", "GRBG"),
    ],
)
def test_trimmed_mosaic_says_which_colours_it_begins_with(order, trim, pattern):
    raw = fits.Header({"BAYERPAT": "RGGB", "XBAYROFF": 1, "YBAYROFF": 0} | ({"ROWORDER": order} if order else {}))
    recipe = make_recipe(overscan={"section": "[101:104,1:60]", "trim": trim}) | {"mosaic": "RGGB"}
    header = describe_light(raw, recipe)
    assert header["BAYERPAT"] == pattern
    assert "XBAYROFF" not in header
