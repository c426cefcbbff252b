"""When a run ends early: at the first failed master if the settings say so, and whenever it is told to."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.running import REPOSITORY, run_snakemake
from tests.workflow.test_certification import NIGHT, simulate, spoil

pytestmark = pytest.mark.slow


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """Two nights; one bias of the second is lit from the side."""
    simulate(tmp_path / "raw")
    spoil(tmp_path / "raw/n1/bias_002.fits", np.linspace(0, 60, 56)[None, :])
    return tmp_path


def test_stop_begins_nothing_after_the_first_failure(leaky: Path) -> None:
    (leaky / "s.yaml").write_text("certification: {failed: stop}\n")
    run = run_snakemake(leaky, configfile="s.yaml", cores=1, expect=1)
    before, _, after = run.stderr.partition("failed its certification")
    assert after, before
    assert len(re.findall(r"^Job \d+:", after, re.MULTILINE)) <= 1, "one may have begun in that very moment"
    assert "planning again" not in run.stderr
    assert not list(leaky.glob(f"results/{NIGHT}/*/lights/*.fits"))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_end_does_not_begin_again(leaky: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"), "--cores", "1"]
    command += ["--config", "raw=raw", "results=results"]
    (leaky / "s.yaml").write_text("bias: {max_age_days: 5}\n")
    process = subprocess.Popen(
        [*command, "--configfile", "s.yaml"], cwd=leaky, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 120
        while not list(leaky.glob(f"results/{NIGHT}/*/certificates/*.failed.json")):
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode != 0
    assert "planning again" not in said
