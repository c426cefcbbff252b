"""When a run ends early: at the first failed master if the settings say so, and whenever it is told to."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.running import REPOSITORY, UNSEEN_FILE, run_snakemake
from tests.workflow.jobs import make_night, plan_night
from tests.workflow.test_certification import BEFORE, NIGHT, spoil

pytestmark = pytest.mark.slow

BIAS_ONLY = "dark: {use: false}\nflat: {use: false}\nbias: {max_age_days: 5}\n"


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """Two nights; one bias of the second is lit from the side."""
    for number, night in enumerate((BEFORE, NIGHT)):
        make_night(tmp_path / f"raw/n{number}", date=night, seed=number, biases=4, darks={}, flats={})
    spoil(tmp_path / "raw/n1/bias_002.fits", np.linspace(0, 60, 56)[None, :])
    return tmp_path


def find_certificate(folder: Path) -> str:
    """What decides on the bias that will fail, to be made before all else."""
    names = plan_night(folder, dark={"use": False}, flat={"use": False}).jobs
    return next(f"results/{name}.json" for name in names if NIGHT in name and "certificates" in name)


def test_stop_begins_nothing_after_the_first_failure(leaky: Path) -> None:
    (leaky / "s.yaml").write_text(BIAS_ONLY + "certification: {failed: stop}\n")
    run = run_snakemake(leaky, "--prioritize", find_certificate(leaky), configfile="s.yaml", expect=1)
    _, _, after = run.stderr.partition("failed its certification")
    assert after
    assert len(re.findall(r"^Job \d+:", after, re.MULTILINE)) <= 1, "one may have begun in that very moment"
    assert "planning again" not in run.stderr
    assert "ended: 1 master(s) failed certification, and config.yaml says certification.failed: stop" in run.stderr
    assert not list(leaky.glob("results/????-??-??/*/lights/*.fits"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_end_does_not_begin_again(leaky: Path, how: signal.Signals) -> None:
    (leaky / "s.yaml").write_text(BIAS_ONLY)
    certificate = find_certificate(leaky)
    refusal = leaky / certificate.replace(".json", ".failed.json")
    command = [sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"), "--cores", "1"]
    command += [
        "--configfile",
        str(UNSEEN_FILE),
        "s.yaml",
        "--prioritize",
        certificate,
        "--config",
        "raw=raw",
        "results=results",
    ]
    process = subprocess.Popen(command, cwd=leaky, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not refusal.exists():
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode != 0
    assert "planning again" not in said
