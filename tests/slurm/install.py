"""Whether a Slurm can run here, and Debian's, installed where it is missing."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from tests import debian
from tests.slurm.cluster import SYSTEM

PACKAGES = "slurmctld", "slurmd", "slurm-client", "munge", "slurmdbd", "mariadb-server"
PROGRAMS = "slurmctld", "slurmd", "sbatch", "munged", "slurmdbd", "mariadbd"
ADVICE = debian.advise(PACKAGES)
POLICY = Path("/usr/sbin/policy-rc.d")  # asked by Debian's packages whether they may start what they bring
LIMIT = 600  # s


def list_missing() -> list[str]:
    """Return the programs that a cluster needs and that are not there."""
    return [name for name in PROGRAMS if shutil.which(name, path=SYSTEM) is None]


def find_obstacle() -> str:
    """Return why no cluster can run here; nothing if it can."""
    if sys.platform != "linux":
        return f"Slurm's nodes run on Linux, and this is {sys.platform}"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return "Snakemake's plugin for Slurm is missing: make env-slurm"
    missing = list_missing()
    return f"{', '.join(missing)}: not installed ({ADVICE})" if missing else ""


def install() -> str:
    """Install Debian's Slurm if it is missing and this is root; return why it could not be, or nothing."""
    if sys.platform != "linux" or not list_missing():
        return ""
    quiet = os.geteuid() == 0 and not POLICY.exists()
    if quiet:
        POLICY.write_text("#!/bin/sh\nexit 101\n")  # no services of the system: the tests start their own
        POLICY.chmod(0o755)
    try:
        return debian.install(PACKAGES, list_missing(), "Slurm", LIMIT)
    finally:
        if quiet:
            POLICY.unlink()
