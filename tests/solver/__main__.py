"""Run the tests with the real solvers, installed if this is root: ``python -m tests.solver [pytest's arguments]``."""

import subprocess
import sys
from pathlib import Path

from tests.solver.install import find_obstacle, install


def main(arguments: list[str]) -> int:
    failed = install()
    if obstacle := find_obstacle():
        print(f"test-solver: skipped: {failed or obstacle}")
        return 0
    if failed:  # then ASTAP alone is missing
        print(f"test-solver: {failed}")
    command = [sys.executable, "-m", "pytest", "-m", "extra", "-p", "no:cacheprovider"]
    return subprocess.run([*command, *arguments, str(Path(__file__).parent)]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
