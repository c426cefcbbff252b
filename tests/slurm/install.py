"""Whether a Slurm can run here, and Debian's, installed where it is missing."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.slurm.cluster import SYSTEM

PACKAGES = "slurmctld", "slurmd", "slurm-client", "munge", "slurmdbd", "mariadb-server"
PROGRAMS = "slurmctld", "slurmd", "sbatch", "munged", "slurmdbd", "mariadbd"
ADVICE = f"apt-get install --no-install-recommends {' '.join(PACKAGES)}"
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
    if shutil.which("apt-get") is None:
        return f"no Slurm here, and no apt-get to install it: {', '.join(list_missing())} missing"
    if os.geteuid() != 0:
        return f"no Slurm here, and only root may install it: {ADVICE}"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    quiet = not POLICY.exists()
    if quiet:
        POLICY.write_text("#!/bin/sh\nexit 101\n")  # no services of the system: the tests start their own
        POLICY.chmod(0o755)
    try:
        for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
            done = subprocess.run(
                ["apt-get", "-q", *command], env=environment, capture_output=True, text=True, timeout=LIMIT
            )
        if done.returncode:
            return f"apt-get cannot install Slurm: {' '.join(done.stderr.split())[-300:]}"
    except subprocess.TimeoutExpired:
        return f"apt-get did not install Slurm within {LIMIT} s"
    finally:
        if quiet:
            POLICY.unlink()
    return ""
