"""Many frames: what they cost grows as they do, and one of them that is new makes one light."""

import cProfile
import pstats
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from snakemake.settings.types import DAGSettings, RerunTrigger

from darkroom.asked import makes_what_is_due, only_names_jobs
from darkroom.prepared import Prepared
from darkroom.progress import count_jobs
from tests.running import run_snakemake
from tests.scale.__main__ import Size, add_light
from tests.scale.nights import write_nights
from tests.scale.stubs import write_stubs
from tests.workflow.jobs import plan_night

NIGHT = 76  # frames: 64 for calibration, 12 lights
# As many nights more are to cost as much more again. What grows with the square of the nights costs twice as much.
GROWTH = 1.03


def count_calls(folder: Path, **config) -> int:
    """How many calls of functions planning takes once the frames are known: no measure of time, so always the same."""
    plan_night(folder, **config)
    profile = cProfile.Profile()
    profile.runcall(plan_night, folder, **config)
    return pstats.Stats(profile).total_calls


def list_due(nights: Prepared) -> list[str]:
    return [product for job in nights.jobs.values() if job.due for product in job.products]


ASKS = {
    "own masters": {},
    "masters of other nights": {"dark": {"scale": False, "max_age_days": 3}, "exclude": ["*[13579]_dark_60s_*"]},
    "masters that are not there": {"dark": {"scale": False, "max_age_days": 3}, "exclude": ["*_dark_60s_*"]},
}


@pytest.mark.parametrize(("ask", "made"), [("own masters", False), *((ask, True) for ask in ASKS)])
def test_planning_grows_no_faster_than_the_frames(tmp_path, ask, made):
    calls = []
    for nights in (4, 12, 20):
        folder = tmp_path / str(nights)
        write_nights(folder / "raw", nights * NIGHT, nights)
        if made:
            write_stubs(plan_night(folder, **ASKS[ask]))
        calls.append(count_calls(folder, **ASKS[ask]))
    less, more = np.diff(calls)
    assert more < GROWTH * less


def test_one_new_light_is_all_that_is_due(tmp_path):
    write_nights(tmp_path / "raw", 2 * NIGHT, 2)
    nights = plan_night(tmp_path)
    assert len(list_due(nights)) > len(nights.lights) == 24
    write_stubs(nights)
    assert list_due(plan_night(tmp_path)) == []
    add_light(tmp_path / "raw", Size(2 * NIGHT, 2, 24))
    nights = plan_night(tmp_path)
    assert [Path(product).name for product in list_due(nights)] == ["20230102_light_V_60s_004.fits"]
    assert nights.due == list_due(nights)
    assert set(nights.due) < set(nights.targets)

    # Snakemake names that, too; told to force what is there it looks at all of it
    assert count_named(tmp_path, "-n") == {"calibrate_lights": 1, "all": 1, "total": 2}
    forced = count_named(tmp_path, "-n", "-F")
    assert (forced["make_master_flat"], forced["certify_master"], forced["calibrate_lights"]) == (4, 10, 9)


def count_named(folder: Path, *args: str) -> dict[str, int]:
    """The table of jobs that Snakemake prints."""
    table = run_snakemake(folder, *args).stdout.split("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def test_table_counts_batches_together():
    table = count_jobs({"make_master_bias": 2, "calibrate_lights_a_1": 1, "calibrate_lights_a_2": 1, "total": 4})
    assert table.splitlines() == [
        "Job stats:",
        "job               count",
        "----------------  -----",
        "make_master_bias      2",
        "calibrate_lights      2",
        "total                 4",
    ]


def workflow(executing=True, touch=False, **told):
    settings = SimpleNamespace() if executing else None
    return SimpleNamespace(dag_settings=DAGSettings(**told), touch=touch, scheduling_settings=settings)


def test_all_looks_at_everything_where_snakemake_does_more_than_make_what_is_due():
    assert makes_what_is_due(workflow())
    assert makes_what_is_due(workflow(targets={"all"}, forcetargets=True))
    assert not makes_what_is_due(workflow(executing=False))  # --summary, --report, --dag, --delete-all-output
    assert not makes_what_is_due(workflow(touch=True))
    for told in ({"forceall": True}, {"forcerun": {"make_master_bias"}}, {"until": {"make_master_bias"}}):
        assert not makes_what_is_due(workflow(**told))


def test_raw_frames_are_inputs_unless_a_dry_run_goes_by_times_alone():
    by_times, by_all = ({"rerun_triggers": {RerunTrigger.MTIME}}, {})
    dry = {"dryrun": True}
    assert only_names_jobs(SimpleNamespace(dag_settings=DAGSettings(**by_times), **dry))
    assert not only_names_jobs(SimpleNamespace(dag_settings=DAGSettings(**by_all), **dry))
    assert not only_names_jobs(SimpleNamespace(dag_settings=DAGSettings(**by_times), dryrun=False))
