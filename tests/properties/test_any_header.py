"""Whatever a header holds, it is described without an exception and by values of the right types."""

import math
import re
import warnings
from datetime import datetime

from astropy.io import fits
from hypothesis import example, given
from hypothesis import strategies as st

from darkroom.headers import describe_header, read_angle, read_dialects
from darkroom.nights import find_night
from darkroom.sections import parse_section

NO_OVERRIDES = {"cards": {}, "words": {}}
NAMES = sorted({name for d in read_dialects().values() for names in d["cards"].values() for name in names})
PRINTABLE = st.text(alphabet=[chr(code) for code in range(32, 127)], max_size=60)
DATES = ["2024-03-10T23:59:30.1", "2024-03-10", "31/12/99", "0001-01-01T00:00:00", "9999-12-31T24:59:60", "23:59:60"]
OTHERS = ["-105 49 13", "1e400", "[1:5,1:5]", "[0:9,9:0]", "dark", "sky flat", "2 2", "'", "", "1_0", "*", "[a-", "+"]
TELLING = st.sampled_from([*DATES, *OTHERS, "NaN"])
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    PRINTABLE,
    TELLING,
)


def make_header(cards):
    header = fits.Header()
    for name, value in cards.items():
        header[f"HIERARCH {name}" if " " in name or len(name) > 8 else name] = value
    return header


def check(known):
    assert known["kind"] in ("bias", "dark", "flat", "light", None)
    assert known["dialect"] in read_dialects()
    texts = ("kind_word", "technique", "filter", "object", "camera", "telescope", "readout")
    for field in (*texts, "gain_setting", "offset_setting"):
        assert known[field] is None or (isinstance(known[field], str) and known[field].strip() == known[field] != "")
    for field in ("exposure", "gain", "read_noise", "saturation", "longitude"):
        assert known[field] is None or (isinstance(known[field], float) and math.isfinite(known[field]))
    assert len(known["notes"].splitlines()) <= 1
    assert re.fullmatch(r".+x.+", known["binning"])
    assert re.fullmatch(r".+,.+", known["window"])
    for field in ("trim", "overscan"):
        if known[field] is not None:
            assert str(parse_section(known[field])) == known[field]
            assert parse_section(known[field]).fits_into((50, 100))
    if known["start"] is not None:
        assert datetime.fromisoformat(known["start"]).isoformat(timespec="milliseconds") == known["start"]
        night, _ = find_night(known["start"], known["longitude"], {"longitude": None, "night_offset_hours": None})
        assert abs((datetime.fromisoformat(night) - datetime.fromisoformat(known["start"])).days) <= 1


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12))
@example({"COVER": 32, "DATE-BEG": True, "DATASEC": 5})
@example({"ESO DPR TYPE": 1.5, "ESO DPR TECH": None, "ESO DET WIN1 BINX": "x"})
@example({"IMAGETYP": "[", "EXPTIME": "1e-400", "OBJECT": "*"})
def test_any_values_are_described(cards):
    check(describe_header(make_header(cards | {"NAXIS1": 100, "NAXIS2": 50}), NO_OVERRIDES))


@given(st.lists(st.tuples(st.sampled_from([n for n in NAMES if " " not in n]), PRINTABLE), max_size=6))
@example([("EXPTIME", "= 1.2.3"), ("FILTER", "= 'open"), ("DATE-OBS", "= ")])
def test_any_broken_cards_are_described(cards):
    lines = [(name.ljust(8) + text)[:80].ljust(80) for name, text in cards]
    ends = [line.ljust(80) for line in ("NAXIS1  = 100", "NAXIS2  = 50", "END")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = fits.Header.fromstring("".join(lines + ends))
        check(describe_header(header, NO_OVERRIDES))


@given(st.floats(0, 179.99), st.booleans(), st.sampled_from(["{} {} {:.3f}", "{}:{}:{:.3f}", "{}d{}m{:.3f}s"]))
def test_angles_survive_being_written_in_sixtieths(degrees, west, form):
    whole, rest = divmod(degrees * 60, 60)
    minutes = int(rest)
    seconds = min((rest - minutes) * 60, 59.999)
    text = ("-" if west else "") + form.format(int(whole), minutes, seconds)
    expected = -degrees if west else degrees
    assert math.isclose(read_angle(text), expected, abs_tol=1e-6)


@given(PRINTABLE | TELLING)
def test_any_text_is_an_angle_or_none(text):
    angle = read_angle(text)
    assert angle is None or math.isfinite(angle)
