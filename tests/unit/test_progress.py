"""Progress: what Snakemake is told, and what a person sees of a run."""

import logging
from types import SimpleNamespace

import pytest
from snakemake.cli import get_argument_parser
from snakemake.settings.types import ResourceSettings, SchedulingSettings
from snakemake_interface_logger_plugins.common import LogEvent

from darkroom.asked import lift_job_limit
from darkroom.progress import ProgressHandler
from darkroom.runs import Run


def workflow(*args, nodes=None):
    """What Snakemake makes of a command line, as far as its limits go."""
    found = get_argument_parser().parse_args(list(args))
    return SimpleNamespace(
        scheduling_settings=SchedulingSettings(max_jobs_per_timespan=found.max_jobs_per_timespan),
        resource_settings=ResourceSettings(cores=2, nodes=nodes),
    )


def test_local_run_without_a_limit_of_its_own_has_none():
    flow = workflow()
    assert flow.scheduling_settings.max_jobs_per_timespan.max_jobs == 100  # Snakemake's, with its timer
    lift_job_limit(flow)
    assert flow.scheduling_settings.max_jobs_per_timespan is None
    lift_job_limit(flow)  # where the file is read again


@pytest.mark.parametrize(
    "flow", [workflow("--max-jobs-per-timespan", "10/1s"), workflow(nodes=20)], ids=["asked for", "cluster"]
)
def test_limit_stays_where_it_is_asked_for_or_a_cluster_needs_it(flow):
    lift_job_limit(flow)
    assert flow.scheduling_settings.max_jobs_per_timespan is not None


def test_limit_is_lifted_when_snakemake_begins_to_build_its_graph():
    """Not before: while the Snakefile is parsed there are no such settings yet."""
    flow = workflow()
    nights = SimpleNamespace(results="results", jobs={}, if_failed="replace")
    handler = ProgressHandler(nights, run=Run(nights, flow))
    assert flow.scheduling_settings.max_jobs_per_timespan is not None
    handler.emit(logging.makeLogRecord({"levelno": logging.INFO, "event": LogEvent.WORKFLOW_STARTED}))
    assert flow.scheduling_settings.max_jobs_per_timespan is None
