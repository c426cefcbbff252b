"""What a terminal shows of a whole run: a live block, all else above it, and nothing of either where there is none."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.running import REPOSITORY, UNSEEN_FILE, run_snakemake
from tests.terminals import Shown, run_in_terminal
from tests.workflow.jobs import make_night
from tests.workflow.reduced import UNCERTIFIED
from tests.workflow.test_certification_ends_runs import BIAS_ONLY, leaky

pytestmark = pytest.mark.slow
__all__ = ["leaky"]  # a fixture

JOBS = 8
END = f"{JOBS} of {JOBS} jobs done in "
CHATTER = re.compile(
    r"^(Job \d+:|\[\w{3} \w{3} |(local)?rule |    (input|output|jobid):|Building|Provided|Using shell)"
)


@pytest.fixture
def night(tmp_path: Path) -> Path:
    make_night(tmp_path / "raw")
    (tmp_path / "s.yaml").write_text(UNCERTIFIED)
    return tmp_path


def show(folder: Path, *args: str | Path, settings: str = "s.yaml", **how: Any) -> Shown:
    """Run Snakemake in a terminal, as an observer does."""
    command = [sys.executable, "-m", "snakemake", "-s", REPOSITORY / "Snakefile", "--cores", "1", *args]
    command += ["--configfile", UNSEEN_FILE, settings, "--config", "raw=raw", "results=results"]
    return run_in_terminal(command, folder, **how)


@pytest.mark.parametrize("columns", [80, 40])
def test_terminal_shows_a_block_that_goes_at_the_end(night: Path, columns: int) -> None:
    shown = show(night, columns=columns)
    assert shown.status == 0, shown.text
    assert shown.as_before
    screen = shown.screen
    assert len(screen.blocks) > 2
    for bar, *lines in screen.blocks:
        assert bar.endswith(" %")
        assert lines[0].startswith(tuple(f"{done} of {JOBS} jobs" for done in range(JOBS + 1)))
        assert lines[-1] == ""
        assert len(lines) <= 3, "one core, one job"
        assert all(len(line) <= columns for line in (bar, *lines))
    jobs = {line.rsplit("  ", 1)[0].strip() for block in screen.blocks for line in block[2:-1]}
    assert jobs
    known = {"measure gain", "measure read noise", "master bias", "master dark 60 s", "master flat V", "bad pixels"}
    assert {job.split(",")[0] for job in jobs} <= {*known, "lights V 60 s: 2"}
    [end] = [number for number, line in enumerate(screen.lines) if line.startswith(END)]
    assert any(line.startswith("Job stats:") for line in screen.lines[:end])
    assert screen.lines[end + 1].startswith("Darkroom: 1 night(s), 1 setup(s)")
    assert not [line for line in screen.lines if CHATTER.match(line) or line.endswith(" %") or "━" in line]
    assert screen.column == 0


def test_a_pipe_gets_the_lines_that_it_always_got(night: Path) -> None:
    run = run_snakemake(night, configfile="s.yaml")
    assert "\x1b" not in run.stderr
    assert "━" not in run.stderr
    lines = run.stderr.splitlines()
    for done in range(1, JOBS + 1):
        assert [line for line in lines if line.startswith(f"{done} of {JOBS} jobs done ({100 * done // JOBS} %), ")]
    assert sum(bool(re.match(r"Job \d+: ", line)) for line in lines) == JOBS
    assert not [line for line in lines if line.startswith(END)]


@pytest.mark.parametrize(
    ("args", "environment"),
    [((), {"TERM": "dumb"}), (("-n",), {}), (("-np",), {}), (("--quiet", "progress"), {}), (("--verbose",), {})],
    ids=["dumb", "dry run", "dry run by another name", "quiet", "verbose"],
)
def test_plain_lines_where_a_block_is_not_wanted(night: Path, args: tuple, environment: dict) -> None:
    shown = show(night, *args, environment=environment)
    assert shown.status == 0, shown.text
    assert "━" not in shown.text
    assert "\x1b[2K" not in shown.text
    plain = re.sub(r"\x1b\[\d+m", "", shown.text)
    assert len(re.findall(r"^(?:    )?Job \d+: ", plain, re.MULTILINE)) == JOBS
    assert f"1 of {JOBS} jobs done" in plain or args not in ((), ("--verbose",))


def test_no_colour_goes_for_snakemake_too(night: Path) -> None:
    coloured = re.compile(r"\x1b\[[\d;]*m")
    assert coloured.search(show(night).text.partition("Job stats:")[2])
    (night / "results").rename(night / "before")
    _, _, after = show(night, environment={"NO_COLOR": "1"}).text.partition("Job stats:")  # it is asked after its start
    assert f"{JOBS} of {JOBS} jobs done" in after
    assert not coloured.search(after)


def test_failure_is_told_above_the_block_in_lines_of_its_own(night: Path) -> None:
    run_snakemake(night, "-n", configfile="s.yaml")
    light = night / "raw" / "light_V_60s_002.fits"
    status = light.stat()
    light.write_bytes(light.read_bytes()[:5760] + bytes(status.st_size - 5760))  # of the same time
    os.utime(light, ns=(status.st_atime_ns, status.st_mtime_ns))
    shown = show(night, columns=400)
    assert shown.status == 1
    assert shown.as_before
    lines = shown.screen.lines
    [told] = [n for n, line in enumerate(lines) if line.startswith("darkroom: ") and light.name in line]
    [error] = [n for n, line in enumerate(lines) if line.startswith("Error in rule calibrate_lights")]
    [end] = [n for n, line in enumerate(lines) if line.startswith(f"{JOBS - 2} of {JOBS} jobs done in ")]
    assert told < error < end
    assert lines[end].endswith("; 1 failed")
    assert any(line.startswith("Darkroom: ") for line in lines[end:]), lines[end:]
    assert not [line for line in lines if line.startswith(("    input:", "    output:"))]
    [log] = (night / ".snakemake" / "log").glob("*.log") if (night / ".snakemake" / "log").is_dir() else [None]
    assert log is None or "    input:" in log.read_text()


def test_planning_again_shows_a_block_of_its_own(leaky: Path) -> None:
    (leaky / "s.yaml").write_text(BIAS_ONLY)
    shown = show(leaky)
    assert shown.status == 0, shown.text
    assert shown.as_before
    first, _, second = shown.text.partition("darkroom: planning again, with the next best masters")
    for text in (first, second):
        assert text.count("\x1b[2K") > 2
        assert (
            len(re.findall(r"^\d of \d jobs done in \d s", re.sub(r"\r|\x1b\[\d*[A-Za-z]", "", text), re.MULTILINE))
            == 1
        )
    assert not [line for line in shown.screen.lines if line.endswith(" %")]


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM"])
def test_terminal_is_left_as_it_was_when_the_run_is_told_to_end(night: Path, how: str) -> None:
    def end(text: str, terminal: int, process: subprocess.Popen[bytes]) -> bool:
        if not re.search(rf"[1-6] of {JOBS} jobs", text):
            return False
        if how == "Ctrl-C":
            os.write(terminal, b"\x03")
        else:
            process.send_signal(signal.SIGTERM)
        return True

    shown = show(night, act=end)
    assert shown.status
    assert shown.as_before
    text = shown.text.replace("^C", "")  # which the terminal itself shows
    assert "\x1b[?" not in text
    lines = re.sub(r"\x1b\[\d+m", "", text).replace("\r", "").split("\n")
    assert [line for line in lines if re.search(rf"\d of {JOBS} jobs done in \d+ s.*; stopped$", line)]
    assert lines[-1] == ""
    end_at = text.index("; stopped")
    assert "\x1b[2K" not in text[end_at:]
