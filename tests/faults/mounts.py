"""Disks of their own for the tests: small ones, full ones, and such as turn read-only.

They are mounted in a mount namespace that nobody else sees, and which ends with the tests: `python -m tests.faults`
starts them in one, where the system lets it.
"""

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PRIVATE = "DARKROOM_PRIVATE_MOUNTS"  # the environment variable that tells the tests that they are in such a namespace


def find_way() -> list[str]:
    """Return the words that begin a command which is to have mounts of its own; none if the system lets nobody."""
    for way in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        with tempfile.TemporaryDirectory() as folder:
            try:
                mount = [*way, "mount", "-t", "tmpfs", "tmpfs", folder]
                if subprocess.run(mount, capture_output=True, timeout=30, check=False).returncode == 0:
                    return way
            except OSError:  # there is no unshare
                pass
    return []


def find_obstacle() -> str:
    """Return why there can be no disks here, or nothing."""
    return "" if os.environ.get(PRIVATE) else "no mounts of its own (unshare): start it by python -m tests.faults"


@dataclass
class Disk:
    """A small disk in memory that is mounted on a folder."""

    folder: Path

    @classmethod
    def mount(cls, folder: Path, options: str) -> "Disk":
        """Mount one with options of tmpfs(5), such as 'size=100k'."""
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
        return cls(folder)

    def change(self, options: str) -> None:
        """Change its options, such as 'ro'."""
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.folder)], check=True)

    def turn_read_only(self) -> None:
        """Have it be read alone, once nobody has a file open to be written."""
        for _ in range(2000):
            command = ["mount", "-o", "remount,ro", str(self.folder)]
            if subprocess.run(command, check=False, capture_output=True).returncode == 0:
                return
            time.sleep(0.002)
        raise TimeoutError(f"{self.folder} is always written to")

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
