"""What the rules ask for: threads and memory of each job, as a scheduler is told, from a dry run."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.running import REPOSITORY

# A dry run that says of each job what it is given, which Snakemake leaves out where a rule has a message of its own.
ASKING = """
import json, logging, sys
import snakemake.cli
from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent
import darkroom.progress

class Listener(logging.Handler):
    def emit(self, record):
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            told = {**dict(record.resources.items()), "threads": record.threads}
            output = [path.removesuffix(" (update)") for path in record.output]
            print(json.dumps([output, {name: told[name] for name in ("mem_mb", "threads") if name in told}]))

def follow(*arguments):  # Snakemake is ready for listeners when it reads the rules
    logger.addHandler(Listener())
    return progress(*arguments)

darkroom.progress.follow, progress = follow, darkroom.progress.follow
snakemake.cli.main(sys.argv[1:])
"""


def ask_rules(raw: Path, results: Path, cores: int = 2) -> Mapping[str, dict[str, Any]]:
    """Return ``threads`` and ``mem_mb`` of each job that is to be run, by its first product below results."""
    arguments: Sequence[str] = ["-s", str(REPOSITORY / "Snakefile"), "-n", "--cores", str(cores)]
    command = [sys.executable, "-c", ASKING, *arguments, "--config", f"raw={raw}", f"results={results}"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "workflow")}
    done = subprocess.run(command, cwd=results.parent, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[[")]
    return {str(Path(output[0]).relative_to(results)): given for output, given in told if output}
