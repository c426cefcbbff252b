"""Whatever a header holds, it is described without an exception and by values of the right types."""

import math
import re
import warnings
from datetime import datetime

from astropy.io import fits
from hypothesis import example, given, settings
from hypothesis import strategies as st

from darkroom.dialects import read_dialects
from darkroom.fixes import apply_fixes, find_fixes, list_fix_problems
from darkroom.headers import describe_header
from darkroom.nights import find_night
from darkroom.patterns import matches
from darkroom.processed import find_processing
from darkroom.quantities import read_angle, read_duration
from darkroom.readings import ParsedCards
from darkroom.sections import parse_section
from darkroom.values import find_value, read_card_name

NO_OVERRIDES = {"cards": {}, "words": {}}
DIALECTS = read_dialects()
CONCEPTS = sorted(DIALECTS["generic"]["cards"])


def list_cards_asked(dialect):
    """Every card that a dialect asks, to be recognised by or to be described."""
    named = [name for names in dialect["cards"].values() for name in names]
    cards = {keyword for name in named for keyword in read_card_name(name).keywords}
    cards |= {card for signs in dialect["recognise"] for card in signs}
    cards |= {card for by_card in dialect["derive"].values() for card in by_card}
    cards |= {card for names in dialect["mosaic"].values() for card in names}
    cards |= {key for rule in dialect["rules"] for key in rule["when"] if key.isupper()}
    return cards | set(dialect["processed"]["done"] + dialect["processed"]["combined"])


def list_signs(dialect):
    """Cards by which a dialect is recognised, with values that its globs match."""
    first = [
        {card: glob[0] if isinstance(glob, list) else glob for card, glob in s.items()} for s in dialect["recognise"]
    ]
    return [
        {card: str(glob).replace("*", "7").replace("[0-9]", "1") for card, glob in signs.items()} for signs in first
    ]


NAMES = sorted({card for dialect in DIALECTS.values() for card in list_cards_asked(dialect)})
PRINTABLE = st.text(alphabet=[chr(code) for code in range(32, 127)], max_size=60)
DATES = ["2024-03-10T23:59:30.1", "2024-03-10", "31/12/99", "0001-01-01T00:00:00", "9999-12-31T24:59:60", "23:59:60"]
OTHERS = [
    "-105 49 13",
    "1e400",
    "[1:5,1:5]",
    "[0:9,9:0]",
    "dark",
    "sky flat",
    "2 2",
    "'",
    "",
    "1_0",
    "*",
    "[a-",
    "+",
    "?",
]
COLOURS = [
    "RGGB",
    "bggr",
    "CMYG",
    "RGB",
    "BOTTOM-UP",
    "TOP-DOWN",
    "'GRBG'",
    "1/250",
    "5 ms",
    "0..1",
    "1e308 h",
    "9" * 60,
]
WORDS = [word.replace("*", " ") for kinds in DIALECTS["generic"]["words"].values() for word in kinds]
TELLING = st.sampled_from([*DATES, *OTHERS, *COLOURS, *WORDS, "NaN"])
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
    assert known["dialect"] in DIALECTS
    texts = ("kind_word", "technique", "filter", "object", "camera", "telescope", "readout", "place", "calibrated")
    for field in (*texts, "gain_setting", "offset_setting"):
        assert known[field] is None or (isinstance(known[field], str) and known[field].strip() == known[field] != "")
        assert known[field] is None or known[field].isprintable()
    for field in ("exposure", "gain", "read_noise", "saturation", "longitude", "temperature"):
        assert known[field] is None or (isinstance(known[field], float) and math.isfinite(known[field]))
    assert len(known["notes"].splitlines()) <= 1
    assert known["binning"] is None or re.fullmatch(r".+x.+", known["binning"])
    assert known["window"] is None or re.fullmatch(r".+,.+", known["window"])
    assert known["mosaic"] in ("RGGB", "BGGR", "GRBG", "GBRG", None)
    for field in ("trim", "overscan", "data"):
        if known[field] is not None:
            assert str(parse_section(known[field])) == known[field]
            assert parse_section(known[field]).fits_into((50, 100))
    if known["start"] is not None:
        assert datetime.fromisoformat(known["start"]).isoformat(timespec="milliseconds") == known["start"]
        night, _ = find_night(known["start"], known["longitude"], {"longitude": None, "night_offset_hours": None})
        assert abs((datetime.fromisoformat(night).date() - datetime.fromisoformat(known["start"]).date()).days) <= 1


@settings(max_examples=1500)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12))
@example({"COVER": 32, "DATE-BEG": True, "DATASEC": 5})
@example({"ESO DPR TYPE": 1.5, "ESO DPR TECH": None, "ESO DET WIN1 BINX": "x"})
@example({"IMAGETYP": "[", "EXPTIME": "1e-400", "OBJECT": "*"})
def test_any_values_are_described(cards):
    header = make_header(cards | {"NAXIS1": 100, "NAXIS2": 50})
    known = describe_header(header, NO_OVERRIDES)
    check(known)
    assert find_processing(header, "n/a.fits", known, {}).isprintable()
    assert describe_header(ParsedCards(header), NO_OVERRIDES) == known, "whether cards are looked up once or again"


@settings(max_examples=800)
@given(st.data(), st.sampled_from(sorted(set(DIALECTS) - {"generic"})), st.booleans())
def test_any_values_are_described_by_any_dialect(data, name, forced):
    signs = data.draw(st.sampled_from(list_signs(DIALECTS[name])))
    cards = data.draw(st.dictionaries(st.sampled_from(sorted(list_cards_asked(DIALECTS[name]))), VALUES, max_size=8))
    if forced:
        known = describe_header(make_header(cards | {"NAXIS1": 100, "NAXIS2": 50}), NO_OVERRIDES | {"dialect": name})
        assert known["dialect"] == name
    else:
        header = make_header({"NAXIS1": 100, "NAXIS2": 50} | cards | signs)
        known = describe_header(header, NO_OVERRIDES)
        signs = DIALECTS[known["dialect"]]["recognise"]
        assert any(all(matches(find_value(header, [c]), glob) for c, glob in each.items()) for each in signs)
    check(known)


RULES = st.lists(
    st.fixed_dictionaries(
        {
            "match": st.dictionaries(
                st.sampled_from([*NAMES, *CONCEPTS, "file"]), TELLING | st.integers(-2, 2), max_size=2
            ),
            "set": st.dictionaries(st.sampled_from([*NAMES, *CONCEPTS]), VALUES, max_size=4),
        }
    ),
    max_size=4,
)


@settings(max_examples=800)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6), RULES, st.sampled_from([None, *DIALECTS]))
@example({"BAYERPAT": "RGGB"}, [{"match": {}, "set": {"mosaic": None}}], None)
@example({}, [{"match": {}, "set": {"gain": 1.5, "GAIN": None}}], "lick")
def test_any_rules_give_a_header_that_is_described(cards, rules, dialect):
    overrides = NO_OVERRIDES | {"fix": rules, "dialect": dialect}
    header = ParsedCards(make_header(cards | {"NAXIS1": 100, "NAXIS2": 50}))
    fixes = find_fixes(header, "night/frame.fits", overrides)
    fixed = apply_fixes(header, fixes)
    check(describe_header(fixed, overrides))
    assert set(fixes.values()) <= {None, *(value for rule in rules for value in rule["set"].values())}
    for card, value in fixes.items():
        assert fixed.get(card) == value
        assert (card in fixed) == (value is not None)
    assert header.header == make_header(cards | {"NAXIS1": 100, "NAXIS2": 50}), "the header itself stays as it is"
    if not list(list_fix_problems(rules)):  # then each can be written into a FITS header
        make_header({card: value for card, value in fixes.items() if value is not None}).tostring()


@settings(max_examples=300)
@given(
    st.lists(
        st.dictionaries(st.text(max_size=12), VALUES | st.lists(st.integers(), max_size=1), max_size=3), max_size=3
    )
)
def test_any_rules_are_judged(parts):
    rules = [{"match": part, "set": part} for part in parts]
    for problem in list_fix_problems(rules):
        assert problem.startswith("headers.fix.")
    assert list(list_fix_problems([{"match": None, "set": part} for part in parts]))[: len(parts)] or not parts


@settings(max_examples=200)
@given(
    st.sampled_from(["RGGB", "BGGR", "GRBG", "GBRG"]),
    st.integers(-5, 5),
    st.integers(-5, 5),
    st.sampled_from([None, "TOP-DOWN", "BOTTOM-UP"]),
    st.integers(2, 99),
)
def test_mosaic_is_the_part_of_the_picture_that_the_first_pixels_show(pattern, column, row, order, height):
    colour = [[pattern[2 * (y % 2) + x % 2] for x in range(20)] for y in range(120)]  # a picture, from its top
    stored = colour[:height] if order != "BOTTOM-UP" else colour[:height][::-1]
    x, y = column % 2, row % 2
    # left out at the side where the file begins: the pattern goes on there as it would
    expected = "".join(stored[(y + j) % 2][(x + i) % 2] for j in range(2) for i in range(2))
    cards = {"BAYERPAT": pattern, "XBAYROFF": column, "YBAYROFF": row, "NAXIS1": 20, "NAXIS2": height}
    known = describe_header(make_header(cards | ({"ROWORDER": order} if order else {})), NO_OVERRIDES)
    assert known["mosaic"] == expected


@settings(max_examples=500)
@given(st.lists(st.tuples(st.sampled_from([n for n in NAMES if " " not in n]), PRINTABLE), max_size=6))
@example([("EXPTIME", "= 1.2.3"), ("FILTER", "= 'open"), ("DATE-OBS", "= ")])
def test_any_broken_cards_are_described(cards):
    lines = [(name.ljust(8) + text)[:80].ljust(80) for name, text in cards]
    ends = [line.ljust(80) for line in ("NAXIS1  = 100", "NAXIS2  = 50", "END")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = fits.Header.fromstring("".join(lines + ends))
        check(describe_header(header, NO_OVERRIDES))


@settings(max_examples=300)
@given(st.floats(0, 179.99), st.booleans(), st.sampled_from(["{} {} {:.3f}", "{}:{}:{:.3f}", "{}d{}m{:.3f}s"]))
def test_angles_survive_being_written_in_sixtieths(degrees, west, form):
    whole, rest = divmod(degrees * 60, 60)
    minutes = int(rest)
    seconds = min((rest - minutes) * 60, 59.999)
    text = ("-" if west else "") + form.format(int(whole), minutes, seconds)
    expected = -degrees if west else degrees
    assert math.isclose(read_angle(text), expected, abs_tol=1e-6)


@settings(max_examples=300)
@given(PRINTABLE | TELLING)
@example("9" * 400 + " 5")
@example("5 " + "9" * 400)
def test_any_text_is_an_angle_or_none(text):
    angle = read_angle(text)
    assert angle is None or math.isfinite(angle)


@settings(max_examples=300)
@given(VALUES, st.sampled_from(["", "s", "ms", "us", "min", "h", "K", "furlong"]))
@example("1e308", "h")
@example("1e308 min", "")
def test_any_value_is_a_duration_or_none(value, unit):
    seconds = read_duration(value, unit)
    assert seconds is None or math.isfinite(seconds)
