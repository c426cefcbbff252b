"""What a run does to its results folder when it begins, and what its jobs may write after it ended."""

import json
import os
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from darkroom.hold import FILE
from darkroom.planned import read_job, read_recipe_file
from darkroom.prepared import Job, Prepared, read_job_table
from darkroom.problems import JobProblem
from darkroom.products import write_figures, write_product
from darkroom.runs import ABANDONED, Run
from darkroom.whole_files import END, name_temporary, replace_whole

RECIPE = ".recipes/n/s/master_bias.1.json"
JOB = Job("make_master_bias", "n/s/master_bias", ["n/s/master_bias.fits"], RECIPE, [], [], True, 4, due=True)


def make_prepared(results, *jobs):
    lists = {name: [] for name in ("targets", "due", "lights", "masters", "failed", "warnings")}
    return Prepared(
        results=str(results),
        jobs={job.name: job for job in jobs},
        if_failed="replace",
        cosmic_rays=False,
        refusal="",
        summary={},
        title="Darkroom",
        stretch="zscale",
        solve={"time_limit": 60.0},
        **lists,
    )


def make_run(results, *jobs, dryrun=False, cluster=True):
    return Run(make_prepared(results, *jobs), SimpleNamespace(dryrun=dryrun, non_local_exec=cluster))


def write_recipe(results, name):
    path = results / ".recipes" / "n" / "s" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    recipe = {"night": "n", "setup": "s", "frames": [], "settings": {"overscan": None}, "holds": None}
    path.write_text(json.dumps({"recipe": recipe}))
    return path


def test_run_removes_the_recipes_of_former_plans_alone(tmp_path):
    kept, former = write_recipe(tmp_path, "master_bias.1.json"), write_recipe(tmp_path, "master_bias.0.json")
    run = make_run(tmp_path, JOB)
    run.begin({"make_master_bias": 1})
    assert kept.exists()
    assert not former.exists()
    run.end()
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize(
    ("dryrun", "rules"), [(True, {"make_master_bias"}), (False, {"plan", "total"}), (False, set())]
)
def test_what_makes_nothing_takes_nothing(tmp_path, dryrun, rules):
    former = write_recipe(tmp_path, "master_bias.0.json")
    make_run(tmp_path, JOB, dryrun=dryrun).begin(rules)
    assert former.exists()
    assert not (tmp_path / FILE).exists()


def test_second_run_ends_with_one_line_and_changes_nothing(tmp_path):
    make_run(tmp_path, JOB).begin({"all", "total"})
    table = (tmp_path / ".cache" / "jobs.json").read_bytes()
    with pytest.raises(SystemExit) as end:
        make_run(tmp_path).begin({"all", "total"})
    assert end.value.code.startswith(f"darkroom: {tmp_path}: in use by a run of ")
    assert "\n" not in end.value.code
    assert (tmp_path / ".cache" / "jobs.json").read_bytes() == table


def test_jobs_on_a_cluster_read_what_the_run_planned(tmp_path):
    run = make_run(tmp_path, JOB)
    run.begin({"all", "total"})
    assert read_job_table({"results": str(tmp_path)}) == run.nights


def test_local_run_writes_no_table_for_jobs_elsewhere(tmp_path):
    make_run(tmp_path, JOB, cluster=False).begin({"all", "total"})
    assert not (tmp_path / ".cache" / "jobs.json").exists()


def test_run_removes_temporary_files_of_jobs_that_were_killed(tmp_path):
    """However young: who writes one still makes what this run makes, and is not to be waited for."""
    product = tmp_path / JOB.products[0]
    product.parent.mkdir(parents=True)
    left = name_temporary(product)
    for path in (left, product):
        path.touch()
    make_run(tmp_path, JOB).begin({"all", "total"})
    assert list(product.parent.iterdir()) == [product]


@pytest.mark.parametrize("beside", ["plan.txt", ".cache/frames.json", RECIPE])
def test_run_removes_temporary_files_of_plans_that_nobody_writes_to(tmp_path, beside):
    """A young one may be that of a dry run, which is no hindrance to a run."""
    (tmp_path / beside).parent.mkdir(parents=True, exist_ok=True)
    old, new = name_temporary(tmp_path / beside), name_temporary(tmp_path / beside)
    for path in (old, new):
        path.touch()
    os.utime(old, (time.time() - ABANDONED - 60,) * 2)
    make_run(tmp_path, JOB).begin({"all", "total"})
    assert not old.exists()
    assert new.exists()


def write_image(path, recipe):
    write_product(path, np.zeros((2, 2)), fits.Header(), recipe)


@pytest.mark.parametrize("write", [write_image, lambda path, recipe: write_figures(path, {}, recipe)])
def test_job_of_a_former_plan_writes_nothing(tmp_path, write):
    """What an orphan meets: its recipe was there when it began, and is not when it is done."""
    file = write_recipe(tmp_path, "master_bias.0.json")
    product = tmp_path / "n" / "s" / "product"
    product.parent.mkdir(parents=True)
    product.write_text("by the new run")
    recipe = read_recipe_file(str(file))
    make_run(tmp_path, JOB).begin({"all", "total"})
    with pytest.raises(JobProblem, match=f"{product}: not written, for it was planned anew"):
        write(str(product), recipe)
    assert product.read_text() == "by the new run"
    assert list(product.parent.iterdir()) == [product]


def test_job_of_the_plan_writes(tmp_path):
    recipe = read_recipe_file(str(write_recipe(tmp_path, "master_bias.1.json")))
    make_run(tmp_path, JOB).begin({"all", "total"})
    write_figures(str(tmp_path / "figures.json"), {}, recipe)
    assert (tmp_path / "figures.json").exists()


def test_job_whose_recipe_is_gone_when_it_begins_says_so(tmp_path):
    with pytest.raises(JobProblem, match=r"planned anew since this job was to begin"):
        read_job(str(tmp_path / "gone.json"), [])


def test_two_writers_of_one_file_never_share_a_temporary_one(tmp_path):
    """As two jobs of one process number on two hosts; each renames its own, and readers see one or the other whole."""
    path = tmp_path / ("a" * 250)  # near the longest that a name may be
    texts = ["first" * 1000, "second" * 1000]
    both = threading.Barrier(2)

    def write(text):
        for _ in range(50):
            with replace_whole(path) as temporary:
                both.wait(10)
                temporary.write_text(text)
            assert path.read_text() in texts

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_temporary_name_is_hidden_and_short_enough(tmp_path):
    for name in ("light.fits", "ä" * 127):
        temporary = name_temporary(tmp_path / name).name
        assert temporary.startswith(".")
        assert temporary.endswith(END)
        assert len(temporary.encode()) <= 255
