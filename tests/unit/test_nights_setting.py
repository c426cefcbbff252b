"""The nights chosen: what may be written, what it means, and what is wrong with it."""

from datetime import date, datetime

import pytest
import yaml

from darkroom.night_choice import choose_nights, name_nights
from darkroom.settings import SettingsError, check_settings, find_config_file

NIGHTS = [f"2024-03-{day:02d}" for day in (1, 2, 5, 9, 10, 30)]


@pytest.mark.parametrize(
    ("written", "chosen"),
    [
        ("2024-03-10", {"2024-03-10"}),
        ("2024-03-02..2024-03-09", {"2024-03-02", "2024-03-05", "2024-03-09"}),
        ("2024-03-10..2024-03-10", {"2024-03-10"}),
        (" 2024-03-01 .. 2024-03-03 ", {"2024-03-01", "2024-03-02"}),
        ("2024-03-01,2024-03-09..2024-12-31", {"2024-03-01", "2024-03-09", "2024-03-10", "2024-03-30"}),
        (["2024-03-10"], {"2024-03-10"}),
        (["2024-03-10", "2024-03-01..2024-03-02", "2024-03-10"], {"2024-03-01", "2024-03-02", "2024-03-10"}),
        ([date(2024, 3, 10), "2024-03-30"], {"2024-03-10", "2024-03-30"}),
        (date(2024, 3, 10), {"2024-03-10"}),
    ],
)
def test_a_night_a_range_and_a_list_of_both_are_understood(written, chosen):
    assert choose_nights(check_settings({"nights": written})["nights"], NIGHTS) == chosen


@pytest.mark.parametrize(
    "text", ["2024-03-10", "'2024-03-10'", "[2024-03-10]", "2024-03-10..2024-03-10", "[2024-03-10, '2024-03-10']"]
)
def test_what_yaml_makes_of_a_date_is_a_night(text):
    settings = check_settings(yaml.safe_load(f"nights: {text}"))
    assert choose_nights(settings["nights"], NIGHTS) == {"2024-03-10"}


@pytest.mark.parametrize("nothing", [{}, {"nights": None}, {"nights": "null"}])
def test_null_is_all(nothing):
    assert check_settings(nothing)["nights"] is None


def test_a_folder_called_by_a_date_is_a_folder():
    settings = check_settings(yaml.safe_load("{raw: [2024-03-10], results: 2024-03-11}"))
    assert (settings["raw"], settings["results"]) == (["2024-03-10"], "2024-03-11")


NEITHER = "is no night such as 2024-03-10, nor a range such as 2024-03-01..2024-03-31"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("2024-13-01", "'2024-13-01' is no date: month must be in 1..12"),
        ("2024-02-30", "'2024-02-30' is no date: day is out of range for month"),
        ("2024-02-28..2024-02-30", "'2024-02-30' is no date: day is out of range for month"),
        ("03/10/2024", f"'03/10/2024' {NEITHER}"),
        ("2024-3-10", f"'2024-3-10' {NEITHER}"),
        ("20240310", f"'20240310' {NEITHER}"),
        (20240310, f"'20240310' {NEITHER}"),
        ("٢٠٢٤-٠٣-١٠", f"'٢٠٢٤-٠٣-١٠' {NEITHER}"),
        ("2024-W10-7", f"'2024-W10-7' {NEITHER}"),
        ("last night", f"'last night' {NEITHER}"),
        ("2024-03-01..", f"'2024-03-01..' {NEITHER}"),
        ("2024-03-01...2024-03-31", f"'2024-03-01...2024-03-31' {NEITHER}"),
        ("2024-03-01..2024-03-05..2024-03-31", f"'2024-03-01..2024-03-05..2024-03-31' {NEITHER}"),
        (datetime(2024, 3, 10, 22), f"'2024-03-10T22:00:00' {NEITHER}"),
        (
            "2024-03-31..2024-03-01",
            "'2024-03-31..2024-03-01' runs backwards, did you mean '2024-03-01..2024-03-31'?",
        ),
        ([], "names no night; null takes all"),
        ("", "names no night; null takes all"),
        (" , ", "names no night; null takes all"),
    ],
)
def test_what_is_no_night_is_named(written, problem):
    with pytest.raises(SettingsError) as caught:
        check_settings({"nights": written})
    assert caught.value.problems == [f"config.yaml: nights: {problem}"]


def test_all_that_is_wrong_is_named_at_once():
    with pytest.raises(SettingsError) as caught:
        check_settings({"nights": ["2024-13-01", "2024-03-10", "03/10/2024"], "missing": "ignore"})
    assert len(caught.value.problems) == 3
    with pytest.raises(SettingsError) as caught:
        check_settings({"nights": 1.5})
    assert caught.value.problems == ["config.yaml: nights: 1.5 is not text or a list or null"]


def test_a_date_of_the_config_file_that_is_none_is_told(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text("nights: 2024-13-01\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as caught:
        find_config_file(str(tmp_path))
    assert caught.value.problems == ["config.yaml: holds a date that is none (month must be in 1..12)"]


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ("2024-03-11", ["no frame is of 2024-03-11; the nearest night is 2024-03-10"]),
        ("2024-03-03", ["no frame is of 2024-03-03; the nearest night is 2024-03-02"]),
        ("2024-03-07", ["no frame is of 2024-03-07; the nearest night is 2024-03-05"]),  # the earlier of two
        ("2023-01-01", ["no frame is of 2023-01-01; the nearest night is 2024-03-01"]),
        ("2024-03-21..2024-03-25", ["no frame is of 2024-03-21 to 2024-03-25; the nearest night is 2024-03-30"]),
        (
            "2024-03-10,2024-03-11,2024-03-03",
            [
                "no frame is of 2024-03-11; the nearest night is 2024-03-10",
                "no frame is of 2024-03-03; the nearest night is 2024-03-02",
            ],
        ),
    ],
)
def test_a_night_without_frames_is_told_with_the_nearest(written, lines):
    with pytest.raises(ValueError, match="no frame is of") as caught:
        choose_nights(written, NIGHTS)
    there = f" (there are {', '.join(NIGHTS)})"
    assert str(caught.value).splitlines() == [line + there for line in lines]


def test_many_nights_are_counted():
    many = [date.fromordinal(738000 + number).isoformat() for number in range(300)]
    with pytest.raises(ValueError, match=rf"\(there are 300 nights from {many[0]} to {many[-1]}\)$"):
        choose_nights("1999-01-01", many)
    with pytest.raises(ValueError, match=f"; all are of {many[0]}$"):
        choose_nights("1999-01-01", many[:1])
    assert name_nights(many) == f"300 from {many[0]} to {many[-1]}"
    assert name_nights({"2024-03-11", "2024-03-10"}) == "2024-03-10, 2024-03-11"
