"""Recipes of what is looked at: previews, pairs and pages; they hold digests of what is shown, as all recipes do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from darkroom.certificates import Certificate
from darkroom.fingerprints import fingerprint_script, fingerprint_templates
from darkroom.matching import Master
from darkroom.measurements import Measurement, Measurements
from darkroom.night_story import describe_measurements, tell_night
from darkroom.plan_lights import Light
from darkroom.plan_previews import NightPage, Pair, Preview, TrendsPage
from darkroom.recipe_parts import describe_frame, find_versions, overscan_settings
from darkroom.recipes import refer_to
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


def list_known_figures(plan: Plan, settings: dict[str, Any]) -> list[str]:
    """Return where certificates and measurements of all nights are, of those that are not chosen as well."""
    judged = plan.judged.values() if settings["certification"]["use"] else ()
    return [one.path for one in judged] + [one.path for one in _list_measurements(plan)]


def _list_measurements(plan: Plan) -> list[Measurement]:
    """Return the measurements that frames allow; a plan of some nights keeps those alone that play a part."""
    return (
        Measurements(frame for frame in plan.frames if not frame.problem).all if plan.nights else plan.measurements.all
    )


def write_picture_recipes(plan: Plan, settings: dict[str, Any], left: Mapping[str, str] = MappingProxyType({})) -> None:
    """Give previews, pairs and pages their recipes and digests; lights and masters have theirs.

    ``left`` are the stamps of figures that earlier runs made, by path. The page of all nights tells of them, too, so
    that it is the same whichever nights are chosen.
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
    certificates = [one for one in made if isinstance(one, Certificate)]
    # what a certificate alone needs is made as well
    used = [source.measurement for one in certificates for source in one.sources.values() if source.measurement]
    planned = {one.path: one for one in [*(one for one in made if isinstance(one, Measurement)), *used]}
    measured: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in describe_measurements(planned.values(), settings):
        measured[one["night"]].append(one)
    for page in plan.pages:
        if isinstance(page, NightPage):
            page.recipe = _describe_night(page, plan, measured[page.night], settings)
        else:
            page.needs = [*(one.path for one in certificates), *planned]
            figures = [one for night in measured.values() for one in night]
            figures += _describe_left(plan, {path: left[path] for path in left if path not in page.needs}, settings)
            known = {path: stamp for path, stamp in left.items() if "/certificates/" in path}
            known |= {one.path: one.digest for one in certificates}
            page.recipe = _describe_trends(page, known, figures)
        page.recipe["title"] = settings["report"]["title"]
        page.digest = digest_recipe(page.recipe)


def _describe_preview(preview: Preview, settings: dict[str, Any]) -> dict[str, Any]:
    kind = "master" if isinstance(preview.of, Master) else "light"
    chosen = {key: settings["previews"][key] for key in ("stretch", "size", "grid")}
    return {
        "product": preview.path,
        "kind": "preview",
        "of": refer_to(preview.of, settings),
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
        "of": refer_to(pair.of, settings),
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
        "previews": [preview.digest for preview in page.previews],
        "templates": fingerprint_templates(),
        **_describe_tools("night", PAGE_LIBRARIES),
    }


def _describe_trends(page: TrendsPage, certificates: dict[str, str], measured: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "product": page.path,
        "kind": "trends",
        "certificates": [{"path": path, "digest": digest} for path, digest in sorted(certificates.items())],
        "measurements": sorted(measured, key=lambda one: one["path"]),
        "templates": fingerprint_templates(),
        **_describe_tools("trends", PAGE_LIBRARIES),
    }


def _describe_left(plan: Plan, left: dict[str, str], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is known of the measurements that earlier runs left, by stamps; of some the frames are gone."""
    left = {path: stamp for path, stamp in left.items() if "/certificates/" not in path}
    known = [replace(one, digest=left[one.path]) for one in _list_measurements(plan) if one.path in left]
    described = describe_measurements(known, settings)
    for path in left.keys() - {one.path for one in known}:
        night, setup, name = path.split("/")
        told = {"night": night, "setup": setup, "quantity": name.removesuffix(".json"), "path": path}
        described.append(told | {"digest": left[path], "header": None, "config": None, "gain": None})
    return described


def _describe_mosaic(mosaic: str | None) -> dict[str, Any]:
    return {"mosaic": mosaic} if mosaic else {}


def _describe_tools(kind: str, libraries: tuple[str, ...]) -> dict[str, Any]:
    return {"code": fingerprint_script(SCRIPTS[kind]), "versions": find_versions(libraries)}
