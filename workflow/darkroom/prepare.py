"""What happens while Snakemake parses: settings, frame table, plan, recipes; all that the rules then look up."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from darkroom.findings import Findings
from darkroom.frames import COLUMNS, Frame, table_rows
from darkroom.index import index_frames, is_excluded
from darkroom.jobs import plan_jobs
from darkroom.links import UNSAFE, is_unsafe, link_awkward
from darkroom.picture_recipes import list_known_figures, write_picture_recipes
from darkroom.plan import Plan, make_plan
from darkroom.plan_nights import list_shown_frames
from darkroom.plan_stacks import PlateSolution
from darkroom.plan_table import plan_rows
from darkroom.plan_text import describe_plan, list_notes, list_problems
from darkroom.prepared import CACHE, Job, PlanError, Prepared
from darkroom.recipes import write_recipes
from darkroom.settings import check_settings
from darkroom.solving.tools import find_tools
from darkroom.staleness import Products
from darkroom.stamps import read_json
from darkroom.texts import make_printable
from darkroom.whole_files import write_if_changed, write_whole


def prepare(config: dict[str, Any], submits: bool = False) -> Prepared:
    """Index the frames, make the plan and settle the recipes; write frame table and plan below results.

    A run that ``submits`` its jobs to a cluster has larger ones.

    Raises
    ------
    SettingsError, PlanError
        With every problem found, a line each.
    """
    settings = check_settings(config)
    raw = _find_raw_folders(settings["raw"])
    if submits:
        _demand_plain_names(settings)
    results = Path(os.path.abspath(settings["results"]))
    _keep_apart(results, raw)
    _make_writable(results)
    cache = read_json(results / CACHE / "frames.json")
    before = dict(cache)
    frames = index_frames(settings, raw, results, cache)
    if cache != before:  # by another reader, too: else the same would be read anew by every run
        write_whole(results / CACHE / "frames.json", json.dumps(cache))
    write_if_changed(results / "frames.csv", _as_csv(COLUMNS, table_rows(frames)))
    if not any(frame.kind in ("bias", "dark", "flat", "light") and not frame.problem for frame in frames):
        raise PlanError("\n".join(_say_nothing_usable(settings["raw"], frames)))
    findings = Findings(results, settings)
    tools = find_tools(settings["solve"]) if settings["solve"]["use"] else None
    settings["solve"]["tools"] = tools.describe() if tools else {}
    plan = make_plan(frames, settings, findings.judge, solves=tools is not None and not tools.missing)
    plan.remarks += [f"no light is solved: {tools.missing}"] if tools and tools.missing else []
    write_recipes(plan, settings)
    stamps = read_json(results / CACHE / "stamps.json")
    known = dict(stamps)
    products = Products(results, stamps)
    nights = {frame.night for frame in frames}
    left = products.find_figures(nights, list_known_figures(plan, settings)) if plan.pages else {}
    write_picture_recipes(plan, settings, left)
    plan.remarks += [*_remark(plan, raw, products, settings), *findings.list_notes(plan)]
    reasons = products.explain_all(plan.list_all())
    if submits:
        settings["lights_per_job"] = settings["cluster"]["lights_per_job"]
    jobs = plan_jobs(plan, products, settings)
    _link_awkward_frames(jobs, settings["results"])
    wanted = set(plan.targets)
    due = {path for job in jobs if job.due for path in job.products}
    reasons = {path: reason for path, reason in reasons.items() if path in due or not reason}
    if stamps != known:
        write_whole(results / CACHE / "stamps.json", json.dumps(stamps))
    write_if_changed(results / "plan.csv", _as_csv(*plan_rows(plan, reasons)))
    write_if_changed(results / "plan.txt", describe_plan(plan, reasons))
    write_if_changed(results / "certification.csv", _as_csv(*findings.tabulate_certificates(plan)))
    write_if_changed(results / "detectors.csv", _as_csv(*findings.tabulate_detectors(plan)))
    warnings = list_problems(plan) + list_notes(plan)
    return Prepared(
        results=settings["results"],
        jobs={job.name: job for job in jobs},
        targets=[job.products[0] for job in jobs if not wanted.isdisjoint(job.products)],
        due=[job.products[0] for job in jobs if job.due and job.products[0] in reasons],
        lights=[light.path for light in plan.made],
        masters=[master.path for master in plan.masters if master.path not in plan.aside],
        failed=[master.path for master in plan.failed],
        if_failed=settings["certification"]["failed"],
        cosmic_rays=settings["lights"]["cosmic_rays"]["use"],
        warnings=warnings,
        refusal=_refuse(plan, settings),
        summary=_summarise(plan, reasons),
        title=settings["report"]["title"],
        stretch=settings["previews"]["stretch"],
        solve={key: settings["solve"][key] for key in ("solver", "indexes", "catalogue", "time_limit")},
    )


def _find_raw_folders(raw: str | list[str]) -> list[Path]:
    folders = [Path(os.path.abspath(folder)) for folder in ([raw] if isinstance(raw, str) else raw)]
    problems = [
        f"config.yaml: raw: {'not a folder' if folder.exists() else 'no such folder'}: {folder} "
        "(set raw in config.yaml or with --config raw=FOLDER)"
        for folder in folders
        if not folder.is_dir()
    ]
    problems += [
        f"config.yaml: raw: the folder {folder} cannot be read (permission denied)"
        for folder in folders
        if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK)
    ]
    if problems:
        raise PlanError("\n".join(problems))
    return folders


def _demand_plain_names(settings: dict[str, Any]) -> None:
    """Refuse folders whose names the shell of a cluster's job would read; Snakemake hands them on in its command."""
    raw = [settings["raw"]] if isinstance(settings["raw"], str) else settings["raw"]
    problems = [
        f"config.yaml: {key}: {name} holds a character that the shell of a cluster's job would read (one of {UNSAFE}); "
        "rename it, or name a link to it"
        for key, names in (("raw", raw), ("results", [settings["results"]]))
        for name in names
        if is_unsafe(name)
    ]
    if problems:
        raise PlanError("\n".join(problems))


def _keep_apart(results: Path, raw: list[Path]) -> None:
    """Refuse a results folder in a raw folder, which is never written to."""
    target = Path(os.path.realpath(results))
    for folder in map(Path, map(os.path.realpath, raw)):
        if target.is_relative_to(folder):
            raise PlanError(
                f"config.yaml: results: {results} lies in the raw folder {folder}, which is never written to; "
                "name a folder outside it (--config results=FOLDER)"
            )


def _make_writable(results: Path) -> None:
    try:
        (results / CACHE).mkdir(parents=True, exist_ok=True)
        probe = results / CACHE / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise PlanError(f"config.yaml: results: cannot write to {results} ({error.strerror})") from None


def _link_awkward_frames(jobs: list[Job], results: str) -> None:
    try:
        for job in jobs:
            job.frames = link_awkward(job.frames, Path(results))
    except OSError as error:
        reason = f"{error.strerror} for a link to it in {results}"
        name = make_printable(str(error.filename))
        raise PlanError(f"{name}: its path is none that Snakemake can read ({reason}); rename it") from None


def _say_nothing_usable(raw: Any, frames: list[Frame]) -> Iterable[str]:
    where = raw if isinstance(raw, str) else ", ".join(raw)
    if not frames:
        yield f"config.yaml: raw: no frames (.fits, .fit, .fts) anywhere under {where}"
        return
    yield f"config.yaml: raw: none of the {len(frames)} files under {where} can be used:"
    yield from (f"  {make_printable(frame.name)}: {frame.problem}" for frame in frames[:10])
    if len(frames) > 10:
        yield f"  and {len(frames) - 10} more; see frames.csv in the results folder"


def _refuse(plan: Plan, settings: dict[str, Any]) -> str:
    """Return why no light is to be made, if none can be or the settings say to stop."""
    if plan.failed and settings["certification"]["failed"] == "stop":
        return f"{len(plan.failed)} master(s) failed certification, and config.yaml says certification.failed: stop"
    for frame in list_shown_frames(plan):
        for ailment in filter(None, frame.health.split(", ")):
            if settings["health"][ailment] == "stop":
                name, why = make_printable(frame.name), frame.problem or frame.notes
                return f"{name}: {why} (config.yaml says health.{ailment}: stop)"
    if plan.lights and not plan.made and not plan.asked:
        return "no light can be calibrated, for want of masters (see the warnings above, or: snakemake plan)"
    if not plan.lights and not plan.masters:
        return "no master can be made, and there are no lights (see the warnings above, or: snakemake plan)"
    if plan.skipped and settings["missing"] == "stop":
        return f"{len(plan.skipped)} light(s) lack a master, and config.yaml says missing: stop"
    return ""


def _remark(plan: Plan, raw: list[Path], products: Products, settings: dict[str, Any]) -> list[str]:
    """Return what an observer should know of the whole: settings without effect, products of earlier plans."""
    remarks = [
        f"exclude: {pattern} matches no frame"
        for pattern in settings["exclude"]
        if not any(is_excluded(frame, raw, [pattern]) for frame in plan.frames)
    ]
    planned = {master.path for master in [*plan.masters, *plan.failed]}
    planned |= {item.path for item in plan.made} | {item.path for item in plan.bad_pixels}
    planned |= {stack.path for stack in plan.stacks} | {PlateSolution(light).path for light in plan.made}
    if plan.alone and not plan.stacks:
        remarks.append("stacks: no two lights are of one night, setup, object, filter and exposure (see stacks.by)")
    leftovers = products.find_leftovers(planned, plan.nights)
    if leftovers:
        more = f" and {len(leftovers) - 3} more" if len(leftovers) > 3 else ""
        remarks.append(
            f"left from earlier runs, of other settings or of frames that are gone, excluded or without masters now: "
            f"{', '.join(leftovers[:3])}{more}"
        )
    return remarks


def _as_csv(columns: list[str], rows: Iterable[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(column) for column in columns] for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace").decode()


def _summarise(plan: Plan, reasons: dict[str, str]) -> dict[str, Any]:
    targets = [light.frame for light in plan.lights] or [master.frames[0] for master in plan.wanted_masters]
    return {
        "nights": len({frame.night for frame in targets}),
        "setups": len({frame.setup for frame in targets}),
        "masters": len(plan.wanted_masters),
        "stacks": [stack.path for stack in plan.stacks],
        "solutions": [solution.path for solution in plan.solutions],
        "lights": len(plan.made),
        "skipped": len(plan.skipped),
        "stale_lights": sum(bool(reasons[light.path]) for light in plan.made),
        "flats": [master.path for master in plan.used_masters if master.kind == "flat"],
        "pages": [page.path for page in plan.pages],
    }
