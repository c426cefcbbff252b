"""Previews and pairs: what they show against what was put into the frames, and the scripts that make them."""

import base64
import gc
import io
import json
import os
import runpy
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from darkroom.pictures import make_thumbnail
from darkroom.png_texts import read_text, read_texts
from darkroom.previews import (
    compare_bias,
    compare_light,
    preview_light,
    preview_master,
    share,
    shrink_colours,
)
from darkroom.problems import JobProblem
from darkroom.product_files import read_product
from darkroom.products import write_product
from darkroom.quality import Bit
from darkroom.raw_images import read_planned
from darkroom.stamps import digest_recipe
from tests.unit.builders import digest_of, write_raw

SCRIPTS = Path(__file__).parents[2] / "scripts"
SETTINGS = {"stretch": "zscale", "size": 128, "grid": True}
WCS_CARDS = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRVAL1": 83.6,
    "CRVAL2": 22.0,
    "CRPIX1": 130.0,
    "CRPIX2": 120.0,
    "CD1_1": -2e-4,
    "CD2_2": 2e-4,
}
SHAPE = (240, 256)
rng = np.random.default_rng(8)


def make_image(sky=500.0, noise=10.0, shape=SHAPE):
    """Sky with its noise, brighter to the right, and stars."""
    image = rng.normal(sky, noise, shape) + np.linspace(0, 30, shape[1])
    y, x = np.mgrid[: shape[0], : shape[1]]
    for row, column in [(40, 60), (200, 100), (120, 220), (60, 180)]:
        image += 3000 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 8)
    return image.astype(np.float32)


def make_recipe(kind="light", name="m67.fits", overscan=None, **parts):
    frames = [{"name": name, "digest": "0" * 32, "start": "2024-03-11T02:00:00.000", "exposure": 60.0}]
    place = {"product": f"2024-03-10/ccd/lights/{name}", "kind": kind, "night": "2024-03-10", "setup": "ccd"}
    return {**place, "frames": frames, "settings": {"overscan": overscan}, **parts}


def write_light(path, image, header=None, recipe=None, variance=True, mask=None):
    header = fits.Header({"BUNIT": "electron", "CALGAIN": 2.0, "NCOMBINE": 9} | (header or {}))
    recipe = recipe or make_recipe(name=path.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    plane = np.zeros(image.shape, np.uint8) if mask is None else mask
    write_product(str(path), image, header, recipe, np.full_like(image, 100) if variance else None, plane)
    return path


def mean_level(levels, rows=slice(None), columns=slice(None)):
    return levels[rows, columns].mean(axis=(0, 1))


# Lights


def test_light_shows_what_it_holds(tmp_path):
    """Bright to the right, a star where it is, half the size, and figures of its pixels."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[:24] = Bit.BAD
    image = make_image()
    light = read_product(str(write_light(tmp_path / "m67.fits", image, mask=mask)))
    levels, plain, figures = preview_light(light, SETTINGS)
    assert levels.shape == (120, 128)
    np.testing.assert_array_equal(levels, plain)  # its header tells of no place on the sky
    assert mean_level(levels, columns=slice(100, None)) > mean_level(levels, columns=slice(0, 28)) + 30
    assert levels[20, 30] == levels[100, 50] == levels[60, 110] == 255
    assert figures["unit"] == "electron"
    assert figures["sky"] == pytest.approx(515, abs=5)
    assert figures["noise"] == pytest.approx(10, rel=0.1)
    assert figures["noise_expected"] == pytest.approx(10)
    assert figures["masked"] == pytest.approx(0.1)
    assert figures["stars"] == 4


def test_grid_is_drawn_where_it_is_wanted(tmp_path):
    light = read_product(str(write_light(tmp_path / "m67.fits", make_image(), WCS_CARDS)))
    levels, plain, _ = preview_light(light, SETTINGS)
    without, _, _ = preview_light(light, SETTINGS | {"grid": False})
    np.testing.assert_array_equal(plain, without)
    assert 0.02 < (levels != plain).mean() < 0.4


@pytest.mark.parametrize("stretch", ["zscale", "asinh"])
def test_stretch_is_that_of_the_settings(tmp_path, stretch):
    """By asinh a star is not as white as one ten times as bright."""
    image = make_image()
    image[100:120, 30:50], image[100:120, 150:170] = 1000, 5500
    levels, _, _ = preview_light(
        read_product(str(write_light(tmp_path / "m67.fits", image))), SETTINGS | {"stretch": stretch}
    )
    faint, bright = int(levels[55, 20]), int(levels[55, 80])
    assert faint == bright == 255 if stretch == "zscale" else faint + 40 < bright


@pytest.mark.parametrize(
    "image",
    [
        np.full(SHAPE, np.nan, np.float32),
        np.full(SHAPE, 7, np.float32),
        np.full((1, 1), 7, np.float32),
        np.ones((1, 3000), np.float32),
        np.ones((3000, 2), np.float32),
        np.where(rng.random(SHAPE) < 0.5, np.inf, -3e38).astype(np.float32),
    ],
    ids=["nan", "flat", "pixel", "row", "columns", "wild"],
)
@pytest.mark.parametrize("mosaic", [None, "BGGR"])
def test_any_light_has_a_preview(tmp_path, image, mosaic):
    recipe = make_recipe(**({"mosaic": mosaic} if mosaic else {}))
    light = read_product(str(write_light(tmp_path / "m67.fits", image, WCS_CARDS, recipe)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        levels, _, _ = preview_light(light, SETTINGS)
    assert levels.dtype == np.uint8
    assert 1 <= max(levels.shape[:2]) <= 128
    assert make_thumbnail(levels)
    assert share(light, "asinh").shape[0] in (image.shape[0], image.shape[0] // 2)


# Colours


def lay_mosaic(colours, mosaic, shape=SHAPE):
    """A mosaic of three images, or levels, by the names of their colours."""
    image = np.empty(shape, np.float32)
    for colour, (y, x) in zip(mosaic, [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True):
        image[y::2, x::2] = np.broadcast_to(colours[colour], shape)[y::2, x::2]
    return image


def make_colours():
    """A red patch low at the left, a blue one above at the right, over a sky that is green."""
    red, green, blue = np.full(SHAPE, 200.0), np.full(SHAPE, 600.0), np.full(SHAPE, 300.0)
    red[20:60, 20:60] += 400
    blue[180:220, 180:220] += 400
    return {"R": red, "G": green, "B": blue}


@pytest.mark.parametrize("mosaic", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("size", [128, 60])
def test_mosaic_is_seen_in_its_colours_on_a_grey_sky(tmp_path, mosaic, size):
    image = lay_mosaic(make_colours(), mosaic) + rng.normal(0, 1, SHAPE).astype(np.float32)
    light = read_product(str(write_light(tmp_path / "m67.fits", image, recipe=make_recipe(mosaic=mosaic))))
    levels, _, figures = preview_light(light, SETTINGS | {"size": size})
    rows, columns = levels.shape[:2]
    assert (rows, columns) == ((120, 128) if size == 128 else (56, 60))

    def look(row, column):
        row, column = (round(each * size / 256) for each in (row, column))
        return mean_level(levels.astype(float), slice(row - 4, row + 4), slice(column - 4, column + 4))

    red, green, blue = look(40, 40)
    assert (red - green > 60, abs(green - blue) < 25) == (True, True)
    red, green, blue = look(200, 200)
    assert (blue - green > 60, abs(green - red) < 25) == (True, True)
    assert np.ptp(look(200, 60)) < 25  # the sky
    assert figures["sky"] == pytest.approx(600, abs=2)  # of green pixels alone
    assert figures["noise"] == pytest.approx(1, rel=0.1)


def test_trim_moves_the_colours(tmp_path):
    """A light that begins at the second column of a sensor RGGB begins with green."""
    image = lay_mosaic(make_colours(), "GRBG")
    recipe = make_recipe(overscan={"section": None, "trim": "[2:257,1:240]"}, mosaic="RGGB")
    levels = share(read_product(str(write_light(tmp_path / "m67.fits", image, recipe=recipe))), "zscale")
    assert levels.shape == (120, 128, 3)
    assert levels[20, 20, 0] > levels[20, 20, 2] + 100
    assert levels[100, 100, 2] > levels[100, 100, 0] + 100


def test_odd_mosaic_loses_its_last_row(tmp_path):
    colours, shown = shrink_colours(lay_mosaic(make_colours(), "RGGB")[:239, :255], 1000, "RGGB")
    assert (colours.shape, shown) == ((119, 127, 3), (238, 254))


def test_green_with_a_hole_is_that_of_the_other(tmp_path):
    image = lay_mosaic({"R": 10, "G": 20, "B": 30}, "RGGB")
    image[10, 11], image[20, 21], image[21, 20] = np.nan, np.nan, np.nan
    colours, _ = shrink_colours(image, 1000, "RGGB")
    assert colours[5, 5].tolist() == [20, 20, 20]
    assert np.isnan(colours[10, 10]).tolist() == [False, True, False]
    assert np.isnan(colours).sum() == 1


def test_green_is_the_mean_of_both(tmp_path):
    image = lay_mosaic({"R": 10, "G": 20, "B": 30}, "RGGB")
    image[1::2, 0::2] = 26
    image[0, 0], image[1, 1] = 110, 130
    colours, _ = shrink_colours(image, 1000, "RGGB")
    assert colours[5, 5].tolist() == [21, 21, 21]  # the mean of 10, 23 and 30
    assert colours[0, 0].tolist() == [121, 21, 121]


# Masters


@pytest.mark.parametrize(("kind", "dimensions"), [("bias", 2), ("dark", 2), ("flat", 3)])
def test_what_saw_no_light_has_no_colour(tmp_path, kind, dimensions):
    image = lay_mosaic({"R": 1.1, "G": 1.0, "B": 0.9}, "RGGB") + rng.normal(0, 0.01, SHAPE).astype(np.float32)
    path = write_light(tmp_path / "master.fits", image, {"BUNIT": "adu"}, make_recipe(kind, mosaic="RGGB"))
    levels, figures = preview_master(read_product(str(path)), SETTINGS)
    assert levels.ndim == dimensions
    assert figures["unit"] == "adu"
    assert figures["statistics"]["median"] == pytest.approx(1.0, abs=0.01)
    assert sum(figures["histogram"]["counts"]) > 0.9 * image.size
    assert len(figures["histogram"]["edges"]) == len(figures["histogram"]["counts"]) + 1


# Pairs


def write_pair(
    tmp_path, image, kind="light", header=None, overscan=None, mosaic=None, gain=2.0, pedestal=1000, raw=None
):
    """A product and the raw frame of which it would be made: less a pedestal, times the gain."""
    counts = np.clip((image / gain + pedestal if raw is None else raw).round(), 0, 65535).astype(np.uint16)
    frame = write_raw(tmp_path / "raw" / "m67.fits", kind, data=counts)
    parts = {"mosaic": mosaic} if mosaic else {}
    made = make_recipe(kind, overscan=overscan, **parts)
    path = write_light(tmp_path / "m67.fits", image, {"CALGAIN": gain} | (header or {}), made)
    described = {"name": "m67.fits", "digest": digest_of(frame), "start": "2024-03-11T02:00:00", "exposure": 60.0}
    recipe = {"product": "x", "kind": "pair", "frames": [described], "of": {}}
    recipe |= {"settings": {"stretch": "zscale", "size": 128, "overscan": overscan}, **parts}
    return read_product(str(path)), read_planned(str(frame), described), recipe


def test_raw_light_has_the_stretch_of_the_calibrated_one(tmp_path):
    """Of one that calibrating changes by a pedestal and the gain alone, both are alike."""
    levels, figures = compare_light(*write_pair(tmp_path, make_image()))
    before, after = levels[:, :128], levels[:, 128:]
    assert (levels.shape, figures["width"]) == ((120, 256), 128)
    assert np.abs(before.astype(int) - after).mean() < 3
    assert figures["title"] == "m67.fits, 60 s"
    assert "electron" in figures["before_label"]


def test_light_of_a_pair_is_drawn_as_its_preview(tmp_path):
    light, raw, recipe = write_pair(tmp_path, make_image())
    np.testing.assert_array_equal(compare_light(light, raw, recipe)[0][:, 128:], preview_light(light, SETTINGS)[0])


def test_light_in_adu_is_not_multiplied(tmp_path):
    """Though its header tells a gain."""
    image = make_image()
    levels, _ = compare_light(*write_pair(tmp_path, image, header={"BUNIT": "adu"}, raw=image + 700))
    assert np.abs(levels[:, :128].astype(int) - levels[:, 128:]).mean() < 3


def test_what_was_calibrated_away_is_seen_in_the_raw_frame(tmp_path):
    image = make_image()
    raw = image / 2 + 1000
    raw[100:140, 100:140] += 50
    levels, _ = compare_light(*write_pair(tmp_path, image, raw=raw))
    square = slice(52, 68)
    assert mean_level(levels, square, square) > mean_level(levels[:, 128:], square, square) + 60


def test_raw_frame_is_trimmed_as_the_light(tmp_path):
    image = make_image()
    raw = np.full((SHAPE[0] + 10, SHAPE[1] + 32), 60000.0)
    raw[5:-5, :-32] = image / 2 + 1000
    overscan = {"section": "[257:288,6:245]", "trim": "[1:256,6:245]", "method": "median"}
    levels, _ = compare_light(*write_pair(tmp_path, image, overscan=overscan, raw=raw))
    assert np.abs(levels[:, :128].astype(int) - levels[:, 128:]).mean() < 3


def test_each_colour_of_a_raw_mosaic_comes_to_the_sky_of_the_light(tmp_path):
    image = lay_mosaic(make_colours(), "RGGB") + rng.normal(0, 2, SHAPE).astype(np.float32)
    levels, figures = compare_light(*write_pair(tmp_path, image, mosaic="RGGB"))
    assert levels.shape == (120, 256, 3)
    assert np.abs(levels[:, :128].astype(int) - levels[:, 128:]).mean() < 10
    assert figures["width"] == 128


def test_noise_falls_from_a_bias_to_the_master(tmp_path):
    """Ninefold frames, a third of the noise, at one level."""
    master = rng.normal(1000, 2, SHAPE).astype(np.float32)
    raw = 1004 + rng.normal(0, 6, SHAPE)
    levels, figures = compare_bias(*write_pair(tmp_path, master, "bias", {"BUNIT": "adu"}, raw=raw))
    before, after = levels[:, :128].astype(float), levels[:, 128:].astype(float)
    assert np.median(before) == pytest.approx(np.median(after), abs=3)
    assert before.std() / after.std() == pytest.approx(3, rel=0.15)
    assert figures["after_label"] == "the master bias, of 9 frames"


def test_bias_loses_its_overscan_as_the_master_did(tmp_path):
    """Rows of it jump, and so does their overscan."""
    jumps = rng.normal(0, 50, (SHAPE[0], 1))
    raw = np.hstack([1000 + jumps + rng.normal(0, 6, SHAPE), 1000 + jumps + rng.normal(0, 6, (SHAPE[0], 32))])
    master = rng.normal(0, 2, SHAPE).astype(np.float32)
    overscan = {"section": "[257:288,1:240]", "trim": "[1:256,1:240]", "method": "median"}
    levels, _ = compare_bias(*write_pair(tmp_path, master, "bias", {"BUNIT": "adu"}, overscan, raw=raw))
    before, after = levels[:, :128].astype(float), levels[:, 128:].astype(float)
    assert before.std() / after.std() == pytest.approx(3, rel=0.25)


def test_names_are_shown_on_one_line(tmp_path):
    light, raw, recipe = write_pair(tmp_path, make_image())
    recipe["frames"][0] |= {"name": "a\n\x1b[31m<b>.fits", "exposure": None}
    assert compare_light(light, raw, recipe)[1]["title"] == "a\\n\\x1b[31m<b>.fits"


# Products that are not what they should be


def spoil(path, how):
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[:-100])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "foreign":
        fits.PrimaryHDU(np.zeros(SHAPE, np.float32)).writeto(path, overwrite=True)
    elif how == "no recipe":
        with fits.open(path) as hdus:
            fits.HDUList([hdus[0]]).writeto(path.with_name("x"), overwrite=True)
        path.with_name("x").replace(path)
    elif how == "no JSON":
        path.write_bytes(content.replace(b'{"frames"', b"frames{{{"))
    elif how == "no image":
        with fits.open(path) as hdus:
            header = fits.Header({"RECIPE": hdus[0].header["RECIPE"]})
            fits.HDUList([fits.PrimaryHDU(header=header), hdus["RECIPE"]]).writeto(path.with_name("x"))
        path.with_name("x").replace(path)


WAYS = ["gone", "cut", "empty", "foreign", "no recipe", "no JSON", "no image"]


@pytest.mark.parametrize("how", WAYS)
def test_product_that_cannot_be_shown_is_named(tmp_path, how):
    path = write_light(tmp_path / "m67.fits", make_image())
    spoil(path, how)
    with pytest.raises(JobProblem, match=r"m67\.fits: cannot be shown .*run again"):
        read_product(str(path))


def test_product_of_another_recipe_is_named(tmp_path):
    path = write_light(tmp_path / "m67.fits", make_image())
    assert read_product(str(path), digest_recipe(make_recipe())).unit == "electron"
    with pytest.raises(JobProblem, match="another recipe"):
        read_product(str(path), "f" * 32)


# Scripts


def run(script, tmp_path, recipe, output, **inputs):
    """Run a script as Snakemake would; its exit status and its log."""
    planned = tmp_path / "recipe.json"
    planned.write_text(json.dumps({"recipe": recipe}))
    job = SimpleNamespace(
        input=SimpleNamespace(recipe=str(planned), **inputs),
        output=output,
        log=[str(tmp_path / "log")],
        params=SimpleNamespace(stretch="asinh"),
        threads=1,
    )
    os.environ.pop("DARKROOM_WARM", None)
    try:
        runpy.run_path(str(SCRIPTS / script), {"snakemake": job})
        status = 0
    except SystemExit as end:
        status = end.code
    finally:
        gc.unfreeze()
    return status, (tmp_path / "log").read_text()


def plan_preview(path, **parts):
    digest = fits.getheader(path)["RECIPE"]
    product = str(path.with_suffix(".png"))
    return {
        "product": product,
        "kind": "preview",
        "of": {"path": path.name, "digest": digest},
        "settings": SETTINGS,
    } | parts


def test_lights_are_shown_but_for_the_one_that_is_spoilt(tmp_path):
    paths = [write_light(tmp_path / f"m67_{n}.fits", make_image(), WCS_CARDS) for n in range(3)]
    recipes = [plan_preview(path) for path in paths]
    spoil(paths[1], "cut")
    outputs = [str(path.with_suffix(".png")) for path in paths]
    status, log = run("preview_lights.py", tmp_path, recipes, outputs, products=[str(path) for path in paths])
    assert status == 1
    assert f"darkroom: {paths[1]}: cannot be shown" in log
    assert [Path(each).exists() for each in outputs] == [True, False, True]
    for number in (0, 2):
        texts = read_texts(outputs[number])
        assert texts["RECIPE"] == digest_recipe(recipes[number])
        assert json.loads(texts["recipe"]) == recipes[number]
        assert json.loads(texts["figures"])["stars"] == 4
        with Image.open(outputs[number]) as picture:
            gridded = np.asarray(picture.convert("L").resize((96, 90)), float)
        with Image.open(io.BytesIO(base64.b64decode(texts["thumbnail"]))) as small:
            assert small.size == (96, 90)
            assert np.abs(np.asarray(small, float)[20:70, 20:70] - gridded[20:70, 20:70]).mean() < 30


def test_lights_are_drawn_alike_in_any_batch(tmp_path):
    paths = [
        write_light(tmp_path / f"m67_{n}.fits", make_image(), WCS_CARDS | {"CRVAL2": 22.0 + n / 10}) for n in range(3)
    ]
    recipes = [plan_preview(path) for path in paths]
    outputs = [str(path.with_suffix(".png")) for path in paths]
    products = [str(path) for path in paths]
    assert run("preview_lights.py", tmp_path, recipes, outputs, products=products)[0] == 0
    before = [Path(each).read_bytes() for each in outputs]
    assert run("preview_lights.py", tmp_path, recipes[::-1], outputs[::-1], products=products[::-1])[0] == 0
    assert [Path(each).read_bytes() for each in outputs] == before


def test_master_is_shown(tmp_path):
    path = write_light(tmp_path / "master_bias.fits", make_image(), {"BUNIT": "adu"}, make_recipe("bias"))
    recipe, output = plan_preview(path), str(path.with_suffix(".png"))
    assert run("preview_master.py", tmp_path, recipe, [output], products=[str(path)])[0] == 0
    assert read_text(output, "RECIPE") == digest_recipe(recipe)
    figures = json.loads(read_text(output, "figures"))
    assert (figures["unit"], set(figures)) == ("adu", {"unit", "statistics", "histogram"})


@pytest.mark.parametrize("what", ["light", "bias"])
def test_pair_is_shown(tmp_path, what):
    write_pair(tmp_path, make_image(), what)
    frame, path = tmp_path / "raw" / "m67.fits", tmp_path / "m67.fits"
    described = {"name": "m67.fits", "digest": digest_of(frame), "start": "2024-03-11T02:00:00", "exposure": 60.0}
    recipe = plan_preview(path, kind="pair", what=what, frames=[described])
    recipe["settings"] = {"stretch": "asinh", "size": 100, "overscan": None}
    output = str(tmp_path / "pair.png")
    job = {"frames": [str(frame)], "products": [str(path)]}
    assert run("compare_pair.py", tmp_path, recipe, [output], **job)[0] == 0
    assert json.loads(read_text(output, "figures"))["width"] == 100
    with Image.open(output) as picture:
        assert picture.size == (200, 94)
    frame.unlink()
    status, log = run("compare_pair.py", tmp_path, recipe, [output], **job)
    assert (status, "the raw frame is gone" in log) == (1, True)


@pytest.mark.parametrize("mosaic", [None, "RGGB"])
def test_light_is_shared_in_all_its_pixels(tmp_path, mosaic):
    recipe = make_recipe(**({"mosaic": mosaic} if mosaic else {}))
    path = write_light(tmp_path / "m67.fits", make_image(), recipe=recipe)
    output = str(tmp_path / "m67.jpg")
    assert run("share_light.py", tmp_path, None, [output], product=str(path))[0] == 0
    with Image.open(output) as picture:
        assert (picture.format, picture.mode, picture.size) == (
            ("JPEG", "RGB", (128, 120)) if mosaic else ("JPEG", "L", (256, 240))
        )
    spoil(path, "gone")
    status, log = run("share_light.py", tmp_path, None, [output], product=str(path))
    assert (status, "cannot be shown (No such file or directory)" in log) == (1, True)
