"""Masters and measurements as a job reads them: once each, and only if they are what the plan names."""

import json

import numpy as np
import pytest
from astropy.io import fits

from darkroom.detector import Detector, read_detector, stamp_detector
from darkroom.masters import MasterShelf
from darkroom.problems import JobProblem
from darkroom.products import write_figures, write_product
from darkroom.stamps import digest_recipe

IMAGE = np.random.default_rng(1).normal(500, 20, (6, 8)).astype(np.float32)
FRAMES = [{"name": "a.fits", "digest": "0" * 32, "start": "2024-03-11T02:00:00.000", "exposure": 60.0}]
RECIPE = {"product": "n/s/master.fits", "night": "n", "setup": "s", "frames": FRAMES, "settings": {"overscan": None}}
BIAS = {"path": "n/s/master_bias.fits", "digest": "b" * 32}
HOLDS = {"bias": True, "dark": True, "overscan": False, "linear": False}


def put(results, variance=IMAGE * 0 + 4, cards=(), **parts):
    """Write a master and return how a recipe names it."""
    recipe = RECIPE | parts
    write_product(
        str(results / recipe["product"]), IMAGE, fits.Header(cards), recipe, variance, np.full(IMAGE.shape, 2, np.uint8)
    )
    return {"path": recipe["product"], "digest": digest_recipe(recipe)}


def put_figures(results, quantity, **figures):
    recipe = {"quantity": quantity}
    write_figures(str(results / f"n/s/{quantity}.json"), figures, recipe)
    return {"path": f"n/s/{quantity}.json", "digest": digest_recipe(recipe)}


def test_master_has_image_variance_mask_and_what_it_holds(tmp_path):
    wanted = put(tmp_path, cards=[("BIASCOEF", 0.5), ("FRAMEVAR", 28.5)], bias=BIAS, holds=HOLDS)
    master = MasterShelf(str(tmp_path)).read(wanted)
    np.testing.assert_array_equal(master.image, IMAGE)
    assert master.image.dtype == master.variance.dtype == np.float32
    assert np.all(master.variance == 4)
    assert (master.mask.dtype, np.unique(master.mask).tolist()) == (np.uint8, [2])
    assert (master.bias_id, master.bias_share, master.holds_bias, master.frame_variance) == ("b" * 32, 0.5, True, 28.5)


def test_master_without_error_bars_or_bias_says_so(tmp_path):
    master = MasterShelf(str(tmp_path)).read(put(tmp_path, variance=None))
    assert (master.variance, master.bias_id, master.bias_share, master.frame_variance) == (None, None, 0.0, None)
    assert not master.holds_bias


def test_masters_are_read_once_and_held_to_their_recipe(tmp_path):
    wanted, shelf = put(tmp_path), MasterShelf(str(tmp_path))
    master = shelf.read(wanted)
    assert shelf.read(None) is None
    with pytest.raises(JobProblem, match=r"master\.fits: made by another recipe than the plan's; run snakemake again"):
        MasterShelf(str(tmp_path)).read(wanted | {"digest": "0" * 32})
    (tmp_path / wanted["path"]).unlink()
    assert shelf.read(wanted) is master
    with pytest.raises(JobProblem, match="the master cannot be read"):
        MasterShelf(str(tmp_path)).read(wanted)


@pytest.mark.filterwarnings("ignore:File may have been truncated")
@pytest.mark.parametrize("length", [0, 80, 2880, 5000])
def test_damaged_master_is_a_problem_in_one_line(tmp_path, length):
    wanted = put(tmp_path)
    path = tmp_path / wanted["path"]
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(
        JobProblem, match=r"master\.fits: (the master cannot be read|made by another recipe)"
    ) as problem:
        MasterShelf(str(tmp_path)).read(wanted)
    assert "\n" not in str(problem.value)


def test_master_without_a_quality_plane_is_a_problem_in_one_line(tmp_path):
    write_product(str(tmp_path / "n/s/master.fits"), IMAGE, fits.Header(), RECIPE)
    with pytest.raises(JobProblem, match="cannot be read"):
        MasterShelf(str(tmp_path)).read({"path": "n/s/master.fits", "digest": digest_recipe(RECIPE)})


def test_shelf_lies_beside_a_product(tmp_path):
    wanted = put(tmp_path)
    shelf = MasterShelf.beside(f"{tmp_path}/n/s/lights/m67.fits", {"product": "n/s/lights/m67.fits"})
    np.testing.assert_array_equal(shelf.read(wanted).image, IMAGE)


def test_figures_are_held_to_their_recipe(tmp_path):
    wanted = put_figures(tmp_path, "gain", gain={"value": 1.5})
    shelf = MasterShelf(str(tmp_path))
    assert shelf.read_figures(wanted)["gain"] == {"value": 1.5}
    with pytest.raises(JobProblem, match=r"gain\.json: made by another recipe than the plan's"):
        shelf.read_figures(wanted | {"digest": "0" * 32})
    for content in ("", "[]", "{}", json.dumps({"RECIPE": 5})[:-1]):
        (tmp_path / wanted["path"]).write_text(content)
        with pytest.raises(JobProblem, match=r"gain\.json: cannot be read"):
            shelf.read_figures(wanted)
    (tmp_path / wanted["path"]).unlink()
    with pytest.raises(JobProblem, match=r"gain\.json: cannot be read"):
        shelf.read_figures(wanted)


def tell(value=None, measured=None, source="header"):
    return {"from": source, "value": value, "measured": measured}


def test_detector_of_values_has_its_read_noise_in_adu(tmp_path):
    shelf = MasterShelf(str(tmp_path))

    def read(gain, read_noise):
        return read_detector({"detector": {"gain": tell(gain), "read_noise": tell(read_noise)}}, shelf)

    assert read(2.0, 9.0) == Detector(2.0, 4.5)
    assert read(None, 9.0) == Detector(None, None)  # electrons mean nothing without a gain
    assert read(2.0, None) == Detector(2.0, None)
    assert [read(*pair).is_known for pair in ((2.0, 9.0), (None, 9.0), (2.0, None), (None, None))] == [True] + [
        False
    ] * 3


def test_measurements_tell_gain_and_read_noise_in_adu_and_values_serve_where_they_failed(tmp_path):
    shelf = MasterShelf(str(tmp_path))
    gain = put_figures(tmp_path, "gain", gain={"value": 1.6, "error": 0.01, "pairs": 8})
    noise = put_figures(tmp_path, "read_noise", read_noise={"value": 5.5, "error": 0.1, "pairs": 8})
    recipe = {"detector": {"gain": tell(9.0, gain), "read_noise": tell(9.0, noise)}}
    assert read_detector(recipe, shelf) == Detector(1.6, 5.5)
    header = fits.Header()
    stamp_detector(header, recipe, read_detector(recipe, shelf))
    assert (header["CALGAIN"], header["CALGFROM"]) == (1.6, "n/s/gain.json")
    assert (header["CALRON"], header["CALRFROM"]) == (5.5, "n/s/read_noise.json")

    failed = put_figures(tmp_path, "gain", gain=None)
    assert read_detector({"detector": {"gain": tell(2.0, failed), "read_noise": tell(9.0)}}, shelf) == Detector(
        2.0, 4.5
    )
    assert read_detector({"detector": {"gain": tell(None, failed), "read_noise": tell(9.0)}}, shelf) == Detector(
        None, None
    )


def test_header_names_where_gain_and_read_noise_come_from_and_nothing_that_is_unknown():
    header = fits.Header()
    recipe = {"detector": {"gain": tell(2.0, source="config.yaml"), "read_noise": tell(source="unknown")}}
    stamp_detector(header, recipe, Detector(2.0, None))
    assert dict(header) == {"CALGAIN": 2.0, "CALGFROM": "config.yaml"}
