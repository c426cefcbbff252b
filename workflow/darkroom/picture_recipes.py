"""Recipes of what is looked at: previews, pairs and pages; they hold digests of what is shown, as all recipes do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from darkroom.certificates import Certificate
from darkroom.fingerprints import fingerprint_script, fingerprint_templates
from darkroom.matching import Master
from darkroom.measurements import Measurement
from darkroom.night_story import describe_measurements, tell_night
from darkroom.plan_lights import Light
from darkroom.plan_previews import NightPage, Pair, Preview, TrendsPage
from darkroom.recipes import describe_frame, find_versions, overscan_settings, refer_to
from darkroom.stamps import digest_recipe

if TYPE_CHECKING:
    from darkroom.plan import Plan

SCRIPTS = {
    "preview_light": "preview_lights.py",
    "preview_master": "preview_master.py",
    "pair": "compare_pair.py",
    "night": "make_report.py",
    "trends": "make_trends.py",
}
PICTURE_LIBRARIES = ("astropy", "matplotlib", "numpy", "pillow", "sep")
PAGE_LIBRARIES = ("altair", "igraph", "itables", "jinja2", "vl-convert-python")


def write_picture_recipes(plan: Plan, settings: dict[str, Any], others: Iterable[tuple[str, str]] = ()) -> None:
    """Give previews, pairs and pages their recipes and digests; lights and masters have theirs.

    ``others`` are paths and stamps of figures of nights that are not planned now, for the page of all nights.
    """
    for preview in plan.previews:
        preview.recipe = _describe_preview(preview, settings)
        preview.digest = digest_recipe(preview.recipe)
    for pair in plan.pairs:
        pair.recipe = _describe_pair(pair, settings)
        pair.digest = digest_recipe(pair.recipe)
    if not plan.pages:
        return
    made = plan.list_made()
    measured: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in describe_measurements([one for one in made if isinstance(one, Measurement)], settings):
        measured[one["night"]].append(one)
    for page in plan.pages:
        if isinstance(page, NightPage):
            page.recipe = _describe_night(page, plan, measured[page.night], settings)
        else:
            certificates = [one for one in made if isinstance(one, Certificate)]
            figures = [one for night in measured.values() for one in night]
            page.needs = [*(one.path for one in certificates), *(one["path"] for one in figures)]
            page.recipe = _describe_trends(page, certificates, figures, others)
        page.recipe["title"] = settings["report"]["title"]
        page.digest = digest_recipe(page.recipe)


def _describe_preview(preview: Preview, settings: dict[str, Any]) -> dict[str, Any]:
    kind = "light" if isinstance(preview.of, Light) else "master"
    chosen = {key: settings["previews"][key] for key in ("stretch", "size", "grid")}
    return {
        "product": preview.path,
        "kind": "preview",
        "of": _refer(preview.of, settings),
        "settings": chosen,
        **_describe_mosaic(preview.frame.mosaic),
        **_describe_tools(f"preview_{kind}", PICTURE_LIBRARIES),
    }


def _describe_pair(pair: Pair, settings: dict[str, Any]) -> dict[str, Any]:
    chosen = {key: settings["previews"][key] for key in ("stretch", "size")}
    return {
        "product": pair.path,
        "kind": "pair",
        "what": "light" if isinstance(pair.of, Light) else "bias",
        "of": _refer(pair.of, settings),
        "frames": [describe_frame(pair.frame)],
        "settings": chosen | {"overscan": overscan_settings(pair.frame, settings)},
        **_describe_mosaic(pair.frame.mosaic),
        **_describe_tools("pair", PICTURE_LIBRARIES),
    }


def _describe_night(
    page: NightPage, plan: Plan, measured: list[dict[str, Any]], settings: dict[str, Any]
) -> dict[str, Any]:
    return {
        "product": page.path,
        "kind": "night",
        "night": tell_night(page, plan, settings) | {"measurements": measured},
        "templates": fingerprint_templates(),
        **_describe_tools("night", PAGE_LIBRARIES),
    }


def _describe_trends(
    page: TrendsPage,
    certificates: list[Certificate],
    measured: list[dict[str, Any]],
    others: Iterable[tuple[str, str]],
) -> dict[str, Any]:
    others = [(path, stamp) for path, stamp in others if path not in page.needs]
    known = [(one.path, one.digest) for one in certificates]
    known += [(path, stamp) for path, stamp in others if "/certificates/" in path]
    unplanned = [_describe_other(path, stamp) for path, stamp in others if "/certificates/" not in path]
    return {
        "product": page.path,
        "kind": "trends",
        "certificates": [{"path": path, "digest": digest} for path, digest in sorted(known)],
        "measurements": sorted([*measured, *unplanned], key=lambda one: one["path"]),
        "templates": fingerprint_templates(),
        **_describe_tools("trends", PAGE_LIBRARIES),
    }


def _describe_other(path: str, stamp: str) -> dict[str, Any]:
    """Return what is known of a measurement whose frames are not planned."""
    night, setup, name = path.split("/")
    told = {"night": night, "setup": setup, "quantity": name.removesuffix(".json"), "path": path, "digest": stamp}
    return told | {"header": None, "config": None, "gain": None}


def _refer(item: Light | Master, settings: dict[str, Any]) -> dict[str, Any]:
    return {"path": item.path, "digest": item.digest} if isinstance(item, Light) else refer_to(item, settings)


def _describe_mosaic(mosaic: str | None) -> dict[str, Any]:
    return {"mosaic": mosaic} if mosaic else {}


def _describe_tools(kind: str, libraries: tuple[str, ...]) -> dict[str, Any]:
    return {"code": fingerprint_script(SCRIPTS[kind]), "versions": find_versions(libraries)}
