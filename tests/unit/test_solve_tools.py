"""What there is to solve with, as the plan asks it: quickly, and the same wherever it lies."""

import json
import re
import subprocess
import sys
import time

import pytest

from darkroom.solving import tools
from darkroom.solving.tools import find_tools


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without any solver; a function puts programs and indexes on it."""
    programs, indexes = tmp_path / "bin", tmp_path / "indexes"
    programs.mkdir()
    indexes.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(tools, "FOLDERS", (str(indexes),))
    monkeypatch.setattr(tools, "CONFIGURATIONS", ())
    monkeypatch.setattr(tools, "DATABASES", (str(tmp_path / "astap"),))

    def put(*names):
        for name in names:
            path = indexes / name if name.startswith("index-") else programs / name
            path.write_bytes(b"x" * len(name))
            path.chmod(0o755)

    put.indexes, put.programs = indexes, programs
    return put


def test_all_that_is_there_is_found(machine):
    machine("solve-field", "query-starkd", "index-4108.fits", "index-4107.fits", "index-4107.txt", "other-4109.fits")
    (machine.indexes / "index-4110.fits").mkdir()
    (machine.indexes / "index-4111.fits").symlink_to("nowhere")
    found = find_tools({})
    assert found.missing == ""
    assert found.solver.program == str(machine.programs / "solve-field")
    assert found.describe() == {
        "solver": "astrometry.net",
        "program": "solve-field",
        "indexes": [["index-4107.fits", 15], ["index-4108.fits", 15]],
        "databases": {},
    }
    assert json.loads(json.dumps(found.describe())) == found.describe()


def test_folders_do_not_count_but_what_is_in_them(machine, tmp_path):
    machine("solve-field", "query-starkd", "index-4107.fits")
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "index-4107.fits").write_bytes(b"x" * 15)
    before = find_tools({}).describe()
    assert find_tools({"indexes": [str(other)]}).describe() == before
    assert find_tools({"indexes": [str(other), str(machine.indexes)]}).describe() == before, "each name counts once"
    machine("index-4108.fits")
    assert find_tools({}).describe() != before
    (other / "index-4107.fits").write_bytes(b"x" * 16)
    assert find_tools({"indexes": [str(other)]}).describe() != before


@pytest.mark.parametrize(
    ("there", "settings", "words"),
    [
        (
            [],
            {},
            r"no plate solver: solve-field is not installed \(Debian: apt-get install astrometry.net astrometry-d",
        ),
        (["index-4107.fits"], {"solver": "ASTAP"}, r"no plate solver: no astap_cli .* apt-get install astap-cli"),
        (["solve-field", "query-starkd"], {}, r"no star indexes in .*indexes: .* astrometry-data-tycho2"),
        (["solve-field", "query-starkd"], {"indexes": ["/no"]}, "no star indexes in /no: install"),
        (["solve-field", "index-4107.fits"], {}, r"no solution can be checked: query-starkd, .*apt-get install"),
        (["astap", "query-starkd"], {}, "no star indexes in"),
        (["astap", "query-starkd", "index-4107.fits"], {"catalogue": "/no"}, r"no star database in /no .*hnsky\.org"),
        (["solve-field"], {"solver": "magic"}, "'magic' is no solver; there are astrometry.net, ASTAP"),
    ],
)
def test_what_is_missing_is_told_in_one_line(machine, there, settings, words):
    machine(*there)
    found = find_tools(settings)
    assert re.search(words, found.missing)
    assert found.missing.isprintable()
    assert json.dumps(found.describe())


def test_databases_of_astap_are_told(machine, tmp_path):
    machine("astap_cli", "query-starkd", "index-4107.fits")
    (tmp_path / "astap").mkdir()
    for name in ("d05_0101.1476", "d05_0201.1476", "h18_0101.290", "w08_0101.001", "readme.txt"):
        (tmp_path / "astap" / name).touch()
    found = find_tools({})
    assert found.missing == ""
    assert found.describe()["databases"] == {"d05": 2, "h18": 1, "w08": 1}
    assert find_tools({"catalogue": str(tmp_path / "astap")}).describe() == found.describe()


def test_plan_may_ask_it():
    """It imports nothing that takes long."""
    code = "import darkroom.solving.tools, sys; print(*(name for name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "darkroom.solving.tools" in loaded
    assert {"numpy", "scipy", "astropy", "sep", "darkroom.solving.star_indexes"}.isdisjoint(loaded)


def test_it_is_found_quickly(machine):
    """As many indexes as astrometry.net offers; it takes some milliseconds, which a busy machine may make many."""
    machine(
        "solve-field",
        "query-starkd",
        *(f"index-52{scale:02d}-{part:02d}.fits" for scale in range(7) for part in range(48)),
    )
    begin = time.perf_counter()
    found = [find_tools({}) for _ in range(10)]
    assert len(found[0].indexes) == 336
    assert (time.perf_counter() - begin) / 10 < 0.05
