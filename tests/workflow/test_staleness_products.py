"""Products and Snakemake's memory are lost, moved, copied or put back: only what is not as planned is made anew."""

import json
import os
import shutil

import pytest
from astropy.io import fits

from tests.workflow.reduced import ALL, BAD_PIXELS, MEASURED, alter, reduce_night

pytestmark = pytest.mark.slow


def test_nothing_to_be_done(night):
    """With Snakemake's memory and without, by all of its triggers, by time alone, and from elsewhere."""
    before = night.look()
    assert "Nothing to be done" in night.run().stderr
    absolute = {"raw": night.raw, "results": night.results}
    assert night.foresee(folder=night.folder / "elsewhere", config=absolute) == set()
    shutil.rmtree(night.folder / ".snakemake")
    assert night.foresee("--workflow-profile", "none") == set()
    assert night.look() == before


def test_copied_results_are_as_good(night):
    """A plain copy has new times, in the order in which files are found, and perhaps no caches."""
    shutil.rmtree(night.results / ".cache")
    copy = night.folder / "copy"
    for path in sorted(path for path in night.results.rglob("*") if path.is_file()):
        target = copy / path.relative_to(night.results)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    night.results = copy
    before = night.look()
    assert night.foresee("--workflow-profile", "none") == set()
    assert "Nothing to be done" in night.run().stderr
    assert night.look() == before


def test_lights_of_a_batch_changed_one_after_another(night):
    for name in ("light_B_30s_001", "light_B_30s_002"):
        alter(night.raw / f"{name}.fits")
        night.run_for({name})


def test_changed_light_by_time_alone(night):
    """Snakemake's memory, the caches and the recipe files are lost."""
    for folder in (night.folder / ".snakemake", night.results / ".cache", night.results / ".recipes"):
        shutil.rmtree(folder)
    alter(night.raw / "light_V_60s_002.fits")
    night.run_for({"light_V_60s_002"})


def test_deleted_products_come_back_alone(night):
    """A light, the bad pixels and the measured figures, of which the read noise is in all error bars."""
    content = night.read_content()
    deleted = MEASURED | BAD_PIXELS | {"light_B_30s_001"}
    for name in deleted:
        night.product(name).unlink()
    night.run_for(deleted)
    assert night.read_content() == content


def test_deleted_read_noise_comes_back_alone(night):
    night.product("read_noise").unlink()
    night.make({"read_noise"})


@pytest.mark.parametrize("harm", ["cut short", "another recipe", "no figures", "a list"])
def test_damaged_figures_come_back_alone(night, harm):
    path = night.product("gain")
    content = path.read_bytes()
    if harm == "cut short":
        path.write_bytes(content[:-20])
    elif harm == "another recipe":
        path.write_text(json.dumps(json.loads(content) | {"RECIPE": "0" * 32}))
    else:
        path.write_text("{}" if harm == "no figures" else "[]")
    night.make({"gain"})
    assert path.read_bytes() == content


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
    assert night.plan() == set()


def test_deleted_masters_and_a_changed_light(night):
    """What the light needs comes back; the dark of the flats does not, since the flat is there."""
    for name in ("master_dark_20s", "master_dark_60s", "master_flat_B"):
        night.product(name).unlink()
    alter(night.raw / "light_V_60s_003.fits")
    night.run_for({"master_dark_60s", "light_V_60s_003"})


def test_deleted_masters_and_bad_pixels(night):
    """The bad pixels are those of all masters, which come back for that."""
    for name in ("master_dark_20s", "master_flat_V", "bad_pixels"):
        night.product(name).unlink()
    night.make({"master_dark_20s", "master_flat_V", "bad_pixels"})


def test_lights_put_back_as_they_were_before(night):
    """Old products are old, whatever their times and whatever Snakemake remembers of the recipe."""
    names = {"light_B_30s_001": shutil.copyfile, "light_V_60s_001": shutil.copy2}
    for name in names:
        shutil.copy2(night.product(name), night.folder / f"{name}.fits")
        alter(night.raw / f"{name}.fits")
    night.run_for(set(names))
    for name, copy in names.items():
        copy(night.folder / f"{name}.fits", night.product(name))
    night.run_for(set(names))


def test_master_of_another_recipe(night):
    """Lights that were made with the right one stay; what is stale besides is made in the same run."""
    path = night.product("master_dark_20s")
    fits.setval(path, "RECIPE", value="0" * 32)
    assert night.plan() == {"master_dark_20s"}
    alter(night.raw / "light_V_60s_001.fits")
    night.run_for({"master_dark_20s", "light_V_60s_001"})


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
    for name in ("light_B_30s_001", "light_V_60s_001", "master_flat_B", "read_noise"):
        os.utime(night.product(name), (4e9, 4e9))
    alter(night.raw / "light_B_30s_001.fits")
    assert night.plan() == {"light_B_30s_001"}  # the others are of now
    night.run_for({"light_B_30s_001"})


def test_any_number_of_cores_gives_the_same_bytes(night):
    """Two of them made the night; here job follows job."""
    content = night.read_content()
    for name in ALL:
        night.product(name).unlink()
    night.make(ALL)
    assert night.read_content() == content


@pytest.fixture
def unmoved(tmp_path, tmp_path_factory):
    """The night in the very place where it was reduced, since Snakemake's memory names raw frames by their place."""
    original = reduce_night(tmp_path_factory.getbasetemp() / "reduced")
    shutil.copytree(original.folder, tmp_path / "kept", symlinks=True)
    yield original
    shutil.rmtree(original.folder)
    shutil.move(tmp_path / "kept", original.folder)


def test_changed_light_by_all_triggers(unmoved):
    """Snakemake, asked for its own opinion, starts more jobs and touches more files; their content stays."""
    before = unmoved.look()
    alter(unmoved.raw / "light_V_60s_002.fits")
    for _ in range(2):
        unmoved.run("--workflow-profile", "none")
        after = unmoved.look()
        assert {name for name in after if after[name][::2] != before[name][::2]} == {"light_V_60s_002"}
    assert unmoved.foresee() == set()
    assert unmoved.foresee("--workflow-profile", "none") == set()
