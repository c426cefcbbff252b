"""The hold of a run on its results folder: one run at a time, whoever starts it, on whichever host.

A file says who has the folder. It is made by a link, which is atomic on NFS too, where locks of databases and of whole
files are not to be trusted. The run touches it every minute. A run that was killed leaves it behind: on its own host
its process is looked for; elsewhere the file's age tells.
"""

from __future__ import annotations

import atexit
import contextlib
import getpass
import json
import math
import os
import secrets
import socket
import sys
import threading
import time
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from darkroom.whole_files import name_temporary, say_unwritable, write_whole

FILE = ".cache/run.json"
BEAT = 60.0  # s between signs of life
SILENCE = 600.0  # s without one after which a run on another host is taken for dead
CLAIM = 30.0  # s after which nobody is about to take the place of a run that was killed
BEING_WRITTEN = 5.0  # s that a file may hold nothing yet, on a file system without links


class ResultsInUse(RuntimeError):
    """Another run has the results folder; in one line for a person."""


@dataclass
class Holder:
    """The run that has a results folder, or had it; ``queue`` is what its jobs on a cluster are called."""

    token: str
    user: str
    host: str
    world: dict[str, str]
    process: int
    born: str | None
    folder: str
    since: str
    queue: str = ""

    def __str__(self) -> str:
        return f"{self.user} on {self.host} (process {self.process}, since {self.since}, in {self.folder})"


class Hold:
    """What a run has its results folder by; it ends with the process, or when it is released."""

    def __init__(self, results: Path):
        self.path = results / FILE
        self.holder = Holder(
            token=secrets.token_hex(8),
            user=_find_user(),
            host=socket.gethostname(),
            world=_identify_world(),
            process=os.getpid(),
            born=_find_birth(os.getpid()),
            folder=os.getcwd(),
            since=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        )
        self._ended = threading.Event()

    def take(self) -> Holder | None:
        """Take the folder; return the run that had it and was killed, if there is one.

        Raises
        ------
        ResultsInUse
            If another run has it.
        OSError
            If the file cannot be written.
        """
        killed = None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = name_temporary(self.path)
        try:
            temporary.write_text(json.dumps(vars(self.holder)), encoding="utf-8")
            while not _give_name(temporary, self.path):
                holder, age = _read(self.path, now=temporary.stat().st_mtime)
                if holder is not None and _lives(holder, age):
                    raise ResultsInUse(self._refuse(holder))
                if holder is None and age < BEING_WRITTEN:
                    time.sleep(0.1)
                    os.utime(temporary)
                elif self._succeed(temporary, holder):
                    killed = holder
                    break
        finally:
            temporary.unlink(missing_ok=True)
        atexit.register(self.release)
        threading.Thread(target=self._beat, daemon=True).start()
        return killed

    def _succeed(self, temporary: Path, killed: Holder | None) -> bool:
        """Take the place of a run that was killed; return whether this was the one to do so.

        Only who has the claim to that very run may replace its file, and looks again first: it may have been late.
        """
        claim = self.path.with_name(f"run.{killed.token if killed else 'unknown'}.json")
        if not _give_name(temporary, claim):
            _, age = _read(claim, now=temporary.stat().st_mtime)
            if math.isfinite(age) and age > CLAIM:  # who had it was killed, too
                claim.unlink(missing_ok=True)
            time.sleep(0.1)
            os.utime(temporary)
            return False
        try:
            holder, _ = _read(self.path)
            still = os.path.lexists(self.path) and (holder and holder.token) == (killed and killed.token)
            if still:
                write_whole(self.path, json.dumps(vars(self.holder)))
            return still
        finally:
            claim.unlink(missing_ok=True)

    def find_holder(self) -> Holder | None:
        """Return another run that has the folder, if there is one."""
        holder, age = _read(self.path, now=time.time())
        return holder if holder is not None and holder.token != self.holder.token and _lives(holder, age) else None

    def name_queue(self, queue: str) -> None:
        """Note what the jobs on a cluster are called, for who comes after a run that was killed."""
        self.holder.queue = queue
        if self._is_mine():
            write_whole(self.path, json.dumps(vars(self.holder)))

    def release(self) -> None:
        """Leave the folder to others."""
        self._ended.set()
        if self.holder.process == os.getpid() and self._is_mine():
            try:
                self.path.unlink(missing_ok=True)
            except OSError as error:  # a disk that was switched to read-only, as after an error of its own
                print(f"darkroom: {say_unwritable(self.path, error)}", file=sys.stderr)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            if self._is_mine():
                with contextlib.suppress(OSError):
                    os.utime(self.path)

    def _is_mine(self) -> bool:
        holder, _ = _read(self.path)
        return holder is not None and holder.token == self.holder.token

    def _refuse(self, holder: Holder) -> str:
        known = _is_here(holder) and _find_birth(holder.process) is not None
        away = "" if known else f", or, if that is no more, remove {self.path}"
        return (
            f"{self.path.parents[1]}: in use by a run of {holder}; wait for its end{away}, "
            "or name another folder (--config results=FOLDER)"
        )


def _give_name(temporary: Path, path: Path) -> bool:
    """Give the file its name unless there is one; return whether it has it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return os.stat(temporary).st_nlink == 2  # NFS may answer twice: first that it did, then that it is there
    except OSError:  # a file system without links
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(temporary.read_text(encoding="utf-8"))
        except FileExistsError:
            return False
    return True


def _read(path: Path, now: float = 0.0) -> tuple[Holder | None, float]:
    """Return who has the folder, and how many seconds ago there was a sign of it; nobody if it cannot be told."""
    age = float("inf")
    try:
        age = now - path.stat().st_mtime
        record = json.loads(path.read_text(encoding="utf-8"))
        return Holder(**{field.name: record[field.name] for field in fields(Holder) if field.name in record}), age
    except (OSError, ValueError, TypeError):
        return None, age


def _lives(holder: Holder, age: float) -> bool:
    if _was_here_before(holder):
        return False
    birth = _find_birth(holder.process) if _is_here(holder) else None
    return age < SILENCE if birth is None else birth == holder.born


def _is_here(holder: Holder) -> bool:
    """Whether the number of the run's process means something here."""
    return (holder.host, holder.world) == (socket.gethostname(), _identify_world())


def _was_here_before(holder: Holder) -> bool:
    """Whether this host was started again since."""
    here, there = _identify_world(), holder.world
    same = holder.host == socket.gethostname() and here.get("machine") == there.get("machine")
    return same and bool(here.get("machine")) and here.get("boot") != there.get("boot")


def _identify_world() -> dict[str, str]:
    """Return what tells this host, its last start, and this container, from others of the same name."""
    world = {}
    for name, path in (("machine", "/etc/machine-id"), ("boot", "/proc/sys/kernel/random/boot_id")):
        with contextlib.suppress(OSError):  # not Linux, or a container that has none
            world[name] = Path(path).read_text(encoding="ascii", errors="replace").strip()
    with contextlib.suppress(OSError):
        world["processes"] = os.readlink("/proc/self/ns/pid")
    return world


def _find_birth(process: int) -> str | None:
    """Return what tells a process from others of the same number: "" if there is none, None if it cannot be told."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        state, *numbers = text.rpartition(")")[2].split()
        return "" if state in "ZX" else numbers[18]  # its start, of proc(5)
    except OSError:  # none, or that of another user, where those are hidden, or not Linux
        pass
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return None


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # nobody has that number
        return str(os.getuid())


def describe_killed(holder: Holder) -> str:
    """Return what a person should know of a run that was killed, whose jobs may still run on a cluster."""
    remedy = f"scancel --name={holder.queue}" if holder.queue else "look into the queue (squeue --me)"
    return f"the run before this one, of {holder}, was killed; what it submitted may still run, to no use: {remedy}"
