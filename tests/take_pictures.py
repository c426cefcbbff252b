"""Take the pictures of the documentation: the demonstration night as it is seen in a browser, files and a terminal.

Run as ``python -m tests.take_pictures DEMO IMAGES`` (``make pictures``) after ``make demo``. It needs Chromium and its
driver. The same results, browser and fonts give the same bytes.
"""

import argparse
import base64
import io
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

from PIL import Image
from rich.console import Console

from darkroom.live_progress import describe, draw_block
from darkroom.prepare import prepare
from darkroom.standing import Standing, name_jobs, weigh_job
from tests.browser.browser import CHROMIUM, DRIVER, Browser, Page
from tests.camera import Camera
from tests.running import run_snakemake
from tests.simulator import simulate_night

WIDTH = 1100  # of the window, CSS pixels
COLOURS = 256  # of a screenshot's palette
COLUMNS, ROWS = 84, 24  # of the terminal
SECONDS = 0.5  # that a raw frame takes, in the picture of the progress
PAGE_WAIT = 120  # s

# What rich puts around a picture, less its fonts, which come from another host.
SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>Darkroom's progress in a terminal</title>
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""


def draw_progress(raw: Path, path: Path) -> None:
    """Draw what a terminal shows while lights are calibrated, as the display draws it: the jobs are those of the plan.

    Its clock is not: each raw frame takes as long, so that the picture is the same each time.
    """
    with tempfile.TemporaryDirectory() as folder:
        jobs = list(prepare({"raw": str(raw), "results": folder}).jobs.values())
    names, clock = name_jobs(jobs), 0.0
    first = next(number for number, job in enumerate(jobs) if job.kind == "calibrate_lights")
    with patch("time.monotonic", lambda: clock):
        standing = Standing(sum(map(weigh_job, jobs)), started=clock, total=len(jobs) + 1)
        for number, job in enumerate(jobs[:first]):
            clock += SECONDS * weigh_job(job)
            standing.done += 1
            standing.end_job(number, weigh_job(job))
        for number, job in enumerate(jobs[first:], first):
            if job.kind == "calibrate_lights":
                standing.start_job(number, names[job.name])
                clock += SECONDS
        console = Console(file=io.StringIO(), record=True, width=COLUMNS, force_terminal=True, color_system="standard")
        console.print("$ snakemake --cores 2 --config raw=/data/2024-03-10 results=out", highlight=False)
        console.print(draw_block(standing.share, describe(standing, COLUMNS, ROWS), COLUMNS))
    path.write_text(console.export_svg(title="", code_format=SVG))


def show(browser: Browser, path: Path, width: int = WIDTH) -> Page:
    """Open a page and wait for its charts and pictures."""
    page = browser.open(path, width)
    page.run("for (const each of document.images) each.loading = 'eager'")
    page.wait("return [...document.images].every(each => each.complete)", timeout=PAGE_WAIT)
    page.wait("return document.documentElement.dataset.ready === 'true'", timeout=PAGE_WAIT)
    page.verify_quiet()
    return page


def take(page: Page, path: Path, first: str, last: str, margin: int = 12) -> None:
    """Take a picture of the page's full width, from the top of one element to the end of another."""
    width, height = page.run("return [innerWidth, document.documentElement.scrollHeight]")
    page.resize(width, height)  # what is as high as a window is so before the places are asked for
    page.run("scrollTo(0, 0)")
    top, bottom, width = page.run(
        """const [first, last] = [...arguments].map(each => document.querySelector(each).getBoundingClientRect());
        return [first.top, last.bottom, document.documentElement.clientWidth]""",
        first,
        last,
    )
    start = max(0, top - margin)
    clip = {"x": 0, "y": start, "width": width, "height": bottom + margin - start, "scale": 1}
    answer = page.command("Page.captureScreenshot", clip=clip)
    picture = Image.open(io.BytesIO(base64.b64decode(answer["data"]))).convert("RGB")
    small = picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def take_report(browser: Browser, report: Path, images: Path) -> None:
    """Take pictures of the page of the demonstration night."""
    page = show(browser, report)
    take(page, images / "report.png", "header.top", "#series .chart:nth-of-type(2)")
    take(page, images / "series.png", "#series-title", "#series .chart:nth-of-type(6)")
    take(page, images / "stacks.png", "#stacks h2", "#stacks .card:nth-of-type(1)")
    take(page, images / "masters.png", "#masters .card", "#masters .card .looks")
    page.run("location.hash = document.querySelector('details.group').id")  # its way lights up in the picture
    page.wait("return document.querySelector('details.group').open")
    take(page, images / "plan.png", "#plan-picture", "#plan-picture details.words")
    page = show(browser, report, 1440)
    page.run("document.getElementById('filter-verdict').value = 'odd'")
    page.run("document.getElementById('filter-verdict').dispatchEvent(new Event('input', { bubbles: true }))")
    take(page, images / "lights.png", "#lights-title", "#lights-table", 0)


def take_trends(browser: Browser, images: Path) -> None:
    """Take a picture of the trends over twelve small nights: the read noise steps up, bias and temperature drift."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(12):
            warmth = 0.5 * number
            camera = Camera(
                shape=(128, 128),
                read_noise=8.0 if number < 7 else 9.5,
                bias_level=1000.0 + 2.0 * number,
                dark_current=0.1 * 2 ** (warmth / 6),
                hot_fraction=0.0,
            )
            simulate_night(
                folder / "raw" / f"{number}",
                camera=camera,
                seed=number,
                date=f"2024-03-{10 + number}",
                biases=7,
                darks={300.0: 5},
                flats={"V": 5},
                lights={("V", 300.0): 1},
                cards={"CCD-TEMP": -10.0 + warmth},
            )
        (folder / "s.yaml").write_text("previews: {use: false}\n")
        run_snakemake(folder, "results/trends.html", cores=2, configfile="s.yaml", seen=True)
        page = show(browser, folder / "results" / "trends.html")
        take(page, images / "trends.png", "header.top", ".chart:nth-of-type(4)")


def copy_pictures(night: Path, images: Path) -> None:
    """Copy pictures that lie beside the products: a pair, and a preview with its lines of right ascension."""
    for source, name, size in (
        ("*/pairs/light_V_60s.png", "before-after.jpg", (880, 440)),
        ("*/lights/light_B_120s_001.png", "preview.jpg", (440, 440)),
    ):
        [path] = night.glob(source)
        with Image.open(path) as picture:
            small = picture.convert("L").resize(size, Image.Resampling.LANCZOS)
        small.save(images / name, quality=72, optimize=True)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description="Take the pictures of the documentation from the demonstration.")
    parser.add_argument("demo", type=Path, help="folder with raw and results of `make demo`")
    parser.add_argument("images", type=Path, help="folder of the pictures")
    options = parser.parse_args()
    pages = sorted(options.demo.resolve().glob("results/*/report.html"))
    if len(pages) != 1:
        parser.error(f"{options.demo} has {len(pages)} pages of nights, not one: make demo first")
    if not (CHROMIUM and DRIVER):
        sys.exit("no chromium or no chromedriver: on Debian they come with the packages chromium and chromium-driver")
    options.images.mkdir(parents=True, exist_ok=True)
    copy_pictures(pages[0].parent, options.images)
    draw_progress(options.demo / "raw", options.images / "progress.svg")
    browser = Browser()
    try:
        take_report(browser, pages[0], options.images)
        take_trends(browser, options.images)
    finally:
        browser.close()
    for path in sorted(options.images.iterdir()):
        print(f"{path.stat().st_size / 1024:6.0f} kB  {path}")


if __name__ == "__main__":
    main()
