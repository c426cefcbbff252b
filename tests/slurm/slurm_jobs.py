"""What Slurm says of a job."""

from dataclasses import dataclass

ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "BOOT_FAIL"}
ASKED = "%i\t%T\t%C\t%m\t%l\t%N\t%Z\t%k"  # of squeue


@dataclass(frozen=True)
class SlurmJob:
    """A job as squeue tells of it: `memory` in MB, `limit` in minutes, `folder` where it was submitted.

    `comment` is what Snakemake's plugin for Slurm calls it; other jobs have none.
    """

    id: int
    state: str
    cpus: int
    memory: float
    limit: float
    node: str
    folder: str
    comment: str

    @property
    def ended(self) -> bool:
        """Whether it is over, one way or another."""
        return self.state in ENDED


def read_job(line: str) -> SlurmJob:
    """Return what a line of squeue says."""
    id, state, cpus, memory, limit, node, folder, comment = line.split("\t")
    return SlurmJob(int(id), state, int(cpus), read_megabytes(memory), read_minutes(limit), node, folder, comment)


def read_megabytes(text: str) -> float:
    """Return what Slurm means by 400M or 1.5G."""
    return float(text[:-1]) * {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}[text[-1]]


def read_minutes(text: str) -> float:
    """Return what Slurm means by 1-02:03:04, 02:03:04 or 03:04.5."""
    if text == "UNLIMITED":
        return float("inf")
    days, _, rest = text.rpartition("-")
    hours, minutes, seconds = (["0", "0", *rest.split(":")])[-3:]
    return int(days or 0) * 1440 + int(hours) * 60 + int(minutes) + float(seconds) / 60
