"""What the profile cluster-generic says of a job, by what the scheduler's commands say of it."""

import os
import re
import shlex
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from snakemake.utils import format as fill_in

from tests.workflow.standin.cluster import PROFILE

UNKNOWN = "slurm_load_jobs error: Invalid job id specified"
SILENT = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
DISABLED = "Slurm accounting storage is disabled"
LOST = "sacct: error: Problem talking to the database: Connection refused"


@pytest.fixture
def scheduler(tmp_path):
    """Programs that say one thing each; `ask` runs a status command in a folder of its own, as Snakemake does."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("awk", "cat", "date", "head", "id", "mkdir", "mv", "rm", "sed", "sh"):
        (programs / name).symlink_to(f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}")

    def put(name: str, out: str = "", err: str = "", code: int = 0) -> None:
        path = programs / name
        path.write_text(f"#!/bin/sh\nprintf %s {shlex.quote(out)}\nprintf %s {shlex.quote(err)} >&2\nexit {code}\n")
        path.chmod(0o755)

    def put_squeue(out: str = "", err: str = "", code: int = 0, listed: str | None = None) -> None:
        """One answer for job 17, and another one for all jobs; each call is counted."""
        if listed is None:
            listed = f"3 COMPLETED\n17 {out}4 RUNNING\n" if out else "3 COMPLETED\n4 RUNNING\n"
        put("squeue-one", out, err, code)
        put("squeue-all", listed, err, 0 if "Invalid" in err else code)
        path = programs / "squeue"
        path.write_text('#!/bin/sh\necho "$*" >>calls\ncase "$*" in *--jobs=*) squeue-one ;; *) squeue-all ;; esac\n')
        path.chmod(0o755)

    def run(command: str) -> str:
        environment = {"PATH": str(programs)}
        return subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    def ask(command: str = str(PROFILE / "status.sh"), job: str = "17") -> str:
        return run(f"{command} '{job}'")

    logs = tmp_path / "slurm_logs"
    logs.mkdir()
    return SimpleNamespace(
        put=put, put_squeue=put_squeue, ask=ask, run=run, logs=logs, mark=logs / ".unknown-17", programs=programs
    )


STATES = {
    "success": ["COMPLETED"],
    "failed": ["FAILED", "OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL", "CANCELLED", "BOOT_FAIL", "DEADLINE"],
    "running": [
        *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "PREEMPTED", "REQUEUED", "RESIZING"),
        *("REQUEUE_HOLD", "SPECIAL_EXIT", "STAGE_OUT", "A_STATE_OF_TOMORROW"),
    ],
}
EACH_STATE = [(state, answer) for answer, states in STATES.items() for state in states]


def count_calls(scheduler) -> int:
    return len((scheduler.logs.parent / "calls").read_text().splitlines())


@pytest.mark.parametrize("listed", [None, "170 FAILED\n1 COMPLETED\n"])  # or submitted after all jobs were listed
@pytest.mark.parametrize(("state", "answer"), EACH_STATE)
def test_the_controller_s_word_is_enough(scheduler, state, answer, listed):
    scheduler.put_squeue(f"{state}\n", "squeue: warning: the weather is fine\n", listed=listed)
    assert scheduler.ask() == f"{answer}\n"
    assert count_calls(scheduler) == (2 if listed else 1)


def test_the_controller_is_asked_once_for_many_jobs(scheduler):
    scheduler.put_squeue("RUNNING\n")
    assert [scheduler.ask(job=job) for job in ("3", "4", "17")] == ["success\n", "running\n", "running\n"]
    assert count_calls(scheduler) == 1
    scheduler.put_squeue("COMPLETED\n")
    asked, *said = (scheduler.logs / ".states").read_text().splitlines()
    (scheduler.logs / ".states").write_text("\n".join([str(int(asked) - 5), *said, ""]))
    assert scheduler.ask() == "success\n"
    assert count_calls(scheduler) == 2
    assert [path.name for path in scheduler.logs.iterdir()] == [".states"]


def test_without_a_folder_for_logs(scheduler):
    scheduler.logs.rmdir()
    scheduler.put_squeue("COMPLETED\n")
    assert scheduler.ask() == "success\n"


@pytest.mark.parametrize("accounting", ["COMPLETED", "FAILED", ""])
def test_a_silent_controller_tells_nothing(scheduler, accounting):
    """Whatever the accounting says, which has the job's last life, and perhaps not this one."""
    scheduler.put_squeue("", SILENT, 1)
    scheduler.put("sacct", f"{accounting}\n")
    assert scheduler.ask() == "running\n"


@pytest.mark.parametrize(("out", "err", "code"), [("", UNKNOWN, 1), ("", "", 0), ("", "squeue: a warning\n", 0)])
@pytest.mark.parametrize("state", ["COMPLETED", *STATES["failed"], "CANCELLED by 1000", "PREEMPTED"])
def test_the_accounting_knows_how_a_forgotten_job_ended(scheduler, out, err, code, state):
    scheduler.put_squeue(out, err, code)
    scheduler.put("sacct", f"{state}\n", "sacct: a warning\n")
    assert scheduler.ask() == ("success\n" if state == "COMPLETED" else "failed\n")
    assert not scheduler.mark.exists()


@pytest.mark.parametrize("sacct", [None, ("", DISABLED, 1)])
def test_a_job_that_nobody_can_tell_of_counts_as_failed(scheduler, sacct):
    scheduler.put_squeue("", UNKNOWN, 1)
    if sacct:
        scheduler.put("sacct", *sacct)
    assert scheduler.ask() == "failed\n"


@pytest.mark.parametrize("sacct", [("RUNNING\n",), ("PENDING\n",), ("",), ("", LOST, 1)])
def test_accounting_that_lags_behind_is_given_time_but_not_for_ever(scheduler, sacct):
    scheduler.put_squeue("", UNKNOWN, 1)
    scheduler.put("sacct", *sacct)
    assert [scheduler.ask(), scheduler.ask()] == ["running\n", "running\n"]
    since = int(scheduler.mark.read_text())
    assert abs(time.time() - since) < 60

    scheduler.mark.write_text(f"{since - 500}\n")
    assert scheduler.ask() == "running\n"
    scheduler.mark.write_text(f"{since - 601}\n")
    assert scheduler.ask() == "failed\n"
    assert not scheduler.mark.exists()


def test_accounting_that_catches_up_is_believed(scheduler):
    scheduler.put_squeue("", UNKNOWN, 1)
    scheduler.put("sacct", "RUNNING\n")
    assert scheduler.ask() == "running\n"
    scheduler.put("sacct", "COMPLETED\n")
    assert scheduler.ask() == "success\n"
    assert not scheduler.mark.exists()


def test_an_id_that_is_none_is_not_waited_for(scheduler):
    """Where sbatch said nothing, Snakemake asks for 'None'."""
    scheduler.put_squeue("", "squeue: error: Invalid job id: None", 1)
    assert scheduler.ask(job="None") == "failed\n"


# The commands for other schedulers, which are comments of the profile: at least they are what a shell understands.

PBS_JOB = "Job Id: 17.server\n    Job_Name = darkroom\n    job_state = {}\n    queue = workq\n"
PBS = [
    ((PBS_JOB.format("Q"),), "running"),
    ((PBS_JOB.format("R"),), "running"),
    ((PBS_JOB.format("H"),), "running"),
    ((PBS_JOB.format("F") + "    Exit_status = 0\n",), "success"),
    ((PBS_JOB.format("F") + "    Exit_status = 1\n",), "failed"),
    ((PBS_JOB.format("F") + "    Exit_status = -29\n",), "failed"),
    ((PBS_JOB.format("F"),), "failed"),  # deleted before it began
    (("", "qstat: Unknown Job Id 17.server\n", 153), "failed"),
    (("", "Connection refused\nqstat: cannot connect to server server (errno=15010)\n", 255), "running"),
]
SGE_ACCOUNT = (
    "=====\nqname        all.q\njobname      darkroom\nfailed       {}    \nexit_status  {}    \nru_wallclock 3\n"
)
SGE_GONE = ("", "Following jobs do not exist or permissions are not sufficient: \n17\n", 1)
SGE = [
    (("job_number:  17\n",), ("", "error: job id 17 not found\n", 1), "running"),
    (SGE_GONE, ("", "error: job id 17 not found\n", 1), "running"),  # its account is not written yet
    (SGE_GONE, (SGE_ACCOUNT.format("0", "0"),), "success"),
    (SGE_GONE, (SGE_ACCOUNT.format("0", "1"),), "failed"),
    (SGE_GONE, (SGE_ACCOUNT.format("100 : assumedly after job", "137"),), "failed"),
    (SGE_GONE, (SGE_ACCOUNT.format("26  : opening input/output file", "0"),), "failed"),
    (
        SGE_GONE,
        (SGE_ACCOUNT.format("19  : before writing exit_status", "0") + SGE_ACCOUNT.format("0", "0"),),
        "success",
    ),
]


def read_commented(scheduler: str) -> dict[str, str]:
    """The commands that a comment of the profile gives for another scheduler."""
    text = (PROFILE / "config.yaml").read_text()
    block = re.search(rf"^# {scheduler}.*?\n((?:#.*\n)+?)(?:#\n|\Z)", text, re.MULTILINE).group(1)
    lines = block[block.index("# cluster-generic-submit-cmd") :].splitlines()
    return yaml.safe_load("\n".join(line.removeprefix("# ") for line in lines))


@pytest.mark.parametrize(("qstat", "answer"), PBS)
def test_status_of_pbs(scheduler, qstat, answer):
    scheduler.put("qstat", *qstat)
    assert scheduler.ask(read_commented("OpenPBS")["cluster-generic-status-cmd"]) == f"{answer}\n"


@pytest.mark.parametrize(("qstat", "qacct", "answer"), SGE)
def test_status_of_grid_engine(scheduler, qstat, qacct, answer):
    scheduler.put("qstat", *qstat)
    scheduler.put("qacct", *qacct)
    assert scheduler.ask(read_commented("Grid Engine")["cluster-generic-status-cmd"]) == f"{answer}\n"


SUBMISSIONS = {
    "OpenPBS": "-N darkroom.make_it -j oe -o qsub_logs/ -l walltime=2820 -l select=1:ncpus=2:mem=1102mb",
    "Grid Engine": "-terse -cwd -S /bin/sh -N darkroom.make_it -j y -o qsub_logs/ "
    "-l h_rt=2820 -pe smp 2 -l h_vmem=552M",
}


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_submission_by_qsub(scheduler, name):
    commands = read_commented(name)
    assert commands["cluster-generic-cancel-cmd"] == "qdel"
    resources = SimpleNamespace(mem_mb=1102, runtime=47)
    command = fill_in(commands["cluster-generic-submit-cmd"], name="make_it", threads=2, resources=resources)
    qsub = scheduler.programs / "qsub"
    qsub.write_text('#!/bin/sh\necho "$@"\n')
    qsub.chmod(0o755)
    assert scheduler.run(f'{command} "a script"') == f"{SUBMISSIONS[name]} a script\n"
    assert os.path.isdir(scheduler.programs.parent / "qsub_logs")
