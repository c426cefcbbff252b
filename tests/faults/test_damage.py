"""Results that are damaged, cut short or removed, by hand or by accident: the same command makes them whole again."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.kills import LIMIT, Subject
from tests.faults.outcomes import expect_lines, expect_recovery

GARBAGE = b"\x00\xff{garbage"


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_block(path: Path) -> None:
    """Lose the last block, as a write that was not finished may."""
    path.write_bytes(path.read_bytes()[:-2880])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(512))


def zero(path: Path) -> None:
    """Keep the size alone, as a file system may that lost its power before it wrote the rest."""
    path.write_bytes(bytes(path.stat().st_size))


def garble(path: Path) -> None:
    path.write_bytes(GARBAGE)


def list_form(path: Path) -> None:
    """Another JSON than is expected."""
    path.write_text("[1, 2]")


def odd_form(path: Path) -> None:
    path.write_text('{"readings": {"a": 1}, "reader": 3, "jobs": [], "token": {}}')


@pytest.fixture(scope="module")
def reduced(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reduced")
    expect_recovery(subject, folder)
    return folder


@pytest.fixture
def night(reduced: Path, tmp_path: Path) -> Path:
    """A reduced night, for the test alone."""
    shutil.copytree(reduced, tmp_path / "night", symlinks=True)
    return tmp_path / "night"


PRODUCTS = ("lights/light_V_60s_002.fits", "bad_pixels.fits", "gain.json", "certificates/master_flat_V.json")


@pytest.mark.parametrize("harm", [empty, cut, cut_block, lengthen, zero, garble])
def test_products(subject: Subject, night: Path, harm: Callable[[Path], None]) -> None:
    """One of each kind at once; they are made anew, and all they need, and nothing else is."""
    for name in PRODUCTS:
        [path] = (night / "results").glob(f"????-*/*/{name}")
        harm(path)
    expect_recovery(subject, night)


@pytest.mark.parametrize("harm", [empty, cut, cut_block, zero])
@pytest.mark.parametrize("lost", [False, True], ids=["lights there", "a light gone"])
def test_masters(subject: Subject, night: Path, harm: Callable[[Path], None], lost: bool) -> None:
    """They are not missed where no light needs them; who asks for them gets whole ones."""
    for name in ("master_bias", "master_dark_60s", "master_flat_B", "master_flat_V"):
        [path] = (night / "results").glob(f"????-*/*/{name}.fits")
        harm(path)
    if lost:
        next((night / "results").glob("*/*/lights/light_V_*.fits")).unlink()
    assert expect_lines(subject.start(night), 0) == []
    expect_recovery(subject, night, "all", "masters")


@pytest.mark.parametrize("harm", [empty, cut, garble, list_form, odd_form])
@pytest.mark.parametrize("file", [".cache/frames.json", ".cache/stamps.json", ".cache/run.json"])
def test_caches(subject: Subject, night: Path, file: str, harm: Callable[[Path], None]) -> None:
    path = night / "results" / file
    path.touch()
    harm(path)
    next((night / "results").glob("*/*/lights/*.fits")).unlink()
    expect_recovery(subject, night)


@pytest.mark.parametrize("harm", [empty, cut, garble, list_form, Path.unlink])
def test_recipes_and_tables(subject: Subject, night: Path, harm: Callable[[Path], None]) -> None:
    results = night / "results"
    for path in [*results.glob(".recipes/**/*.json"), *results.glob("*.csv"), *results.glob("*.txt")]:
        harm(path)
    next(results.glob("*/*/lights/*.fits")).unlink()
    expect_recovery(subject, night)


@pytest.mark.parametrize("harm", [empty, cut, zero])
def test_what_snakemake_keeps(subject: Subject, night: Path, harm: Callable[[Path], None]) -> None:
    for path in (night / ".snakemake").rglob("*"):
        if path.is_file():
            harm(path)
    next((night / "results").glob("*/*/lights/*.fits")).unlink()
    expect_recovery(subject, night)


def test_what_snakemake_keeps_is_gone(subject: Subject, night: Path) -> None:
    shutil.rmtree(night / ".snakemake")
    expect_recovery(subject, night)


@pytest.mark.parametrize("harm", [empty, cut, Path.unlink])
def test_master_while_lights_are_to_be_made(subject: Subject, tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """A light never gets half a master; whether a run that meets one fails depends on the moment."""
    run = subject.start(tmp_path)
    [path] = wait_for(lambda: list((tmp_path / "results").glob("*/*/master_dark_60s.fits")))
    harm(path)
    run.finish()
    expect_recovery(subject, tmp_path)


@pytest.mark.parametrize("after", ["gain.json", "master_bias.fits", "master_flat_V.fits", "lights/*_001.fits"])
def test_results_removed_in_the_middle(subject: Subject, tmp_path: Path, after: str) -> None:
    run = subject.start(tmp_path)
    wait_for(lambda: list((tmp_path / "results").glob(f"*/*/{after}")))
    shutil.rmtree(tmp_path / "results", ignore_errors=True)
    run.finish()
    expect_recovery(subject, tmp_path)


def wait_for(find: Callable[[], list[Path]]) -> list[Path]:
    end = time.monotonic() + LIMIT
    while not (found := find()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return found
