"""The frame table: every raw frame below the raw folders, of what kind it is, and what is wrong with it."""

import os

import numpy as np
import pytest

from darkroom.frames import Frame, table_rows
from tests.unit.builders import index, write_raw


def test_a_frame_is_listed_with_what_its_header_says(tmp_path):
    path = write_raw(tmp_path / "raw" / "m67_001.fits", exposure=60.0, FILTER="V", OBJECT="M67", SATURATE=60000.0)
    (frame,) = index(tmp_path / "raw").values()
    expected = {"name": "m67_001.fits", "path": str(path), "size": path.stat().st_size, "kind": "light"}
    expected |= {"kind_from": "header: Light Frame", "night": "2024-03-10", "filter": "V", "object": "M67"}
    expected |= {"exposure": 60.0, "start": "2024-03-11T02:00:00.000", "rows": 6, "columns": 8, "gain": 1.5}
    expected |= {"temperature": -10.0}
    expected |= {"saturation": 60000.0, "problem": "", "notes": "", "dialect": "generic"}
    assert {field: getattr(frame, field) for field in expected} == expected
    assert frame.longitude == pytest.approx(-(105 + 49 / 60 + 13 / 3600))


def test_kind_comes_from_header_then_folder_then_name(tmp_path):
    raw = tmp_path / "raw"
    write_raw(raw / "flats" / "dark_1.fits", "bias")
    write_raw(raw / "flats" / "dark_2.fits", "dark", IMAGETYP=None)
    write_raw(raw / "tonight" / "dark_3.fits", "dark", IMAGETYP=None)
    write_raw(raw / "flats" / "darks" / "x.fits", "dark", IMAGETYP=None)
    write_raw(raw / "tonight" / "m67.fits", "light", IMAGETYP=None)
    write_raw(raw / "flats" / "arc.fits", "light", IMAGETYP="arc")
    found = {name: (frame.kind, frame.kind_from) for name, frame in index(raw).items()}
    assert found == {
        "flats/dark_1.fits": ("bias", "header: Bias Frame"),
        "flats/dark_2.fits": ("flat", "folder: flats"),
        "tonight/dark_3.fits": ("dark", "file name"),
        "flats/darks/x.fits": ("dark", "folder: darks"),  # the nearest folder first
        "tonight/m67.fits": ("unknown", ""),
        "flats/arc.fits": ("other", "header: arc"),
    }
    assert "what kind of frame" in index(raw)["tonight/m67.fits"].problem
    assert index(raw)["flats/arc.fits"].problem.startswith("'arc' is no bias, dark, flat or light")


def test_order_of_asking_and_names_of_folders_can_be_set(tmp_path):
    write_raw(tmp_path / "raw" / "dusk_1" / "dark_1.fits", "bias")

    def kind(**settings):
        (frame,) = index(tmp_path / "raw", **settings).values()
        return frame.kind

    assert kind(headers__kind_from=["name", "header"]) == "dark"
    assert kind(headers__kind_from=["folder"]) == "unknown"
    assert kind(headers__kind_from=["folder"], headers__folders={"flat": ["DUSK_*"]}) == "flat"
    assert kind(headers__words={"light": ["bias frame"]}) == "light"


def test_folders_fill_only_what_the_header_lacks(tmp_path):
    raw = tmp_path / "raw"
    write_raw(raw / "M67" / "V" / "a.fits")
    write_raw(raw / "M67" / "V" / "b.fits", FILTER="B", OBJECT="M13")
    write_raw(raw / "c.fits")
    found = index(raw, headers__path="{object}/{filter}")
    assert (found["M67/V/a.fits"].object, found["M67/V/a.fits"].filter) == ("M67", "V")
    assert (found["M67/V/b.fits"].object, found["M67/V/b.fits"].filter) == ("M13", "B")
    assert found["c.fits"].filter is None


def test_folders_fill_only_where_the_path_is_as_it_was_told(tmp_path):
    raw = tmp_path / "raw"
    for name in ("flats/V/a.fits", "tonight/B/b.fits", "M13/lights/R/c.fits", "I/d.fits"):
        write_raw(raw / name, "flat")
    filled = {name: frame.filter for name, frame in index(raw, headers__path="{kind}/{filter}").items()}
    assert filled == {"flats/V/a.fits": "V", "tonight/B/b.fits": None, "M13/lights/R/c.fits": "R", "I/d.fits": None}
    filled = {name: frame.filter for name, frame in index(raw, headers__path="Tonight/{filter}").items()}
    assert filled == {"flats/V/a.fits": None, "tonight/B/b.fits": "B", "M13/lights/R/c.fits": None, "I/d.fits": None}


@pytest.mark.parametrize(
    ("kind", "cards", "problem"),
    [
        ("light", {"DATE_OBS": None, "MJD_OBS": None, "JD": None}, "no date and time of observation"),
        ("light", {"DATE_OBS": "0001-01-01T00:00:00", "MJD_OBS": None, "JD": None}, "no date and time of observation"),
        ("light", {"EXPTIME": None, "EXPOSURE": None}, "no exposure time in its header"),
        ("light", {"EXPTIME": 0.0}, "an exposure of 0 s"),
        ("flat", {"EXPTIME": -1.0}, "an exposure of -1 s"),
        ("bias", {"EXPTIME": None, "EXPOSURE": None}, ""),
        ("light", {"BIASSEC": "[7:8,1:6]", "TRIMSEC": "[1:6,1:6]"}, ""),
        ("light", {"BIASSEC": "[1:8,6:6]", "TRIMSEC": "[1:8,1:5]"}, ""),
        ("light", {"BIASSEC": "[2:8,6:6]", "TRIMSEC": "[1:8,1:5]"}, "does not reach along the whole image"),
        ("light", {"BIASSEC": "[7:8,2:6]", "TRIMSEC": "[1:6,1:6]"}, "does not reach along the whole image"),
    ],
)
def test_frame_that_cannot_take_part_says_why(tmp_path, kind, cards, problem):
    write_raw(tmp_path / "raw" / "x.fits", kind, **cards)
    (frame,) = index(tmp_path / "raw").values()
    assert frame.problem.startswith(problem) if problem.startswith(("no", "an")) else problem in frame.problem
    assert bool(frame.problem) is bool(problem)


def test_sections_of_the_settings_are_held_against_the_frame(tmp_path):
    write_raw(tmp_path / "raw" / "x.fits", BIASSEC="[7:8,1:6]", TRIMSEC="[1:6,1:6]")

    def frame(**settings):
        return index(tmp_path / "raw", **settings)["x.fits"]

    assert (frame().overscan, frame().trim) == ("[7:8,1:6]", "[1:6,1:6]")
    own = frame(overscan__section="[8:8,1:6]", overscan__trim="[2:5,1:6]")
    assert (own.overscan, own.trim) == ("[8:8,1:6]", "[2:5,1:6]")
    assert frame(overscan__use=False).overscan is None
    assert "overscan.trim [1:9,1:6] lies outside its 8 x 6 pixels" in frame(overscan__trim="[1:9,1:6]").problem


def test_spectra_are_listed_but_take_no_part(tmp_path):
    cards = {"HIERARCH ESO DPR TYPE": "OBJECT", "HIERARCH ESO DPR TECH": "SPECTRUM"}
    write_raw(tmp_path / "raw" / "x.fits", **cards)
    (frame,) = index(tmp_path / "raw").values()
    assert (frame.kind, frame.dialect) == ("light", "eso")
    assert "not an image (SPECTRUM)" in frame.problem


def test_excluded_frames_are_named_as_such(tmp_path):
    for name in ("bias_003.fits", "cloudy/a.fits", "cloudy/b/c.fits", "good/A.FIT", "good/a_cloudy.fits"):
        write_raw(tmp_path / "raw" / name)
    found = index(tmp_path / "raw", exclude=["BIAS_003.fits", "cloudy/*", "a.f?t"])
    excluded = {name for name, frame in found.items() if frame.problem == "excluded by config.yaml: exclude"}
    assert excluded == {"bias_003.fits", "cloudy/a.fits", "cloudy/b/c.fits", "good/A.FIT"}
    assert found["good/a_cloudy.fits"].problem == ""


def test_second_file_of_the_same_content_takes_no_part(tmp_path):
    raw = tmp_path / "raw"
    path = write_raw(raw / "a.fits")
    (raw / "b.fits").write_bytes(path.read_bytes())
    (raw / "copies").mkdir()
    (raw / "copies" / "a.fits").hardlink_to(path)
    assert {name: frame.problem for name, frame in index(raw).items()} == {
        "a.fits": "",
        "b.fits": "the same content as a.fits",
        "copies/a.fits": "the same content as a.fits",
    }
    # an excluded original does not drag its copies along
    found = index(raw, exclude=["a.fits"])
    assert found["b.fits"].problem == ""


def test_only_fits_names_are_looked_at_in_any_case(tmp_path):
    raw = tmp_path / "raw"
    for name in ("a.fits", "b.FIT", "c.Fts", "d.fits.fz", "e.fit.GZ", "f.txt", "g.jpg", "fits", ".hidden/h.fits"):
        write_raw(raw / name)
    (raw / "h.fits.Z").write_bytes(b"\x1f\x9d")
    found = index(raw)
    assert sorted(found) == ["a.fits", "b.FIT", "c.Fts", "d.fits.fz", "e.fit.GZ", "h.fits.Z"]
    assert [n for n, f in found.items() if "decompress it first" in f.problem] == ["h.fits.Z"]


def test_frame_table_holds_a_row_a_frame_and_no_absolute_path(tmp_path):
    write_raw(tmp_path / "raw" / "a.fits")
    rows = list(table_rows(list(index(tmp_path / "raw").values())))
    assert [(row["name"], row["temperature"]) for row in rows] == [("a.fits", -10.0)]
    assert not any(str(tmp_path) in str(value) for value in rows[0].values())
    assert {"path", "mtime_ns"}.isdisjoint(rows[0])


def test_frames_come_in_the_order_of_their_names_whatever_the_disk_says(tmp_path, monkeypatch):
    for name in ("c.fits", "a.fits", "b/x.fits"):
        write_raw(tmp_path / "raw" / name)
    expected = list(index(tmp_path / "raw"))
    scan = os.scandir

    def backwards(folder):
        return iter(sorted(scan(folder), key=lambda entry: entry.name, reverse=True))

    monkeypatch.setattr(os, "scandir", backwards)
    assert list(index(tmp_path / "raw")) == expected == ["a.fits", "b/x.fits", "c.fits"]


def test_frames_of_other_numbers_are_other_frames(tmp_path):
    for name, value in (("a.fits", 1), ("b.fits", 2)):
        write_raw(tmp_path / "raw" / name, data=np.full((6, 8), value, np.uint16))
    found = index(tmp_path / "raw")
    assert found["a.fits"].digest != found["b.fits"].digest
    assert found["a.fits"].setup == found["b.fits"].setup
    assert isinstance(found["a.fits"], Frame)


def test_words_of_the_settings_may_say_that_a_master_is_raw(tmp_path):
    write_raw(tmp_path / "raw" / "x.fits", "bias", IMAGETYP="Master Bias")
    assert "it is a master ('Master Bias')" in index(tmp_path / "raw")["x.fits"].problem
    frame = index(tmp_path / "raw", headers__words={"bias": ["master bias"]})["x.fits"]
    assert (frame.kind, frame.problem) == ("bias", "")
    # but nothing makes raw what is calibrated or combined
    write_raw(tmp_path / "raw" / "y.fits", "bias", IMAGETYP="Master Bias", NCOMBINE=5)
    assert "NCOMBINE" in index(tmp_path / "raw", headers__words={"bias": ["master bias"]})["y.fits"].problem


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("master_flat_V.fits", True),
        ("MASTERDARK60.fit", True),
        ("Master bias.fits", True),
        ("masterflat.fits", True),
        ("flat_master_B.fits", True),
        ("m13_mastered.fits", False),
        ("masters/flat_1.fits", False),
        ("webmaster.fits", False),
    ],
)
def test_files_called_masters_are_none_of_the_raw_frames(tmp_path, name, refused):
    write_raw(tmp_path / "raw" / name, "flat")
    assert ("by its name: a master" in index(tmp_path / "raw")[name].problem) is refused
