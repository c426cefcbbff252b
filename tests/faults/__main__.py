"""Run the tests of faults, with mounts of their own where the system lets them: ``python -m tests.faults [--rounds N]
[--seed N] [pytest's arguments]``.
"""

import os
import sys
from pathlib import Path

from tests.faults.mounts import PRIVATE, find_way


def main(arguments: list[str]) -> None:
    way = find_way()
    if not way:
        print("test-faults: no mounts of its own here (unshare): full and read-only disks are skipped", flush=True)
    chosen = [one for one in arguments if Path(one.split("::")[0]).exists()]
    tests = [] if chosen else [str(Path(__file__).parent)]
    command = [*way, sys.executable, "-m", "pytest", "-m", "extra", "-p", "no:cacheprovider", *arguments, *tests]
    os.execvpe(command[0], command, os.environ | ({PRIVATE: "1"} if way else {}))


if __name__ == "__main__":
    main(sys.argv[1:])
