"""A warm process: it has imported what jobs import, and forks a child for each job, which then begins at once.

Python and its libraries take longer to start than a master bias takes to be made. A local run starts one process
beside Snakemake, which imports them while the plan is made. A script's first step is to ask that process to run it: a
child of it does, with the script's own arguments, environment, files and folder, while the script waits for the end.
Where there is no such process (on a cluster, in an environment of conda, in a container, on other systems than Linux),
or where it has ended, the script goes on by itself.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import runpy
import select
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from typing import Any

ADDRESS = "DARKROOM_WARM"  # the environment variable with the socket's path
PREFIX, SOCKET = "darkroom-", "socket"  # of the folder with the socket, and its name there
OURS = ("bad_pixels", "cards", "certify", "job", "lights", "photon_transfer", "products")
LIBRARIES = ("numpy", "astropy.io.fits", "snakemake.logging", *(f"darkroom.{name}" for name in OURS))
# What pictures and pages need takes as long to import again: it is, once a job has asked for one of them, when it can.
SHOWING = ("preview_", "compare_", "make_report", "make_trends")
DRAWING = ("darkroom.previews", "darkroom.sky_grid", "darkroom.report_page", "darkroom.trends")
IDLE = 0.1  # s without a request, after which there is time for that
PATIENCE = 10  # s
PEER = struct.Struct("iII")  # process, user and group at the other end of a socket: struct ucred of unix(7)


def _identify_python() -> list[int]:
    """Return what tells this Python from that of another environment, or of a container."""
    status = os.stat(sys.executable)
    return [status.st_dev, status.st_ino]


def hand_over() -> None:
    """Have this script run by the warm process and end with its exit status, or go on if there is none."""
    address = os.environ.pop(ADDRESS, None)
    if address is None:
        return
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
        except OSError:  # it has ended
            return
        request: dict[str, Any] = {
            "argv": sys.argv,
            "path": sys.path,
            "folder": os.getcwd(),
            "environment": dict(os.environ),
            "python": _identify_python(),
        }
        try:
            socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], [0, 1, 2])
            status = connection.recv(1)
        except KeyboardInterrupt:  # the child sees the end of what it reads, and is interrupted as well
            connection.shutdown(socket.SHUT_WR)
            status = connection.recv(1)
        except OSError:
            status = b""
    if status:
        os._exit(status[0])


class WarmProcess:
    """The warm process as Snakemake's own process sees it; it ends with that, or when it is stopped."""

    def __init__(self) -> None:
        self._lifeline: int | None = None
        if hasattr(os, "pidfd_open"):
            _remove_abandoned()
            folder = tempfile.mkdtemp(prefix=PREFIX)
            try:
                with socket.socket(socket.AF_UNIX) as listener:
                    self._start(folder, listener)
            except OSError:  # no room, or too long a path for a socket: scripts run by themselves
                shutil.rmtree(folder, ignore_errors=True)

    def _start(self, folder: str, listener: socket.socket) -> None:
        address = os.path.join(folder, SOCKET)
        listener.bind(address)
        listener.listen()
        # the lifeline: nothing is ever written to it, and its end tells that of this process
        reader, self._lifeline = os.pipe()
        code = f"from darkroom.warm import serve; serve({listener.fileno()}, {reader}, {os.getpid()}, {folder!r})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            pass_fds=(listener.fileno(), reader),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # what children print goes where their scripts would print it
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the scripts, which pass it on
        )
        os.close(reader)
        os.environ[ADDRESS] = address
        self._folder = folder
        atexit.register(self._end)

    def stop(self) -> None:
        """Have no more jobs taken; those that run end."""
        os.environ.pop(ADDRESS, None)
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def _end(self) -> None:
        """Wait for the end, so that what its children took is part of what this process and its children did."""
        self.stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
            shutil.rmtree(self._folder, ignore_errors=True)  # it has done so itself, unless it was killed


def _remove_abandoned() -> None:
    """Remove the folders of warm processes that were killed: nobody listens at their sockets."""
    temporary = tempfile.gettempdir()
    for name in os.listdir(temporary):
        if not name.startswith(PREFIX):
            continue
        folder = os.path.join(temporary, name)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(0.1)
            try:
                connection.connect(os.path.join(folder, SOCKET))
            except ConnectionRefusedError:
                shutil.rmtree(folder, ignore_errors=True)
            except OSError:  # no socket in it yet, or not ours
                pass


def serve(listening: int, lifeline: int, parent: int, folder: str) -> None:
    """Run scripts that descendants of ``parent`` hand over, until the lifeline ends; remove the socket then."""
    for name in LIBRARIES:
        if not select.select([lifeline], [], [], 0)[0]:
            __import__(name)
    running: dict[int, tuple[int, socket.socket]] = {}  # by pidfd
    later: list[str] = []
    waiting = list(DRAWING)
    with socket.socket(fileno=listening) as listener, selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(lifeline, selectors.EVENT_READ)
        open_to_jobs = True
        while open_to_jobs or running:
            events = selector.select(IDLE if later else None)
            if not events:
                __import__(later.pop(0))
            for key, _ in events:
                if key.fd == lifeline:
                    selector.unregister(lifeline)
                    selector.unregister(listener)
                    open_to_jobs = False
                    shutil.rmtree(folder, ignore_errors=True)
                elif key.fd in running:
                    selector.unregister(key.fd)
                    _report(*running.pop(key.fd))
                    os.close(key.fd)
                elif open_to_jobs:
                    started = _start(listener, parent)
                    if started:
                        process, connection, script = started
                        if _draws(script):
                            later, waiting = later + waiting, []
                        pidfd = os.pidfd_open(process)
                        running[pidfd] = process, connection
                        selector.register(pidfd, selectors.EVENT_READ)


def _draws(script: str) -> bool:
    """Return whether a script makes a picture or a page; Snakemake runs copies, named as tmp3xyz.make_report.py."""
    return os.path.basename(script).split(".", 1)[-1].startswith(SHOWING)


def _start(listener: socket.socket, parent: int) -> tuple[int, socket.socket, str] | None:
    """Fork a child for a script that is handed over; refuse what no job of this run sent."""
    connection, _ = listener.accept()
    message, files, _, _ = socket.recv_fds(connection, 2**16, 3)
    while not message.endswith(b"\n") and (more := connection.recv(2**16)):
        message += more
    peer = PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[0]
    request = json.loads(message) if message.endswith(b"\n") else {}
    if request.get("python") != _identify_python() or len(files) != 3 or not _descends(peer, parent):
        connection.close()
        return None
    child = os.fork()
    if child == 0:
        listener.close()  # or scripts would wait for this child, should the warm process be killed
        _run(request, files, connection)
    for file in files:
        os.close(file)
    return child, connection, request["argv"][0]


def _descends(process: int, ancestor: int) -> bool:
    """Return whether a process is a descendant of another."""
    while process > 1 and process != ancestor:
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
                process = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return process == ancestor


def _run(request: dict[str, Any], files: list[int], connection: socket.socket) -> None:
    """Become the process of the script, and end with its exit status."""
    status = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv, sys.path[:] = request["argv"], request["path"]
        threading.Thread(target=_watch, args=(connection,), daemon=True).start()
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _watch(connection: socket.socket) -> None:
    """Interrupt this process when the script that waits for it is interrupted, or gone."""
    if not connection.recv(1):
        os.kill(os.getpid(), signal.SIGINT)


def _report(process: int, connection: socket.socket) -> None:
    """Tell the script that waits how its child ended."""
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with connection, contextlib.suppress(OSError):
        connection.send(bytes([code if code >= 0 else 128 - code]))
