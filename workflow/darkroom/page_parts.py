"""The parts of a night's page as plain values for its template: anchors, lights, masters, pairs."""

from __future__ import annotations

import re
from typing import Any

from darkroom.page_pictures import CARD_SIZE, embed_picture, link_file
from darkroom.page_stacks import Part, cut_advice, find_parts
from darkroom.page_words import STATES, STATISTICS, VERDICTS, explain_figures, is_number, write_number, write_unit
from darkroom.report_model import LightShown, Night

ISO = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d:\d\d)(\.\d*)?Z?")
Row = dict[str, Any]
# The measured columns of the table of lights: figure, title, unit, factor, digits.
MEASURED = [
    ("sky", "Sky", None, 1, 4),
    ("noise", "Noise", None, 1, 3),
    ("noise_expected", "Noise expected", None, 1, 3),
    ("fwhm", "FWHM", "px", 1, 3),
    ("elongation", "Elongation", "", 1, 3),
    ("stars", "Stars", "", 1, 6),
    ("masked", "Masked", "%", 100, 3),
    ("sky_rms", "Plate rms", "″", 1, 3),
    ("temperature", "Sensor", "°C", 1, 3),
]


def name_anchors(night: Night) -> dict[str, dict[str, str]]:
    """Return the anchors of what a page shows: lights by path and by raw name, masters by path, raws by name."""
    anchors: dict[str, dict[str, str]] = {"lights": {}, "light_raws": {}, "masters": {}, "raws": {}}
    for number, light in enumerate(night.lights, 1):
        anchors["light_raws"].setdefault(light.raw, f"light-{number}")
        if light.path:
            anchors["lights"].setdefault(light.path, f"light-{number}")
    for number, master in enumerate(night.masters, 1):
        anchors["masters"].setdefault(master.path, f"master-{number}")
    for number, raw in enumerate(night.raws, 1):
        anchors["raws"].setdefault(raw.name, f"raw-{number}")
    return anchors


def list_columns(night: Night) -> list[Row]:
    """Return the columns of the table of lights: key, title, unit, whether they hold numbers; none without values."""
    units = {light.unit for light in night.made}
    unit = write_unit(units.pop()) if len(units) == 1 else ""
    columns: list[Row] = [{"key": "frame", "title": "Frame"}, {"key": "verdict", "title": "Verdict"}]
    columns += [{"key": "remark", "title": "What stands out"}] if any(list_remarks(night)) else []
    columns += [{"key": "setup", "title": "Setup"}] if len({light.setup for light in night.lights}) > 1 else []
    columns += [
        {"key": "object", "title": "Object"},
        {"key": "filter", "title": "Filter"},
        {"key": "exposure", "title": "Exposure", "unit": "s", "number": True},
        {"key": "start", "title": "Start", "unit": "UTC"},
    ]
    for key, title, own, factor, digits in MEASURED:
        if any(is_number(getattr(light, key)) for light in night.lights):
            shown = unit if own is None else own
            columns.append(
                {"key": key, "title": title, "unit": shown, "number": True, "factor": factor, "digits": digits}
            )
    return [{"unit": "", "number": False} | column for column in columns]


def list_filters(night: Night) -> list[str]:
    """Return the filters of the lights, in the order they come in."""
    return list(dict.fromkeys(light.filter for light in night.lights))


def list_lights(
    night: Night, columns: list[Row], anchors: dict[str, dict[str, str]], groups: dict[int, str]
) -> list[Row]:
    """Return a row of the table for each light; ``groups`` are the anchors of the plan by the light's number."""
    filters = {name: number for number, name in enumerate(list_filters(night), 1)}
    parts = find_parts(night)
    return [
        {
            "anchor": f"light-{number}",
            "light": light,
            "verdict": _judge_light(light),
            "cells": [_fill_cell(light, column) for column in columns if column["key"] not in ("frame", "remark")],
            "thumbnail": embed_picture(light.thumbnail),
            "preview": link_file(light.preview),
            "filter": filters[light.filter],
            "remarks": remarks,
            "stacks": parts.get(light.path, []),
            "plan": groups.get(number, ""),
            "masters": [
                {"role": role, "name": path, "anchor": anchors["masters"].get(path, "")}
                for role, path in light.masters.items()
            ],
            "raw": anchors["raws"].get(light.raw, ""),
        }
        for number, (light, remarks) in enumerate(zip(night.lights, list_remarks(night), strict=True), 1)
    ]


def _judge_light(light: LightShown) -> str:
    return "skipped" if not light.path else "odd" if light.odd else "made"


def _fill_cell(light: LightShown, column: Row) -> Row:
    """Return a cell: text, the value that it is sorted by, and why it stands out."""
    key = column["key"]
    if key == "verdict":
        symbol, word, tone = STATES[_judge_light(light)]
        return {"key": key, "text": word, "order": word, "odd": "", "badge": (symbol, word, tone), "number": False}
    value = getattr(light, key)
    cell = {"key": key, "odd": light.odd.get(key, ""), "badge": None, "number": column["number"]}
    if key == "start":
        match = ISO.fullmatch(value)
        return cell | {"text": match[1] if match else value, "order": value}
    if not column["number"]:
        return cell | {"text": value, "order": value}
    if not is_number(value):
        return cell | {"text": "–", "order": ""}
    text = write_number(value * column.get("factor", 1), column.get("digits", 4))
    return cell | {"text": text, "order": repr(float(value))}


def list_remarks(night: Night) -> list[list[Row]]:
    """Return what is to be said of each light: what stands out or lacks, which stacks left it out, notes."""
    parts = find_parts(night)
    sought = [light for light in night.made if light.unsolved or is_number(light.sky_rms)]
    # where no light was solved, all for one reason, the list of problems says it once
    common = len(sought) > 1 and len({light.unsolved for light in sought}) == 1
    return [_list_remarks(light, parts.get(light.path, []), not common) for light in night.lights]


def _list_remarks(light: LightShown, parts: list[Part], tell_unsolved: bool) -> list[Row]:
    remarks = [{"tone": "warn", "text": why[:1].upper() + why[1:], "remedy": ""} for why in light.odd.values()]
    remarks += [{"tone": "bad", "text": one.what, "remedy": one.remedy} for one in light.missing]
    if not light.path and not light.missing:
        remarks.append({"tone": "bad", "text": "it lacks a master", "remedy": ""})
    for part in parts:
        if not part.used:
            text = f"Left out of the stack of {part.name}{': ' if part.reason else ''}{part.reason}"
            remarks.append({"tone": "warn", "text": text, "remedy": ""})
    if light.unsolved and tell_unsolved:
        remarks.append({"tone": "plain", "text": f"No plate solution: {cut_advice(light.unsolved)}", "remedy": ""})
    return [*remarks, {"tone": "plain", "text": light.notes, "remedy": ""}] if light.notes else remarks


def place_lights(night: Night, groups: list[Row]) -> dict[int, str]:
    """Return the anchor of its group in the plan for each light, by the light's number."""
    anchors = {raw: f"plan-{group['node']}" for group in groups for raw in group["lights"]}
    return {number: anchors[light.raw] for number, light in enumerate(night.lights, 1) if light.raw in anchors}


def list_masters(night: Night) -> list[Row]:
    """Return the card of each master: picture, statistics, figures of its certificate and what they mean, verdict."""
    cards = []
    for number, master in enumerate(night.masters, 1):
        symbol, word, tone, meaning = VERDICTS.get(master.verdict, VERDICTS[""])
        cards.append(
            {
                "anchor": f"master-{number}",
                "master": master,
                "name": master.path.rsplit("/", 1)[-1],
                "verdict": {"symbol": symbol, "word": word, "tone": tone, "meaning": meaning},
                "picture": embed_picture(master.picture, CARD_SIZE),
                "statistics": [
                    {"name": STATISTICS.get(name, name), "value": write_number(master.statistics[name], 6), "key": name}
                    for name in [*STATISTICS, *sorted(master.statistics.keys() - STATISTICS.keys())]
                    if name in master.statistics
                ],
                "unit": write_unit(master.unit),
                "figures": explain_figures(master.figures),
                "histogram": None,
                "elsewhere": master.night != night.night,
            }
        )
    return cards


def list_pairs(night: Night) -> list[Row]:
    """Return the pairs with their pictures; those whose pictures cannot be read are left out."""
    found = [(pair, embed_picture(pair.before), embed_picture(pair.after)) for pair in night.pairs]
    return [{"pair": pair, "before": before, "after": after} for pair, before, after in found if before and after]
