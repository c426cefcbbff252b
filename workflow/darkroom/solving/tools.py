"""Solving tools: which solver and which star indexes are on this machine, found in some milliseconds.

The plan asks it too, while Snakemake parses: neither NumPy nor astropy is imported here. Files are known by name and
size alone; what is in them is read where a light is solved.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darkroom.solving.index_advice import advise_indexes

# Solvers in the order in which they are taken, and what their programs are called.
SOLVERS = {"astrometry.net": ("solve-field",), "ASTAP": ("astap_cli", "astap")}
QUERY = "query-starkd"  # astrometry.net's, which reads the stars of an index
PACKAGES = "Debian: apt-get install astrometry.net astrometry-data-tycho2"
# Where Debian, Homebrew, Fedora and astrometry.net itself keep indexes, and the configuration that may tell others.
FOLDERS = ("/usr/share/astrometry", "/usr/local/astrometry/data", "/opt/homebrew/share/astrometry")
CONFIGURATIONS = ("/etc/astrometry.cfg", "/usr/local/astrometry/etc/astrometry.cfg")
DATABASES = ("/usr/share/astap/data", "/opt/astap", "/usr/local/opt/astap")  # where ASTAP's are
# As in d05_0101.1476: of one of many areas.
_DATABASE = re.compile(r"([a-z]\d{2})_\d{4}\.(?:1476|290|001)", re.IGNORECASE)


class SolverProblem(Exception):
    """Why a solver cannot be used here at all, in one line."""


@dataclass(frozen=True)
class Solver:
    """A solver on this machine: ``astrometry.net`` or ``ASTAP``, its program, and where its catalogue is, if told."""

    name: str
    program: str
    catalogue: str = ""


@dataclass(frozen=True, order=True)
class IndexFile:
    """A file that is called as an index is, by its size in bytes and its time of change in ns."""

    path: str
    size: int
    changed: int


@dataclass(frozen=True)
class Tools:
    """What there is to solve with; ``missing`` says in one line what to install where that is not enough."""

    solver: Solver | None
    indexes: tuple[IndexFile, ...]
    databases: dict[str, int]
    missing: str

    def describe(self) -> dict[str, Any]:
        """Return it for a recipe: names and sizes without folders, which may differ among machines."""
        return {
            "solver": self.solver.name if self.solver else None,
            "program": Path(self.solver.program).name if self.solver else None,
            "indexes": sorted([Path(index.path).name, index.size] for index in self.indexes),
            "databases": self.databases,
        }


def find_tools(settings: Mapping[str, Any]) -> Tools:
    """Return what there is to solve with.

    Parameters
    ----------
    settings : mapping
        ``solver``, ``indexes`` and ``catalogue`` as of `darkroom.solving.solve_light.DEFAULTS`, which holds for those
        that are missing.
    """
    folders, catalogue = settings.get("indexes") or [], settings.get("catalogue") or ""
    indexes = tuple(list_index_files(folders))
    try:
        solver = find_solver(settings.get("solver") or "auto", catalogue)
    except SolverProblem as problem:
        return Tools(None, indexes, {}, str(problem))
    databases = list_databases(solver) if solver.name == "ASTAP" else {}
    return Tools(solver, indexes, databases, _name_missing(solver, indexes, databases, folders))


def find_solver(wanted: str = "auto", catalogue: str = "") -> Solver:
    """Return the solver to use: ``astrometry.net``, ``ASTAP``, or with ``auto`` the first that is installed.

    Raises
    ------
    SolverProblem
        If it is not there; it tells what to install.
    """
    if wanted != "auto" and wanted not in SOLVERS:
        raise SolverProblem(f"{wanted!a} is no solver; there are {', '.join(SOLVERS)}")
    for name, programs in SOLVERS.items():
        for program in programs if wanted in ("auto", name) else ():
            if path := shutil.which(program):
                return Solver(name, os.path.realpath(path) if name == "ASTAP" else path, catalogue)
    if wanted == "ASTAP":
        raise SolverProblem("no plate solver: no astap_cli or astap is installed (Debian: apt-get install astap-cli)")
    raise SolverProblem(f"no plate solver: solve-field is not installed ({PACKAGES})")


def list_index_files(folders: Sequence[str] = ()) -> list[IndexFile]:
    """Return the files in some folders that are called as indexes are; in the usual ones, if none is named.

    Of several with one name the first counts.
    """
    found: dict[str, IndexFile] = {}
    for folder in folders or list_usual_folders():
        for name in _list_names(folder):
            path = os.path.abspath(os.path.join(folder, name))
            if name.startswith("index-") and name.endswith(".fits") and name not in found and "\n" not in path:
                with suppress(OSError):
                    status = os.stat(path)
                    if stat.S_ISREG(status.st_mode):
                        found[name] = IndexFile(path, status.st_size, status.st_mtime_ns)
    return [found[name] for name in sorted(found)]


def list_usual_folders() -> list[str]:
    """Return where index files are kept, by astrometry.net's configuration first."""
    folders = []
    for configuration in CONFIGURATIONS:
        path = Path(configuration)
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            folders += [line.split(None, 1)[1].strip() for line in lines if re.match(r"add_path\s+\S", line)]
    return [folder for folder in dict.fromkeys([*folders, *FOLDERS]) if os.path.isdir(folder)]


def list_databases(solver: Solver) -> dict[str, int]:
    """Return ASTAP's star databases (d05, h18 ...) and how many files each has, where they are kept."""
    found: dict[str, int] = {}
    for folder in [solver.catalogue] if solver.catalogue else [os.path.dirname(solver.program), *DATABASES]:
        names = [parts[1].lower() for name in _list_names(folder) if (parts := _DATABASE.fullmatch(name))]
        found |= {name: names.count(name) for name in sorted(set(names)) if name not in found}
    return found


def name_folders(folders: Sequence[str]) -> str:
    """Return for a person where indexes were looked for."""
    return ", ".join(folders or list_usual_folders()) or "the usual folders"


def _list_names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _name_missing(
    solver: Solver, indexes: Sequence[IndexFile], databases: Mapping[str, int], folders: Sequence[str]
) -> str:
    """Return what to install; nothing where there is enough."""
    if solver.catalogue and solver.name == "ASTAP" and not databases:
        return say_no_database(solver)
    if not indexes:
        return f"no star indexes in {name_folders(folders)}: {advise_indexes(['07', '19'])}"
    if shutil.which(QUERY) is None:
        return f"no solution can be checked: {QUERY}, which reads star indexes, is not installed ({PACKAGES})"
    return ""


def say_no_database(solver: Solver) -> str:
    """Return what ASTAP lacks, and where it is to be had."""
    return (
        f"ASTAP has no star database{f' in {solver.catalogue}' if solver.catalogue else ''} "
        "(install one of www.hnsky.org: D05, D20 or D50; H17 or H18 for ASTAP of 2022; into /usr/share/astap/data)"
    )
