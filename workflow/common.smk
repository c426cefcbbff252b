# Plans while Snakemake parses; the rules look up what the plan says.
import gc
import sys
from collections import Counter
from pathlib import Path

from darkroom.asked import find_lost_profile, is_asked_of_job, is_dry_run, keep_going, submits
from darkroom.asked import makes_what_is_due, only_names_jobs
from darkroom.prepared import PlanError, read_job_table
from darkroom.resources import count_threads, estimate_memory_mb, estimate_minutes
from darkroom.settings import SettingsError
from darkroom.surroundings import prepare_surroundings

prepare_surroundings()
IS_JOB = not workflow.is_main_process  # on a cluster, where it looks up what the run planned that submitted it
SUBMITS = submits(workflow)

if not IS_JOB:
    from darkroom.prepare import prepare
    from darkroom.progress import follow, warn
    from darkroom.runs import refuse_to_delete
    from darkroom.summary import summarise
    from darkroom.warm import WarmProcess

if not IS_JOB and (profile := find_lost_profile()):
    sys.exit(f"darkroom: --workflow-profile {profile}: not there from here; give its whole path")

if workflow.resource_settings.cores == 0:  # Snakemake would wait for ever
    sys.exit("darkroom: --cores 0: nothing can run on no cores; give 1 or more, or 'all'")

WARM = None if IS_JOB or SUBMITS or is_dry_run() else WarmProcess()

gc.disable()  # a plan and Snakemake's graph only grow: looking for garbage in them takes a fifth of the time
try:
    NIGHTS = read_job_table(config) if IS_JOB else prepare(config, SUBMITS)
except (PlanError, SettingsError) as problems:
    sys.exit(f"darkroom: {problems}")
except OSError as error:  # a disk that is full, a folder that is not to be written to, a file in the way
    where = error.filename or config.get("results", "results")
    sys.exit(f"darkroom: {where}: {error.strerror}; make way or room there, and run again")

gc.freeze()
gc.enable()
gc.set_threshold(100_000, 20, 20)

RESULTS = NIGHTS.results
DUE = Counter(job.kind for job in NIGHTS.jobs.values() if job.due)


def in_results(paths):
    return [f"{RESULTS}/{path}" for path in paths]


def all_targets(wildcards):
    """An input function: every light that can be calibrated, or every master if there are no lights; and the checks.

    Where a run is to make what is not up to date and nothing else, the plan knows what that is: Snakemake need not look
    at the rest, which takes it a millisecond a file. The plan itself, which is there, stands for that.
    """
    if NIGHTS.refusal:
        sys.exit(f"darkroom: {NIGHTS.refusal}")
    return in_results(["plan.txt", *NIGHTS.due] if makes_what_is_due(workflow) else NIGHTS.targets)


def recipe_file(product):
    """An input function: the recipe of a master, whose name tells its content."""
    return lambda wildcards: f"{RESULTS}/{find_job(wildcards, product).recipe}"


def list_frames(job):
    """The raw frames of a job, whose times decide nothing: a dry run, which starts none, has a smaller graph without."""
    return [] if only_names_jobs(workflow) else job.frames


def raw_frames_of(batch):
    """An input function: the raw lights of a batch; a function, so that they count only where the batch is asked for."""
    return lambda wildcards: list_frames(batch)


def masters_of(batch):
    """An input function: the masters and measurements that a batch is made with."""
    return lambda wildcards: mark_needs(batch, batch.masters)


def certificates_of(batch):
    """An input function: the certificates of those masters."""
    return lambda wildcards: mark_needs(batch, batch.certificates)


def raw_frames(product):
    """An input function: the raw frames of a master, such as master_dark_{exposure}."""
    return lambda wildcards: list_frames(find_job(wildcards, product))


def masters_used(product):
    """An input function: the masters and measurements that a product is made with."""

    def find_masters(wildcards):
        job = find_job(wildcards, product)
        return mark_needs(job, job.masters)

    return find_masters


def certificates_of_used(product):
    """An input function: the certificates of those masters."""

    def find_certificates(wildcards):
        job = find_job(wildcards, product)
        return mark_needs(job, job.certificates)

    return find_certificates


def mark_needs(job, paths):
    """What a job needs: time stamps decide nothing, but a stale job runs if one of its needs does, and after it."""
    return in_results(paths) if job.stale else ancient(in_results(paths))


def products_shown(product):
    """An input function: the master or light that a picture shows."""
    return lambda wildcards: mark_needs(job := find_job(wildcards, product), job.shows)


def needs_of(product):
    """An input function: all that a picture waits for."""
    return lambda wildcards: mark_needs(job := find_job(wildcards, product), job.needs)


def lights_shown(batch):
    """An input function: the lights whose previews a batch makes."""
    return lambda wildcards: mark_needs(batch, batch.shows)


def needs_of_batch(batch):
    """An input function: all that a batch of previews waits for."""
    return lambda wildcards: mark_needs(batch, batch.needs)


def find_page(wildcards):
    """The job of a night's page, or of that of all nights."""
    name = f"{wildcards.night}/report.html" if "night" in wildcards.keys() else "trends.html"
    if name not in NIGHTS.jobs:
        sys.exit(f"darkroom: {name}: the plan has no such page; see {RESULTS}/plan.txt, and report.use in config.yaml")
    return NIGHTS.jobs[name]


def page_recipe(wildcards):
    """An input function: the recipe of a page."""
    return f"{RESULTS}/{find_page(wildcards).recipe}"


def page_needs(wildcards):
    """An input function: all that a page tells of."""
    return mark_needs(job := find_page(wildcards), job.needs)


def memory_mb(product):
    """A resource function: the megabytes of the job that makes a product."""
    return lambda wildcards, threads, attempt: memory_mb_of(find_job(wildcards, product))(wildcards, threads, attempt)


def memory_mb_of(job):
    """A resource function: the megabytes of a job, twice as many each time that it was killed."""

    def estimate(wildcards, threads, attempt):
        return estimate_memory_mb(job, threads, NIGHTS.cosmic_rays, SUBMITS) * 2 ** (attempt - 1)

    return estimate


def minutes(product):
    """A resource function: the minutes that the job which makes a product is given."""
    return lambda wildcards, attempt: minutes_of(find_job(wildcards, product))(wildcards, attempt)


def minutes_of(job):
    """A resource function: the minutes that a job is given, twice as many each time that it was killed."""
    return lambda wildcards, attempt: estimate_minutes(job, NIGHTS.cosmic_rays, NIGHTS.solve["time_limit"]) * 2 ** (
        attempt - 1
    )


def page_memory_mb(wildcards, threads, attempt):
    """A resource function: the megabytes of the job that makes a page."""
    return memory_mb_of(find_page(wildcards))(wildcards, threads, attempt)


def page_minutes(wildcards, attempt):
    """A resource function: the minutes that the job which makes a page is given."""
    return minutes_of(find_page(wildcards))(wildcards, attempt)


def group_of(product):
    """A function for `group`: what is submitted together with the job that makes a product; nothing in a local run."""
    return (lambda wildcards: find_job(wildcards, product).group or None) if SUBMITS else None


def group_of_batch(batch):
    """A function for `group`: what is submitted together with a batch; nothing in a local run."""
    return (lambda wildcards: batch.group or None) if SUBMITS else None


def threads_for(product):
    """A function for `threads`: one where many jobs like it run at once, more where it is alone."""

    def count(wildcards):
        job = find_job(wildcards, product)
        return count_threads(job, DUE[job.kind], workflow.cores or 1)

    return count


def find_job(wildcards, product):
    name = f"{wildcards.night}/{wildcards.setup}/{product.format(**wildcards)}"
    if name not in NIGHTS.jobs:
        sys.exit(f"darkroom: {name}: the plan has no such product; see {RESULTS}/plan.txt")
    return NIGHTS.jobs[name]


wildcard_constraints:
    night=r"\d{4}-\d\d-\d\d",
    setup=r"[^/]+",
    exposure=r"[^/]+",
    filter=r"[^/]+",
    quantity="gain|read_noise",
    master=r"[^/]+",
    pair=r"[^/]+",
    stack=r"[^/]+",
    shared=r"((lights|stacks)/)?[^/]+",


if IS_JOB:
    keep_going(workflow)
else:
    refuse_to_delete(Path(RESULTS))
    warn(NIGHTS)
    PROGRESS = follow(NIGHTS, workflow, WARM)


onsuccess:
    if PROGRESS.read:
        summarise(NIGHTS, config, PROGRESS)


onerror:
    summarise(NIGHTS, config, PROGRESS, failed=True)
