"""A real Slurm of virtual nodes on this machine, all of it below one temporary folder and on loopback.

with Cluster(Knobs(nodes=2)) as cluster:
    subprocess.run(["sbatch", ...], env=cluster.environment)
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tests.slurm.accounting import start_accounting
from tests.slurm.configuration import CLIENTS, Knobs, write_slurm_conf, write_wrapper
from tests.slurm.daemons import find_daemon, start_daemon, stop_all, stop_daemon, wait_for
from tests.slurm.slurm_jobs import ASKED, SlurmJob, read_job, read_minutes

HOME = "DARKROOM_SLURM"  # where clusters keep their folders: whoever starts the tests stops what is left there
T = TypeVar("T")
SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"


class Cluster:
    """A Slurm that starts when entered and is stopped, with all its jobs, when left."""

    def __init__(self, knobs: Knobs | None = None):
        self.knobs = knobs or Knobs()
        # The names of sockets must be short, so not below a test's own folder.
        self.folder = Path(tempfile.mkdtemp(prefix="darkroom-slurm-", dir=os.environ.get(HOME)))
        self.user = pwd.getpwuid(os.getuid()).pw_name
        conf, wrappers = f"{self.folder}/slurm.conf", f"{self.folder}/bin"
        self.environment = os.environ | {
            "SLURM_CONF": conf,
            "PATH": f"{wrappers}:{os.environ.get('PATH', '')}:{SYSTEM}",
        }
        self.own = {"SLURM_CONF": conf, "PATH": f"{wrappers}:{SYSTEM}", "LANG": "C.UTF-8"}  # of its daemons
        self.daemons: dict[str, subprocess.Popen] = {}

    def __enter__(self) -> "Cluster":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all that belongs to it, and wait until every node is idle."""
        self.folder.chmod(0o755)
        for name in ("state", "spool", "log", "pids", "munge", "bin"):
            (self.folder / name).mkdir(mode=0o755)
        control, accounts, database, *nodes = find_ports(3 + self.knobs.nodes)
        conf = write_slurm_conf(self.folder, self.knobs, self.user, [control, accounts, *nodes])
        (self.folder / "slurm.conf").write_text(conf)
        for client in CLIENTS:
            wrapper = self.folder / "bin" / client
            wrapper.write_text(write_wrapper(self.folder, client))
            wrapper.chmod(0o755)
        self._start_munge()
        if self.knobs.accounting:
            start_accounting(self, accounts, database)
        self.start_daemon("slurmctld", "slurmctld", "-D")
        for name in self.knobs.names:
            self.start_slurmd(name)
        self.wait_for(lambda: set(self.list_nodes().values()) == {"idle"}, "idle nodes")

    def stop(self) -> None:
        """End its jobs and all that belongs to it, and remove its folder."""
        try:
            if find_daemon(self.folder, "slurmctld") is not None:
                self.cancel_all()
        except (subprocess.SubprocessError, TimeoutError) as problem:
            print(f"slurm: jobs are ended the hard way: {problem}")
        finally:
            stop_all(self.folder)
            for process in self.daemons.values():
                process.wait()
            shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, *command: str, limit: float = 30.0) -> str:
        """Run one of Slurm's commands; return what it says."""
        done = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True, timeout=limit)
        return done.stdout

    def wait_for(self, condition: Callable[[], T], what: str, limit: float = 60.0) -> T:
        """Ask until something true comes back, and return it; if it does not, tell what the daemons said."""

        def look() -> T:
            dead = [name for name, process in self.daemons.items() if process.poll() is not None]
            if dead:
                raise RuntimeError(f"{', '.join(dead)} ended\n{self.read_logs()}")
            return condition()

        try:
            return wait_for(look, what, limit)
        except TimeoutError as problem:
            raise TimeoutError(f"{problem}\n{self.read_logs()}") from None

    def read_logs(self, lines: int = 15) -> str:
        """Return the ends of all logs."""
        ends = []
        for path in sorted((self.folder / "log").iterdir()):
            ends.append(f"== {path.name}")
            ends += path.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(ends)

    def list_nodes(self) -> dict[str, str]:
        """Return each node's state, such as 'idle', 'mix', 'down*'; nothing while slurmctld does not answer."""
        try:
            lines = self.ask("sinfo", "-h", "-N", "-o", "%N %t").splitlines()
        except subprocess.CalledProcessError:
            return {}
        return dict(line.split() for line in lines)

    def list_jobs(self, folder: Path | None = None) -> list[SlurmJob]:
        """Return all jobs, also those that ended, in the order of their submission; or those submitted in `folder`."""
        lines = self.ask("squeue", "-h", "-a", "-t", "all", "-o", ASKED).splitlines()
        jobs = sorted((read_job(line) for line in lines), key=lambda job: job.id)
        return [job for job in jobs if folder is None or job.folder == str(folder)]

    def cancel(self, *jobs: SlurmJob) -> None:
        """End jobs as their owner would: scancel."""
        self.ask("scancel", *(str(job.id) for job in jobs))

    def cancel_all(self) -> None:
        """End all jobs, and wait until none is left."""
        running = [job for job in self.list_jobs() if not job.ended]
        if running:
            ids = [str(job.id) for job in running]
            subprocess.run(["scancel", "--full", "--signal=KILL", *ids], env=self.environment, timeout=30)
            self.cancel(*running)
        wait_for(lambda: all(job.ended for job in self.list_jobs()), "the end of all jobs", 30)

    def start_slurmd(self, node: str) -> None:
        """Start the daemon of a node."""
        self.start_daemon(f"slurmd.{node}", "slurmd", "-D", "-N", node)

    def find_slurmd(self, node: str) -> int | None:
        """Return the process id of the daemon of a node, if it runs."""
        return find_daemon(self.folder, f"slurmd.{node}")

    def kill_slurmd(self, node: str) -> None:
        """End the daemon of a node by kill -9; its jobs go on, and nobody hears of them."""
        stop_daemon(self.folder, f"slurmd.{node}", signal.SIGKILL)
        self.daemons.pop(f"slurmd.{node}").wait()

    def read_cpu_seconds(self, jobs: Sequence[SlurmJob]) -> float:
        """Return the processor time that jobs took, as Slurm's accounting has it: of each step, once it ended."""
        if not jobs:
            return 0.0
        ids = ",".join(str(job.id) for job in jobs)
        lines = self.ask("sacct", "-n", "-P", "-D", "-j", ids, "-o", "JobID,TotalCPU").splitlines()
        steps = (line.split("|") for line in lines)
        return sum(60 * read_minutes(time) for id, time in steps if "." in id)

    def count_accounted(self, jobs: Sequence[SlurmJob]) -> int:
        """Return how many of the jobs accounting knows to have ended."""
        ids = ",".join(str(job.id) for job in jobs)
        ends = self.ask("sacct", "-n", "-X", "-P", "-j", ids, "-o", "End").splitlines()
        return sum(end != "Unknown" for end in ends)

    def start_daemon(self, name: str, *command: str) -> None:
        """Start a process that belongs to it."""
        self.daemons[name] = start_daemon(self.folder, name, command, self.own)

    def _start_munge(self) -> None:
        munge = self.folder / "munge"
        (munge / "key").touch(0o600)
        (munge / "key").write_bytes(secrets.token_bytes(128))
        own = [f"--{option}={munge}/{file}" for option, file in (("socket", "socket"), ("key-file", "key"))]
        own += [f"--pid-file={munge}/pid", f"--seed-file={munge}/seed", f"--log-file={self.folder}/log/munged.log"]
        self.start_daemon("munged", "munged", "--foreground", "--num-threads=2", *own)
        self.wait_for((munge / "socket").exists, "munged")


def find_ports(number: int) -> list[int]:
    """Return ports of loopback that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
