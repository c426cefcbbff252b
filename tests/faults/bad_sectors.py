"""Files that cannot be read from some byte on: a library that programs are started with."""

import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")


def find_obstacle() -> str:
    """Return why there can be no bad sectors here, or nothing."""
    if not sys.platform.startswith("linux"):
        return "bad sectors are simulated on Linux alone"
    return "" if shutil.which("cc") else "no C compiler (cc) to build bad sectors with"


def build(folder: Path) -> Path:
    """Build the library in a folder."""
    library = folder / "bad_sectors.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return library


def spoil(library: Path, file: str, start: int) -> dict[str, str]:
    """Return the environment of programs which cannot read the file whose path ends so, from a byte on."""
    return {"LD_PRELOAD": str(library), "BAD_FILE": file, "BAD_FROM": str(start)}
