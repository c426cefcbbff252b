"""The hold of a run on its results folder."""

import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from darkroom import hold
from darkroom.hold import FILE, Hold, ResultsInUse, describe_killed

ROOT = Path(__file__).parents[2]
TAKE = """
import sys, time
from pathlib import Path
from darkroom.hold import Hold
Hold(Path(sys.argv[1])).take()
print("taken", flush=True)
time.sleep(60)
"""


def start_holder(results):
    """Start a process that takes the folder, and wait until it has it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    process = subprocess.Popen([sys.executable, "-c", TAKE, str(results)], stdout=subprocess.PIPE, env=environment)
    assert process.stdout.readline() == b"taken\n"
    return process


def end(process):
    """Kill the process, so that it has no time for anything."""
    process.kill()
    process.communicate()


def rewrite(results, age=0.0, **changes):
    """Change what a hold says, and its age in seconds."""
    path = results / FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    os.utime(path, (time.time() - age,) * 2)


def test_folder_is_free_again_once_it_is_released(tmp_path):
    first = Hold(tmp_path)
    assert first.take() is None
    with pytest.raises(ResultsInUse):
        Hold(tmp_path).take()
    first.release()
    assert Hold(tmp_path).take() is None
    assert [path.name for path in (tmp_path / ".cache").iterdir()] == ["run.json"]  # no temporary file stays


def test_who_comes_second_is_told_who_has_it_in_one_line(tmp_path):
    process = start_holder(tmp_path)
    try:
        with pytest.raises(ResultsInUse) as refusal:
            Hold(tmp_path).take()
    finally:
        end(process)
    text = str(refusal.value)
    assert "\n" not in text
    assert text.startswith(f"{tmp_path}: in use by a run of ")
    for part in (socket.gethostname(), f"process {process.pid}", str(Path.cwd()), "wait for its end"):
        assert part in text


def test_hold_of_a_killed_process_is_taken_over(tmp_path):
    process = start_holder(tmp_path)
    end(process)
    killed = Hold(tmp_path).take()
    assert killed.process == process.pid
    assert [path.name for path in (tmp_path / ".cache").iterdir()] == ["run.json"]


def test_another_process_of_the_same_number_is_not_taken_for_the_run(tmp_path):
    Hold(tmp_path).take()
    rewrite(tmp_path, born="12345")
    assert Hold(tmp_path).take().process == os.getpid()


@pytest.mark.parametrize("age", [0, hold.SILENCE - 60])
def test_run_on_another_host_that_gives_signs_of_life_keeps_its_folder(tmp_path, age):
    Hold(tmp_path).take()
    rewrite(tmp_path, age, host="login2")
    with pytest.raises(ResultsInUse, match=rf"on login2 .* remove {tmp_path / FILE}"):
        Hold(tmp_path).take()


def test_run_on_another_host_that_is_silent_is_taken_for_dead(tmp_path):
    Hold(tmp_path).take()
    rewrite(tmp_path, hold.SILENCE + 60, host="login2", queue="abc")
    killed = Hold(tmp_path).take()
    assert "login2" in describe_killed(killed)
    assert "scancel --name=abc" in describe_killed(killed)


@pytest.mark.parametrize(("age", "lives"), [(0, True), (hold.SILENCE + 60, False)])
@pytest.mark.parametrize("hidden", [{"world": {**hold._identify_world(), "processes": "others"}}, {"process": 1}])
def test_run_whose_process_cannot_be_looked_at_is_judged_by_its_signs(tmp_path, monkeypatch, age, lives, hidden):
    """In another container of the same name, or that of another user, where those are hidden."""

    def refuse(process, signal):
        raise PermissionError

    Hold(tmp_path).take()
    rewrite(tmp_path, age, **hidden)
    if "process" in hidden:
        monkeypatch.setattr(os, "kill", refuse)
        look = Path.read_text
        monkeypatch.setattr(
            Path,
            "read_text",
            lambda path, **how: look(path, **how) if str(path) != "/proc/1/stat" else look(path / "no"),
        )
    if lives:
        with pytest.raises(ResultsInUse, match=f"or, if that is no more, remove {tmp_path / FILE}, or"):
            Hold(tmp_path).take()
    else:
        assert Hold(tmp_path).take() is not None


def test_run_before_the_host_was_started_again_is_dead(tmp_path):
    Hold(tmp_path).take()
    rewrite(tmp_path, world={**hold._identify_world(), "boot": "the one before"})
    assert Hold(tmp_path).take() is not None


def test_hosts_of_one_image_are_not_one_host(tmp_path):
    """Nodes without disks may all have the same machine-id."""
    Hold(tmp_path).take()
    rewrite(tmp_path, host="login2", world={**hold._identify_world(), "boot": "its own"})
    with pytest.raises(ResultsInUse):
        Hold(tmp_path).take()


def test_file_of_a_later_version_is_understood(tmp_path):
    Hold(tmp_path).take()
    rewrite(tmp_path, news="that this version knows nothing of", age=60)
    with pytest.raises(ResultsInUse):
        Hold(tmp_path).take()


@pytest.mark.parametrize("world", [{}, {"machine": "another of the same name"}, {"machine": "", "boot": "other"}])
def test_host_of_the_same_name_may_be_another(tmp_path, world):
    Hold(tmp_path).take()
    rewrite(tmp_path, world=world)
    with pytest.raises(ResultsInUse):
        Hold(tmp_path).take()


def test_signs_of_life_are_given(tmp_path, monkeypatch):
    monkeypatch.setattr(hold, "BEAT", 0.02)
    mine = Hold(tmp_path)
    mine.take()
    rewrite(tmp_path, age=1000)
    deadline = time.monotonic() + 10
    while (tmp_path / FILE).stat().st_mtime < time.time() - 100:
        assert time.monotonic() < deadline, "no sign of life"
        time.sleep(0.01)
    mine.release()


def test_run_that_was_taken_for_dead_leaves_the_new_one_alone(tmp_path):
    first, second = Hold(tmp_path), Hold(tmp_path)
    first.take()
    rewrite(tmp_path, hold.SILENCE + 60, host="elsewhere")
    second.take()
    first.name_queue("mine")
    first.release()
    assert json.loads((tmp_path / FILE).read_text())["token"] == second.holder.token


def test_queue_is_noted_for_who_comes_after(tmp_path):
    mine = Hold(tmp_path)
    mine.take()
    mine.name_queue("run-1")
    rewrite(tmp_path, born="gone")
    assert Hold(tmp_path).take().queue == "run-1"


@pytest.mark.parametrize("content", ["", "{", '{"token": 1}', "[]"])
def test_damaged_file_is_no_hold_once_nobody_writes_it(tmp_path, content):
    path = tmp_path / FILE
    path.parent.mkdir()
    path.write_text(content)
    os.utime(path, (time.time() - 60,) * 2)
    assert Hold(tmp_path).take() is None


def test_link_to_nowhere_is_no_hold(tmp_path):
    path = tmp_path / FILE
    path.parent.mkdir()
    path.symlink_to("nowhere")
    assert Hold(tmp_path).take() is None
    assert not path.is_symlink()


def test_folder_in_its_place_is_said_to_be_in_the_way(tmp_path):
    path = tmp_path / FILE
    (path / "more").mkdir(parents=True)
    os.utime(path, (time.time() - 60,) * 2)
    with pytest.raises(OSError, match="directory") as error:
        Hold(tmp_path).take()
    assert str(path) in (str(error.value.filename), str(error.value.filename2))


@pytest.mark.parametrize("links", [True, False])
def test_of_many_at_once_one_has_it(tmp_path, monkeypatch, links):
    def refuse(*args):
        raise PermissionError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    Hold(tmp_path).take()
    rewrite(tmp_path, born="gone")  # and all find a dead one there

    def take(number):
        try:
            Hold(tmp_path).take()
            return True
        except ResultsInUse:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(take, range(64))) == 1


def test_claim_of_one_who_was_killed_as_well_does_not_last(tmp_path):
    Hold(tmp_path).take()
    rewrite(tmp_path, born="gone", token="dead")
    claim = tmp_path / ".cache" / "run.dead.json"
    claim.touch()
    os.utime(claim, (time.time() - hold.CLAIM - 10,) * 2)
    assert Hold(tmp_path).take().token == "dead"
    assert not claim.exists()


def test_forked_child_does_not_release_it(tmp_path):
    mine = Hold(tmp_path)
    mine.take()
    child = os.fork()
    if child == 0:
        mine.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / FILE).exists()
