"""Nights: what belongs to one, and which night's masters a light gets, in whichever order the nights arrive."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from tests.running import find_lights, read_header, run_snakemake
from tests.workflow.engine import run_due
from tests.workflow.jobs import make_night, plan_night, run_job

NOTHING: dict[str, Any] = {"biases": 0, "darks": {}, "flats": {}, "lights": {}}
AGES = {kind: {"max_age_days": 3} for kind in ("bias", "dark", "flat")}
UNCERTIFIED = {"certification": {"use": False}}


def read_rows(results: Path, table: str) -> list[dict[str, str]]:
    with (results / table).open(newline="") as file:
        return list(csv.DictReader(file))


def list_nights(results: Path) -> dict[str, set[str]]:
    """Return the nights of the frames of each kind."""
    nights: dict[str, set[str]] = {}
    for row in read_rows(results, "frames.csv"):
        nights.setdefault(row["kind"], set()).add(row["night"])
    return nights


def say_all(night: str) -> dict[str, set[str]]:
    return {kind: {night} for kind in ("bias", "dark", "flat", "light")}


# The first frame at a UTC time of 2024-03-10, flats; lights 3 h later; darks and biases 12 h later.
SITES = {
    "UTC midnight between flats": ("-105 49 13", "23:59:30", "2024-03-10"),
    "local midnight between lights": ("-45 00 00", "23:59:30", "2024-03-10"),
    "both in Greenwich": ("0 00 00", "20:59:30", "2024-03-10"),
    "the date of the evening in Hawaii": ("-155 28 00", "23:00:00", "2024-03-10"),
    "a whole night of one UTC date in Hawaii": ("-155 28 00", "03:00:00", "2024-03-09"),
    "in Australia": ("149 04 00", "08:00:00", "2024-03-10"),
    "in Australia, counted eastward beyond 180": ("-210 56 00", "08:00:00", "2024-03-10"),
}


@pytest.mark.parametrize("site", SITES)
def test_a_night_runs_from_noon_to_noon_at_the_site(tmp_path: Path, site: str) -> None:
    longitude, start, night = SITES[site]
    make_night(tmp_path / "raw", start=start, cards={"SITELONG": longitude})
    nights = plan_night(tmp_path)
    assert list_nights(tmp_path / "results") == say_all(night)
    assert len(nights.lights) == 2
    assert not nights.warnings


def test_config_gives_the_longitude_that_headers_lack(tmp_path: Path) -> None:
    make_night(tmp_path / "raw", start="08:00:00", cards={"SITELONG": None})
    for site, night in (
        ({"longitude": 149}, {"2024-03-10"}),
        ({"night_offset_hours": -2}, {"2024-03-10"}),
        ({"night_offset_hours": -24}, {"2024-03-09"}),
        ({}, {"2024-03-09", "2024-03-10"}),  # noon UTC is during this night
    ):
        nights = plan_night(tmp_path, site=site)
        assert set().union(*list_nights(tmp_path / "results").values()) == night
        note = "no longitude in the header or site.longitude: nights run from noon to noon UTC"
        assert any(note in line for line in nights.warnings) == (not site)


def test_the_header_outweighs_the_longitude_but_not_the_offset(tmp_path: Path) -> None:
    make_night(tmp_path / "raw", start="08:00:00", cards={"SITELONG": "149 04 00"})
    plan_night(tmp_path, site={"longitude": -155})
    assert list_nights(tmp_path / "results") == say_all("2024-03-10")
    plan_night(tmp_path, site={"night_offset_hours": -24})
    assert list_nights(tmp_path / "results") == say_all("2024-03-09")


def test_each_of_several_nights_gets_its_own_masters(tmp_path: Path) -> None:
    dates = ["2024-03-10", "2024-03-11", "2024-04-30"]
    for seed, date in enumerate(dates):
        make_night(tmp_path / "raw" / date.replace("-", ""), date=date, seed=seed)
    plan_night(tmp_path, flat={"max_age_days": 9}, bias={"max_age_days": 9}, dark={"max_age_days": 9})
    lights = [row for row in read_rows(tmp_path / "results", "plan.csv") if row["kind"] == "light"]
    assert sorted(row["night"] for row in lights) == sorted(2 * dates)
    for row in lights:
        assert row["product"].startswith(row["night"])
        assert all(row[kind].startswith(row["night"]) for kind in ("bias", "dark", "flat"))
        assert row["runners_up"] == ""
        assert row["why"].count("own night") == 3


def test_the_order_in_which_nights_arrive_plays_no_part(tmp_path: Path) -> None:
    def arrive(folder: Path, date: str, seed: int, **own: Any) -> None:
        make_night(folder / "raw" / date, date=date, seed=seed, **NOTHING | own)

    def develop(folder: Path) -> tuple[dict[str, bytes], set[str]]:
        """Return all products there are, and the names of those just made."""
        _, made, failed = run_due(folder, **AGES, **UNCERTIFIED)
        assert not failed
        products = [path for path in (folder / "results").glob("????-??-??/**/*") if path.is_file()]
        made_here = {f"{path.split('/')[0]}/{path.split('/')[-1]}" for path in made}
        return {str(path.relative_to(folder / "results")): path.read_bytes() for path in products}, made_here

    def used_flat(folder: Path) -> str:
        (light,) = find_lights(folder / "results").values()
        return str(read_header(light)["FLATFIL"]).split("/")[0]

    one, other = tmp_path / "one", tmp_path / "other"
    middle: dict[str, Any] = {"biases": 2, "darks": {60.0: 2}, "lights": {("V", 60.0): 1}}
    arrive(one, "2024-03-12", 2, **middle)
    arrive(one, "2024-03-14", 3, flats={"V": 2})
    develop(one)
    assert used_flat(one) == "2024-03-14"  # two nights away, and all there is

    arrive(one, "2024-03-11", 1, flats={"V": 2})
    final, made = develop(one)
    assert used_flat(one) == "2024-03-11"
    flat = {"2024-03-11/master_flat_V.fits", "2024-03-11/bad_pixels.fits"}
    assert made == flat | {"2024-03-12/light_V_60s_001.fits"}

    arrive(other, "2024-03-11", 1, flats={"V": 2})
    arrive(other, "2024-03-14", 3, flats={"V": 2})
    arrive(other, "2024-03-12", 2, **middle)
    at_once, made = develop(other)
    night = ("master_bias.fits", "master_dark_60s.fits", "bad_pixels.fits", "read_noise.json", "light_V_60s_001.fits")
    assert made == flat | {f"2024-03-12/{name}" for name in night}
    assert len(at_once) == len(made)
    assert {name: final[name] for name in at_once} == at_once
    assert {name.split("/")[0] for name in set(final) - set(at_once)} == {"2024-03-14"}


def test_two_raw_folders_with_frames_of_one_name(tmp_path: Path) -> None:
    make_night(tmp_path / "a", biases=2, seed=1)
    make_night(tmp_path / "b", **NOTHING | {"lights": {("V", 60.0): 2}}, seed=2)
    (tmp_path / "b" / "bias_copy.fits").write_bytes((tmp_path / "a" / "bias_001.fits").read_bytes())
    nights = plan_night(tmp_path, raw=[str(tmp_path / "a"), str(tmp_path / "b")], **UNCERTIFIED)
    for job in nights.jobs.values():
        run_job(nights, job)
    lights = find_lights(tmp_path / "results")
    assert len(lights) == 4
    raws = {(read_header(path)["RAWFILE"], read_header(path)["RAWID"]) for path in lights.values()}
    assert {name for name, _ in raws} == {"light_V_60s_001.fits", "light_V_60s_002.fits"}
    assert len(raws) == 4
    assert nights.warnings == ["b/bias_copy.fits: the same content as a/bias_001.fits"]
    master = next((tmp_path / "results").glob("*/*/master_bias.fits"))
    assert read_header(master)["NCOMBINE"] == 2


def test_plan_names_matches_runners_up_and_misses(tmp_path: Path) -> None:
    (tmp_path / "ages.yaml").write_text("{dark: {max_age_days: 2}, flat: {max_age_days: 1}}\n")
    first: dict[str, Any] = {"lights": {("V", 60.0): 1, ("V", 60.3): 1, ("V", 90.0): 1, ("B", 60.0): 1}}
    make_night(tmp_path / "raw" / "1", darks={60.0: 1, 120.0: 1}, **first)
    make_night(tmp_path / "raw" / "2", date="2024-03-11", seed=2, darks={}, flats={}, lights={("V", 60.0): 1})
    make_night(tmp_path / "raw" / "4", date="2024-03-13", seed=3, darks={}, flats={}, lights={("V", 30.0): 1})

    run = run_snakemake(tmp_path, "plan", configfile="ages.yaml")

    def find(frame: str) -> str:
        """Return what the plan says of a light, on one line, without folders and digests."""
        text = run.stdout.partition("LIGHTS")[2].partition("LEFT OUT")[0]
        (entry,) = re.findall(rf"^  {re.escape(frame)}: .*\n((?:    .*\n)*)", text, re.MULTILINE)
        return " ".join(re.sub(r"(\d{4}-\d\d-\d\d)/\S+/", r"\1/", entry).split())

    own = "2024-03-10/master"
    same = find("1/light_V_60s_001.fits")
    assert "dark: master_dark_60s.fits (own night, same exposure)" in same
    assert f"rather than {own}_dark_120s.fits (own night, 120 s scaled by 0.5)" in same
    assert "dark: master_dark_60s.fits (own night, 60 s within 0.5 s)" in find("1/light_V_60.3s_001.fits")
    near = find("1/light_V_90s_001.fits")
    assert "dark: master_dark_120s.fits (own night, 120 s scaled by 0.75)" in near
    assert f"rather than {own}_dark_60s.fits (own night, 60 s scaled by 1.5)" in near
    assert "flat: master_flat_V.fits (own night, same setup, filter V)" in near
    there = "there are flats in V only; headers.cards.filter, if another card has it; flat.use: false goes without"
    assert find("1/light_B_60s_001.fits") == f"SKIPPED: no flat in B: {there}"
    away = find("2/light_V_60s_001.fits")
    assert "bias: master_bias.fits (own night, same setup)" in away
    assert f"dark: {own}_dark_60s.fits (2024-03-10, 1 night away, same exposure)" in away
    assert f"flat: {own}_flat_V.fits (2024-03-10, 1 night away, same setup, filter V)" in away
    far = find("4/light_V_30s_001.fits")
    nearest = "the nearest is of 2024-03-10, 3 nights away"
    assert f"SKIPPED: no dark near 30 s: {nearest}; dark.max_age_days: 3 allows it (now 2)" in far
    assert f"SKIPPED: no flat in V: {nearest}; flat.max_age_days: 3 allows it (now 1)" in far
    assert "4 light(s) can be made, 2 cannot" in run.stdout
    assert not find_lights(tmp_path / "results")
