"""Disks that are full: one line says what cannot be written and what to do; the same command goes on once it can."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.kills import Subject
from tests.faults.mounts import Disk
from tests.faults.outcomes import expect_lines, expect_recovery, expect_whole

Mount = Callable[[Path, str], Disk]
REMEDY = "make way or room there, and run again"
FULL = "No space left on device"


def find_setup(subject: Subject) -> str:
    """Return the folder of the night's setup, below results."""
    return next(path for path in subject.undisturbed if path.endswith("master_bias.fits")).removesuffix(
        "/master_bias.fits"
    )


@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("", "results"),  # by the plan, of what it writes first
        (".cache", "results"),
        (".recipes", "results"),
        ("SETUP", "results/SETUP/"),
        ("SETUP/certificates", "results/SETUP/certificates/master_bias.json"),
        ("SETUP/lights", "results/SETUP/lights/light_"),
        ("logs", "results/logs/"),
        ("logs/calibrate_lights/SETUP", "results/logs/calibrate_lights/SETUP/lights_"),
    ],
)
def test_full_disk_at_one_place(subject: Subject, tmp_path: Path, mount: Mount, place: str, named: str) -> None:
    """A disk of 4 kB, and all others have room."""
    setup = find_setup(subject)
    results = tmp_path / "results"
    disk = mount(results / place.replace("SETUP", setup), "size=4k")
    (disk.folder / ".kept").touch()  # Snakemake removes empty folders, and fails where a disk is mounted on one
    lines = expect_lines(subject.start(tmp_path))
    assert lines
    for line in lines:
        assert line.startswith(named.replace("SETUP", setup)) or line.startswith(f"config.yaml: results: {results}")
        assert FULL in line
        assert line.endswith(REMEDY)
    expect_whole(subject, results)
    disk.change("size=100m")
    expect_recovery(subject, tmp_path)


@pytest.mark.parametrize("tenths", range(1, 10, 2))
def test_disk_that_fills_up(subject: Subject, tmp_path: Path, mount: Mount, tenths: int) -> None:
    """Wherever it does: all is on it, the working directory and Snakemake's own files, too."""
    size = sum(map(len, subject.undisturbed.values()))
    disk = mount(tmp_path / "disk", f"size={size * tenths // 10}")
    run = subject.start(tmp_path / "disk" / "work", log=tmp_path / "full.log")
    assert run.finish() == 1, run.printed
    assert FULL in run.printed
    made = expect_whole(subject, disk.folder / "work" / "results")
    assert made < len(subject.undisturbed)
    disk.change("size=100m")
    expect_recovery(subject, tmp_path / "disk" / "work")


def test_disk_without_room_for_more_files(subject: Subject, tmp_path: Path, mount: Mount) -> None:
    disk = mount(tmp_path / "results", "size=100m,nr_inodes=60")
    run = subject.start(tmp_path)
    assert run.finish() == 1, run.printed
    assert FULL in run.printed
    expect_whole(subject, tmp_path / "results")
    disk.change("nr_inodes=10000")
    expect_recovery(subject, tmp_path)
