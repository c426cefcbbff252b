"""Products and Snakemake's memory are lost, moved, copied or put back: only what is not as planned is made anew."""

import os
import shutil

import pytest
from astropy.io import fits

from tests.workflow.reduced import ALL, LIGHTS_B, alter, copy_reduced

pytestmark = pytest.mark.slow


def test_nothing_to_be_done(night):
    """With Snakemake's memory and without, by all of its triggers, by time alone, and from elsewhere."""
    before = night.look()
    assert "Nothing to be done" in night.run().stderr
    assert night.foresee("--rerun-triggers", "mtime") == set()
    absolute = {"raw": night.raw, "results": night.results}
    assert night.foresee(folder=night.folder / "elsewhere", config=absolute) == set()
    shutil.rmtree(night.folder / ".snakemake")
    for how in ([], ["--rerun-triggers", "mtime"], ["--workflow-profile", "none"]):
        assert night.foresee(*how) == set()
    night.run()
    assert night.look() == before


def test_copied_results_are_as_good(night):
    """A plain copy has new times, in the order in which files are found, and perhaps no caches."""
    shutil.rmtree(night.results / ".cache")
    night.results = shutil.copytree(night.results, night.folder / "copy", copy_function=shutil.copyfile)
    before = night.look()
    assert night.foresee() == set()
    assert night.foresee("--workflow-profile", "none") == set()
    night.run()
    assert night.look() == before


def test_changed_light_by_time_alone(night):
    """Snakemake's memory, the caches and the recipe files are lost."""
    for folder in (night.folder / ".snakemake", night.results / ".cache", night.results / ".recipes"):
        shutil.rmtree(folder)
    alter(night.raw / "light_V_60s_002.fits")
    night.expect({"light_V_60s_002"}, "--rerun-triggers", "mtime")
    assert night.foresee() == set()


def test_deleted_light(night):
    night.product("light_B_30s_001").unlink()
    night.expect({"light_B_30s_001"})


def test_deleted_masters_are_not_missed(night):
    """Until they are asked for."""
    paths = [night.product(name) for name in ("master_bias", "master_dark_20s", "master_flat_V")]
    content = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    assert night.foresee() == set()
    before = night.look()
    night.run(paths[-1].relative_to(night.folder))
    assert night.see_changed(before) == {path.stem for path in paths}
    assert [path.read_bytes() for path in paths] == content
    assert night.foresee() == set()


def test_deleted_masters_and_a_changed_light(night):
    """What the light needs comes back; the dark of the flats does not, since the flat is there."""
    for name in ("master_dark_20s", "master_dark_60s", "master_flat_B"):
        night.product(name).unlink()
    alter(night.raw / "light_V_60s_003.fits")
    night.expect({"master_dark_60s", "light_V_60s_003"})
    assert night.foresee() == set()


def test_lights_put_back_as_they_were_before(night):
    """Old products are old, whatever their times and whatever Snakemake remembers of the recipe."""
    paths = [night.product(name) for name in LIGHTS_B]
    for path in paths:
        shutil.copy2(path, night.folder / path.name)
        alter(night.raw / path.name)
    night.run()
    for copy in (shutil.copyfile, shutil.copy2):
        for path in paths:
            copy(night.folder / path.name, path)
        night.expect(LIGHTS_B)


def test_master_of_another_recipe(night):
    """Lights that were made with the right one stay; what is stale besides is made in the same run."""
    path = night.product("master_dark_20s")
    fits.setval(path, "RECIPE", value="0" * 32)
    assert night.foresee() == {"master_dark_20s"}
    alter(night.raw / "light_V_60s_001.fits")
    night.expect({"master_dark_20s", "light_V_60s_001"})
    assert night.foresee() == set()


def test_forced_master_delays_no_stale_light(night):
    """Lights are made in the same run as a master that runs for a reason of its own."""
    before = night.look()
    alter(night.raw / "light_V_60s_001.fits")
    night.run("--forcerun", "make_master_bias")
    changed = night.see_changed(before)
    assert {"master_bias", "light_V_60s_001"} <= changed
    assert night.foresee() == set()


def test_products_from_the_future(night):
    """A clock that was wrong stops nothing."""
    for name in ("light_B_30s_001", "light_V_60s_001", "master_flat_B"):
        os.utime(night.product(name), (4e9, 4e9))
    alter(night.raw / "light_B_30s_001.fits")
    assert night.foresee() == {"light_B_30s_001"}
    night.expect({"light_B_30s_001"})


@pytest.fixture(scope="module")
def unmoved(tmp_path_factory):
    """A night that was reduced where it is, with two cores; Snakemake's memory names the raw frames by their place."""
    night = copy_reduced(tmp_path_factory.getbasetemp() / "reduced", tmp_path_factory.mktemp("unmoved"))
    night.results = night.folder / "two"
    night.run(cores=2)
    return night


def test_any_number_of_cores_gives_the_same_bytes(night, unmoved):
    one, two = ({name: content for name, (content, _, _) in each.look().items()} for each in (night, unmoved))
    assert two == one
    assert two.keys() == ALL


def test_changed_light_by_all_triggers(unmoved):
    """Snakemake, asked for its own opinion, starts more jobs and touches more files; their content stays."""
    assert unmoved.foresee("--workflow-profile", "none") == set()
    before = unmoved.look()
    alter(unmoved.raw / "light_V_60s_002.fits")
    for how in (["--workflow-profile", "none"], ["--workflow-profile", "none"], []):
        unmoved.run(*how)
        after = unmoved.look()
        assert {name for name in after if after[name][::2] != before[name][::2]} == {"light_V_60s_002"}
    assert unmoved.foresee("--workflow-profile", "none") == set()
