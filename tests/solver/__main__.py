"""Run the tests with the real solvers, installed if this is root: ``python -m tests.solver [pytest's arguments]``."""

import subprocess
import sys
from pathlib import Path

from tests.solver.install import find_obstacle, install


def main(arguments: list[str]) -> int:
    obstacle = install() or find_obstacle()
    if obstacle:
        print(f"test-solver: skipped: {obstacle}")
        return 0
    command = [sys.executable, "-m", "pytest", "-m", "extra", "-p", "no:cacheprovider"]
    return subprocess.run([*command, *(arguments or [str(Path(__file__).parent)])]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
