"""The conda environment, the lock file and pyproject.toml name the same libraries at the same versions."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from darkroom.recipe_parts import LIBRARIES, STAR_LIBRARIES

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# "xxhash" and "igraph" are the C libraries there; everything else has one name.
CONDA_NAMES = {"python-xxhash": "xxhash", "python-igraph": "igraph"}
PINS = yaml.safe_load((ROOT / "envs" / "darkroom.yaml").read_text())["dependencies"]
CONDA = {
    CONDA_NAMES.get(name, name): version
    for name, version in (re.fullmatch(r"(\S+) =([\d.]+)", line).groups() for line in PINS)
}
NAMES = {"yaml": "pyyaml", "PIL": "pillow", "vl_convert": "vl-convert-python"}  # imported as -> distributed as


def read_lock():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [Requirement(line.rstrip(" \\")) for line in lines if re.match(r"[a-z0-9]", line)]
    return {pin.name: str(pin.specifier).removeprefix("==") for pin in pins}


def imported_by(paths):
    """The top-level packages that files import."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.split(".")[0]


def test_conda_environment_has_the_locked_versions():
    lock = read_lock()
    assert len(lock) > 50
    libraries = {name: version for name, version in CONDA.items() if name != "python"}
    # conda builds a version again where the Python index has a post-release of it
    assert libraries == {name: re.sub(r"\.post\d+$", "", lock.get(name, "")) for name in libraries}


def test_python_of_the_conda_environment_is_supported():
    assert CONDA["python"] in SpecifierSet(PROJECT["requires-python"])


def test_lock_satisfies_the_project():
    lock = read_lock()
    requirements = [Requirement(line) for line in PROJECT["dependencies"]]
    assert {r.name for r in requirements} <= set(lock)
    assert [str(r) for r in requirements if lock[r.name] not in r.specifier] == []


def test_every_library_that_is_imported_is_declared_and_in_the_conda_environment():
    code = [*(ROOT / "workflow" / "darkroom").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
    used = {NAMES.get(name, name) for name in imported_by(code) if name not in sys.stdlib_module_names} - {"darkroom"}
    assert {"numpy", "ccdproc", "scipy"} <= used
    declared = {Requirement(line).name for line in PROJECT["dependencies"]}
    # what Snakemake brings along itself comes with it
    assert {name for name in used if not name.startswith("snakemake")} <= declared
    assert {name for name in used if not name.startswith("snakemake")} <= set(CONDA)


def test_every_library_that_makes_the_numbers_is_in_recipe_and_conda_environment():
    shown = {
        "pillow",
        "matplotlib",
        "altair",
        "vl-convert-python",
        "itables",
        "igraph",
        "jinja2",
        "markupsafe",
        "rich",
    }
    others = {"python", "jsonschema", "pyyaml", "xxhash", *shown}  # what looks at products, and makes none of them
    stars = {library for libraries in STAR_LIBRARIES.values() for library in libraries}
    assert set(LIBRARIES) | {"astroscrappy"} | stars == set(CONDA) - others
