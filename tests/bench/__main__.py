"""Time Darkroom beside other ways to calibrate the same night: ``python -m tests.bench [--night long]``."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.bench.agreement import check_agreement, read_sample
from tests.bench.competitors import DARKROOM, PEERS, Competitor, choose_competitors
from tests.bench.night import NIGHTS, Night, write_night
from tests.bench.report import describe_machine, draw_plot, format_table, summarise_runs, write_tables
from tests.bench.timed import Measurement, measure

BARE = Path(__file__).with_name("bare.yaml")


def check_space(night: Night, folder: Path, peers: Iterable[str] = ()) -> str:
    """Return what a night needs on the disk, in words; end with them if the disk has less."""
    free, needed = shutil.disk_usage(folder).free, night.bytes + (night.ccdproc_bytes if "ccdproc" in peers else 0)
    words = f"{needed / 1e9:.1f} GB needed in {folder}, {free / 1e9:.1f} GB free"
    if free < needed:
        sys.exit(f"Not enough room: {words}. --folder names another place; --size, --lights make the night smaller.")
    return words


def run_rounds(night: Night, competitors: list[Competitor], folder: Path, rounds: int) -> dict[str, list[Measurement]]:
    """Run all competitors in turn, `rounds` times; each starts in an empty folder, which is removed afterwards.

    Every round begins with another of them, so that none always follows the same. In the first it is Darkroom, whose
    lights the others' have to agree with.
    """
    runs: dict[str, list[Measurement]] = {competitor.name: [] for competitor in competitors}
    ours: dict[str, np.ndarray] = {}
    for number in range(rounds):
        first = number % len(competitors)
        for competitor in competitors[first:] + competitors[:first]:
            place, log = folder / "run", folder / f"{competitor.name.replace(' ', '-')}.log"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            run = measure(competitor.prepare(place), place, log)
            made = read_sample(night, competitor, place)
            ours = ours or made
            difference = check_agreement(competitor.name, ours, made)
            shutil.rmtree(place)
            runs[competitor.name].append(run)
            differing = f", within {100 * difference:.2f} % of the sky" if made and competitor.name != DARKROOM else ""
            print(f"round {number + 1}: {competitor.name:24} {run.seconds:8.2f} s{differing}", flush=True)
    return runs


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Time Darkroom beside other ways to calibrate the same night.")
    parser.add_argument("--night", choices=NIGHTS, default="standard", help="how many frames; default: standard")
    parser.add_argument("--size", type=int, help="rows and columns of a frame, pixels; default: 2048")
    for kind in ("biases", "darks", "flats", "lights"):
        parser.add_argument(f"--{kind}", type=int, help="instead of the night's own number; flats, lights: per filter")
    parser.add_argument("--rounds", type=int, default=3, help="how often each of them runs; default: 3")
    parser.add_argument("--cores", type=int, default=2, help="for Darkroom and Siril; default: 2")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="beside Darkroom; default: all")
    parser.add_argument(
        "--overlay", type=Path, nargs="*", default=[BARE], help="Darkroom once more, with these settings"
    )
    parser.add_argument("--folder", type=Path, help="scratch folder, which keeps the night; default: a temporary one")
    parser.add_argument("--output", type=Path, default=Path("bench"), help="of tables and plot; default: bench")
    options = parser.parse_args()
    for name in ("size", "biases", "darks", "flats", "lights", "rounds", "cores"):
        if (number := getattr(options, name)) is not None and number < 1:
            parser.error(f"--{name}: {number} is less than 1")
    if missing := [str(path) for path in options.overlay if not path.is_file()]:
        parser.error(f"--overlay: no such file: {', '.join(missing)}")
    if len({path.stem for path in options.overlay}) < len(options.overlay):
        parser.error("--overlay: two files of one name, which could not be told apart")
    return options


def run_bench(options: argparse.Namespace, folder: Path) -> None:
    """Make the night, run all on it, and report."""
    own = {name: getattr(options, name) for name in ("size", "biases", "darks", "flats", "lights")}
    night = replace(NIGHTS[options.night], **{name: number for name, number in own.items() if number is not None})
    raw = folder / "raw"
    competitors, absent = choose_competitors(night, raw, options.peers, options.overlay, options.cores)
    title = f"{options.night} night: {len(night.list_frames())} frames of {night.size} x {night.size}"
    print(f"{describe_machine()}\n{title}; {check_space(night, folder, options.peers)}", flush=True)
    for name in absent:
        print(f"{name} is not installed, and takes no part")
    write_night(night, raw)
    runs = run_rounds(night, competitors, folder, options.rounds)
    rows = summarise_runs(runs)
    print(f"\n{title}\n{format_table(rows)}\n")
    stem = f"{options.night}-{night.size}"
    paths = write_tables(options.output, stem, rows, runs)
    plot = options.output / f"{stem}.png"
    draw_plot(plot, title, rows)
    print("\n".join(map(str, [*paths, plot])))


def main() -> None:
    """Run the benchmark."""
    options = read_options()
    try:
        if options.folder:
            options.folder.mkdir(parents=True, exist_ok=True)
            run_bench(options, options.folder.resolve())
        else:
            with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder:
                run_bench(options, Path(folder).resolve())
    except RuntimeError as error:
        sys.exit(f"bench: {error}")


if __name__ == "__main__":
    main()
