"""Recipes and the stamps of products: what decides whether a product is stale."""

import ast
import json
import os

import numpy as np
import pytest
from astropy.io import fits

from darkroom import fingerprints
from darkroom.plan import make_plan
from darkroom.products import write_product
from darkroom.recipe_changes import compare_recipes
from darkroom.recipes import write_recipes
from darkroom.stamps import StampCache, digest_recipe, read_recipe, read_stamp
from tests.unit.builders import make_frame, make_night, overlay


def plan_night(frames=None, **settings):
    """A plan with its recipes: of each product by its stem, too."""
    chosen = overlay(**settings)
    plan = make_plan(frames or make_night(), chosen)
    write_recipes(plan, chosen)
    return plan, {item.path.rpartition("/")[2].removesuffix(".fits"): item for item in [*plan.masters, *plan.made]}


def find_changed(frames=None, **settings):
    """The stems of the products whose recipe differs from that of the plain night."""
    _, plain = plan_night()
    _, items = plan_night(frames, **settings)
    return {stem for stem, item in items.items() if stem not in plain or plain[stem].digest != item.digest}


def test_recipes_are_plain_json_without_this_machine():
    _, items = plan_night()
    assert set(items) == {"master_bias", "master_dark_60s", "master_flat_V", "light_V_60_1", "light_V_60_2"}
    for item in items.values():
        text = json.dumps(item.recipe)
        assert json.loads(text) == item.recipe
        assert item.digest == digest_recipe(json.loads(text))
        assert "/raw/" not in text
        assert os.getcwd() not in text


def test_recipe_names_all_that_is_used():
    _, items = plan_night()
    light = items["light_V_60_1"].recipe
    for kind, stem in (("bias", "master_bias"), ("dark", "master_dark_60s"), ("flat", "master_flat_V")):
        assert light[kind] == {"path": items[stem].path, "digest": items[stem].digest, "scale": 1.0}
    flat = items["master_flat_V"].recipe
    assert [frame["dark"]["scale"] for frame in flat["frames"]] == [pytest.approx(4 / 60)] * 2
    assert set(flat["versions"]) == {"astropy", "astroscrappy", "ccdproc", "numpy", "scipy"}
    assert "darkroom.bad_pixels" in flat["code"]
    assert "darkroom.bad_pixels" not in light["code"]


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({"bias__combine__low": 3}, ""),  # what sigma clipping does not look at
        ({"lights__cosmic_rays__sigma": 6.0}, ""),  # not in use
        ({"overscan__order": 5}, ""),  # there is none
        ({"lights_per_job": 3, "missing": "stop", "dark__max_age_days": 5}, ""),
        ({"bias__combine__sigma": 4.0}, "bias dark flat light"),
        ({"dark__combine__method": "median"}, "dark flat light"),
        ({"flat__scale": "mean"}, "flat light"),
        ({"flat__min_counts": 700}, "dark flat light"),  # of which flats the gain is measured
        ({"detector__saturation": 60000}, "bias dark flat light"),
        ({"dark__hot_sigma": 9.0}, "dark flat light"),
        ({"lights__masked": "fill"}, "light"),
        ({"lights__unit": "adu"}, "light"),
        ({"certification__residual": 2.0}, ""),
        ({"flat__minimum": 0.1}, "light"),
        ({"flat__use": False}, "light"),
        ({"lights__cosmic_rays": {"use": True, "sigma": 5.0}}, "light"),
    ],
)
def test_setting_changes_the_recipes_of_what_it_makes(settings, changed):
    kinds = {stem.removeprefix("master_").partition("_")[0] for stem in find_changed(**settings)}
    assert kinds == set(changed.split())


def test_content_of_a_frame_counts_and_its_folder_does_not():
    frames = make_night()
    for frame in frames:
        frame.path, frame.name = f"/elsewhere/{frame.name}", f"elsewhere/{frame.name}"
    assert find_changed(frames) == set()
    [light] = [frame for frame in frames if frame.name.endswith("light_V_60_1.fits")]
    light.digest = "another"
    assert find_changed(frames) == {"light_V_60_1"}


def test_order_of_arrival_does_not_count():
    assert find_changed(make_night()[::-1]) == set()
    more = [make_frame("dark", "2024-03-10/ccd/dark_60_0.fits", start="2024-03-10T23:00:00.000"), *make_night()]
    assert find_changed(more) == {"master_dark_60s", "master_flat_V", "light_V_60_1", "light_V_60_2"}


def test_differences_in_words():
    one, two, other, three = ({"name": name, "digest": digest} for name, digest in ("a1", "b2", "b3", "c4"))
    old = {"settings": {"combine": {"sigma": 5.0}}, "frames": [one, two]}
    new = {"settings": {"combine": {"sigma": 4.0}}, "frames": [other, three]}
    assert list(compare_recipes(old, old)) == []
    assert list(compare_recipes(old, new)) == [
        "frames: a is gone",
        "frames: c is new",
        "frames: b has changed",
        "settings.combine.sigma: 5.0 -> 4.0",
    ]
    dark = {"path": "d.fits", "digest": "1", "scale": 1.0}
    old = {"bias": None, "code": {"x": "1", "y": "2", "z": "5"}, "dark": dark}
    new = {"bias": {"path": "b.fits"}, "code": {"x": "3", "y": "2", "w": "4"}, "dark": dark | {"digest": "2"}}
    assert list(compare_recipes(old, new)) == [
        "bias: null -> b.fits",
        "code.w: is new",
        "code.x: has changed",
        "code.z: is gone",
        "dark: d.fits has changed",
    ]
    assert list(compare_recipes(dark, {"path": "e.fits", "digest": "2", "scale": 2.0}, "dark")) == [
        'dark.path: "d.fits" -> "e.fits"',
        "dark.scale: 1.0 -> 2.0",
    ]


def test_changed_dark_is_not_blamed_on_the_flats():
    frames = make_night()
    frames[2].digest = "another"
    _, items = plan_night()
    _, others = plan_night(frames)
    words = {stem: set(compare_recipes(items[stem].recipe, others[stem].recipe)) for stem in items}
    dark, flat = items["master_dark_60s"].path, items["master_flat_V"].path
    assert words["master_bias"] == set()
    assert words["master_dark_60s"] == {"frames: dark_60_1.fits has changed"}
    assert words["master_flat_V"] == {f"frames.dark: {dark} has changed"}
    assert words["light_V_60_1"] == {f"dark: {dark} has changed", f"flat: {flat} has changed"}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("x = 1", "x  =  1  # one\n", True),
        ("'''Doc.'''\nx = 1", "x = 1", True),
        ("def f():\n    '''Doc.'''\n    return 1", "def f():\n    '''Other.'''\n\n    return 1", True),
        ("class A:\n    '''Doc.'''\n    x = 1", "class A:\n    x = 1", True),
        ("x = 1", "x = 2", False),
        ("x = 1", "x = 1.0", False),
        ("x = 1", "x = True", False),
        ("x = None", "x = ''", False),
        ("f('a')", "f(b'a')", False),
        ("def f(a, *, b=1): pass", "def f(a, b=1): pass", False),
        ("x[1:]", "x[:1]", False),
        ("def f():\n    return 'a'", "def f():\n    return 'b'", False),
        ("def f():\n    'a'\n    'b'", "def f():\n    'a'\n    'c'", False),
        ("a - b - c", "a - (b - c)", False),
        ("f'{x:.1f}'", "f'{x:.2f}'", False),
    ],
)
def test_canonical_code(one, other, alike):
    one, other = (fingerprints._canonical(ast.parse(text)) for text in (one, other))
    assert (one == other) == alike


@pytest.fixture
def product(tmp_path):
    path = tmp_path / "light.fits"
    header = fits.Header([("EXPTIME", 60.0), *((f"KEY{n}", n) for n in range(100))])
    recipe = {"night": "2024-03-10", "setup": "ccd", "frames": [{"name": "µ.fits"}], "settings": {"overscan": None}}
    write_product(str(path), np.zeros((3, 4)), header, recipe)
    return path, recipe


def test_stamp_is_read_back(product):
    path, recipe = product
    assert read_stamp(path) == digest_recipe(recipe)
    assert read_recipe(path) == recipe


@pytest.mark.parametrize("damage", [b"", b"short", b" " * 2880, b"END".ljust(2880)])
def test_no_stamp(product, damage):
    path, _ = product
    path.write_bytes(damage)
    assert read_stamp(path) is None
    assert read_recipe(path) is None


def test_raw_frame_bears_no_stamp(tmp_path):
    fits.PrimaryHDU(np.zeros((3, 4))).writeto(tmp_path / "raw.fits")
    assert read_stamp(tmp_path / "raw.fits") is None
    assert read_recipe(tmp_path / "raw.fits") is None


def test_stamps_are_read_again_only_if_size_or_time_differs(product):
    path, recipe = product
    stored = {}
    assert StampCache(stored).find(path, "light.fits")[0] == digest_recipe(recipe)
    stored["light.fits"][2] = "remembered"
    stored = json.loads(json.dumps(stored))
    assert StampCache(stored).find(path, "light.fits")[0] == "remembered"
    path.touch()
    assert StampCache(stored).find(path, "light.fits")[0] == digest_recipe(recipe)
    path.unlink()
    assert StampCache(stored).find(path, "light.fits") == (None, None)
    assert stored == {}
