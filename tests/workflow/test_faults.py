"""Faults in short: kills of a run, and files that cannot be written; `make test-faults` has all of them."""

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from darkroom.prepared import Job, Prepared
from tests.faults.kills import HOW, Subject, play
from tests.workflow.engine import run_due
from tests.workflow.jobs import make_night, plan_night, run_job

REMEDY = "make way or room there, and run again"
TOO_LARGE = "File too large"
UNCERTIFIED = {"certification": {"use": False}}


@pytest.mark.slow
def test_killed_and_started_again(tmp_path: Path) -> None:
    """Once Snakemake alone, once a job, once all that belongs to the run."""
    subject = Subject.make(tmp_path, shape=(48, 56))
    rounds = [play(subject, HOW.index(how), seed=6) for how in ("snakemake", "job", "all")]
    assert not [str(one) for one in rounds if one.problem]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Have the system let no file grow beyond a size, as a disk does that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def read_products(folder: Path) -> dict[str, bytes]:
    results = folder / "results"
    return {str(path.relative_to(results)): path.read_bytes() for path in results.glob("????-*/**/*") if path.is_file()}


def make_undisturbed(folder: Path, raw: Path) -> dict[str, bytes]:
    folder.mkdir()
    (folder / "raw").symlink_to(raw)
    run_due(folder, **UNCERTIFIED)
    return read_products(folder)


def run_until(folder: Path, kind: str) -> tuple[Prepared, Job]:
    """Run jobs, up to the first of a kind; return the plan and that job."""
    nights = plan_night(folder, **UNCERTIFIED)
    for job in nights.jobs.values():
        if job.kind == kind:
            return nights, job
        run_job(nights, job)
    raise AssertionError(f"there is no {kind}")


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("measure_detector", 1000),
        ("make_master_bias", 2000),
        ("make_master_bias", 20000),
        ("make_master_flat", 5000),
        ("calibrate_lights", 2000),
        ("calibrate_lights", 20000),
    ],
)
def test_product_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, size: int
) -> None:
    """It is named with the reason and what to do, nothing of it is left, and the same run makes it later."""
    make_night(tmp_path / "raw")
    nights, job = run_until(tmp_path, kind)
    before = read_products(tmp_path)
    with largest_file(size), pytest.raises(SystemExit, match="1"):
        run_job(nights, job)
    said = capsys.readouterr().err.splitlines()
    expected = [f"{tmp_path}/results/{path}: cannot be written ({TOO_LARGE}); {REMEDY}" for path in job.products]
    assert said == [f"darkroom: {line}" for line in expected]
    assert read_products(tmp_path) == before
    run_due(tmp_path, **UNCERTIFIED)
    assert read_products(tmp_path) == make_undisturbed(tmp_path / "undisturbed", tmp_path / "raw")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full, which is a file without room")
@pytest.mark.parametrize("kind", ["make_master_bias", "calibrate_lights"])
def test_log_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """The job has failed, and what it made is whole all the same."""
    make_night(tmp_path / "raw")
    nights, job = run_until(tmp_path, kind)
    log = tmp_path / "results" / job.log
    log.parent.mkdir(parents=True, exist_ok=True)
    log.symlink_to("/dev/full")
    with pytest.raises(SystemExit, match="1"):
        run_job(nights, job)
    assert capsys.readouterr().err == f"darkroom: {log}: cannot be written (No space left on device); {REMEDY}\n"
    log.unlink()
    _, made, _ = run_due(tmp_path, **UNCERTIFIED)
    assert made.isdisjoint(job.products)
    assert read_products(tmp_path) == make_undisturbed(tmp_path / "undisturbed", tmp_path / "raw")


def test_log_that_cannot_be_opened_hides_no_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_night(tmp_path / "raw")
    nights, job = run_until(tmp_path, "make_master_bias")
    (tmp_path / "results" / job.log).mkdir(parents=True)  # in the way
    frame = tmp_path / "raw" / "bias_001.fits"
    frame.unlink()
    with pytest.raises(SystemExit, match="1"):
        run_job(nights, job)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"darkroom: {frame}: the raw frame is gone")
    assert second == f"darkroom: {tmp_path / 'results' / job.log}: cannot be written (Is a directory); {REMEDY}"


@pytest.mark.parametrize("size", [0, 500, 2000])
def test_plan_that_cannot_be_written(tmp_path: Path, size: int) -> None:
    """Nothing of it is left by half, and the next plan is as ever."""
    make_night(tmp_path / "raw")
    with largest_file(size), pytest.raises(OSError, match=re.escape(TOO_LARGE)):
        plan_night(tmp_path, **UNCERTIFIED)
    assert not [path for path in (tmp_path / "results").rglob("*.tmp")]
    assert all(path.stat().st_size < max(size, 1) for path in (tmp_path / "results").rglob("*") if path.is_file())
    run_due(tmp_path, **UNCERTIFIED)
    assert read_products(tmp_path) == make_undisturbed(tmp_path / "undisturbed", tmp_path / "raw")
