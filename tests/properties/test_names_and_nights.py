"""What holds of every name and every moment."""

import re
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from hypothesis import assume, example, given
from hypothesis import strategies as st

from darkroom.nights import find_night, nights_apart
from darkroom.sections import Section, parse_section
from darkroom.setups import make_slug

NOWHERE = {"longitude": None, "night_offset_hours": None}
TEXTS = st.text(max_size=120) | st.text(alphabet="./\\-_ {}aA~'", max_size=8)
DAYS = st.dates(min_value=datetime(1900, 1, 2).date(), max_value=datetime(2200, 1, 1).date())


@given(TEXTS)
@example("..")
@example("../..")
@example(".")
@example("")
@example("/")
@example("~")
def test_slug_is_one_safe_ascii_part_of_a_path(text):
    slug = make_slug(text)
    assert slug
    assert re.fullmatch(r"[A-Za-z0-9._+:=@,()-]+", slug)
    assert slug[0] not in ".-"
    assert slug not in (".", "..")
    assert PurePosixPath(slug).parts == (slug,)
    assert len(slug) <= 100


@given(TEXTS, TEXTS)
@example("a/b", "a_b")
@example("a b", "a  b")
@example("g'", "g")
@example("V ", "V")
@example("", "_")
@example("none", None)
@example("x" * 81, "x" * 82)
def test_distinct_texts_have_distinct_slugs(one, other):
    assume(one != other)
    assert make_slug(one) != make_slug(other)


@given(DAYS, st.floats(-180, 360))
def test_frames_just_before_and_after_local_noon_belong_to_different_nights(day, longitude):
    # local mean solar time is UTC + longitude / 15 h, with the longitude between -180 and 180
    east = longitude if longitude < 180 else longitude - 360
    noon = datetime(day.year, day.month, day.day, 12) - timedelta(hours=east / 15)
    before, after = (
        find_night((noon + timedelta(seconds=s)).isoformat(timespec="milliseconds"), longitude, NOWHERE)[0]
        for s in (-1, 1)
    )
    assert after == day.isoformat()
    assert before == (day - timedelta(days=1)).isoformat()


@given(DAYS, st.floats(-180, 360), st.floats(0.01, 23.99))
def test_all_frames_between_two_noons_belong_to_one_night(day, longitude, hours):
    east = longitude if longitude < 180 else longitude - 360
    moment = datetime(day.year, day.month, day.day, 12) - timedelta(hours=east / 15 - hours)
    assert find_night(moment.isoformat(timespec="milliseconds"), longitude, NOWHERE)[0] == day.isoformat()


@given(DAYS, DAYS, DAYS)
def test_nights_apart_is_a_distance(one, two, three):
    a, b, c = one.isoformat(), two.isoformat(), three.isoformat()
    assert nights_apart(a, b) == nights_apart(b, a) == abs((one - two).days)
    assert nights_apart(a, c) <= nights_apart(a, b) + nights_apart(b, c)


@given(*[st.integers(1, 10**6)] * 4)
def test_sections_survive_being_written_and_read(x1, x2, y1, y2):
    section = Section(min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2))
    assert parse_section(str(section)) == section


@given(st.text(alphabet="[]:,0123456789 -٣", max_size=20) | st.text())
def test_any_text_is_a_section_or_a_value_error(text):
    try:
        section = parse_section(text)
    except ValueError:
        return
    assert 1 <= section.x1 <= section.x2
    assert 1 <= section.y1 <= section.y2
