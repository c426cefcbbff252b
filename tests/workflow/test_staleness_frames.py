"""One raw frame changes, comes or goes: exactly what depends on it is made anew."""

import shutil

import pytest
from astropy.io import fits

from tests.workflow.reduced import ALL, FLATS, LIGHTS, LIGHTS_B, LIGHTS_V, alter

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("frame", "remade"),
    [
        ("bias_002", ALL),
        ("flat_B_001", {"master_flat_B"} | LIGHTS_B),
        ("light_V_60s_002", {"light_V_60s_002"}),
    ],
)
def test_changed_frame(night, frame, remade):
    alter(night.raw / f"{frame}.fits")
    night.expect(remade)
    assert night.foresee() == set()


@pytest.mark.parametrize(
    ("frame", "remade"),
    [
        ("dark_60s_001", {"master_dark_60s"} | LIGHTS_V),
        ("dark_20s_003", {"master_dark_20s"} | FLATS | LIGHTS),  # scaled for the flats and for the lights in B
    ],
)
def test_changed_dark(night, frame, remade):
    alter(night.raw / f"{frame}.fits")
    assert night.foresee() == remade
    assert night.explain()[f"master_{frame[:-4]}"] == f"frames: {frame}.fits has changed"
    night.run_for(remade)


def test_frames_of_the_same_content_remake_nothing(night):
    before = night.look()
    for path in night.raw.iterdir():
        path.touch()
    assert night.foresee() == set()
    for path in list(night.raw.iterdir()):
        shutil.copy(path, path.with_suffix(".copy"))
        path.with_suffix(".copy").replace(path)
    assert night.foresee() == set()
    night.run()
    assert night.look() == before


def test_frame_that_was_edited_and_put_back(night):
    path = night.raw / "bias_002.fits"
    before, saved = night.look(), path.read_bytes()
    alter(path)
    assert night.foresee() == ALL
    path.write_bytes(saved)
    night.run()
    assert night.look() == before


def test_copies_of_frames_remake_nothing(night):
    """Whatever the file managers call them: some of the names come before the original's in the alphabet."""
    names = ["{}_again.fits", "{} (copy).fits", "Copy of {}.fits", "backup/{}.fits", "a/b_{}.fits"]
    for stem in ("bias_001", "flat_V_002", "light_V_60s_001"):
        for path in [night.raw / name.format(stem) for name in names]:
            path.parent.mkdir(exist_ok=True)
            shutil.copy(night.raw / f"{stem}.fits", path)
    assert night.foresee() == set()


def test_moved_frames_remake_nothing(night):
    (night.raw / "evening").mkdir()
    for path in night.raw.glob("*.fits"):
        path.rename(night.raw / "evening" / path.name)
    assert night.foresee() == set()


def test_new_light(night):
    add_light(night, "2024-03-11T05:00:00")
    night.expect({"light_V_60s_new"})


def test_new_light_before_all_others_shifts_batches(night):
    night.configure("lights_per_job: 2")
    assert night.foresee() == set()
    add_light(night, "2024-03-11T01:00:00")
    night.expect({"light_V_60s_new"})
    assert night.foresee() == set()


def test_new_bias(night):
    shutil.copy(night.raw / "bias_001.fits", night.raw / "bias_004.fits")
    alter(night.raw / "bias_004.fits")
    assert night.foresee() == ALL
    assert "bias_004.fits is new" in night.explain()["master_bias"]


def test_excluded_bias(night):
    night.configure("exclude: [bias_003.fits]")
    assert night.foresee() == ALL
    assert "bias_003.fits is gone" in night.explain()["master_bias"]


def test_excluded_or_removed_light_remakes_nothing(night):
    """Its product stays, and is as good as before when the light is back."""
    before = night.look()
    night.configure("exclude: [light_V_60s_001.fits]")
    (night.raw / "light_V_60s_003.fits").unlink()
    (night.raw / "light_B_30s_001.fits").unlink()
    assert night.foresee() == set()
    night.run()
    assert night.look() == before
    night.configure()
    assert night.foresee() == set()


def test_removed_dark(night):
    (night.raw / "dark_60s_002.fits").unlink()
    assert night.foresee() == {"master_dark_60s"} | LIGHTS_V


def test_all_darks_of_an_exposure_removed(night):
    """The others are scaled instead."""
    for path in night.raw.glob("dark_60s_*.fits"):
        path.unlink()
    assert night.foresee() == LIGHTS_V
    assert "dark.scale: 1.0 -> 3.0" in night.explain()["light_V_60s_001"]


def add_light(night, start):
    path = night.raw / "light_V_60s_new.fits"
    shutil.copy(night.raw / "light_V_60s_001.fits", path)
    fits.setval(path, "DATE-OBS", value=start)
    alter(path)
