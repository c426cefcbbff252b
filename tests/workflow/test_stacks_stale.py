"""Which stacks there are, and what makes them anew: lights that come and go, files that are lost, other settings.

The lights show no stars: what is written in place of a stack tells why, and is as fresh or stale as a stack.
"""

import os
import re
import shutil

import numpy as np
import pytest
from astropy.io import fits

from tests.running import run_snakemake
from tests.unit.builders import write_raw
from tests.workflow.engine import run_due
from tests.workflow.jobs import plan_night
from tests.workflow.reduced import alter, merge

pytestmark = pytest.mark.slow

SETTINGS = {
    "dark": {"use": False},
    "flat": {"use": False},
    "certification": {"use": False},
    "detector": {"compare": False},
    "stacks": {"use": True},
}
YAML = "{dark: {use: false}, flat: {use: false}, certification: {use: false}, detector: {compare: false}}"
SHAPE = (60, 80)


def write_light(folder, name, minute, day=11, exposure=60.0, shape=SHAPE, **cards):
    data = np.random.default_rng(sum(map(ord, name))).normal(500, 5, shape).astype(np.uint16)
    cards = {"OBJECT": "M67", "FILTER": "V"} | cards
    write_raw(folder / "raw" / f"{name}.fits", "light", exposure, data, f"2024-03-{day}T02:{minute:02d}:00", **cards)


def write_biases(folder, day=11, shape=SHAPE, name="bias"):
    for n in range(2):
        data = np.random.default_rng(n).normal(300, 4, shape).round().astype(np.uint16)
        write_raw(folder / "raw" / f"{name}{day}_{n}.fits", "bias", 0.0, data, f"2024-03-{day}T01:0{n}:00")


@pytest.fixture(scope="module")
def reduced(tmp_path_factory):
    """Three lights of M67 of 60 s, two of 30 s, two of another object, one alone."""
    folder = tmp_path_factory.mktemp("stacks")
    write_biases(folder)
    for n in range(3):
        write_light(folder, f"long{n}", n)
    for n in range(2):
        write_light(folder, f"short{n}", 10 + n, exposure=30.0)
        write_light(folder, f"other{n}", 20 + n, OBJECT="NGC 1")
    write_light(folder, "single", 30, OBJECT="Vega")
    _, made, failed = run_due(folder, **SETTINGS)
    assert not failed
    assert len(made) == 1 + 1 + 8 + 3
    return folder


@pytest.fixture
def night(reduced, tmp_path):
    for name in ("raw", "results"):
        shutil.copytree(reduced / name, tmp_path / name, symlinks=True)
    return tmp_path


def plan(folder, **own):
    """The names of what is due, and the plan."""
    planned = plan_night(folder, **merge(SETTINGS, own))
    due = {path for job in planned.jobs.values() if job.due for path in job.products}
    return {path.rpartition("/")[2].removesuffix(".fits") for path in due}, planned


def name_stacks(folder, **own):
    return {path.rpartition("/")[2].removesuffix(".fits") for path in plan(folder, **own)[1].summary["stacks"]}


def find(folder, name):
    (path,) = folder.glob(f"results/2*/*/stacks/{name}.fits")
    return path


ALL = {"M67_V_60s", "M67_V_30s", "NGC_1_V_60s"}


def test_nothing_is_due_of_a_night_that_is_made(night):
    due, planned = plan(night)
    assert due == set()
    assert {name.rpartition("/")[2] for name in planned.jobs if "/stacks/" in name} == ALL
    text = (night / "results" / "plan.txt").read_text()
    assert re.search(r"^STACKS\n.*\n(.*\n)*  single\.fits: Vega, V, 60 s: no stack, as no other light", text, re.M)


def test_light_that_is_new_or_gone_or_excluded_makes_its_stack_anew(night):
    write_light(night, "late", 40)
    assert plan(night)[0] == {"late", "M67_V_60s"}
    (night / "raw" / "late.fits").unlink()
    assert plan(night)[0] == set()
    assert plan(night, exclude=["long1.fits"])[0] == {"M67_V_60s"}
    (night / "raw" / "other0.fits").unlink()
    due, planned = plan(night)
    assert due == set()  # one light is left
    (remark,) = [line for line in planned.warnings if line.startswith("left from earlier runs")]
    assert "other0.fits" in remark
    assert "NGC_1_V_60s.fits" in remark
    run_due(night, **merge(SETTINGS, {"exclude": ["long1.fits"]}))
    with fits.open(find(night, "M67_V_60s")) as hdus:
        assert len(hdus["LIGHTS"].data) == 2


def test_light_that_is_another_makes_its_stack_anew(night):
    alter(night / "raw" / "short0.fits")
    assert plan(night)[0] == {"short0", "M67_V_30s"}
    _, made, failed = run_due(night, **SETTINGS)
    assert (len(made), failed) == (2, set())
    assert plan(night)[0] == set()


def test_stack_that_is_lost_or_truncated_is_made_again(night):
    content = {name: find(night, name).read_bytes() for name in ALL}
    find(night, "M67_V_60s").unlink()
    path = find(night, "M67_V_30s")
    path.write_bytes(content["M67_V_30s"][:-2880])
    assert plan(night)[0] == {"M67_V_60s", "M67_V_30s"}
    run_due(night, **SETTINGS)
    assert content == {name: find(night, name).read_bytes() for name in ALL}


def test_light_that_is_lost_comes_back_and_its_stack_stays(night):
    before = find(night, "M67_V_60s").stat().st_mtime_ns
    next(night.glob("results/2*/*/lights/long1.fits")).unlink()
    assert plan(night)[0] == {"long1"}
    run_due(night, **SETTINGS)
    assert find(night, "M67_V_60s").stat().st_mtime_ns == before
    assert plan(night)[0] == set()


@pytest.mark.parametrize(
    ("own", "due"),
    [
        ({"stacks": {"use": False}}, set()),
        ({"stacks": {"sigma": 5}}, ALL),
        ({"stacks": {"sigma": None}}, ALL),
        ({"stacks": {"canvas": "whole"}}, ALL),
        ({"stacks": {"by": "filter"}}, {"M67_V", "NGC_1_V"}),
        ({"lights": {"mask": False}}, None),
    ],
)
def test_what_settings_make_anew(night, own, due):
    lights = {*(f"long{n}" for n in range(3)), "short0", "short1", "other0", "other1", "single"}
    assert plan(night, **own)[0] == (lights | ALL if due is None else due)
    assert plan(night)[0] == set()


def test_stacks_of_other_settings_are_named_as_left_over(night):
    for own, left in (({"use": False}, 3), ({"by": "filter"}, 3)):
        (remark,) = [line for line in plan(night, stacks=own)[1].warnings if line.startswith("left from earlier runs")]
        assert "of other settings" in remark
        assert remark.count("/stacks/") == left


def test_objects_are_told_apart_by_their_names_but_for_capitals_and_spaces(night):
    write_light(night, "small", 40, OBJECT="m 67")
    write_light(night, "low", 41, OBJECT="M_67")
    write_light(night, "dash0", 42, OBJECT="M-67")
    write_light(night, "dash1", 43, OBJECT="m-67")
    for n in range(2):
        write_light(night, f"none{n}", 44 + n, OBJECT=None)
        write_light(night, f"empty{n}", 46 + n, OBJECT=" ")
        write_light(night, f"called{n}", 48 + n, OBJECT="none")
        write_light(night, f"path{n}", 50 + n, OBJECT="../../../M67")
        write_light(night, f"slash{n}", 52 + n, OBJECT="M/67")
    planned = plan(night)[1]
    jobs = {job.name: job for job in planned.jobs.values() if job.kind == "stack_lights"}
    numbers = sorted(len(job.frames) for job in jobs.values())
    assert numbers == [2, 2, 2, 2, 2, 5, 6]  # no object, an empty one and "none" are the same
    assert len({name.casefold() for name in jobs}) == len(jobs)
    assert all(re.fullmatch(r"2024-03-10/[^/]+/stacks/[\w.+-]+", name, re.ASCII) for name in jobs)


def test_each_night_and_setup_has_its_own(night):
    write_biases(night, 12)
    write_biases(night, 11, (60, 90), "wide")
    for n in range(2):
        write_light(night, f"next{n}", n, day=12)
        write_light(night, f"wide{n}", 50 + n, shape=(60, 90))
    due, planned = plan(night)
    assert {"next0", "next1", "wide0", "wide1", "M67_V_60s"} <= due
    jobs = [job for job in planned.jobs.values() if job.kind == "stack_lights"]
    assert len(jobs) == 5
    assert all(len({path.rsplit("/", 2)[0] for path in job.shows}) == 1 for job in jobs)
    chosen = plan(night, nights="2024-03-11")[1]
    assert [path[:10] for path in chosen.summary["stacks"]] == ["2024-03-11"]
    assert not [line for line in chosen.warnings if line.startswith("left from")]
    assert plan(night, nights="2024-03-10")[0] == {"master_bias", "read_noise.json", "wide0", "wide1", "M67_V_60s"}


def test_lights_of_which_none_goes_with_another_are_told_of(tmp_path):
    write_biases(tmp_path)
    write_light(tmp_path, "one", 1)
    write_light(tmp_path, "two", 2, exposure=30.0)
    planned = plan(tmp_path)[1]
    assert planned.summary["stacks"] == []
    assert [line for line in planned.warnings if line.startswith("stacks: no two lights are of one night")]
    assert name_stacks(tmp_path, stacks={"by": "filter"}) == {"M67_V"}
    assert plan(tmp_path, stacks={"use": False})[1].warnings == []


def test_dry_run_names_stacks_and_masters_alone_make_none(night):
    (night / "settings.yaml").write_text(YAML.replace("{dark", "{stacks: {use: true, sigma: 5}, dark"))
    said = run_snakemake(night, "-n", configfile="settings.yaml")
    named = set(re.findall(r"stacks/(\w+)\.fits", said.stdout + said.stderr))
    assert named == ALL
    said = run_snakemake(night, "masters", "-n", configfile="settings.yaml")
    assert "Nothing to be done" in said.stdout + said.stderr
    for path in night.glob("results/2*/*/*.fits"):
        path.unlink()
    run_snakemake(night, "masters", configfile="settings.yaml")
    assert 'sigma": 4' in "".join(map(str, fits.getheader(find(night, "M67_V_60s"))["HISTORY"]))


def test_light_that_is_damaged_meanwhile_costs_others_no_more_than_another_run(night):
    """It is of a batch with that of another stack."""
    for name in ("long1", "other1"):
        alter(night / "raw" / f"{name}.fits")
    assert plan(night)[0] == {"long1", "other1", "M67_V_60s", "NGC_1_V_60s"}
    path = night / "raw" / "long1.fits"
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:4000].ljust(len(content), b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    _, made, failed = run_due(night, **SETTINGS)
    assert (made, len(failed)) == (set(), 1)
    os.utime(path)  # a change that can be seen
    _, made, failed = run_due(night, **SETTINGS)
    assert {product.rpartition("/")[2] for product in made} == {"M67_V_60s.fits", "NGC_1_V_60s.fits"}
    assert failed == set()
    with fits.open(find(night, "M67_V_60s")) as hdus:
        assert len(hdus["LIGHTS"].data) == 2
    assert plan(night)[0] == set()
