"""Run one job's script as Snakemake does: ``python one_job.py JOB [SPAWNED SHARES]``; JOB tells its files, in JSON.

With SPAWNED, the reading of time.perf_counter when this process was begun, it writes to SHARES what the time went by
with, in s. A thread looks every 2 ms at what all others do; where several are at work, each has its part of the time.
"""

import sys
import threading
import time

INTERVAL = 0.002  # s
# How the library's functions that read and write begin, all others calculate.
ROLES = {"read": "reading", "digest": "reading", "write": "writing"}
IDLE = {
    ("threading.py", "wait"),
    ("threading.py", "_wait_for_tstate_lock"),
    ("queue.py", "get"),
    ("queue.py", "put"),
    ("thread.py", "_worker"),
}


def find_role(frame):
    """Return what a thread does (imports, reading, writing, arithmetic, waiting), and in which function of ours."""
    if (frame.f_code.co_filename.rpartition("/")[2], frame.f_code.co_name) in IDLE:
        return "waiting", ""
    role, where = "", ""
    while frame:
        path, name = frame.f_code.co_filename, frame.f_code.co_name
        if path.startswith("<frozen importlib"):
            return "imports", ""
        if "/workflow/darkroom/" in path:
            where = where or f"{path.rpartition('/')[2]}: {name}"
            role = next((kind for start, kind in ROLES.items() if name.strip("_").startswith(start)), role)
        frame = frame.f_back
    return role or "arithmetic", where


class Sampler(threading.Thread):
    """Counts the seconds of each role, and those of arithmetic by function."""

    def __init__(self):
        super().__init__(daemon=True)
        self.shares, self.functions = {}, {}
        self.going = True
        self.last = time.perf_counter()

    def run(self):
        while self.going:
            time.sleep(INTERVAL)
            self.look(sys._current_frames())

    def look(self, frames):
        """Add the time since the last look to what the threads do now, equally."""
        own = threading.get_ident()
        found = [find_role(frame) for ident, frame in frames.items() if ident != own]
        found = [each for each in found if each[0] != "waiting"] or [("waiting", "")]
        now = time.perf_counter()
        part, self.last = (now - self.last) / len(found), now
        for role, where in found:
            self.shares[role] = self.shares.get(role, 0.0) + part
            if role == "arithmetic":
                self.functions[where] = self.functions.get(where, 0.0) + part


def run_script(job):
    """Run the script of a job with what its rule gives it."""
    from runpy import run_path

    from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, ResourceList, Snakemake, Wildcards

    files = InputFiles([path for paths in job["input"].values() for path in paths])
    start = 0
    for name, paths in job["input"].items():
        end = start + len(paths)
        files._set_name(name, start, end=None if name == "recipe" else end)
        start = end
    products = OutputFiles(job["output"])
    for number, name in enumerate(job["names"]):
        products._set_name(name, number)
    snakemake = Snakemake(
        input_=files,
        output=products,
        params=Params(fromdict=job["params"]),
        wildcards=Wildcards(),
        threads=job["threads"],
        resources=ResourceList(),
        log=Log([job["log"]]),
        config={},
        rulename=job["kind"],
        bench_iteration=None,
    )
    run_path(job["script"], init_globals={"snakemake": snakemake})


def main(path, spawned=None, shares=None):
    sampler = Sampler()
    begun = time.perf_counter()
    if shares:
        sampler.start()
    from json import dumps, loads
    from pathlib import Path

    job = loads(Path(path).read_text())
    sys.path[0] = job["library"]
    run_script(job)
    if shares:
        sampler.going = False
        sampler.join()
        start = {"start": begun - float(spawned)}
        Path(shares).write_text(dumps({"shares": start | sampler.shares, "functions": sampler.functions}))


if __name__ == "__main__":
    main(*sys.argv[1:])
