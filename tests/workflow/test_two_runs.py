"""Two runs on one results folder: the second is refused; what makes nothing is not; a killed one is no hindrance."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom.hold import FILE
from tests.running import UNSEEN_FILE, run_snakemake
from tests.workflow.jobs import make_night
from tests.workflow.reduced import UNCERTIFIED, copy_workflow

pytestmark = pytest.mark.slow
WAIT = """import time
from pathlib import Path
folder = Path(__file__).parents[2]  # above the code, where the script comes from
(folder / "waits").touch()
for _ in range(1000):
    if (folder / "go").exists():
        break
    time.sleep(0.05)

"""


@pytest.fixture
def first(tmp_path: Path) -> Iterator[subprocess.Popen]:
    """A run in `one`, one of whose jobs waits until there is a file `go`."""
    make_night(tmp_path / "raw")
    script = copy_workflow(tmp_path / "code") / "scripts" / "make_master_bias.py"
    script.write_text(WAIT + script.read_text())
    (tmp_path / "s.yaml").write_text(UNCERTIFIED)
    (tmp_path / "one").mkdir()
    command = [sys.executable, "-m", "snakemake", "-s", str(tmp_path / "code" / "Snakefile"), "--cores", "2"]
    command += [
        "--configfile",
        str(UNSEEN_FILE),
        str(tmp_path / "s.yaml"),
        "--config",
        "raw=../raw",
        "results=../results",
    ]
    with (tmp_path / "one.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path / "one", stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "waits").exists():
        assert process.poll() is None, (tmp_path / "one.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run_second(folder: Path, *args: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run it from another working directory, by the checkout's own code."""
    where = {"raw": "../raw", "results": "../results"}
    return run_snakemake(folder / "two", *args, config=where, configfile=folder / "s.yaml", expect=expect)


def read_all(results: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(results.rglob("*.fits"))}


def test_second_run_is_refused_with_one_line(tmp_path: Path, first: subprocess.Popen) -> None:
    refused = run_second(tmp_path, expect=1)
    [line] = [line for line in refused.stderr.splitlines() if line.startswith("darkroom: ")]
    assert f"{tmp_path / 'results'}: in use by a run of " in line.replace("../results", str(tmp_path / "results"))
    assert f"process {first.pid}," in line
    assert f"in {tmp_path / 'one'})" in line
    assert "Traceback" not in refused.stderr

    assert "This was a dry-run" in run_second(tmp_path, "-n").stdout
    assert "LIGHTS" in run_second(tmp_path, "plan").stdout

    left = sorted((tmp_path / "results").rglob("*.json"))
    refused = run_second(tmp_path, "--delete-all-output", expect=1)
    assert "nothing is deleted" in refused.stderr
    assert sorted((tmp_path / "results").rglob("*.json")) == left

    (tmp_path / "go").touch()
    assert first.wait(60) == 0, (tmp_path / "one.log").read_text()
    assert not (tmp_path / "results" / FILE).exists()
    assert "2 of 2 light(s) calibrated" in run_second(tmp_path).stderr


def test_run_that_was_killed_is_no_hindrance(tmp_path: Path, first: subprocess.Popen) -> None:
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert (tmp_path / "results" / FILE).exists()
    assert "2 of 2 light(s) calibrated" in run_second(tmp_path).stderr
    run_snakemake(tmp_path / "three", config={"raw": "../raw"}, configfile=tmp_path / "s.yaml")
    made, expected = read_all(tmp_path / "results"), read_all(tmp_path / "three" / "results")
    assert list(made.values()) == list(expected.values())
    assert len(made) == 6
    (tmp_path / "go").touch()
