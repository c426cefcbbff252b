"""Progress: what Snakemake is told, and what a person sees of a run."""

import io
import logging
import re
from types import SimpleNamespace

import pytest
from snakemake.cli import get_argument_parser
from snakemake.settings.types import ResourceSettings, SchedulingSettings
from snakemake_interface_logger_plugins.common import LogEvent

from darkroom.asked import lift_job_limit
from darkroom.prepared import Job
from darkroom.progress import ProgressHandler, count_jobs
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


def make_record(event=None, text="", level=logging.INFO, **told):
    return logging.makeLogRecord({"levelno": level, "levelname": "INFO", "msg": text, "event": event, **told})


def make_nights(tmp_path, *jobs):
    return SimpleNamespace(results=str(tmp_path), jobs={job.name: job for job in jobs}, if_failed="replace")


def make_bias(name="2024-03-10/CCD/master_bias"):
    return Job("make_master_bias", name, [f"{name}.fits"], "", ["a", "b"], [], True, 1, True)


def run_jobs(handler, tmp_path, *numbers):
    """Tell a handler what Snakemake says of these jobs, which are all there are."""
    for done, number in enumerate(numbers, 1):
        product = list(handler.jobs)[done - 1]
        handler.handle(make_record(LogEvent.JOB_INFO, jobid=number, output=[product]))
        handler.handle(make_record(LogEvent.JOB_FINISHED, job_id=number))
        handler.handle(make_record(LogEvent.PROGRESS, done=done, total=len(numbers)))


def test_without_a_terminal_there_is_a_line_after_each_job(tmp_path):
    said = io.StringIO()
    handler = ProgressHandler(make_nights(tmp_path, make_bias(), make_bias("2024-03-11/CCD/master_bias")), said)
    run_jobs(handler, tmp_path, 4, 7)
    assert said.getvalue().splitlines() == [
        "1 of 2 jobs done (50 %), 0 s so far, about 0 s left",
        "2 of 2 jobs done (100 %), 0 s so far",
    ]
    assert handler.read == 4


def test_nothing_is_said_where_a_plugin_has_the_terminal(tmp_path):
    said = io.StringIO()
    handler = ProgressHandler(make_nights(tmp_path, make_bias()), said, silent=True)
    run_jobs(handler, tmp_path, 4)
    assert said.getvalue() == ""
    assert handler.read == 2


def use_terminal(tmp_path, dryrun=False):
    """A terminal's handler as Snakemake has it, once the display is used, and what is written to it."""
    terminal = logging.StreamHandler(io.StringIO())
    terminal.nocolor = False
    terminal.setFormatter(logging.Formatter("%(message)s %(input)s %(output)s", defaults={"input": "", "output": ""}))
    nights = make_nights(tmp_path, make_bias())
    run = Run(nights, SimpleNamespace(dryrun=dryrun))
    ProgressHandler(nights, run=run).use_display(terminal)
    return terminal, terminal.stream


@pytest.mark.parametrize(
    ("record", "stays"),
    [
        (make_record(LogEvent.JOB_INFO, "Rule: all"), False),
        (make_record(LogEvent.GROUP_INFO, "Group job"), False),
        (make_record(LogEvent.RESOURCES_INFO, "Provided cores: 2"), False),
        (make_record(None, "Building DAG of jobs..."), False),
        (make_record(None, "Job 5 has been submitted with SLURM jobid 12 (log: a.log)."), False),
        (make_record(None, "Submitted group job abc with external jobid '12'."), False),
        (make_record(None, "Submitted array job with Snakemake IDs 1,2 and SLURM job ID 12."), False),
        (make_record(None, "Submitted by mistake"), True),
        (make_record(None, "SLURM run ID: 123"), True),
        (make_record(None, "Trying to restart job 5."), True),
        (make_record(LogEvent.RUN_INFO, "Job stats:"), True),
        (make_record(LogEvent.JOB_ERROR, "Error in rule all", logging.ERROR), True),
        (make_record(None, "Building DAG of jobs... took long", logging.WARNING), True),
    ],
)
def test_chatter_is_kept_off_a_terminal_with_a_display_but_for_dry_runs(tmp_path, record, stays):
    terminal, said = use_terminal(tmp_path)
    terminal.handle(record)
    assert bool(said.getvalue()) == stays
    terminal, said = use_terminal(tmp_path, dryrun=True)
    terminal.handle(record)
    assert said.getvalue()


def test_errors_of_jobs_leave_out_their_files_on_a_terminal_alone(tmp_path):
    terminal, said = use_terminal(tmp_path)
    record = make_record(LogEvent.JOB_ERROR, "failed", logging.ERROR, input=["many"], output=["more"])
    terminal.handle(record)
    assert said.getvalue() == "failed [] []\n"
    assert (record.input, record.output) == (["many"], ["more"])


def test_no_color_is_heeded(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert not use_terminal(tmp_path)[0].nocolor
    monkeypatch.setenv("NO_COLOR", "1")
    assert use_terminal(tmp_path)[0].nocolor


def test_batches_are_counted_together():
    stats = {"calibrate_lights_a_1": 1, "calibrate_lights_b_2": 1, "preview_lights_a_1": 1, "preview_master": 3}
    table = count_jobs(stats | {"total": 6})
    rows = dict(re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE))
    assert rows == {"calibrate_lights": "2", "preview_lights": "1", "preview_master": "3", "total": "6"}
