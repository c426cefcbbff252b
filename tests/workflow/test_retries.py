"""Retries: what was killed is tried again, what said why it failed is not; and both are told at the end."""

import os
from pathlib import Path

import pytest

from tests.running import run_snakemake
from tests.workflow.jobs import make_night
from tests.workflow.reduced import UNCERTIFIED, copy_workflow

pytestmark = pytest.mark.slow
AGAIN = "Trying to restart job"
KILL_ONCE = """import os
from pathlib import Path
marker = Path(__file__).parents[2] / "killed"
if not marker.exists():
    marker.touch()
    os.kill(os.getpid(), 9)

"""


def make_folder(folder: Path, killed: str) -> Path:
    """Make a small night and a copy of the workflow, one of whose scripts is killed the first time."""
    make_night(folder / "raw")
    code = copy_workflow(folder / "code")
    script = code / "scripts" / killed
    script.write_text(KILL_ONCE + script.read_text())
    (folder / "s.yaml").write_text(UNCERTIFIED)
    return code


def test_job_that_was_killed_is_tried_again(tmp_path: Path) -> None:
    code = make_folder(tmp_path, "make_master_bias.py")
    run = run_snakemake(tmp_path, "-s", code / "Snakefile", "--retries", "2", configfile="s.yaml")
    assert run.stderr.count(AGAIN) == 1
    assert "2 of 2 light(s) calibrated" in run.stderr
    assert "failed: " not in run.stderr


def test_job_that_was_killed_is_named_at_the_end(tmp_path: Path) -> None:
    code = make_folder(tmp_path, "calibrate_lights.py")
    run = run_snakemake(tmp_path, "-s", code / "Snakefile", configfile="s.yaml", expect=1)
    [line] = [line for line in run.stderr.splitlines() if line.startswith("  failed: ")]
    assert "light_V_60s_001.fits, light_V_60s_002.fits: ended without a word" in line
    log = Path(line.split("; see ")[1])
    assert log.name == "lights_V_60s_000.log"
    assert "0 of 2 light(s) calibrated" in run.stderr


def test_job_that_said_why_is_not_tried_again(tmp_path: Path) -> None:
    make_night(tmp_path / "raw")
    (tmp_path / "s.yaml").write_text(UNCERTIFIED)
    run_snakemake(tmp_path, "-n", configfile="s.yaml")
    light = tmp_path / "raw" / "light_V_60s_002.fits"
    status = light.stat()
    light.write_bytes(light.read_bytes()[:5760] + bytes(status.st_size - 5760))  # of the same time
    os.utime(light, ns=(status.st_atime_ns, status.st_mtime_ns))
    run = run_snakemake(tmp_path, "--retries", "2", configfile="s.yaml", expect=1)
    assert AGAIN not in run.stderr
    [line] = [line for line in run.stderr.splitlines() if line.startswith("  failed: ")]
    assert "light_V_60s_002.fits" in line
    assert "1 of 2 light(s) calibrated" in run.stderr
