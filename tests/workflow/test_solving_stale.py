"""What has lights solved anew: settings, tools, raw frames, files that are lost; and what has not."""

import shutil
from pathlib import Path

import pytest
from astropy.io import fits

from tests.running import run_snakemake
from tests.workflow.engine import run_due
from tests.workflow.jobs import plan_night, run_job
from tests.workflow.reduced import merge
from tests.workflow.solving_night import copy_solved, name_all, name_due, write_light

pytestmark = pytest.mark.slow


@pytest.fixture
def night(tmp_path, tmp_path_factory, monkeypatch):
    night = copy_solved(tmp_path_factory.getbasetemp(), tmp_path)
    monkeypatch.setenv("PATH", night.tools.path)
    return night


@pytest.mark.parametrize(
    ("own", "ends"),
    [
        ({"solve": {"time_limit": 20}}, (".wcs", ".fits")),
        ({"solve": {"scale": [5.5, 6.5]}}, (".wcs", ".fits")),
        ({"solve": {"position": ["05:40:00", "+01:30:00"], "radius": 3}}, (".wcs", ".fits")),
        ({"solve": {"distortion": 2}}, (".wcs", ".fits")),
        ({"solve": {"use": False}}, (".fits",)),
        ({"lights": {"uncertainty": False}}, (".fits",)),
        ({"lights": {"mask": False}}, (".fits",)),
        ({"lights": {"unit": "adu"}}, (".fits",)),
        ({"lights": {"cosmic_rays": {"use": True}}}, (".fits",)),
        ({"headers": {"cards": {"filter": ["FILTER"]}}}, ()),
        ({"lights_per_job": 1}, ()),
    ],
)
def test_what_makes_lights_due_again(night, own, ends):
    assert name_due(night.folder, **merge(night.settings, own)) == name_all(*ends)


def test_solution_that_is_lost_is_missed_by_new_lights_alone(night):
    (solution,), (light,) = night.find("solutions/field0.wcs"), night.find("lights/field0.fits")
    content, made = solution.read_bytes(), light.read_bytes()
    solution.unlink()
    assert name_due(night.folder, **night.settings) == set()
    said = run_snakemake(night.folder, "-n", configfile="settings.yaml")
    assert "Nothing to be done" in said.stdout + said.stderr
    light.unlink()
    assert name_due(night.folder, **night.settings) == {"field0.fits", "field0.wcs"}
    run_due(night.folder, **night.settings)
    assert (solution.read_bytes(), light.read_bytes()) == (content, made)
    solution.write_bytes(content[:-2880])  # truncated
    assert name_due(night.folder, **night.settings) == {"field0.wcs"}
    light.unlink()
    run_due(night.folder, **night.settings)
    assert (solution.read_bytes(), light.read_bytes()) == (content, made)
    light.unlink()
    assert name_due(night.folder, **night.settings) == {"field0.fits"}


def test_solutions_are_found_anew_of_other_raw_lights(night):
    image = fits.getdata(night.folder / "raw" / "field0.fits")
    write_light(night.folder / "raw" / "field0.fits", image[::-1] * 1.0, 0)
    assert name_due(night.folder, **night.settings) == {"field0.wcs", "field0.fits"}


def test_an_index_that_is_installed_makes_lights_due_and_nothing_else(night):
    night.tools.add_index("index-more.fits")
    assert name_due(night.folder, **night.settings) == name_all(".wcs", ".fits")
    masters = {path: path.stat().st_mtime_ns for path in night.find("master_*.fits")}
    _, made, failed = run_due(night.folder, **night.settings)
    assert not failed
    assert {Path(path).name for path in made} == name_all(".wcs", ".fits")
    assert masters == {path: path.stat().st_mtime_ns for path in masters} != {}
    assert name_due(night.folder, **night.settings) == set()


@pytest.mark.parametrize("moved", ["indexes", "bin"])
def test_tools_that_moved_solve_nothing_anew(night, moved):
    """Another machine of a cluster may have them elsewhere."""
    shutil.copytree(night.tools.indexes.parent / moved, night.folder / "elsewhere")
    own = {}
    if moved == "indexes":
        own = {"solve": {"indexes": [str(night.folder / "elsewhere")]}}
    else:
        (night.folder / "elsewhere").rename(night.folder / "programs")
        shutil.rmtree(night.tools.programs)
        night.tools.programs.symlink_to(night.folder / "programs")
    assert name_due(night.folder, **merge(night.settings, own)) == set()


@pytest.mark.parametrize(
    ("lacking", "words"), [("solver", "solve-field is not installed"), ("index", "no star indexes"), ("one", "same")]
)
def test_job_that_finds_other_tools_than_planned_writes_nothing(night, lacking, words, capsys):
    """As on a node of a cluster that has none: the light would be taken for one that cannot be solved."""
    night.tools.add_index("index-more.fits")
    nights = plan_night(night.folder, **night.settings)
    (job,) = [job for job in nights.jobs.values() if job.kind == "solve_lights"]
    assert job.due
    if lacking == "solver":
        (night.tools.programs / "solve-field").unlink()
    else:
        for index in list(night.tools.indexes.iterdir())[: 1 if lacking == "one" else 2]:
            index.unlink()
    with pytest.raises(SystemExit):
        run_job(nights, job)
    said = capsys.readouterr().err
    assert words in said
    assert "than planned" in said
    assert not night.find("solutions/*.wcs")  # they were taken away first, as Snakemake does
