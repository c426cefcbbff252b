"""Debian's packages that tests need, installed where root runs them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence


def advise(packages: Sequence[str]) -> str:
    """Return the command that installs packages."""
    return f"apt-get install --no-install-recommends {' '.join(packages)}"


def install(packages: Sequence[str], missing: Sequence[str], what: str, limit: float) -> str:
    """Install packages within some seconds, if this is root; return why they could not be, or nothing.

    ``missing`` names what is not there, ``what`` all of it, such as the solvers.
    """
    if not sys.platform.startswith("linux") or shutil.which("apt-get") is None:
        return f"no apt-get to install {', '.join(missing)}"
    if os.geteuid() != 0:
        return f"{', '.join(missing)} missing, and only root may install them: {advise(packages)}"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", "-q", *command], env=environment, capture_output=True, text=True, timeout=limit
            )
    except subprocess.TimeoutExpired:
        return f"apt-get did not install {what} within {limit:g} s"
    return f"apt-get cannot install {what}: {' '.join(done.stderr.split())[-300:]}" if done.returncode else ""
