"""Index files of astrometry.net: where they are, for what fields, and which are missing."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from darkroom.solving import tools
from darkroom.solving.index_advice import advise_indexes, name_missing_scales
from darkroom.solving.star_indexes import find_indexes


def write_index(path, low, high):
    header = fits.Header({"SCALE_L": np.radians(low / 60), "SCALE_U": np.radians(high / 60)})
    fits.PrimaryHDU(header=header).writeto(path, overwrite=True)


def test_indexes_are_known_by_header_or_name(tmp_path):
    header = fits.Header({"SCALE_L": np.radians(1.0), "SCALE_U": np.radians(1.4)})
    fits.PrimaryHDU(header=header).writeto(tmp_path / "index-mine.fits")
    for name in ("index-4107.fits", "index-4203-11.fits", "index-tycho2-10.littleendian.fits", "index-5206-02.fits"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "index-unknown.fits").write_bytes(b"x")
    found = {
        Path(index.path).name: (round(index.low, 1), round(index.high, 1)) for index in find_indexes([str(tmp_path)])
    }
    assert found == {
        "index-4203-11.fits": (5.7, 8.0),
        "index-5206-02.fits": (16.0, 22.6),
        "index-4107.fits": (22.6, 32.0),
        "index-mine.fits": (60.0, 84.0),
        "index-tycho2-10.littleendian.fits": (64.0, 90.5),
    }


def test_missing_scales_are_told():
    assert name_missing_scales([], 5.0, 30.0) == ["03", "04", "05", "06", "07"]
    several = advise_indexes(["03", "04", "05", "06", "07"])
    assert "astrometry-data-tycho2 and astrometry-data-2mass-03 to -06 of contrib" in several
    assert "scale 04 (Debian: astrometry-data-2mass-04 of contrib;" in advise_indexes(["04"])
    assert "2mass" not in advise_indexes(["07", "19"])
    assert advise_indexes([]) == ""


def test_configuration_tells_where_indexes_are(tmp_path, monkeypatch):
    (tmp_path / "my indexes").mkdir()
    configuration = tmp_path / "astrometry.cfg"
    configuration.write_text(f"# add_path /no\ncpulimit 300\nadd_path {tmp_path}/my indexes\nadd_path /nowhere\n")
    monkeypatch.setattr(tools, "CONFIGURATIONS", (str(configuration),))
    monkeypatch.setattr(tools, "FOLDERS", ())
    assert tools.list_usual_folders() == [f"{tmp_path}/my indexes"]


def test_headers_are_read_once_for_all_lights_of_a_job(tmp_path, monkeypatch):
    """Until a file changes."""
    read = []
    get = fits.getheader
    monkeypatch.setattr(fits, "getheader", lambda path, *others: read.append(Path(path).name) or get(path, *others))
    for name, low in (("index-a.fits", 10), ("index-b.fits", 20)):
        write_index(tmp_path / name, low, 2 * low)
    before = find_indexes([str(tmp_path)])
    assert find_indexes([str(tmp_path)]) == before
    assert sorted(read) == ["index-a.fits", "index-b.fits"]
    write_index(tmp_path / "index-b.fits", 30, 60)
    os.utime(tmp_path / "index-b.fits", (0, 0))  # a clock of coarse steps may tell no difference
    assert [index.low for index in find_indexes([str(tmp_path)])] == pytest.approx([10, 30])
    assert read[2:] == ["index-b.fits"]
