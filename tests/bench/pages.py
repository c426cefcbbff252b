"""Time what there is to look at, previews and pages, beside the reduction: ``python -m tests.bench.pages``.

A night is reduced without them; a second run makes them, and nothing else. Then a whole night is made in one run, and
at last a light changes, of which only its own picture and what tells of it are made again.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from astropy.io import fits

from tests.bench.night import NIGHTS, write_night
from tests.bench.timed import Measurement, measure
from tests.running import REPOSITORY

LIMIT = 0.25  # of the reduction's wall time


def run(place: Path, raw: Path, cores: int, *overlay: Path) -> Measurement:
    """Run Darkroom in a folder, with previews and pages unless an overlay says otherwise."""
    command = [sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"), "--cores", str(cores)]
    command += ["--configfile", *map(str, overlay)] if overlay else []
    return measure([*command, "--config", f"raw={raw}", "results=results"], place, place / "run.log")


def list_products(place: Path) -> dict[str, int]:
    """Return the time of change of every product by its path."""
    found = [path for end in ("fits", "png", "json", "html", "csv") for path in place.glob(f"results/**/*.{end}")]
    kept = [path for path in found if not {".cache", ".recipes"} & set(path.parts)]
    return {str(path.relative_to(place / "results")): path.stat().st_mtime_ns for path in kept}


def change_light(raw: Path) -> Path:
    """Make one light brighter by an ADU; return it."""
    path = sorted((raw / "light_V").glob("*.fits"))[0]
    with fits.open(path, mode="update") as hdus:
        hdus[0].data = hdus[0].data + 1
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Time previews and pages beside the reduction of a night.")
    parser.add_argument("--night", choices=NIGHTS, default="long")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="scratch folder, which keeps the night; default: a temporary one")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="darkroom-pages-"))
    folder.mkdir(parents=True, exist_ok=True)
    raw, place, unseen = folder / "raw", folder / "run", REPOSITORY / "tests" / "unseen.yaml"
    if not raw.exists():
        write_night(NIGHTS[options.night], raw)
    for number in range(options.rounds):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        reduction = run(place, raw, options.cores, unseen)
        pages = run(place, raw, options.cores)
        size = sum(path.stat().st_size for path in place.glob("results/*/report.html")) / 1e6
        shutil.rmtree(place)
        place.mkdir()
        whole = run(place, raw, options.cores)
        print(
            f"round {number + 1}: reduction {reduction.seconds:.1f} s, previews and pages after it "
            f"{pages.seconds:.1f} s: {pages.seconds / reduction.seconds:.0%} (limit {LIMIT:.0%}); all in one run "
            f"{whole.seconds:.1f} s: {whole.seconds / reduction.seconds - 1:+.0%}; report.html {size:.1f} MB",
            flush=True,
        )
    before = list_products(place)
    name = change_light(raw).stem
    again = run(place, raw, options.cores)
    after = list_products(place)
    made = sorted(path for path in after if after[path] != before.get(path))
    print(f"one light ({name}) changed: {again.seconds:.1f} s, made again: {', '.join(made)}")
    nothing = run(place, raw, options.cores)
    made = [path for path, time in list_products(place).items() if time != after[path]]
    print(f"nothing changed: {nothing.seconds:.1f} s, made again: {', '.join(made) or 'nothing'}")
    if options.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
