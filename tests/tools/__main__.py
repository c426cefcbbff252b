"""Run the tests with the real tools, installed if this is root: ``python -m tests.tools [pytest's arguments]``."""

import subprocess
import sys
from pathlib import Path

from tests.tools.install import install, list_versions


def main(arguments: list[str]) -> int:
    if obstacle := install():
        print(f"test-tools: some are skipped: {obstacle}")
    print("\n".join(list_versions()), flush=True)
    command = [sys.executable, "-m", "pytest", "-m", "extra", "-p", "no:cacheprovider"]
    return subprocess.run([*command, *(arguments or [str(Path(__file__).parent)])]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
