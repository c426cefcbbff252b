"""Job groups: the jobs that are submitted to a cluster as one, since each costs it several seconds."""

from __future__ import annotations

from collections import defaultdict

from darkroom.prepared import Job, name_safely

MOST_TOGETHER = 2**34  # pixels of all frames of a group, which take a few minutes
GROUPED = {"measure_detector", "certify_master", "collect_bad_pixels", "preview_master", "compare_pair"}
WITH_LIGHTS = {"preview_lights", "compare_pair"}
GROUPED |= {f"make_master_{kind}" for kind in ("bias", "dark", "flat")}


def group_jobs(jobs: list[Job], makers: dict[str, Job]) -> None:
    """Have the masters of a night and setup, and what belongs to them, submitted to a cluster as one; so with lights.

    A job there costs several seconds, and a chain of them as many waits; the work on a master is a second or two.
    What needs masters of another night waits for those, in a second group: so the nights are made side by side, and no
    two groups ever wait for each other.
    """
    groups: dict[tuple[str, int], list[Job]] = defaultdict(list)
    tiers: dict[str, int] = {}
    for job in jobs:
        if job.kind in GROUPED and all(makers[path].kind in GROUPED for path in job.shows):
            groups[_find_place(job), _find_tier(job, makers, tiers)].append(job)
    for (place, tier), members in groups.items():
        if len(members) > 1 and sum(job.pixels * len(job.frames) for job in members) <= MOST_TOGETHER:
            for job in members:
                job.group = name_safely(f"masters_{tier}_{place}" if tier else f"masters_{place}")
    for job in jobs:
        if job.kind in WITH_LIGHTS and job.shows:
            batches = {makers[path].name: makers[path] for path in job.shows}
            [*others, batch] = batches.values()
            if not others and batch.kind == "calibrate_lights":  # a picture, with the lights that it shows
                job.group = batch.group = f"{batch.kind}_{batch.id}"


def _find_tier(job: Job, makers: dict[str, Job], known: dict[str, int]) -> int:
    """Return how many times one changes to another night or setup on the way from raw frames to a job."""
    if job.name not in known:
        place = _find_place(job)
        needed = [makers[path] for path in job.needs]
        known[job.name] = max(
            (_find_tier(other, makers, known) + (_find_place(other) != place) for other in needed), default=0
        )
    return known[job.name]


def _find_place(job: Job) -> str:
    """Return the night and setup of a job, as in the paths of its products."""
    return "/".join(job.name.split("/")[:2])
