"""Recipes: all that a product depends on, by content; a product is stale when its recipe is not the one stamped in it.

A recipe holds digests of the raw frames and of the masters' recipes, the settings that matter, a fingerprint of the
code and the versions of the libraries that make the numbers; never a path of this machine or a time of day.
"""

from __future__ import annotations

from typing import Any

from darkroom.certificates import Certificate
from darkroom.dialects import list_hint_cards
from darkroom.matching import Master, Match
from darkroom.measurements import Measurement, Source
from darkroom.plan import BadPixels, Plan
from darkroom.plan_lights import Light
from darkroom.plan_stacks import PlateSolution, Stack
from darkroom.recipe_parts import combine_settings, describe_frame, describe_tools, overscan_settings
from darkroom.stamps import digest_recipe

LIGHT_SETTINGS = ("unit", "uncertainty", "mask", "masked", "saturation_grow", "saturation_bleed", "repair_columns")
# What a plate is solved by whatever becomes of the light.
SOLVED_WITH = {"unit": "adu", "uncertainty": False, "mask": True, "masked": "keep", "cosmic_rays": None}
SOLVE_SETTINGS = ("scale", "position", "radius", "time_limit", "distortion", "tools")
STACK_SETTINGS = ("canvas", "weights", "sigma", "min_flux", "max_fwhm", "max_elongation")
Item = Measurement | Master | Certificate | BadPixels | PlateSolution | Light | Stack


def write_recipes(plan: Plan, settings: dict[str, Any]) -> None:
    """Give everything in the plan its recipe and digest."""
    items: list[Item] = [*plan.measurements.all, *plan.masters, *plan.certificates.values(), *plan.bad_pixels]
    for item in [*items, *plan.solutions, *plan.made, *plan.stacks]:
        write_recipe(item, settings)


def write_recipe(item: Item, settings: dict[str, Any]) -> str:
    """Give an item of the plan, and what it builds on, recipe and digest where they have none; return the digest."""
    if not item.digest:
        match item:
            case Measurement():
                item.recipe = _describe_measurement(item, settings)
            case Master():
                item.recipe = _describe_master(item, settings)
            case Certificate():
                item.recipe = _describe_certificate(item, settings)
            case BadPixels():
                item.recipe = _describe_bad_pixels(item, settings)
            case PlateSolution():
                item.recipe = _describe_solution(item, settings)
            case Light():
                item.recipe = _describe_light(item, settings)
            case Stack():
                item.recipe = _describe_stack(item, settings)
        item.digest = digest_recipe(item.recipe)
    return item.digest


def _describe_measurement(measurement: Measurement, settings: dict[str, Any]) -> dict[str, Any]:
    frames = [
        describe_frame(frame) | {"role": role, "filter": frame.filter if role == "flat" else None}
        for role, frame in measurement.frames
    ]
    first = measurement.frames[0][1]
    for_flats = {key: settings["flat"][key] for key in ("min_counts", "max_counts")}
    for_flats |= {
        "linearity": settings["detector"]["linearity"],
        "saturation": settings["detector"]["saturation"] or measurement.frames[-1][1].saturation,
    }
    return {
        **_describe_place(measurement, measurement.quantity),
        "frames": frames,
        "settings": {"overscan": overscan_settings(first, settings)}
        | (for_flats if measurement.quantity == "gain" else {}),
        **describe_tools(measurement.quantity, first, settings),
    }


def _describe_master(master: Master, settings: dict[str, Any]) -> dict[str, Any]:
    rules = settings[master.kind]
    chosen = {"combine": combine_settings(rules["combine"])}
    if master.kind == "flat":
        chosen |= {key: rules[key] for key in ("scale", "normalise", "min_counts", "max_counts")}
    elif master.kind == "dark":
        chosen |= {"hot_sigma": rules["hot_sigma"]}
    if master.contents.linear:
        chosen |= {"linearity": settings["detector"]["linearity"]}
    frames = [describe_frame(frame) for frame in master.frames]
    for entry, dark in zip(frames, master.darks, strict=False):
        entry["dark"] = _describe_match(dark, settings)
    return {
        **_describe_place(master, master.kind),
        "exposure": master.exposure,
        "filter": master.filter,
        "per_second": master.per_second,
        "holds_bias": master.holds_bias,
        "holds": vars(master.contents),
        "detector": _describe_sources(master.sources, settings),
        "saturation": settings["detector"]["saturation"] or master.frames[0].saturation,
        "frames": frames,
        "bias": refer_to(master.bias.master, settings) if master.bias else None,
        "settings": chosen | {"overscan": overscan_settings(master.frames[0], settings)},
        **describe_tools(master.kind, master.frames[0], settings),
    }


def _describe_certificate(certificate: Certificate, settings: dict[str, Any]) -> dict[str, Any]:
    master, rules = certificate.master, settings["certification"]
    write_recipe(master, settings)
    limits = {key: rules[key] for key in ("residual", "noise_excess")}
    match master.kind:
        case "bias":
            limits |= {"bias_structure": rules["bias_structure"]}
        case "dark":
            limits |= {"dark_temperature": settings["dark"]["temperature_tolerance"]}
        case "flat":
            limits |= {key: rules[key] for key in ("flat_gradient", "flat_change")}
    return {
        **_describe_place(certificate, "certificate"),
        "master": refer_to(master, settings),
        "made_by": master.recipe,
        "previous": refer_to(certificate.previous, settings) if certificate.previous else None,
        "detector": _describe_sources(certificate.sources, settings),
        "frames": master.recipe["frames"],
        "settings": limits,
        **describe_tools("certificate", master.frames[0], settings),
    }


def _describe_bad_pixels(found: BadPixels, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        **_describe_place(found, "bad_pixels"),
        "frames": [],
        "masters": [refer_to(master, settings) for master in found.masters],
        "settings": {"overscan": None},
        **describe_tools("bad_pixels", found.masters[0].frames[0], settings),
    }


def _describe_solution(solution: PlateSolution, settings: dict[str, Any]) -> dict[str, Any]:
    light = _describe_calibration(solution.light, settings)
    return {
        **light,
        "product": solution.path,
        "kind": "solution",
        "holds": light["holds"] | {"unit": SOLVED_WITH["unit"]},
        "settings": light["settings"] | SOLVED_WITH,
        "solve": {key: settings["solve"][key] for key in SOLVE_SETTINGS},
        "cards": list_hint_cards(solution.light.frame.dialect, settings["headers"]),
        **describe_tools("solution", solution.light.frame, settings),
    }


def _describe_light(light: Light, settings: dict[str, Any]) -> dict[str, Any]:
    solution = {"solution": refer_to(light.solution, settings)} if light.solution else {}
    return _describe_calibration(light, settings) | solution


def _describe_stack(stack: Stack, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        **_describe_place(stack, "stack"),
        "lights": [refer_to(light, settings) for light in stack.lights],
        "settings": {key: settings["stacks"][key] for key in STACK_SETTINGS},
        **describe_tools("stack", stack.frame, settings),
    }


def _describe_calibration(light: Light, settings: dict[str, Any]) -> dict[str, Any]:
    frame, rules = light.frame, settings["lights"]
    chosen = {key: rules[key] for key in LIGHT_SETTINGS}
    return {
        **_describe_place(light, "light"),
        "frames": [describe_frame(frame)],
        "holds": vars(light.contents),
        "detector": _describe_sources(light.sources, settings),
        "saturation": settings["detector"]["saturation"] or frame.saturation,
        "bias": _describe_match(light.bias, settings),
        "dark": _describe_match(light.dark, settings),
        "flat": _describe_match(light.flat, settings),
        "settings": {
            **chosen,
            "overscan": overscan_settings(frame, settings),
            "linearity": settings["detector"]["linearity"],
            "flat_minimum": settings["flat"]["minimum"] if light.flat else None,
            "cosmic_rays": rules["cosmic_rays"] if rules["cosmic_rays"]["use"] else None,
        },
        **describe_tools("light", frame, settings),
    }


def _describe_place(item: Item, kind: str) -> dict[str, Any]:
    of: Any = item.frame if isinstance(item, Light) else item.master if isinstance(item, Certificate) else item
    return {"product": item.path, "kind": kind, "night": of.night, "setup": of.setup}


def _describe_sources(sources: dict[str, Source], settings: dict[str, Any]) -> dict[str, Any]:
    """Return gain (e-/ADU) and read noise (e-) as they are known, and the measurement that tells what is not."""
    return {
        quantity: {
            "from": source.name,
            "value": source.value,
            "measured": refer_to(source.measurement, settings) if source.measurement else None,
        }
        for quantity, source in sources.items()
    }


def refer_to(item: Item, settings: dict[str, Any]) -> dict[str, Any]:
    """Return what another recipe says of an item that it builds on."""
    return {"path": item.path, "digest": write_recipe(item, settings)}


def _describe_match(match: Match | None, settings: dict[str, Any]) -> dict[str, Any] | None:
    if match is None:
        return None
    return {**refer_to(match.master, settings), "scale": match.scale}
