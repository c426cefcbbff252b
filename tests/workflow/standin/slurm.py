"""Stands in for Slurm's commands, of which it knows what the profile cluster-generic uses, and refuses the rest.

Run as `python slurm.py STATE sbatch ...`, by the small programs that `cluster.py` puts into PATH. Needs nothing but
Python. STATE is a folder: `settings.json`, `calls` (what was asked, one line each) and, by job id, `jobs/ID/job.json`.
Each job has a keeper, a process that starts its script once there are CPUs for it, ends it where Slurm would, and
writes down how it ended.
"""

import argparse
import fcntl
import json
import os
import pwd
import re
import signal
import subprocess
import sys
import time
from fnmatch import fnmatch
from pathlib import Path

KILL_AFTER = 0.5  # s that a job is let run before it is found to need more than it asked for


def sbatch(state, arguments):
    parser = make_parser("sbatch")
    for option in ("--job-name", "--output", "--cpus-per-task", "--mem", "--time"):
        parser.add_argument(option, required=True)
    parser.add_argument("--parsable", action="store_true", required=True)
    parser.add_argument("--open-mode", choices=["append", "truncate"], default="truncate")
    parser.add_argument("script")
    asked = parser.parse_args(arguments)
    for value, pattern in ((asked.cpus_per_task, r"[1-9]\d*"), (asked.mem, r"[1-9]\d*M"), (asked.time, r"[1-9]\d*")):
        if not re.fullmatch(pattern, value):
            parser.error(f"Invalid specification: {value}")
    settings = read_json(state / "settings.json")
    if int(asked.cpus_per_task) > settings["cpus"] or int(asked.mem[:-1]) > settings["mem_mb"]:
        parser.error("Requested node configuration is not available")
    script = Path(asked.script).read_text()
    if not script.startswith("#!"):
        parser.error("This does not look like a batch script")
    job = {
        "id": make_folder(state / "jobs"),
        "name": asked.job_name,
        "state": "PENDING",
        "cpus": int(asked.cpus_per_task),
        "mem_mb": int(asked.mem[:-1]),
        "minutes": int(asked.time),
        "output": asked.output,
        "open_mode": asked.open_mode,
        "folder": os.getcwd(),
    }
    spooled = state / "jobs" / job["id"] / "script"
    spooled.write_text(script)
    spooled.chmod(0o700)
    write_job(state, job)
    command = [sys.executable, "-IS", __file__, str(state), "keep", job["id"]]
    with (state / "keepers.log").open("a") as log:
        subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    print(job["id"])


def squeue(state, arguments):
    parser = make_parser("squeue")
    parser.add_argument("--noheader", action="store_true", required=True)
    parser.add_argument("--states", choices=["all"], required=True)
    parser.add_argument("--format", choices=["%T", "%i %T"], required=True)
    one_or_all = parser.add_mutually_exclusive_group(required=True)
    one_or_all.add_argument("--jobs")
    one_or_all.add_argument("--user", choices=[pwd.getpwuid(os.getuid()).pw_name])
    asked = parser.parse_args(arguments)
    age = read_json(state / "settings.json")["min_job_age"]
    known = [job for job in read_jobs(state) if time.time() - job.get("ended", time.time()) <= age]
    if asked.jobs:
        known = [job for job in known if job["id"] == asked.jobs]
        if not known:
            sys.exit("slurm_load_jobs error: Invalid job id specified")
    for job in known:
        print(asked.format.replace("%i", job["id"]).replace("%T", job["state"]))


def sacct(state, arguments):
    parser = make_parser("sacct")
    parser.add_argument("--allocations", action="store_true", required=True)
    parser.add_argument("--noheader", action="store_true", required=True)
    parser.add_argument("--parsable2", action="store_true", required=True)
    parser.add_argument("--format", choices=["State"], required=True)
    parser.add_argument("--jobs", required=True)
    asked = parser.parse_args(arguments)
    if not read_json(state / "settings.json")["accounting"]:
        sys.exit("Slurm accounting storage is disabled")
    if job := find_job(state, asked.jobs):
        print(job["state"] + (f" by {os.getuid()}" if job["state"] == "CANCELLED" else ""))


def scancel(state, arguments):
    parser = make_parser("scancel")
    parser.add_argument("jobs", nargs="+")
    for id in parser.parse_args(arguments).jobs:
        if find_job(state, id):
            (state / "jobs" / id / "cancelled").touch()
        else:
            print(f"scancel: error: Kill job error on job id {id}: Invalid job id specified", file=sys.stderr)


def keep(state, arguments):
    """Keep a job until it has ended."""
    job = find_job(state, arguments[0])
    end = wait_for_cpus(state, job) or run(state, job)
    write_job(state, job | {"state": end, "ended": time.time()})


def wait_for_cpus(state, job):
    """Wait until the job's CPUs are free and take them; say so if it is cancelled before."""
    cpus = read_json(state / "settings.json")["cpus"]
    while not (state / "jobs" / job["id"] / "cancelled").exists():
        with (state / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            taken = sum(other["cpus"] for other in read_jobs(state) if other["state"] == "RUNNING")
            if taken + job["cpus"] <= cpus:
                job |= {"state": "RUNNING", "started": time.time()}
                write_job(state, job)
                return None
        time.sleep(0.05)
    return "CANCELLED"


def run(state, job):
    """Run the job's script and return the state in which it ended."""
    folder = state / "jobs" / job["id"]
    log = Path(job["folder"], job["output"].replace("%x", job["name"]).replace("%j", job["id"]))
    try:
        output = log.open("a" if job["open_mode"] == "append" else "w")
    except OSError:
        return "FAILED"  # as Slurm does, which tells nobody
    settings = read_json(state / "settings.json")
    needs = {}
    for pattern, need in settings["needs"].items():
        needs |= need if fnmatch(job["name"], pattern) else {}
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'sleep {settings["prolog"]}; exec "$0"', folder / "script"],
        cwd=job["folder"],
        env=make_environment(job),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    started = time.monotonic()
    while process.poll() is None:
        age = time.monotonic() - started
        if (folder / "cancelled").exists():
            return kill(process, "CANCELLED", signal.SIGTERM)
        if age > job["minutes"] * 60 or (age > KILL_AFTER and job["minutes"] < needs.get("minutes", 0)):
            return kill(process, "TIMEOUT", signal.SIGTERM)
        if age > KILL_AFTER and job["mem_mb"] < needs.get("mem_mb", 0):
            return kill(process, "OUT_OF_MEMORY", signal.SIGKILL)
        time.sleep(0.05)
    return "COMPLETED" if process.returncode == 0 else "FAILED"


def kill(process, end, number):
    """End all processes of a job, and return the state in which it ended."""
    for sent in (number, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
            process.wait(1)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            break
    process.wait()
    return end


def make_environment(job):
    """Return what a job finds in its environment: the caller's, or no more than a login has."""
    own = {"SLURM_JOB_ID": job["id"], "SLURM_JOB_NAME": job["name"], "SLURM_CPUS_PER_TASK": str(job["cpus"])}
    if os.environ.get("SBATCH_EXPORT", "ALL") == "ALL":
        return dict(os.environ) | own
    user = pwd.getpwuid(os.getuid())
    login = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": user.pw_shell}
    return login | {"PATH": "/usr/local/bin:/usr/bin:/bin"} | own


def make_parser(program):
    return argparse.ArgumentParser(prog=program, allow_abbrev=False)


def make_folder(jobs):
    """Make the folder of a new job and return its id."""
    for number in range(1, 10_000):
        try:
            (jobs / str(number)).mkdir(parents=True)
        except FileExistsError:
            continue
        return str(number)
    raise SystemExit("sbatch: error: Slurm temporarily unable to accept job")


def read_jobs(state):
    """Return all jobs, in the order of their ids."""
    return [read_json(path) for path in sorted(state.glob("jobs/*/job.json"), key=lambda path: int(path.parent.name))]


def find_job(state, id):
    path = state / "jobs" / id / "job.json"
    return read_json(path) if path.exists() else None


def write_job(state, job):
    path = state / "jobs" / job["id"] / "job.json"
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(job))
    temporary.replace(path)


def read_json(path):
    return json.loads(path.read_text())


def main(state, program, *arguments):
    with (state / "calls").open("a") as calls:
        calls.write(json.dumps([program, *arguments]) + "\n")
    {"sbatch": sbatch, "squeue": squeue, "sacct": sacct, "scancel": scancel, "keep": keep}[program](state, arguments)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
