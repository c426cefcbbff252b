"""What is submitted together, and what jobs ask for on a cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.job_groups import MOST_TOGETHER, group_jobs
from darkroom.jobs import share_out
from darkroom.prepared import Job, name_safely
from darkroom.resources import SUBMISSION, estimate_memory_mb, estimate_minutes

NIGHT, OTHER = "2024-03-10/camera", "2024-03-11/camera"
KINDS = {
    "master_bias": "make_master_bias",
    "master_dark_60s": "make_master_dark",
    "lights_V_60s_000": "calibrate_lights",
}


def make_job(place, name, *needs, pixels=1000, frames=3):
    paths = [f"{place}/{name}.fits"]
    return Job(
        KINDS.get(name, "make_master_flat"), f"{place}/{name}", paths, "", ["raw"] * frames, list(needs), True, pixels
    )


def group(*jobs):
    group_jobs(list(jobs), {job.products[0]: job for job in jobs})
    return {job.name: job.group for job in jobs}


def test_masters_of_a_night_and_setup_go_together_and_lights_do_not():
    bias, dark = make_job(NIGHT, "master_bias"), make_job(NIGHT, "master_dark_60s", f"{NIGHT}/master_bias.fits")
    lights = make_job(NIGHT, "lights_V_60s_000", f"{NIGHT}/master_dark_60s.fits")
    others = make_job(OTHER, "master_bias"), make_job(OTHER, "flat", f"{OTHER}/master_bias.fits")
    found = group(bias, dark, lights, *others)
    assert found[bias.name] == found[dark.name] != ""
    assert found[lights.name] == ""
    assert found[others[0].name] == found[others[1].name] != ""
    assert found[others[0].name] != found[bias.name]


def test_what_needs_a_master_of_another_night_waits_for_that_alone():
    bias, flat = make_job(NIGHT, "master_bias"), make_job(NIGHT, "flat", f"{NIGHT}/master_bias.fits")
    others = make_job(OTHER, "master_bias"), make_job(OTHER, "flat", f"{OTHER}/master_bias.fits")
    check = make_job(OTHER, "check", f"{OTHER}/flat.fits", f"{NIGHT}/flat.fits")
    pixels = make_job(OTHER, "bad_pixels", f"{OTHER}/check.fits")
    found = group(bias, flat, *others, check, pixels)
    assert found[check.name] == found[pixels.name]
    assert len(set(found.values())) == 3
    assert "" not in found.values()


def test_job_that_would_be_alone_is_in_no_group():
    assert group(make_job(NIGHT, "master_bias")) == {f"{NIGHT}/master_bias": ""}


@given(st.data())
def test_groups_never_wait_for_each_other(data):
    """Whatever nights lend each other: a group is to be begun once all groups that it needs are done."""
    jobs = []
    for number in range(data.draw(st.integers(2, 12))):
        needs = data.draw(st.sets(st.sampled_from(range(number)), max_size=3)) if number else set()
        place = data.draw(st.sampled_from([NIGHT, OTHER, "2024-03-12/camera"]))
        jobs.append(make_job(place, f"master_{number}", *(jobs[one].products[0] for one in needs)))
    found = group(*jobs)
    makers = {job.products[0]: job for job in jobs}
    unit = {job.name: found[job.name] or job.name for job in jobs}
    waiting = {name: set() for name in unit.values()}
    for job in jobs:
        waiting[unit[job.name]] |= {unit[makers[path].name] for path in job.needs} - {unit[job.name]}
    while waiting:
        ready = [name for name, needed in waiting.items() if not needed & waiting.keys()]
        assert ready, f"these wait for each other: {waiting}"
        for name in ready:
            del waiting[name]


@pytest.mark.parametrize(("more", "together"), [(0, True), (1, False)])
def test_much_work_is_not_put_together(more, together):
    half = MOST_TOGETHER // 2
    bias = make_job(NIGHT, "master_bias", pixels=half, frames=1)
    flat = make_job(NIGHT, "flat", pixels=half + more, frames=1)
    assert [name != "" for name in group(bias, flat).values()] == [together, together]


@given(st.text(), st.text())
def test_names_are_safe_in_a_shell_and_differ(first, second):
    names = name_safely(first), name_safely(second)
    assert all(name.isascii() and name.replace("_", "a").isalnum() for name in names)
    assert (first == second) == (names[0] == names[1])


@given(st.lists(st.integers()), st.integers(1, 50))
def test_lights_are_shared_out_evenly_in_as_few_batches_as_can_be(lights, most):
    batches = list(share_out(lights, most))
    assert [light for batch in batches for light in batch] == lights
    assert len(batches) == -(-len(lights) // most)
    sizes = {len(batch) for batch in batches}
    assert not sizes or (max(sizes) <= most and max(sizes) - min(sizes) <= 1 and min(sizes) > 0)


def test_job_asks_for_the_time_of_its_frames():
    few = make_job(NIGHT, "lights_V_60s_000", pixels=4_000_000, frames=15)  # 60 megapixels, a second each
    many = make_job(NIGHT, "lights_V_60s_000", pixels=4_000_000, frames=150)
    assert estimate_minutes(few, cosmic_rays=False) == 5 + 1
    assert estimate_minutes(many, cosmic_rays=False) == 5 + 10
    assert estimate_minutes(many, cosmic_rays=True) == 5 + 60
    assert estimate_minutes(make_job(NIGHT, "master_bias", pixels=4_000_000, frames=150), cosmic_rays=True) == 5 + 2


def test_job_on_a_cluster_asks_for_the_memory_of_snakemake_too():
    job = make_job(NIGHT, "master_bias")
    assert estimate_memory_mb(job, 1, False, submitted=True) - estimate_memory_mb(job, 1, False) == SUBMISSION
