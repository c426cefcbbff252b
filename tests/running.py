"""Run the workflow as an observer does, from the command line, and read what it made."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy.io import fits

REPOSITORY = Path(__file__).resolve().parents[1]
RECIPES = REPOSITORY / "workflow" / "recipes"
UNSEEN_FILE = REPOSITORY / "tests" / "unseen.yaml"
UNSEEN: dict[str, Any] = yaml.safe_load(UNSEEN_FILE.read_text())
TIMEOUT = 300  # s


def run_snakemake(
    folder: str | Path,
    *args: str | Path,
    config: Mapping[str, Any] | None = None,
    configfile: str | Path | Sequence[str | Path] = (),
    cores: int = 1,
    expect: int | None = 0,
    timeout: float = TIMEOUT,
    seen: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in `folder`, as a process of its own.

    Parameters
    ----------
    folder
        The working directory; made if absent. Relative paths in `config` start here.
    *args
        Further arguments: targets, or options such as '-n'. They come before all others.
    config
        What --config gets. 'raw' and 'results' are folders `raw` and `results` unless said otherwise.
    configfile
        An overlay, such as RECIPES / 'teaching.yaml', or several, the last one strongest; relative paths start
        at `folder`. Use one for nested keys: what --config makes of them is text.
    cores, timeout
        Number of cores, and the seconds after which the run is killed with all that it started.
    seen
        Whether previews and pages are made, as they are by default.
    expect
        The exit status; another one fails the test and shows what was printed. None takes any.

    Returns
    -------
    subprocess.CompletedProcess
        With .returncode, .stdout and .stderr (text). Warnings, progress and errors go to .stderr.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"raw": "raw", "results": "results"} | dict(config or {})
    command = [sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"), *map(str, args)]
    command += ["--cores", str(cores)]
    overlays = [configfile] if isinstance(configfile, str | Path) else list(configfile)
    if not seen:
        overlays.insert(0, UNSEEN_FILE)
    if overlays:
        command += ["--configfile", *map(str, overlays)]
    command += ["--config", *(f"{key}={value}" for key, value in settings.items())]
    # A process group of its own, so that a run that hangs is killed with its jobs.
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    if expect is not None and process.returncode != expect:
        raise AssertionError(f"exit status {process.returncode}, not {expect}: {' '.join(command)}\n{stdout}\n{stderr}")
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def find_lights(results: str | Path) -> dict[str, Path]:
    """Return the calibrated lights below `results` by file stem, in the order of their paths."""
    return {path.stem: path for path in sorted(Path(results).glob("*/*/lights/*.fits"))}


def find_masters(results: str | Path) -> dict[str, Path]:
    """Return the masters below `results` by file stem, such as 'master_dark_60s', of one night and setup."""
    paths = sorted(Path(results).glob("*/*/master_*.fits"))
    masters = {path.stem: path for path in paths}
    assert len(masters) == len(paths), f"several nights or setups: {paths}"
    return masters


def read_image(path: str | Path) -> np.ndarray:
    """Return the primary image of a FITS file as float64 (ny, nx)."""
    return np.asarray(fits.getdata(path, 0), dtype=np.float64)


def read_header(path: str | Path) -> fits.Header:
    """Return the primary header of a FITS file."""
    return fits.getheader(path, 0)
