"""The recipes of tutorials: each gives what a few lines of plain arithmetic give (see also test_recipes_guide.py)."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits
from scipy.ndimage import binary_dilation

from darkroom.settings import check_settings, fill_defaults, read_schema
from tests.camera import Camera
from tests.running import RECIPES, find_lights, find_masters, read_header, read_image, run_snakemake
from tests.simulator import render_stars, simulate_night
from tests.workflow.plain import CAMERA, add_hits, arrange, assert_agrees, read_stack, reduce_by_recipe

NAMES = {"by-folder", "cryogenic", "median-rate", "no-darks", "teaching", "thermoelectric"}


def list_keys(settings: dict, prefix: str = "") -> dict:
    """Return the innermost values by dotted key."""
    keys = {}
    for key, value in settings.items():
        keys |= list_keys(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return keys


def test_there_are_six_recipes() -> None:
    assert {path.stem for path in RECIPES.glob("*.yaml")} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_recipe_holds_only_what_differs_and_says_how_it_is_used(name: str) -> None:
    text = (RECIPES / f"{name}.yaml").read_text()
    recipe = yaml.safe_load(text)
    check_settings(recipe)
    defaults = list_keys(fill_defaults({}, read_schema()))
    assert [key for key, value in list_keys(recipe).items() if defaults[key] == value] == []
    comment = text.split("\n\n")[0].splitlines()
    assert 2 <= len(comment) <= 4
    assert all(line.startswith("#") and len(line) <= 110 for line in comment)
    assert f"snakemake --cores all --configfile workflow/recipes/{name}.yaml" in comment[-1]


@pytest.mark.slow
def test_median_rate(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    lights = {("V", 60.0): 2, ("V", 150.0): 1}
    simulate_night(raw, camera=CAMERA, darks={60.0: 3, 120.0: 3}, lights=lights, light_signal=(2000, 3000))

    run_snakemake(tmp_path, configfile=RECIPES / "median-rate.yaml")

    bias = np.median(read_stack(raw.glob("bias_*")), axis=0)
    rates = [(read_image(path) - bias) / exposure for exposure in (60, 120) for path in raw.glob(f"dark_{exposure}s_*")]
    rate = np.median(rates, axis=0)
    flat = np.median(read_stack(raw.glob("flat_*")) - bias - 4 * rate, axis=0)
    flat /= np.median(flat)
    masters = find_masters(tmp_path / "results")
    assert set(masters) == {"master_bias", "master_dark_rate", "master_flat_V"}
    assert_agrees(masters["master_bias"], bias, "adu")
    assert_agrees(masters["master_dark_rate"], rate, "adu/s")
    assert_agrees(masters["master_flat_V"], flat, "")
    made = find_lights(tmp_path / "results")
    assert len(made) == 3
    for stem, path in made.items():
        exposure = 150 if "150s" in stem else 60
        assert read_header(path)["DARKSCAL"] == exposure
        assert_agrees(path, (read_image(raw / f"{stem}.fits") - bias - exposure * rate) / flat, "electron")


@pytest.fixture(scope="module")
def class_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder whose night has darks of 60 and 180 s and lights of other exposures too."""
    folder = tmp_path_factory.mktemp("class")
    lights = {("V", exposure): 1 for exposure in (60.0, 60.3, 100.0, 170.0)}
    simulate_night(folder / "raw", camera=CAMERA, darks={60.0: 5, 180.0: 4}, lights=lights, light_signal=(2000, 3000))
    return folder


@pytest.mark.slow
def test_teaching(class_night: Path) -> None:
    raw = class_night / "raw"

    reduce_by_recipe(class_night, "teaching")

    bias = np.mean(read_stack(raw.glob("bias_*")), axis=0)
    darks = {exposure: np.median(read_stack(raw.glob(f"dark_{exposure}s_*")) - bias, axis=0) for exposure in (60, 180)}
    flat = np.median(read_stack(raw.glob("flat_*")) - bias, axis=0)
    flat /= np.mean(flat)
    masters = find_masters(class_night / "results")
    assert_agrees(masters["master_bias"], bias, "adu")
    assert_agrees(masters["master_dark_60s"], darks[60], "adu")
    assert_agrees(masters["master_dark_180s"], darks[180], "adu")
    assert_agrees(masters["master_flat_V"], flat, "")
    made = find_lights(class_night / "results")
    for exposure, nearest in {60: 60, 60.3: 60, 100: 60, 170: 180}.items():
        stem = f"light_V_{exposure}s_001"
        assert read_header(made[stem])["DARKSCAL"] == pytest.approx(exposure / nearest, rel=1e-12)
        light = read_image(raw / f"{stem}.fits") - bias - exposure / nearest * darks[nearest]
        assert_agrees(made[stem], light / flat, "adu")


@pytest.mark.slow
def test_teaching_stops_where_a_dark_to_be_scaled_holds_its_bias(class_night: Path) -> None:
    (class_night / "whole.yaml").write_text("dark: {subtract_bias: false}\n")

    run = run_snakemake(
        class_night,
        config={"results": "none"},
        configfile=[RECIPES / "teaching.yaml", "whole.yaml"],
        expect=1,
    )

    said = " ".join(run.stderr.split())
    assert "100 s" in said
    assert "holds its bias and so cannot be scaled" in said
    assert "dark.subtract_bias: true" in said
    assert not find_lights(class_night / "none")
    assert "Traceback" not in said


def saturate_star(path: Path) -> None:
    """Put a star in a raw frame whose core is full, at less than 65535 ADU, and as sharp as a cosmic ray."""
    header, data = read_header(path), fits.getdata(path)
    wings = render_stars(data.shape, [{"x": 8.5, "y": 26.5, "fwhm": 4.0, "flux": 2e5}])
    data = np.rint(data + wings).astype(np.uint16)
    data[26:28, 8:10] = 62000
    fits.PrimaryHDU(data, header).writeto(path, overwrite=True)


def read_mask(path: Path, name: str) -> np.ndarray:
    """Return where a product's mask has the bit of this name (ny, nx)."""
    with fits.open(path) as hdus:
        [bit] = (card.keyword for card in hdus["MASK"].header.cards if card.value == name)
        return (hdus["MASK"].data & 1 << int(bit.removeprefix("BIT"))) != 0


def clean(light: np.ndarray, hit: np.ndarray, spared: np.ndarray) -> np.ndarray:
    """Return a light with the median of the good ones among 5 x 5 pixels in place of each hit."""
    cleaned = light.copy()
    good = np.pad(np.where(hit | spared, np.nan, light), 2, constant_values=np.nan)
    for y, x in np.argwhere(hit):
        cleaned[y, x] = np.nanmedian(good[y : y + 5, x : x + 5])
    return cleaned


@pytest.mark.slow
def test_no_darks(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    camera = Camera(shape=CAMERA.shape, seed=CAMERA.seed, hot_fraction=0)  # a hot pixel looks like a hit
    silent = {"EGAIN": None}  # the gain is given by the recipe alone
    bare = {"IMAGETYP": None, "FILTER": None} | silent
    common = {"camera": camera, "darks": {}, "light_signal": (2000, 3000)}
    simulate_night(raw, lights={("V", 60.0): 2}, cards=bare, **common)
    for number, level in ((2, 3000), (3, 52000)):  # ADU: one flat is too faint, one too bright
        extra, flats = tmp_path / f"flat_{number}", {"V": 1}
        simulate_night(extra, seed=number, biases=0, flats=flats, lights={}, flat_signal=level, cards=bare, **common)
        (extra / "flat_V_001.fits").rename(raw / f"flat_V_10{number}.fits")
    moved = arrange(raw, {"bias_*": "bias", "flat_V_*": "flat/V", "light_V_*": "light/V"})
    # another filter's frames, told by their headers, lie in one folder
    simulate_night(raw, seed=4, biases=0, flats={"R": 4}, lights={("R", 60.0): 1}, cards=silent, **common)
    moved |= {path.stem: path for path in raw.glob("*.fits")}
    rng = np.random.default_rng(5)
    hits = {stem: add_hits(path, rng) for stem, path in moved.items() if stem.startswith("light")}
    saturate_star(moved["light_V_60s_001"])

    reduce_by_recipe(tmp_path, "no-darks")

    bias = np.median(read_stack(raw.glob("bias/*")), axis=0)
    masters, made = find_masters(tmp_path / "results"), find_lights(tmp_path / "results")
    assert set(masters) == {"master_bias", "master_flat_V", "master_flat_R"}
    assert len(made) == len(hits) == 3
    left_out = "".join(read_header(masters["master_flat_V"])["HISTORY"])
    assert "too faint" in left_out
    assert "saturated" in left_out
    assert_agrees(masters["master_bias"], bias, "adu")
    for filter in "VR":
        used = [path for stem, path in moved.items() if stem.startswith(f"flat_{filter}_0")]
        flats = read_stack(used) - bias
        flat = np.median(flats / np.median(flats, axis=(1, 2), keepdims=True), axis=0)
        flat /= np.median(flat)
        assert_agrees(masters[f"master_flat_{filter}"], flat, "")
        low = flat < 0.8
        assert low.any()
        for stem in (stem for stem in hits if stem.startswith(f"light_{filter}")):
            raw_light = read_image(moved[stem])
            struck = np.where(low, np.nan, (raw_light - bias) / flat)
            spared = binary_dilation(raw_light >= 60000, iterations=2)  # the full star, and where it spills over
            path = made[moved[stem].stem]
            removed = read_mask(path, "COSMIC_RAY")
            assert_agrees(path, clean(struck, removed, spared), "electron")
            to_find = hits[stem] & ~low & ~spared
            assert np.mean(removed[to_find]) > 0.9, "few hits are removed"
            assert removed[~hits[stem]].sum() <= 2
            assert not removed[spared].any()
            assert read_mask(path, "LOW_FLAT")[low].all()


@pytest.mark.slow
def test_by_folder(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    simulate_night(
        raw,
        camera=CAMERA,
        darks={60.0: 4},
        flats={"V": 4, "B": 5},
        lights={("V", 60.0): 1, ("B", 90.0): 1},
        light_signal=(2000, 3000),
        cards={"IMAGETYP": None, "OBSTYPE": "OBJECT", "SITELONG": None, "SITELAT": None},  # OBJECT, whatever it is
    )
    folders = {"bias_*": "Bias", "dark_*": "Darks", "flat_*": "Flats", "light_*": "ScienceImages"}
    moved = arrange(raw, folders)

    reduce_by_recipe(tmp_path, "by-folder")

    # the darks end after noon UTC, and still are of this night
    assert [path.name for path in (tmp_path / "results").glob("20*")] == ["2024-03-10"]
    bias = np.median(read_stack(raw.glob("Bias/*")), axis=0)
    dark = np.median(read_stack(raw.glob("Darks/*")) - bias, axis=0)
    masters, made = find_masters(tmp_path / "results"), find_lights(tmp_path / "results")
    assert_agrees(masters["master_bias"], bias, "adu")
    assert_agrees(masters["master_dark_60s"], dark, "adu")
    for filter, exposure in (("V", 60), ("B", 90)):
        flats = read_stack(path for stem, path in moved.items() if stem.startswith(f"flat_{filter}"))
        flats = flats - bias - 4 / 60 * dark
        flat = np.median(flats / np.mean(flats, axis=(1, 2), keepdims=True), axis=0)
        flat /= np.mean(flat)
        assert_agrees(masters[f"master_flat_{filter}"], flat, "")
        light = moved[f"light_{filter}_{exposure}s_001"]
        assert_agrees(made[light.stem], (read_image(light) - bias - exposure / 60 * dark) / flat, "electron")
