"""The warm process: scripts run in it as they would by themselves, and by themselves where it is not for them."""

import ast
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from darkroom.warm import ADDRESS, WarmProcess

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="there is a warm process on Linux alone")
START = (
    f"import sys\nsys.path.insert(0, {str(ROOT / 'workflow')!r})\nfrom darkroom.warm import hand_over\nhand_over()\n"
)
TELL = """
import json, os
warm = "numpy" in sys.modules
print(json.dumps([warm, os.getpid(), sys.argv[1:], os.getcwd(), os.environ.get("HUE"), sys.stdin.read()]))
"""
# Waits to be interrupted, and tidies up then, which takes a while.
WAIT = """
import os, time
open("ready", "w").close()
try:
    time.sleep(30)
except KeyboardInterrupt:
    time.sleep(0.2)
    open("tidied", "w").close()
    sys.exit(130)
"""


@pytest.fixture(scope="module")
def warm():
    process = WarmProcess()
    yield process
    process.stop()
    process._process.wait(20)


@pytest.fixture
def run(tmp_path):
    """A function that runs a script, which has these lines, with arguments."""

    def run_lines(lines, *arguments, **options):
        script = tmp_path / "script.py"
        script.write_text(START + lines)
        options = {"capture_output": True, "text": True, "cwd": tmp_path, "check": False} | options
        return subprocess.run([sys.executable, str(script), *arguments], **options)

    return run_lines


@pytest.fixture
def waiting(warm, tmp_path):
    """A script that waits in the warm process; what runs it."""
    script = tmp_path / "script.py"
    script.write_text(START + WAIT)
    process = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path)
    wait_for((tmp_path / "ready").exists)
    yield process
    process.kill()
    process.wait()


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def test_script_has_its_arguments_folder_environment_and_files(warm, run, tmp_path):
    done = run(TELL, "a b", "c", input="what comes in", env={**os.environ, "HUE": "Hα"})
    is_warm, process, *rest = json.loads(done.stdout)
    assert is_warm
    assert process != os.getpid()
    assert rest == [["a b", "c"], str(tmp_path), "Hα", "what comes in"]
    assert (done.returncode, done.stderr) == (0, "")


def test_what_draws_is_imported_once_a_picture_was_asked_for(warm, tmp_path):
    tell = START + 'print("darkroom.sky_grid" in sys.modules, end="")'

    def ask(name):
        (tmp_path / name).write_text(tell)
        command = [sys.executable, str(tmp_path / name)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True).stdout

    assert ask("tmp1.calibrate_lights.py") == "False"
    time.sleep(0.5)
    assert ask("tmp2.preview_lights.py") == "False"
    wait_for(lambda: time.sleep(0.5) or ask("tmp3.calibrate_lights.py") == "True")


@pytest.mark.parametrize(
    ("lines", "status", "error"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit('no more plates')", 1, "no more plates\n"),
        ("print('half', end='', file=sys.stderr); sys.exit(2)", 2, "half"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + 9, ""),
    ],
)
def test_exit_status_and_messages_are_those_of_the_script(warm, run, lines, status, error):
    done = run(lines)
    assert (done.returncode, done.stderr) == (status, error)


def test_a_fault_has_its_traceback(warm, run):
    done = run("1 / 0")
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("ZeroDivisionError: division by zero")


def test_scripts_run_side_by_side(warm, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(START + "import time; time.sleep(1)")
    begun = time.monotonic()
    processes = [subprocess.Popen([sys.executable, str(script)]) for _ in range(4)]
    assert [process.wait(20) for process in processes] == [0] * 4
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_script_is_interrupted_where_it_runs(waiting, tmp_path, by):
    waiting.send_signal(by)
    status = waiting.wait(20)
    wait_for((tmp_path / "tidied").exists)
    if by == signal.SIGINT:  # it has waited for the other to tidy up
        assert status == 130


def test_script_of_another_run_goes_on_by_itself(warm, tmp_path):
    """As a job of a cluster on the same machine would: its parents are others."""
    (tmp_path / "script.py").write_text(START + TELL)
    command = shlex.join([sys.executable, "script.py"])
    subprocess.run(["sh", "-c", f"({command} > out; mv out told) < /dev/null &"], cwd=tmp_path, check=True)
    wait_for((tmp_path / "told").exists)
    assert not json.loads((tmp_path / "told").read_text())[0]


def test_a_socket_that_cannot_be_made_keeps_nobody_from_working(tmp_path, monkeypatch):
    monkeypatch.setenv(ADDRESS, "as it was")
    deep = tmp_path / ("d" * 120)  # a path of more than 108 characters is none for a socket
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    WarmProcess().stop()
    assert list(deep.iterdir()) == []


def test_half_a_request_is_no_request(warm, run):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ[ADDRESS])
        connection.send(b'{"argv": [')
    assert json.loads(run(TELL, input="").stdout)[0]


def test_scripts_go_on_by_themselves_once_it_is_killed(run, tmp_path, monkeypatch):
    monkeypatch.setenv(ADDRESS, "")  # and back to what it was, at the end
    killed = WarmProcess()
    script = tmp_path / "waiting.py"
    script.write_text(START + WAIT)
    process = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path)
    wait_for((tmp_path / "ready").exists)
    killed._process.kill()
    assert not json.loads(run(TELL, input="", timeout=20).stdout)[0]
    process.kill()
    process.wait()
    killed.stop()


@pytest.mark.parametrize("address", [None, "/nowhere/socket"])
def test_script_goes_on_by_itself_where_there_is_no_warm_process(run, address):
    environment = {name: value for name, value in os.environ.items() if name != ADDRESS}
    done = run(TELL, input="", env=environment | ({ADDRESS: address} if address else {}))
    assert not json.loads(done.stdout)[0]
    assert done.returncode == 0


def test_it_ends_with_the_process_that_began_it_or_when_it_is_told_to(tmp_path):
    for end in ("", "warm.stop()\n"):
        code = f"import os, sys\nsys.path.insert(0, {str(ROOT / 'workflow')!r})\n"
        code += "from darkroom.warm import ADDRESS, WarmProcess\nwarm = WarmProcess()\n"
        code += f"print(warm._process.pid, os.environ[ADDRESS])\n{end}"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        process, address = told.stdout.split()
        wait_for(lambda place=Path(address).parent: not place.exists())
        wait_for(lambda number=process: not Path(f"/proc/{number}").exists())


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_scripts_are_handed_over_before_they_import_anything_else(script):
    tree = ast.parse(script.read_text())
    first = [ast.unparse(node) for node in tree.body[1:3]]
    assert first == ["from darkroom.warm import hand_over", "hand_over()"]
