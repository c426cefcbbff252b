"""Who takes part: how each is started in an empty folder, and where its lights are afterwards, in ADU."""

import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench.night import Night
from tests.running import REPOSITORY, UNSEEN_FILE, find_lights, read_header, read_image

DARKROOM = "darkroom"
FLOOR = "floor"
SIRIL = "siril-cli"
SCRIPTS = {  # and what they get beside the raw folder and that for the lights
    "numpy": ["plain_numpy.py"],
    "ccdproc": ["ccdproc_recipe.py"],
    "ccdproc-memory": ["ccdproc_recipe.py", "memory"],
    FLOOR: ["floor.py"],
}
PEERS = [*SCRIPTS, SIRIL]
SIRIL_WHITE = 65535  # ADU; its 32-bit images run from 0 to 1


@dataclass(frozen=True)
class Competitor:
    """One way to calibrate a night.

    `prepare` takes an empty folder and returns the command to run in it; `find` takes that folder and returns the
    lights by the file stem of their raw frames; `read` returns one of them in ADU, float64 (ny, nx).
    """

    name: str
    prepare: Callable[[Path], Sequence[str]]
    find: Callable[[Path], dict[str, Path]]
    read: Callable[[Path], np.ndarray] = read_image


def choose_competitors(
    night: Night, raw: Path, peers: Iterable[str] = PEERS, overlays: Iterable[Path] = (), cores: int = 2
) -> tuple[list[Competitor], list[str]]:
    """Return Darkroom, Darkroom with each overlay, and the peers, and the names of those that are not installed."""
    chosen = [enter_darkroom(raw, cores)]
    chosen += [enter_darkroom(raw, cores, overlay.resolve()) for overlay in overlays]
    chosen += [enter_script(name, raw) for name in SCRIPTS if name in peers]
    absent = []
    if SIRIL in peers:
        path = shutil.which(SIRIL)
        if path:
            chosen.append(enter_siril(path, night, raw, cores))
        else:
            absent.append(SIRIL)
    return chosen, absent


def enter_darkroom(raw: Path, cores: int, overlay: Path | None = None) -> Competitor:
    """Return Darkroom with its default settings, or with an overlay of them; without previews and pages."""
    command = [sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"), "--cores", str(cores)]
    command += ["--configfile", str(UNSEEN_FILE), *([str(overlay)] if overlay else [])]
    command += ["--config", f"raw={raw}", "results=results"]
    name = f"{DARKROOM} {overlay.stem}" if overlay else DARKROOM
    return Competitor(name, lambda folder: command, lambda folder: find_lights(folder / "results"), read_darkroom)


def read_darkroom(path: Path) -> np.ndarray:
    """Return a light of Darkroom's in ADU."""
    header = read_header(path)
    return read_image(path) / (header["CALGAIN"] if header["BUNIT"] == "electron" else 1.0)


def enter_script(name: str, raw: Path) -> Competitor:
    """Return one of the scripts beside this file, each of which gets the raw folder and one for the lights."""

    def prepare(folder: Path) -> list[str]:
        (folder / "lights").mkdir()
        script, *more = SCRIPTS[name]
        return [sys.executable, str(Path(__file__).with_name(script)), str(raw), "lights", *more]

    return Competitor(name, prepare, lambda folder: {path.stem: path for path in folder.glob("lights/*.fits")})


def enter_siril(program: str, night: Night, raw: Path, cores: int) -> Competitor:
    """Return Siril, driven by a script."""

    def prepare(folder: Path) -> list[str]:
        (folder / "process").mkdir()
        (folder / "night.ssf").write_text(write_siril_script(night.filters, raw, folder / "process", cores))
        # settings of its own: those of the user stay as they are, and out of the comparison
        return ["env", f"XDG_CONFIG_HOME={folder}", program, "-d", str(folder), "-s", "night.ssf"]

    def find(folder: Path) -> dict[str, Path]:
        lights = {}
        for name in night.filters:
            stems = sorted(path.stem for path in (raw / f"light_{name}").glob("*.fits"))
            made = sorted((folder / "process").glob(f"pp_light_{name}_*.fit"))
            lights |= dict(zip(stems, made, strict=False))
        return lights

    return Competitor(SIRIL, prepare, find, read_siril)


def read_siril(path: Path) -> np.ndarray:
    """Return a light of Siril's in ADU, as if its flat, too, were divided by its median.

    Siril takes the mean of the middle ninth of the field instead, which is less vignetted than the rest.
    """
    flat = read_image(path.with_name(path.name.rpartition("_")[0].replace("light", "flat") + "_stacked.fit"))
    ny, nx = flat.shape
    middle = flat[ny // 3 : ny - ny // 3, nx // 3 : nx - nx // 3]
    return read_image(path) * (SIRIL_WHITE * np.median(flat) / middle.mean())


def write_siril_script(filters: Iterable[str], raw: Path, process: Path, cores: int) -> str:
    """Return the script: as those that come with Siril, without a registration. A whole dark takes the bias along."""
    lines = ["requires 1.0.0", f"setcpu {cores}", "setext fit", "set32bits"]
    for kind in ("bias", "dark"):
        lines += [f"cd {raw / kind}", f"link {kind} -out={process}", f"cd {process}", f"stack {kind} rej 5 5 -nonorm"]
    for name in filters:
        flat, light = f"flat_{name}", f"light_{name}"
        lines += [f"cd {raw / flat}", f"link {flat} -out={process}", f"cd {process}"]
        lines += [f"preprocess {flat}_ -bias=bias_stacked", f"stack pp_{flat}_ rej 5 5 -norm=mul"]
        lines += [f"cd {raw / light}", f"link {light} -out={process}", f"cd {process}"]
        lines += [f"preprocess {light}_ -dark=dark_stacked -flat=pp_{flat}_stacked"]
    return "\n".join([*lines, "close", ""])
