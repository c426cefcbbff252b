"""Recipe files: newer than what is stale, and than nothing else, which is all that Snakemake looks at."""

import os
import time

import numpy as np
from astropy.io import fits

from darkroom.jobs import plan_jobs
from darkroom.plan import make_plan
from darkroom.products import write_figures, write_product
from darkroom.recipes import write_recipes
from darkroom.staleness import Products
from darkroom.whole_files import write_if_changed, write_whole
from tests.unit.builders import make_night, overlay


def test_text_is_written_only_if_it_differs(tmp_path):
    path = tmp_path / "new" / "text"
    assert write_if_changed(path, "ä")
    inode = path.stat().st_ino
    assert not write_if_changed(path, "ä")
    assert path.stat().st_ino == inode
    path.write_bytes(b"\xff")
    assert write_if_changed(path, "ä")
    write_whole(path, "b")
    assert path.read_text() == "b"
    assert list(path.parent.iterdir()) == [path]


def make_products(results, jobs, plan):
    """Write what jobs would: products that bear the digests of the plan."""
    items = {item.path: item for item in plan.list_all()}
    for path in [path for job in jobs for path in job.products]:
        if path.endswith(".json"):
            write_figures(str(results / path), {}, items[path].recipe)
        else:
            write_product(str(results / path), np.zeros((2, 2)), fits.Header(), items[path].recipe)


def settle(results, frames=None, **settings):
    """The plan and its jobs, as while Snakemake parses."""
    chosen = overlay(**settings)
    plan = make_plan(frames or make_night(), chosen)
    write_recipes(plan, chosen)
    return plan, plan_jobs(plan, Products(results, {}), chosen)


def is_newer(results, job):
    """Whether the recipe file is newer than some product, which is what Snakemake looks at."""
    recipe = (results / job.recipe).stat().st_mtime_ns
    return any(recipe > (results / path).stat().st_mtime_ns for path in job.products)


def test_recipe_files_are_newer_than_what_is_stale_alone(tmp_path):
    plan, jobs = settle(tmp_path)
    assert all(job.stale and job.due for job in jobs)
    make_products(tmp_path, jobs, plan)
    for _ in range(2):
        _, jobs = settle(tmp_path)
        assert not any(job.stale or job.due or is_newer(tmp_path, job) for job in jobs)
    for _ in range(2):
        _, jobs = settle(tmp_path, flat__minimum=0.1)
        assert {job.kind for job in jobs if job.stale} == {"calibrate_lights"}
        assert all(is_newer(tmp_path, job) == job.stale == job.due for job in jobs)
    _, jobs = settle(tmp_path)
    assert not any(job.stale or is_newer(tmp_path, job) for job in jobs)


def test_stale_light_leaves_its_batch(tmp_path):
    plan, jobs = settle(tmp_path)
    make_products(tmp_path, jobs, plan)
    frames = make_night()
    frames[-1].digest = "another"
    _, jobs = settle(tmp_path, frames=frames)
    lights = {job.name.rpartition("/")[2]: job for job in jobs if job.kind == "calibrate_lights"}
    assert {name: (job.stale, len(job.products)) for name, job in lights.items()} == {
        "lights_V_60s_000": (False, 1),
        "lights_V_60s_000_stale": (True, 1),
    }
    assert len({job.id for job in lights.values()}) == 2


def test_recipe_file_tells_apart_what_it_replaces(tmp_path):
    """A product that is put back with its old time of change must not look to Snakemake as it did then."""
    plan, jobs = settle(tmp_path)
    make_products(tmp_path, jobs, plan)
    [job] = [job for job in settle(tmp_path, flat__minimum=0.1)[1] if job.stale]
    first = (tmp_path / job.recipe).read_text()
    path = tmp_path / job.products[0]
    content, status = path.read_bytes(), path.stat()
    time.sleep(0.02)
    path.unlink()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    settle(tmp_path, flat__minimum=0.1)
    assert (tmp_path / job.recipe).read_text() != first


def test_product_of_the_same_tick_and_of_the_future(tmp_path):
    plan, jobs = settle(tmp_path)
    make_products(tmp_path, jobs, plan)
    path = tmp_path / plan.made[0].path
    for moment in (time.time_ns() + 3 * 10**18, (tmp_path / jobs[-1].recipe).stat().st_mtime_ns):
        os.utime(path, ns=(moment, moment))
        _, jobs = settle(tmp_path, flat__minimum=0.1)
        assert all(is_newer(tmp_path, job) == job.stale for job in jobs)
        now = time.time_ns()
        assert all((tmp_path / name).stat().st_mtime_ns <= now for name in (jobs[-1].recipe, plan.made[0].path))


def test_masters_that_are_gone(tmp_path):
    """They are due only where they are needed, and what is fresh lets go of those that come back for others."""
    plan, jobs = settle(tmp_path)
    make_products(tmp_path, jobs, plan)
    gone = {"make_master_bias", "make_master_dark"}
    for job in jobs:
        if job.kind in gone:
            (tmp_path / job.products[0]).unlink()
    _, jobs = settle(tmp_path)
    assert {job.name.rpartition("/")[2] for job in jobs if job.stale} == {"master_bias", "master_dark_60s"}
    assert not any(job.due for job in jobs)
    (tmp_path / plan.made[0].path).unlink()
    _, jobs = settle(tmp_path)
    names = {job.name.rpartition("/")[2]: job for job in jobs}
    stale = names["lights_V_60s_000_stale"]
    assert {job.name for job in jobs if job.due} == {stale.name} | {job.name for job in jobs if job.kind in gone}
    bias, dark, flat = (f"2024-03-10/ccd/{stem}.fits" for stem in ("master_bias", "master_dark_60s", "master_flat_V"))
    figures = ["2024-03-10/ccd/gain.json", "2024-03-10/ccd/read_noise.json"]
    assert stale.masters == sorted([bias, dark, flat, *figures])
    by_product = {job.products[0]: job for job in jobs}
    assert by_product[flat].masters == figures
    assert names["lights_V_60s_000"].masters == sorted([flat, *figures])
    assert len(stale.certificates) == 3


def test_nothing_is_made_with_a_master_before_its_certificate_unless_told_to_warn(tmp_path):
    """The certificate itself comes after the master alone, of those masters that hold its frames' bias and dark."""
    for failed in ("replace", "stop", "warn"):
        jobs = {job.products[0].partition("ccd/")[2]: job for job in settle(tmp_path, certification__failed=failed)[1]}
        wanted = {} if failed == "warn" else {"bias", "dark_60s", "flat_V"}
        expected = {f"2024-03-10/ccd/certificates/master_{stem}.json" for stem in wanted}
        assert set(jobs["lights/light_V_60_1.fits"].certificates) == expected
        assert set(jobs["bad_pixels.fits"].certificates) == expected
        assert set(jobs["master_flat_V.fits"].certificates) == {path for path in expected if "flat" not in path}
        assert set(jobs["master_bias.fits"].certificates) == set()
        assert set(jobs["certificates/master_bias.json"].needs) == {
            f"2024-03-10/ccd/{name}" for name in ("read_noise.json", "master_bias.fits")
        }


def test_no_job_waits_for_what_waits_for_it(tmp_path):
    jobs = settle(tmp_path, frames=make_night() + make_night("2024-03-11"), flat__max_age_days=3)[1]
    done = set()
    left = list(jobs)
    while left:
        ready = [job for job in left if set(job.needs) <= done]
        assert ready, [job.name for job in left]
        done |= {path for job in ready for path in job.products}
        left = [job for job in left if job not in ready]
