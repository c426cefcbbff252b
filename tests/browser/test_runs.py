"""The pages of whole runs, simulated and real: what they show is what the tables and the products hold."""

import csv
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from astropy.io import fits

from tests.browser.browser import DESK, PHONE, Page
from tests.browser.pages import verify_links, verify_looks, verify_structure, wait_for_all
from tests.camera import Camera
from tests.running import REPOSITORY, run_snakemake
from tests.simulator import EVENTFUL, simulate_night

DATA = REPOSITORY.parent / "shared" / "data"
FIGURES = ("sky", "fwhm", "elongation", "stars", "masked")

pytestmark = pytest.mark.slow


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_chart(page: Page, figure: str) -> dict[str, float]:
    """Return what a chart of the night shows, by the raw frame's name: what its marks were drawn from."""
    marks = "[...document.querySelectorAll(`[data-chart=chart-${arguments[0]}] svg .mark-symbol.role-mark path`)]"
    return dict(page.run(f"return {marks}.map(({{__data__: {{datum}}}}) => [datum.raw, datum[arguments[0]]])", figure))


def verify_charts(page: Page, lights: list[dict[str, str]]) -> None:
    """Demand that the charts show the figures of lights.csv, of all lights that have them, and no others."""
    for figure in FIGURES:
        wanted = {row["raw"]: float(row[figure]) for row in lights if row["light"] and row[figure]}
        assert wanted or figure in ("fwhm", "elongation")
        assert read_chart(page, figure) == pytest.approx(wanted, rel=1e-4)
    wanted = {
        row["raw"]: float(row["noise"]) / float(row["noise_expected"])
        for row in lights
        if row["light"] and row["noise"] and row["noise_expected"]
    }
    assert read_chart(page, "ratio") == pytest.approx(wanted, rel=1e-4)


def verify_rows(page: Page, lights: list[dict[str, str]]) -> None:
    """Demand that the table of the page has the rows and figures of lights.csv, and sorts by them."""
    shown = page.run(
        """const read = row => [...row.querySelectorAll('td[data-key]')]
               .map(({dataset: cell}) => [cell.key, cell.order]);
           const rows = [...document.querySelectorAll('#lights-table tbody tr')];
           return rows.map(row => [row.dataset.raw, Object.fromEntries(read(row))]);"""
    )
    assert {raw for raw, _ in shown} == {row["raw"] for row in lights}
    by_raw = dict(shown)
    for row in lights:
        for figure in (*FIGURES, "noise", "noise_expected", "exposure"):
            value = by_raw[row["raw"]].get(figure)
            assert (float(value) if value else None) == (float(row[figure]) if row[figure] else None), figure
    page.run("document.querySelector('#lights-table th[data-key=sky] [role=button]').click()")
    page.wait("return document.querySelector('#lights-table th[data-key=sky]').ariaSort === 'ascending'")
    skies = page.run(
        "return [...document.querySelectorAll('#lights-table td[data-key=sky]')].map(td => td.dataset.order)"
    )
    known = [float(sky) for sky in skies if sky]
    assert known == sorted(float(row["sky"]) for row in lights if row["sky"])


def verify_files(page: Page) -> None:
    """Demand that the files beside the page to which it leads are there."""
    paths = page.run("return [...document.querySelectorAll('a[href]')].map(each => each.href.split('#')[0])")
    for url in set(paths):
        assert Path(unquote(urlsplit(url).path)).is_file(), url


def verify_night(browser, results: Path, night: str) -> list[dict[str, str]]:
    """Demand of the page of a night all that can be said of any; return its lights."""
    lights = read_table(results / night / "lights.csv")
    for width, scheme in ((PHONE, "dark"), (DESK, "light")):
        page = browser.open(results / night / "report.html", width, scheme=scheme)
        wait_for_all(page)
        verify_looks(page, f"{night}-{width}")
        page.verify_quiet()
    verify_structure(page)
    verify_links(page)
    verify_files(page)
    verify_charts(page, lights)
    verify_rows(page, lights)
    masters = {row["master"]: row for row in read_table(results / "certification.csv") if row["night"] == night}
    for path, row in masters.items():
        card = page.run("return document.querySelector(`[data-path=${CSS.escape(arguments[0])}]`)", path)
        word = {"passed": "certified", "unproven": "unproven", "failed": "failed"}[row["verdict"]]
        assert word in card.find_element("css selector", ".badge").text
        assert card.find_elements("css selector", "img")
        assert card.find_elements("css selector", "[data-chart] svg .mark-rect path")
    for row in lights:
        if row["sky"]:
            pixels = fits.getdata(results / row["light"])
            low, middle = np.nanpercentile(pixels, [10, 50])  # stars and clusters lie above the sky
            assert low < float(row["sky"]) < 1.02 * middle
    page.verify_quiet()
    page = browser.open(results / "trends.html", PHONE)
    wait_for_all(page)
    verify_looks(page, f"{night}-trends")
    verify_files(page)
    page.verify_quiet()
    return lights


def test_simulated_night(browser, tmp_path):
    simulate_night(tmp_path / "raw", camera=Camera(shape=(256, 256)), seed=1, **EVENTFUL)
    run_snakemake(tmp_path, cores=2, seen=True)
    lights = verify_night(browser, tmp_path / "results", "2024-03-10")
    assert sum(not row["light"] for row in lights) == 2
    odd = [row["raw"] for row in lights if row["odd"]]
    assert 1 <= len(odd) <= 4
    assert len({row["filter"] for row in lights}) == 3


@pytest.mark.skipif(not DATA.is_dir(), reason="the real frames are not on this machine")
@pytest.mark.parametrize(
    ("name", "overlay", "count"),
    [
        ("nickel", "dark: {use: false}\n", 6),
        pytest.param("arcsat-m13", "{}\n", 12, marks=pytest.mark.extra),  # make test-pages
    ],
)
def test_real_night(browser, tmp_path, name, overlay, count):
    (tmp_path / "overlay.yaml").write_text(overlay)
    run_snakemake(
        tmp_path, configfile="overlay.yaml", config={"raw": DATA / name, "results": "out"}, cores=2, seen=True
    )
    lights = [
        light
        for page in (tmp_path / "out").glob("*/report.html")
        for light in verify_night(browser, tmp_path / "out", page.parent.name)
    ]
    assert sum(bool(light["light"]) for light in lights) == count
