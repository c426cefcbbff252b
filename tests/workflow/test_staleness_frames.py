"""One raw frame changes, comes or goes: exactly what depends on it is made anew."""

import shutil

import pytest
from astropy.io import fits

from tests.workflow.reduced import ALL, BAD_PIXELS, BIAS, FLATS, LIGHTS, LIGHTS_B, LIGHTS_V, alter

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("frame", "remade"),
    [
        ("bias_002", ALL),
        ("flat_B_001", {"master_flat_B", "gain"} | BAD_PIXELS | LIGHTS_B),
        ("dark_60s_001", {"master_dark_60s"} | BAD_PIXELS | LIGHTS_V),
        ("dark_20s_003", {"master_dark_20s"} | FLATS | BAD_PIXELS | LIGHTS),  # scaled for flats and for lights in B
        ("light_V_60s_002", {"light_V_60s_002"}),
    ],
)
def test_changed_frame(night, frame, remade):
    alter(night.raw / f"{frame}.fits")
    assert night.plan() == remade
    changed = {name for name, reason in night.explain().items() if f"frames: {frame}.fits has changed" in reason}
    assert changed == {name for name in remade if reads(name, frame)}
    night.make(remade)


def reads(product, frame):
    """Whether a product is made of a raw frame itself."""
    kind, own = frame.split("_")[0], {f"master_{frame[:-4]}", frame}
    return product in own | {"bias": {"gain", "read_noise"}, "flat": {"gain"}}.get(kind, set())


def test_changed_flat_by_snakemake(night):
    """The gain is measured anew, for what it is worth; the lights in B take theirs from the header, and stay."""
    alter(night.raw / "flat_V_002.fits")
    night.expect({"master_flat_V", "gain"} | BAD_PIXELS | LIGHTS_V)


def test_changed_flat_where_the_measured_gain_counts(night):
    """All error bars, and the electrons of all lights, are by a gain in which the flats in V have a share."""
    night.configure("detector: {prefer: measured}")
    night.make(ALL - BIAS - {"gain", "read_noise"})
    alter(night.raw / "flat_V_002.fits")
    night.make(ALL - BIAS - {"read_noise"})


def test_frames_of_the_same_content_remake_nothing(night):
    before = night.look()
    for path in night.raw.iterdir():
        path.touch()
    assert night.foresee() == set()
    for path in list(night.raw.iterdir()):
        shutil.copy(path, path.with_suffix(".copy"))
        path.with_suffix(".copy").replace(path)
    assert "Nothing to be done" in night.run().stderr
    assert night.look() == before


def test_frame_that_was_edited_and_put_back(night):
    path = night.raw / "bias_002.fits"
    before, saved = night.look(), path.read_bytes()
    alter(path)
    assert night.foresee() == ALL
    path.write_bytes(saved)
    assert "Nothing to be done" in night.run().stderr
    assert night.look() == before


def test_copies_of_frames_remake_nothing(night):
    """Whatever the file managers call them: some of the names come before the original's in the alphabet."""
    names = ["{}_again.fits", "{} (copy).fits", "Copy of {}.fits", "backup/{}.fits", "a/b_{}.fits"]
    for stem in ("bias_001", "flat_V_002", "light_V_60s_001"):
        for path in [night.raw / name.format(stem) for name in names]:
            path.parent.mkdir(exist_ok=True)
            shutil.copy(night.raw / f"{stem}.fits", path)
    assert night.plan() == set()


def test_moved_frames_remake_nothing(night):
    (night.raw / "evening").mkdir()
    for path in night.raw.glob("*.fits"):
        path.rename(night.raw / "evening" / path.name)
    assert night.foresee() == set()


def test_new_light(night):
    add_light(night, "2024-03-11T05:00:00")
    night.make({"light_V_60s_new"})


def test_new_light_before_all_others_shifts_batches(night):
    night.configure("lights_per_job: 2")
    assert night.plan() == set()
    add_light(night, "2024-03-11T01:00:00")
    night.run_for({"light_V_60s_new"})


def test_new_bias(night):
    shutil.copy(night.raw / "bias_001.fits", night.raw / "bias_004.fits")
    alter(night.raw / "bias_004.fits")
    assert night.plan() == ALL
    for name in ("master_bias", "read_noise", "gain"):
        assert "frames: bias_004.fits is new" in night.explain()[name]


def test_excluded_bias(night):
    night.configure("exclude: [bias_003.fits]")
    assert night.plan() == ALL
    for name in ("master_bias", "read_noise", "gain"):
        assert "frames: bias_003.fits is gone" in night.explain()[name]


def test_excluded_or_removed_light_remakes_nothing(night):
    """Its product stays, and is as good as before when the light is back."""
    before = night.look()
    night.configure("exclude: [light_V_60s_001.fits]")
    (night.raw / "light_V_60s_003.fits").unlink()
    (night.raw / "light_B_30s_001.fits").unlink()
    assert "Nothing to be done" in night.run().stderr
    assert night.look() == before
    night.configure()
    assert night.plan() == set()


def test_all_lights_of_a_filter_excluded(night):
    """The bad pixels are those of the masters that are used; the gain is still measured from all flats."""
    night.configure("exclude: [light_B_*]")
    assert night.plan() == BAD_PIXELS
    assert "master_flat_B.fits is gone" in night.explain()["bad_pixels"]


def test_removed_dark(night):
    (night.raw / "dark_60s_002.fits").unlink()
    night.make({"master_dark_60s"} | BAD_PIXELS | LIGHTS_V)


def test_all_darks_of_an_exposure_removed(night):
    """The others are scaled instead."""
    for path in night.raw.glob("dark_60s_*.fits"):
        path.unlink()
    assert night.plan() == BAD_PIXELS | LIGHTS_V
    assert "dark.scale: 1.0 -> 3.0" in night.explain()["light_V_60s_001"]
    assert "master_dark_60s.fits is gone" in night.explain()["bad_pixels"]
    night.make(BAD_PIXELS | LIGHTS_V)


def add_light(night, start):
    path = night.raw / "light_V_60s_new.fits"
    shutil.copy(night.raw / "light_V_60s_001.fits", path)
    fits.setval(path, "DATE-OBS", value=start)
    alter(path)
