"""A night of a field that stand-ins for the solver know: they replay what the real ones wrote of it."""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
import yaml
from astropy.io import fits

from tests.running import UNSEEN, run_snakemake
from tests.solver.fields import Camera, draw_field, make_heights
from tests.solver.record import WCS_CARDS, read_catalogue
from tests.unit.builders import write_raw
from tests.workflow.jobs import plan_night
from tests.workflow.reduced import merge

FIELD = Camera()
BIAS = 300
BEGIN = datetime(2024, 3, 11, 2)
SETTINGS = """
dark: {use: false}
flat: {use: false}
certification: {use: false}
detector: {compare: false}
solve: {use: true, scale: [5, 7]}
"""
NAMES = ("blank0", "field0", "field1")  # of the lights
SHELL = ("bash", "env", "git", "python", "python3", "sh", "uname", "which")  # all of the path that a run may need
SOLVES = """
    import json, os, shutil, sys, time
    open({log!r}, "a").write(json.dumps(sys.argv) + "\\n")
    shutil.copyfile({wcs!r}, "field.wcs")
"""
TELLS = """
    import shutil, sys
    shutil.copyfile({catalogue!r}, sys.argv[sys.argv.index("-o") + 1])
"""


class Tools:
    """Stand-ins of solve-field and query-starkd below a folder, and the star indexes beside them.

    `path` is a PATH on which nothing else solves.
    """

    def __init__(self, folder: Path):
        self.programs, self.indexes, self.log = folder / "bin", folder / "indexes", folder / "log"
        shell = folder / "shell"
        for each in (self.programs, self.indexes, shell):
            each.mkdir(parents=True)
        for name in SHELL:
            if found := shutil.which(name):
                (shell / name).symlink_to(found)
        self.path = os.pathsep.join(map(str, (self.programs, shell)))
        header = fits.Header.fromstring(WCS_CARDS.read_text(), sep="\n")
        fits.PrimaryHDU(header=header).writeto(folder / "field.wcs")
        named = zip(("RA", "DEC"), read_catalogue().T, strict=True)
        columns = [fits.Column(name, "D", array=each) for name, each in named]
        fits.BinTableHDU.from_columns(columns).writeto(folder / "catalogue.fits")
        self.names = {"log": str(self.log), "wcs": f"{folder}/field.wcs", "catalogue": f"{folder}/catalogue.fits"}

    def install(self, solver: str = SOLVES) -> None:
        """Put the programs there."""
        for name, body in (("solve-field", solver), ("query-starkd", TELLS)):
            text = dedent(body).format(**self.names)
            (self.programs / name).write_text(f"#!{sys.executable} -IS\n{text}\n")
            (self.programs / name).chmod(0o755)

    def add_index(self, name: str = "index-test.fits") -> Path:
        """Put an index of patterns of 22' to 120' there."""
        header = fits.Header({"SCALE_L": np.radians(22 / 60), "SCALE_U": np.radians(120 / 60)})
        fits.PrimaryHDU(header=header).writeto(self.indexes / name, overwrite=True)
        return self.indexes / name

    def read_calls(self) -> list[list[str]]:
        """Return the arguments of each call of the solver."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


def write_night(raw: Path, field: int = 2, blank: int = 1) -> None:
    """Write two biases, so many lights of the field that the solver knows, and of a sky without stars."""
    rng = np.random.default_rng(4)
    for number in range(2):
        data = rng.normal(BIAS, 4, FIELD.shape).round().astype(np.uint16)
        write_raw(raw / f"bias{number}.fits", "bias", 0.0, data, (BEGIN - timedelta(minutes=9 - number)).isoformat())
    places = read_catalogue()
    for number in range(field + blank):
        within = places if number < field else places[:0]
        image = draw_field(FIELD, within, make_heights(len(within), 5), seed=number)
        name = f"field{number}.fits" if number < field else f"blank{number - field}.fits"
        write_light(raw / name, image, number)


def write_light(path: Path, image: np.ndarray, number: int, **cards: object) -> None:
    """Write a raw light of an image without its bias."""
    data = np.clip(np.rint(image + BIAS), 0, 65535).astype(np.uint16)
    if number != 1:  # of which the header has a WCS, of another place, that the solution is to replace
        cards = dict.fromkeys(("CTYPE1", "CTYPE2", "CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")) | cards
    write_raw(path, "light", 60.0, data, (BEGIN + timedelta(minutes=number)).isoformat(), FILTER="V", **cards)


@dataclass
class SolvedNight:
    """A night whose lights were solved: its folder, its tools, its settings, what two runs said, lights by name."""

    folder: Path
    tools: Tools
    settings: dict[str, Any]
    said: str = ""
    again: str = ""

    def find(self, pattern: str) -> list[Path]:
        """Return products of the night and setup by a pattern such as lights/*.fits."""
        return find(self.folder, pattern)

    def light(self, name: str) -> Path:
        """Return the path of a light."""
        (path,) = self.find(f"lights/{name}.fits")
        return path


def find(folder: Path, pattern: str) -> list[Path]:
    """Return products by a pattern below night and setup."""
    return sorted(folder.glob(f"results/2*/*/{pattern}"))


def configure(folder: Path, tools: Tools, **own: Any) -> dict[str, Any]:
    """Return the settings of a night that is solved by these tools, and write them for the command line."""
    settings = merge(yaml.safe_load(SETTINGS), {"solve": {"indexes": [str(tools.indexes)]}})
    settings = merge(settings, own)
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    return UNSEEN | settings


def name_due(folder: Path, **settings: Any) -> set[str]:
    """Return what a run with these settings would make, by the files' names."""
    planned = plan_night(folder, **settings)
    return {Path(path).name for job in planned.jobs.values() if job.due for path in job.products}


def name_all(*ends: str) -> set[str]:
    """Return the names of all lights with these ends."""
    return {f"{name}{end}" for end in ends for name in NAMES}


def install_tools(folder: Path) -> Tools:
    """Return stand-ins of programs and an index in a folder."""
    tools = Tools(folder)
    tools.install()
    tools.add_index()
    return tools


@cache
def solve_night(folder: Path) -> SolvedNight:
    """Reduce a night of two lights that are solved and one that is not, with its pages; once a process."""
    shutil.rmtree(folder, ignore_errors=True)
    write_night(folder / "raw")
    tools = install_tools(folder / "tools")
    night = SolvedNight(folder, tools, configure(folder, tools))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", tools.path)
        night.said, night.again = (
            run_snakemake(folder, configfile="settings.yaml", seen=True).stderr for _ in range(2)
        )
    return night


def copy_solved(shared: Path, folder: Path) -> SolvedNight:
    """Return a copy of that night, which is kept below ``shared``, with tools of its own."""
    original = solve_night(shared / "solving")
    for name in ("raw", "results"):
        shutil.copytree(original.folder / name, folder / name, symlinks=True)
    tools = install_tools(folder / "tools")
    return SolvedNight(folder, tools, configure(folder, tools))
