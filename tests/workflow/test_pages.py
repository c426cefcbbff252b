"""What is looked at after a run: previews, pairs and pages; when each is made again, and that they tell the truth."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from darkroom.png_texts import read_texts
from darkroom.stamps import read_recipe, read_stamp
from tests.camera import Camera
from tests.running import read_image, run_snakemake
from tests.simulator import simulate_night
from tests.workflow.engine import run_due
from tests.workflow.jobs import plan_night

SEEN = {"previews": {"use": True}, "report": {"use": True}}
NIGHT = {"biases": 5, "darks": {60.0: 3}, "flats": {"V": 3}, "lights": {("V", 60.0): 3}}


def make_folder(folder, **own):
    simulate_night(folder / "raw", **{"camera": Camera(shape=(64, 80)), **NIGHT, **own})
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A night with all that there is to look at."""
    folder = make_folder(tmp_path_factory.mktemp("pages"))
    _, made, failed = run_due(folder, **SEEN)
    assert not failed
    return folder, made


def list_due(folder, **config):
    nights = plan_night(folder, **SEEN | config)
    return {path.rsplit("/", 1)[-1] for job in nights.jobs.values() if job.due for path in job.products}


def read_table(folder):
    [table] = (folder / "results").glob("*/lights.csv")
    return list(csv.DictReader(table.read_text().splitlines()))


def test_everything_has_its_picture_and_the_night_its_page(shared):
    folder, _ = shared
    results = folder / "results"
    for product in [*results.glob("*/*/master_*.fits"), *results.glob("*/*/lights/*.fits")]:
        assert product.with_suffix(".png").exists(), product
    assert {path.name for path in results.glob("*/*/pairs/*.png")} == {"light_V_60s.png", "master_bias.png"}
    assert len(list(results.glob("*/report.html"))) == len(list(results.glob("*/lights.csv"))) == 1
    assert (results / "trends.html").exists()
    assert list_due(folder) == set()


def test_pictures_and_pages_bear_their_recipes(shared):
    folder, _ = shared
    pages = [path for end in ("png", "html") for path in (folder / "results").rglob(f"*.{end}")]
    assert len(pages) == 10
    for path in pages:
        recipe = read_recipe(path)
        assert recipe["product"] == str(path.relative_to(folder / "results"))
        assert len(read_stamp(path)) == 32


def test_table_of_lights_holds_what_the_pictures_tell(shared):
    folder, _ = shared
    rows = read_table(folder)
    assert [row["raw"] for row in rows] == [f"light_V_60s_00{n}.fits" for n in (1, 2, 3)]
    for row in rows:
        figures = json.loads(read_texts(folder / "results" / row["light"].replace(".fits", ".png"))["figures"])
        assert float(row["sky"]) == figures["sky"]
        image = read_image(folder / "results" / row["light"])
        assert float(row["sky"]) == pytest.approx(np.nanmedian(image), rel=0.05)
        assert row["unit"] == "electron"


def test_preview_shows_the_light_with_its_first_row_at_the_bottom(shared):
    folder, _ = shared
    [path, *_] = sorted((folder / "results").glob("*/*/lights/*.png"))
    image = read_image(path.with_suffix(".fits"))
    pixels = np.asarray(Image.open(path).convert("L"), float)[::-1]
    assert pixels.shape == image.shape
    bright = image > np.nanpercentile(image, 99)
    assert pixels[bright].mean() > 2 * pixels[~bright].mean()


def test_only_what_is_stale_is_made_again(shared):
    folder, made = shared
    pictures = {path.rsplit("/", 1)[-1] for path in made if path.endswith(".png")}
    page = {"report.html", "lights.csv"}
    assert list_due(folder, previews={"use": True, "stretch": "asinh"}) == pictures | page
    assert list_due(folder, report={"use": True, "title": "Mauna Kea"}) == page | {"trends.html"}
    assert list_due(folder, lights={"masked": "fill"}) == {
        *(f"light_V_60s_00{n}.{end}" for n in (1, 2, 3) for end in ("fits", "png")),
        "light_V_60s.png",
        *page,
    }
    assert list_due(folder, previews={"use": False}, report={"use": False}) == set()


def test_what_was_deleted_or_spoiled_is_made_again(tmp_path):
    folder = make_folder(tmp_path)
    run_due(folder, **SEEN)
    results = folder / "results"
    [preview, *_] = sorted(results.glob("*/*/lights/*.png"))
    preview.unlink()
    assert list_due(folder) == {preview.name}
    run_due(folder, **SEEN)
    [page] = results.glob("*/report.html")
    page.write_text(page.read_text()[:-20])
    assert list_due(folder) == {"report.html", "lights.csv"}
    run_due(folder, **SEEN)
    [picture] = results.glob("*/*/master_bias.png")
    picture.write_bytes(picture.read_bytes()[:-5])
    assert list_due(folder) == {"master_bias.png"}
    run_due(folder, **SEEN)
    [table] = results.glob("*/lights.csv")
    table.unlink()
    assert list_due(folder) == {"report.html", "lights.csv"}


def test_same_frames_and_settings_give_the_same_bytes(shared, tmp_path):
    folder, _ = shared
    again = make_folder(tmp_path)
    run_due(again, **SEEN)
    for path in (folder / "results").rglob("*.*"):
        if path.suffix in (".png", ".html") or path.name == "lights.csv":
            other = again / "results" / path.relative_to(folder / "results")
            assert other.read_bytes() == path.read_bytes(), path.name


def test_page_of_a_night_without_lights(tmp_path):
    folder = make_folder(tmp_path, lights={})
    _, _, failed = run_due(folder, **SEEN)
    assert not failed
    assert len(list((folder / "results").glob("*/report.html"))) == 1
    assert list_due(folder) == set()


def test_page_tells_why_a_light_is_skipped(tmp_path):
    folder = make_folder(tmp_path, lights={("V", 60.0): 2, ("R", 60.0): 1})
    run_due(folder, **SEEN)
    [skipped] = [row for row in read_table(folder) if not row["light"]]
    assert skipped["raw"].startswith("light_R")
    assert "no flat in R" in skipped["missing"]
    assert "flat.use: false goes without" in skipped["missing"]
    [page] = (folder / "results").glob("*/report.html")
    assert "no flat in R" in page.read_text()


@pytest.mark.slow
def test_run_makes_them_and_a_jpeg_on_request(tmp_path):
    folder = make_folder(tmp_path)
    run = run_snakemake(folder, cores=2, seen=True)
    [page] = (folder / "results").glob("*/report.html")
    assert f"look: {Path('results') / page.relative_to(folder / 'results')}" in run.stderr
    assert "Nothing to be done" in run_snakemake(folder, "-n", seen=True).stdout
    [light, *_] = sorted((folder / "results").glob("*/*/lights/*.fits"))
    wanted = Path("results") / light.relative_to(folder / "results").with_suffix(".jpg")
    run_snakemake(folder, wanted, seen=True)
    with Image.open(folder / wanted) as picture:
        assert picture.format == "JPEG"
        assert picture.size == read_image(light).shape[::-1]


@pytest.mark.slow
def test_page_of_a_run_that_failed_tells_what_was_not_made(tmp_path):
    folder = make_folder(tmp_path)
    plan_night(folder, **SEEN)
    [raw, *_] = sorted((folder / "raw").glob("light*"))
    whole, status = raw.read_bytes(), raw.stat()
    run_snakemake(folder, "masters", seen=True)
    raw.write_bytes(whole[:-5000] + bytes(5000))  # other pixels, and nothing tells before it is read
    os.utime(raw, ns=(status.st_atime_ns, status.st_mtime_ns))
    run_snakemake(folder, seen=True, expect=1)
    [page] = (folder / "results").glob("*/report.html")
    assert raw.name in page.read_text()
    assert read_stamp(page) is None
    raw.write_bytes(whole)
    os.utime(raw, ns=(status.st_atime_ns, status.st_mtime_ns))
    run_snakemake(folder, seen=True)
    assert read_stamp(page)
