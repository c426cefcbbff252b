"""Nights run from noon to noon, mean solar time at the site, and bear the date of the evening."""

import pytest

from darkroom.nights import find_night, nights_apart

NOWHERE = {"longitude": None, "night_offset_hours": None}


def site(**known):
    return NOWHERE | known


@pytest.mark.parametrize(
    ("start", "longitude", "night"),
    [
        # New Mexico, 105.82 W: noon is at 19:03:17 UTC
        ("2024-03-10T19:03:00.000", -105.82, "2024-03-09"),
        ("2024-03-10T19:04:00.000", -105.82, "2024-03-10"),
        ("2024-03-11T12:00:00.000", -105.82, "2024-03-10"),  # dawn
        ("2024-03-10T19:04:00.000", 254.18, "2024-03-10"),  # the same site in 0 to 360
        ("2024-03-10T19:03:00.000", 254.18, "2024-03-09"),
        # Siding Spring, 149.07 E: noon is at 02:03:43 UTC
        ("2024-03-10T02:03:00.000", 149.07, "2024-03-09"),
        ("2024-03-10T02:04:00.000", 149.07, "2024-03-10"),
        ("2024-03-10T23:59:59.999", 149.07, "2024-03-10"),
        # Greenwich
        ("2024-03-10T11:59:59.999", 0.0, "2024-03-09"),
        ("2024-03-10T12:00:00.000", 0.0, "2024-03-10"),
        ("2024-03-10T12:00:00.000", 360.0, "2024-03-10"),
        # over a leap day and the turn of the year
        ("2024-03-01T03:00:00.000", 0.0, "2024-02-29"),
        ("2025-01-01T05:00:00.000", -70.4, "2024-12-31"),
    ],
)
def test_night_runs_from_noon_to_noon_at_the_longitude(start, longitude, night):
    assert find_night(start, longitude, NOWHERE) == (night, "")


def test_header_longitude_comes_before_the_settings():
    start = "2024-03-10T15:00:00.000"
    assert find_night(start, -105.82, site(longitude=0.0)) == ("2024-03-09", "")
    assert find_night(start, None, site(longitude=0.0)) == ("2024-03-10", "")
    assert find_night(start, None, site(longitude=-105.82)) == ("2024-03-09", "")


def test_unknown_site_is_taken_as_greenwich_and_noted():
    night, note = find_night("2024-03-10T12:30:00.000", None, NOWHERE)
    assert night == "2024-03-10"
    assert "site.longitude" in note


@pytest.mark.parametrize(
    ("offset", "night"), [(0, "2024-03-10"), (-6, "2024-03-09"), (19.0, "2024-03-11"), (-48, "2024-03-08")]
)
def test_offset_is_added_to_utc_before_the_date_is_taken(offset, night):
    found, note = find_night("2024-03-10T05:30:00.000", -105.82, site(night_offset_hours=offset))
    assert found == night
    assert note == ""


@pytest.mark.parametrize(
    ("first", "second", "days"),
    [("2024-03-10", "2024-03-10", 0), ("2024-02-28", "2024-03-01", 2), ("2025-01-01", "2024-12-31", 1)],
)
def test_nights_apart_counts_days_either_way(first, second, days):
    assert nights_apart(first, second) == days
    assert nights_apart(second, first) == days
