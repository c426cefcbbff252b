"""Plate solving from the command line, by stand-ins for the solver: what lights bear, and what goes wrong."""

import csv
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from tests.running import run_snakemake
from tests.solver.record import read_catalogue
from tests.workflow.engine import run_due
from tests.workflow.reduced import merge
from tests.workflow.solving_night import (
    FIELD,
    NAMES,
    Tools,
    configure,
    copy_solved,
    find,
    install_tools,
    name_all,
    name_due,
    solve_night,
    write_light,
    write_night,
)

pytestmark = pytest.mark.slow

SAID = "only 0 stars stand out, too few to know the field by (10)"


@pytest.fixture(scope="module")
def reduced(tmp_path_factory):
    return solve_night(tmp_path_factory.getbasetemp() / "solving")


@pytest.fixture
def night(tmp_path, tmp_path_factory, monkeypatch):
    night = copy_solved(tmp_path_factory.getbasetemp(), tmp_path)
    monkeypatch.setenv("PATH", night.tools.path)
    return night


def test_lights_bear_where_they_lie(reduced):
    places = read_catalogue()[FIELD.find_inside(read_catalogue())]
    for name in ("field0", "field1"):
        header = fits.getheader(reduced.light(name))
        assert header["SOLVED"] is True
        assert 0 < header["SOLVRMS"] < 1.0
        assert header["SOLVREF"] == "index-test.fits"
        away = np.abs(WCS(header).all_world2pix(places, 0) - FIELD.project(places))
        assert away.max() < 0.2
    assert header["CRVAL1"] != 132.846  # that of the raw header


def test_solutions_lie_beside_the_lights_and_nothing_else_is_left(reduced):
    solutions = {path.stem: fits.getheader(path) for path in reduced.find("solutions/*.wcs")}
    assert solutions.keys() == set(NAMES)
    assert [header["SOLVED"] for header in solutions.values()] == [False, True, True]
    for name in ("field0", "field1"):
        light = fits.getheader(reduced.light(name))
        assert (solutions[name]["IMAGEW"], solutions[name]["IMAGEH"]) == (light["NAXIS1"], light["NAXIS2"])
        assert all(solutions[name][card] == light[card] for card in ("CRVAL1", "CRVAL2", "CD1_1", "CD2_2", "SOLVRMS"))
    kinds = {path.suffix for path in reduced.folder.glob("results/2*/**/*") if path.is_file()}
    assert kinds == {".csv", ".fits", ".html", ".json", ".png", ".wcs"}


def test_light_that_is_not_solved_is_made_and_says_why(reduced):
    with fits.open(reduced.light("blank0")) as hdus:
        assert hdus[0].header["SOLVED"] is False
        assert not WCS(hdus[0].header).has_celestial
        assert SAID in "".join(map(str, hdus[0].header["HISTORY"]))
        assert np.isfinite(hdus[0].data).all()


def test_page_and_table_tell_of_solutions(reduced):
    (page,) = reduced.folder.glob("results/2*/report.html")
    assert SAID in page.read_text()
    with next(reduced.folder.glob("results/2*/lights.csv")).open(newline="") as file:
        rows = {Path(row["light"]).stem: row["sky_rms"] for row in csv.DictReader(file)}
    for name in ("field0", "field1"):
        assert float(rows[name]) == pytest.approx(fits.getheader(reduced.light(name))["SOLVRMS"], rel=0.01)
    assert rows["blank0"] == ""


def test_second_run_has_nothing_to_do(reduced):
    assert "nothing to be done" in reduced.again.lower()
    assert "solve_lights" not in reduced.again


@pytest.mark.parametrize("lacking", ["solver", "index"])
def test_without_tools_one_line_says_what_to_install_and_lights_are_made(tmp_path, monkeypatch, lacking):
    write_night(tmp_path / "raw", field=1, blank=0)
    tools = Tools(tmp_path / "tools")
    if lacking == "index":
        tools.install()
    else:
        tools.add_index()
    settings = configure(tmp_path, tools)
    monkeypatch.setenv("PATH", tools.path)
    said = run_snakemake(tmp_path, configfile="settings.yaml").stderr
    words = {"solver": "solve-field is not installed", "index": f"no star indexes in {tools.indexes}"}[lacking]
    (line,) = [line for line in said.splitlines() if line.startswith("warning: no light is solved")]
    assert words in line
    assert "astrometry-data" in line
    (light,) = find(tmp_path, "lights/*.fits")
    assert "SOLVED" not in fits.getheader(light)
    assert not find(tmp_path, "solutions/*")

    tools.install()
    tools.add_index()
    assert name_due(tmp_path, **settings) == {"field0.wcs", "field0.fits"}
    run_snakemake(tmp_path, configfile="settings.yaml")
    assert fits.getheader(light)["SOLVED"] is True
    again = run_snakemake(tmp_path, configfile="settings.yaml").stderr
    assert "nothing to be done" in again.lower()
    assert name_due(tmp_path, **merge(settings, {"solve": {"use": False}})) == {"field0.fits"}


ENDLESS = """
    import subprocess, sys, time
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("solver", "words"),
    [
        (ENDLESS, "stopped after 1 s"),
        ("import os; os.abort()", "it failed"),
        ("import sys; sys.exit('no field, ERROR: \"quoted\" $(touch PWNED)')", "it failed"),
        ("open('field.wcs', 'wb').write(bytes(9000))", "makes no sense"),
    ],
)
def test_solver_that_goes_wrong_costs_no_light(night, solver, words, monkeypatch):
    monkeypatch.setattr("darkroom.solving.solve_field.GRACE", 0.3)
    night.tools.install(solver)
    settings = merge(night.settings, {"solve": {"time_limit": 1}})
    _, made, failed = run_due(night.folder, **settings)
    assert not failed
    assert {Path(path).name for path in made} == name_all(".wcs", ".fits")
    header = fits.getheader(night.find("lights/field0.fits")[0])
    assert header["SOLVED"] is False
    assert words in "".join(map(str, header["HISTORY"]))
    assert not list(night.folder.rglob("PWNED"))
    assert name_due(night.folder, **settings) == set()


def test_hostile_headers_reach_no_command_line(tmp_path, monkeypatch):
    write_night(tmp_path / "raw", field=1, blank=0)
    hostile = {"OBJECT": "x'; touch PWNED; '", "OBJCTRA": "05 40 00' --dir=/tmp `touch PWNED`", "OBJCTDEC": "+91\\n"}
    image = fits.getdata(tmp_path / "raw" / "field0.fits") * 1.0
    write_light(tmp_path / "raw" / "field0.fits", image, 0, **hostile)
    content = (tmp_path / "raw" / "field0.fits").read_bytes()
    (tmp_path / "raw" / "field0.fits").write_bytes(content.replace(b"touch PWNED; ", b"touch PWNED\n "))
    write_light(tmp_path / "raw" / "$(touch PWNED)'\".fits", image, 2, OBJECT="M 1")
    tools = install_tools(tmp_path / "tools")
    configure(tmp_path, tools)
    monkeypatch.setenv("PATH", tools.path)
    run_snakemake(tmp_path, configfile="settings.yaml")
    assert not list(tmp_path.rglob("PWNED"))
    lights = find(tmp_path, "lights/*.fits")
    assert [fits.getheader(light)["SOLVED"] for light in lights] == [True, True]
    calls = tools.read_calls()
    assert len(calls) >= 2
    assert not [word for call in calls for word in call if "PWNED" in word or "\n" in word or "tmp`" in word]


def test_heads_are_written_on_request(night):
    heads = [str(light.relative_to(night.folder).with_suffix(".head")) for light in night.find("lights/*.fits")]
    blank, *solved = heads
    run_snakemake(night.folder, *solved, configfile="settings.yaml")
    for head in solved:
        text = (night.folder / head).read_text()
        assert "RA---TPV" in text
        assert "PV1_1" in text
    said = run_snakemake(night.folder, blank, configfile="settings.yaml", expect=1).stderr
    assert "blank0.fits: it has no coordinates of the sky" in said
    assert not (night.folder / blank).exists()
