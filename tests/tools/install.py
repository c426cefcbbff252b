"""Whether the other tools are here, and Debian's packages of them, installed where they are missing."""

import shutil
import subprocess
from importlib.util import find_spec

import pytest

from tests import debian

PACKAGES = {
    "fitsverify": "fitsverify",
    "source-extractor": "source-extractor",
    "scamp": "scamp",
    "SWarp": "swarp",
    "siril-cli": "siril",
    "ds9": "saods9",
    "Xvfb": "xvfb",
}
LIMIT = 1200  # s


def list_missing() -> list[str]:
    """Return the packages of programs that are not here."""
    return [package for program, package in PACKAGES.items() if shutil.which(program) is None]


def need(*programs: str) -> pytest.MarkDecorator:
    """Return the mark of a test that is skipped, with a word, where one of these programs is missing."""
    packages = " ".join(PACKAGES[program] for program in programs if shutil.which(program) is None)
    return pytest.mark.skipif(bool(packages), reason=f"not installed: apt-get install {packages}")


def install() -> str:
    """Install what is missing if this is root; return why it could not be, or nothing."""
    missing = list_missing()
    return debian.install(missing, missing, "the tools", LIMIT) if missing else ""


def list_versions() -> list[str]:
    """Return a line for each tool that is here: its Debian package and version, and photutils."""
    shown = []
    for package in PACKAGES.values():
        if shutil.which("dpkg-query"):
            query = ["dpkg-query", "-W", "-f", "${Package} ${Version}", package]
            shown.append(subprocess.run(query, capture_output=True, text=True).stdout or f"{package}: not here")
    if find_spec("photutils"):
        from photutils import __version__

        shown.append(f"photutils {__version__}")
    return shown
