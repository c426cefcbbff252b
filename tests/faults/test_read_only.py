"""Disks that can only be read: from the start, or from the middle of a run on."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.kills import LIMIT, Subject
from tests.faults.mounts import Disk
from tests.faults.outcomes import expect_lines, expect_recovery, expect_whole

Mount = Callable[[Path, str], Disk]
READ_ONLY = "Read-only file system"


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("words", [[], ["-n"], ["plan"]], ids=["run", "dry run", "plan"])
def test_results_are_read_only(
    subject: Subject, tmp_path: Path, mount: Mount, words: list[str], finished: bool
) -> None:
    disk = mount(tmp_path / "results", "size=100m")
    if finished:
        expect_recovery(subject, tmp_path)
    disk.change("ro")
    [line] = expect_lines(subject.start(tmp_path, *words))
    assert line == f"config.yaml: results: cannot write to {tmp_path / 'results'} ({READ_ONLY})"
    disk.change("rw")
    expect_recovery(subject, tmp_path)


def test_working_directory_is_read_only(subject: Subject, tmp_path: Path, mount: Mount) -> None:
    """Snakemake keeps its own files there, wherever results are."""
    disk = mount(tmp_path / "work", "size=1m")
    disk.change("ro")
    for words in ([], ["-n"]):
        run = subject.start(tmp_path / "work", *words, results="../results", log=tmp_path / "work.log")
        [line] = expect_lines(run)
        assert line.startswith(f"{tmp_path / 'work'}: ")
        assert READ_ONLY in line
        assert "--directory" in line


def test_raw_folder_is_read_only(subject: Subject, tmp_path: Path, mount: Mount) -> None:
    """It is never written to."""
    disk = mount(tmp_path / "raw", "size=100m")
    for path in subject.raw.iterdir():
        (disk.folder / path.name).write_bytes(path.read_bytes())
    disk.change("ro")
    expect_recovery(subject, tmp_path, raw=disk.folder)


@pytest.mark.parametrize(
    "last", ["read_noise.json", "master_bias.fits", "master_flat_V.fits", "lights/light_B_*_002.fits"]
)
def test_results_turn_read_only_in_the_middle(subject: Subject, tmp_path: Path, mount: Mount, last: str) -> None:
    """As when a disk has an error of its own; nothing more can be done to it, not even a hold be given up."""
    disk = mount(tmp_path / "results", "size=100m")
    run = subject.start(tmp_path)
    end = time.monotonic() + LIMIT
    while not list(disk.folder.glob(f"*/*/{last}")):
        assert time.monotonic() < end
        assert run.process.poll() is None, run.printed
        time.sleep(0.005)
    disk.turn_read_only()
    assert run.finish() == 1, run.printed
    said = [line for line in run.printed.splitlines() if line.startswith("darkroom: ")]
    assert any(READ_ONLY in line and "results/" in line and "run again" in line for line in said), run.printed
    expect_whole(subject, disk.folder)
    disk.change("rw")
    expect_recovery(subject, tmp_path)
