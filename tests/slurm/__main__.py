"""Run the tests on a real Slurm, and stop whatever they leave behind: ``python -m tests.slurm [pytest's arguments]``.

The tests are a process of their own, which may be killed; what they started is written down below one folder.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.slurm.cluster import HOME
from tests.slurm.daemons import stop_all
from tests.slurm.install import find_obstacle, install

LIMIT = 3600  # s for all tests
PATIENCE = 90  # s for tests that were interrupted to stop their clusters


def run_tests(home: Path, arguments: list[str]) -> int:
    """Run the tests under a time limit; return pytest's exit status."""
    command = [sys.executable, "-m", "pytest", "-m", "extra", "-p", "no:cacheprovider", *arguments]
    process = subprocess.Popen(command, env=os.environ | {HOME: str(home)}, start_new_session=True)
    try:
        return process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        print(f"test-slurm: not done within {LIMIT} s", file=sys.stderr)
        return 1
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # Ctrl-C: pytest takes its fixtures down
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def main(arguments: list[str]) -> int:
    obstacle = install() or find_obstacle()
    if obstacle:
        print(f"test-slurm: skipped: {obstacle}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    home = Path(tempfile.mkdtemp(prefix="darkroom-slurm-"))
    home.chmod(0o755)  # munged demands it of all that its socket is in
    try:
        return run_tests(home, arguments or [str(Path(__file__).parent)])
    except KeyboardInterrupt:
        return 130
    finally:
        for folder in home.iterdir():
            stop_all(folder)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
