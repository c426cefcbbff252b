"""The live block of a terminal: what it says, what is written above it, and what is left of it."""

import os
import re
import subprocess
import sys
import termios

import pytest

from darkroom.live_progress import describe
from darkroom.prepared import Job
from darkroom.standing import Standing, name_jobs, say_time, weigh_job
from tests.running import REPOSITORY
from tests.terminals import Screen, Shown, run_in_terminal

BEGIN = """
import os, subprocess, sys, time
from darkroom.live_progress import LiveProgress
from darkroom.standing import Standing
standing = Standing(10.0, total=5)
standing.start_job(1, "master flat V, 7 frames")
live = LiveProgress(standing, colour="NO_COLOR" not in os.environ)
live.begin()
time.sleep(0.4)
"""
END = """
live.end()
print(standing.say_end(), file=sys.stderr, flush=True)
"""


def show(code: str, **how) -> Shown:
    environment = {"PYTHONPATH": str(REPOSITORY / "workflow"), **how.pop("environment", {})}
    return run_in_terminal([sys.executable, "-c", code], REPOSITORY, environment=environment, **how)


def make_job(kind: str, name: str, products: int = 1, frames: int = 0) -> Job:
    return Job(kind, name, [f"{n}" for n in range(products)], "", ["f"] * frames, [], True, 1, True)


def test_jobs_are_called_as_a_person_calls_them():
    place = "2024-03-10/CCD-1x1"
    jobs = {
        "master flat V, 7 frames": make_job("make_master_flat", f"{place}/master_flat_V", frames=7),
        "master dark 0.5 s, 1 frame": make_job("make_master_dark", f"{place}/master_dark_0.5s", frames=1),
        "certify master bias, 9 frames": make_job("certify_master", f"{place}/certificates/master_bias", frames=9),
        "measure read noise, 4 frames": make_job("measure_detector", f"{place}/read_noise", frames=4),
        "bad pixels": make_job("collect_bad_pixels", f"{place}/bad_pixels"),
        "lights V 60 s: 48": make_job("calibrate_lights", f"{place}/lights_V_60s_000", 48, 48),
        "lights V 60 s (2): 1": make_job("calibrate_lights", f"{place}/lights_V_60s_001_stale", 1, 1),
        "previews V 60 s: 48": make_job("preview_lights", f"{place}/previews_V_60s_000", 48),
        "preview master flat V": make_job("preview_master", f"{place}/master_flat_V.png"),
        "compare V 60 s, 1 frame": make_job("compare_pair", f"{place}/pairs/V_60s.png", frames=1),
        "report 2024-03-10": make_job("make_report", "2024-03-10/report.html", 2),
        "trends": make_job("make_trends", "trends.html"),
    }
    assert list(name_jobs(jobs.values()).values()) == list(jobs)


def test_night_and_setup_are_told_where_there_are_several():
    jobs = [make_job("make_master_bias", f"{night}/{setup}/master_bias") for night in "ab" for setup in "cd"]
    assert list(name_jobs(jobs).values()) == [f"master bias, {n}, {s}" for n in "ab" for s in "cd"]


def test_pictures_and_pages_are_work_as_well():
    assert weigh_job(make_job("calibrate_lights", "l", 48, 48)) == 48
    assert 0 < weigh_job(make_job("preview_lights", "p", 48)) < 48


def make_standing(running: int = 0, name: str = "lights V 60 s: 48") -> Standing:
    standing = Standing(100.0, total=1234)
    standing.done, standing.read = 617, 40.0
    standing.started -= 5000
    standing.read_at = standing.started + 4990
    for number in range(running):
        standing.start_job(number, name)
    return standing


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_lines_are_no_wider_than_the_terminal(columns: int):
    standing = make_standing(3, "lights of a filter with a very long name, 2024-03-10, CCD" * 3)
    standing.failed = {1, 2, 3}
    lines = describe(standing, columns, 24)
    assert len(lines) == 4
    assert all(len(line) <= columns for line in lines)
    assert lines[0].startswith("617 of 1234 jobs")
    assert re.search(r"2 h \d+ min left$", lines[0])  # 4990 s * 60 / 40 are left, less the ten since
    assert all(re.fullmatch(r"  lights of a filter .*…  0 s", line) for line in lines[1:])


def test_many_jobs_are_cut_to_what_the_terminal_has_room_for():
    assert len(describe(make_standing(400), 80, 50)) == 12
    assert describe(make_standing(400), 80, 50)[-1] == "  and 390 more"
    assert len(describe(make_standing(400), 80, 9)) == 6  # the bar, and an empty line for the cursor: 8 of 9
    assert len(describe(make_standing(400), 80, 3)) == 1


def test_time_left_counts_down_and_is_not_told_when_it_is_over():
    standing = Standing(100.0)
    assert standing.guess_left() is None
    standing.started -= 100
    standing.end_job(1, 50.0)
    assert standing.guess_left() == pytest.approx(100, abs=1)
    standing.read_at -= 10
    standing.started -= 10
    assert standing.guess_left() == pytest.approx(90, abs=1)
    standing.read_at -= 200
    assert standing.guess_left() is None


def test_share_goes_by_work_or_where_there_is_none_by_jobs():
    assert Standing(10.0, read=4.0, done=1, total=100).share == 0.4
    assert Standing(0.0, done=1, total=4).share == 0.25
    assert Standing(0.0).share == 0


def test_a_job_that_is_tried_again_has_not_failed():
    standing = Standing(2.0, total=2)
    standing.start_job(1, "bias")
    standing.fail_job(1)
    assert standing.say_end() == "0 of 2 jobs done in 0 s; 1 failed"
    standing.start_job(1, "bias")
    standing.end_job(1, 1.0)
    assert not standing.failed
    assert not standing.running


@pytest.mark.parametrize(("seconds", "said"), [(12.4, "12 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_say_time(seconds: float, said: str):
    assert say_time(seconds) == said


@pytest.mark.parametrize("columns", [80, 40])
def test_block_is_drawn_changes_and_goes(columns: int):
    shown = show(
        BEGIN + "standing.end_job(1, 4.0); standing.done = 1\nstanding.start_job(2, 'x' * 300)\ntime.sleep(0.4)" + END,
        columns=columns,
    )
    assert shown.status == 0
    assert shown.as_before
    blocks = shown.screen.blocks
    assert blocks[0][1:] == ["0 of 5 jobs done, 0 s so far", "  master flat V, 7 frames  0 s", ""]
    assert blocks[0][0].endswith("   0 %")
    last = blocks[-1]
    assert last[0].endswith("  40 %")
    assert re.fullmatch(r"1 of 5 jobs( done)?, \d s( so far)?(, about 1 s left)?", last[1])
    assert re.fullmatch(r"  x+…  0 s", last[2])
    assert all(len(line) <= columns for block in blocks for line in block)
    assert shown.screen.lines[0] == "1 of 5 jobs done in 1 s"
    assert not any(shown.screen.lines[1:])
    assert shown.screen.column == 0


def test_what_else_is_written_stands_above_in_order():
    code = """
print("of this process", file=sys.stderr)
subprocess.run(["sh", "-c", "echo of a job; echo its error >&2; printf 'half a '; sleep 0.6; echo line"])
os.write(2, b"no UTF-8: \\xff\\n")
print("\\x1b[31mcoloured\\x1b[0m " + "wide " * 30)
print("no end of line", end="")
"""
    shown = show(BEGIN + code + END)
    above = "".join(line.ljust(80) if len(line) == 80 else line + "\n" for line in shown.screen.lines)
    told = ["of this process", "of a job", "its error", "half a line", "no UTF-8: \ufffd"]
    told += ["coloured " + "wide " * 30, "no end of line", "0 of 5 jobs done in 1 s"]
    assert above.rstrip("\n").split("\n") == told
    assert "\x1b[31mcoloured\x1b[0m" in shown.text


def test_no_colours_where_none_are_wanted():
    coloured = re.compile(r"\x1b\[[\d;]*m")
    assert coloured.search(show(BEGIN + END).text)
    shown = show(BEGIN + END, environment={"NO_COLOR": "1"})
    assert shown.screen.blocks
    assert not coloured.search(shown.text)


@pytest.mark.parametrize("code", ["raise ValueError", "os.kill(os.getpid(), 9)", "sys.exit(3)"])
def test_cursor_is_never_hidden_nor_left_behind_a_half_line(code: str):
    shown = show(BEGIN + code)
    assert shown.status
    assert shown.as_before
    assert "\x1b[?" not in shown.text
    assert shown.screen.column == 0
    if "kill" not in code:
        assert not any("%" in line for line in shown.screen.lines)


def test_display_that_fails_lets_the_run_go_on():
    code = """
from rich.live import Live
def refresh(self):
    raise OSError("no room")
Live.refresh = refresh
standing.end_job(1, 4.0)
time.sleep(0.4)
print("said later", file=sys.stderr)
assert live.failed
"""
    shown = show(BEGIN + code + END)
    assert shown.status == 0
    assert "darkroom: no progress display any more (OSError: no room)\r\nsaid later\r\n0 of 5 jobs done" in shown.text


def test_window_may_be_made_smaller_and_larger():
    def resize(text: str, terminal: int, process: subprocess.Popen) -> bool:
        if "ready" in text:
            termios.tcsetwinsize(terminal, (5, 30))
        return "ready" in text

    shown = show(BEGIN + "print('ready', flush=True); time.sleep(0.8)" + END, act=resize)
    _, _, after = shown.text.rpartition("0 %")
    assert shown.status == 0
    widths = [len(block[0]) for block in Screen(80, shown.text).blocks]
    assert {60, 30} <= set(widths)
    assert "0 of 5 jobs done in" in after


LOOK = """
import sys
from darkroom.terminal import is_live
from logging import StreamHandler
print(is_live({stream}))
"""


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        ("sys.stderr", {}, True),
        ("sys.stdout", {}, False),
        ("open('/dev/null')", {}, False),
        ("object()", {}, False),
        ("sys.stderr", {"TERM": "dumb"}, False),
        ("sys.stderr", {"TERM": ""}, False),
        ("sys.stderr", {"PYTHONIOENCODING": "latin-1"}, False),
    ],
)
def test_which_streams_can_show_a_block(stream: str, environment: dict, expected: bool):
    assert show(LOOK.format(stream=stream), environment=environment).text == f"{expected}\r\n"


def test_pipe_shows_no_block():
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(stream="sys.stderr")],
        env={**os.environ, "TERM": "xterm", "PYTHONPATH": str(REPOSITORY / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_rich_is_imported_where_it_is_used_alone():
    code = (
        "import sys, darkroom.progress, darkroom.summary; print([m for m in sys.modules if m.split('.')[0] == 'rich'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
