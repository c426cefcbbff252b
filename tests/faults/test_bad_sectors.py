"""A read error in the middle of a file: the file is named with the reason, and what does without it is made."""

from pathlib import Path

import pytest

from tests.faults.bad_sectors import spoil
from tests.faults.kills import TABLES, Subject
from tests.faults.outcomes import expect_lines, expect_recovery, expect_whole

REASON = "Input/output error"
FRAMES = ("light_V_60s_003.fits", "flat_V_002.fits", "dark_60s_002.fits", "bias_002.fits")
MIDDLE = 30_000  # bytes: of the pixels


@pytest.mark.parametrize("start", [0, 1000, MIDDLE])
def test_frame_that_cannot_be_read_when_it_is_indexed(
    subject: Subject, tmp_path: Path, library: Path, start: int
) -> None:
    """It is left out and named; all others are reduced, and it as well once it can be read."""
    name = FRAMES[0]
    run = subject.start(tmp_path, faults=spoil(library, name, start))
    assert expect_lines(run, 0) == []
    assert f"warning: {name}: cannot be read: {REASON}" in run.printed
    expected = {path for path in subject.undisturbed if "/lights/" in path and not path.endswith(name)}
    made = {str(path.relative_to(tmp_path / "results")) for path in (tmp_path / "results").glob("*/*/lights/*.fits")}
    assert made == expected
    expect_whole(subject, tmp_path / "results")
    expect_recovery(subject, tmp_path)


@pytest.mark.parametrize("name", FRAMES)
def test_frame_that_goes_bad_after_it_was_indexed(subject: Subject, tmp_path: Path, library: Path, name: str) -> None:
    subject.start(tmp_path, "-n").finish()
    run = subject.start(tmp_path, faults=spoil(library, name, MIDDLE))
    lines = expect_lines(run)
    assert lines
    for line in lines:
        assert line.startswith(f"{subject.raw / name}: the raw frame cannot be read ({REASON}); ")
    made = expect_whole(subject, tmp_path / "results")
    if name.startswith("light"):  # it costs no other product
        assert len(subject.undisturbed) - made == 1 + len(TABLES)
    expect_recovery(subject, tmp_path)


def test_master_that_goes_bad(subject: Subject, tmp_path: Path, library: Path) -> None:
    """While lights are made with it."""
    expect_recovery(subject, tmp_path)
    for path in (tmp_path / "results").glob("*/*/lights/*.fits"):
        path.unlink()
    run = subject.start(tmp_path, faults=spoil(library, "master_dark_60s.fits", MIDDLE))
    lines = expect_lines(run)
    assert lines
    assert all("master_dark_60s.fits: the master cannot be read" in line and REASON in line for line in lines)
    expect_whole(subject, tmp_path / "results")
    expect_recovery(subject, tmp_path)
