"""The parts of a night's page as plain values for its template: verdict, lights, plan in words, masters."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from darkroom.page_pictures import CARD_SIZE, embed_picture, link_file
from darkroom.page_words import (
    STATES,
    STATISTICS,
    VERDICTS,
    count,
    explain_figures,
    is_number,
    write_number,
    write_unit,
)
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
    ("temperature", "Sensor", "°C", 1, 3),
]


def judge_night(night: Night) -> Row:
    """Return the verdict: ``tone`` (good, warn, bad), a headline, sentences, tiles of numbers, why lights lack."""
    sought, made, skipped = len(night.lights), len(night.made), len(night.skipped)
    odd = sum(1 for light in night.made if light.odd)
    verdicts = Counter(master.verdict for master in night.masters)
    doubtful = [master for master in night.masters if master.used and master.verdict == "failed"]
    reasons = Counter((one.what, one.remedy) for light in night.skipped for one in light.missing)
    if not sought:
        tone, headline = "warn", "There are no lights in this night"
    elif not made:
        tone, headline = "bad", "No light could be calibrated"
    elif skipped or doubtful:
        tone, headline = "warn", "Usable, but not all of it"
    elif odd or night.problems:
        tone, headline = "warn", "All is made; some of it needs a look"
    else:
        tone, headline = "good", "All is well"
    return {
        "tone": tone,
        "headline": headline,
        "sentences": [_say_lights(night, odd), _say_masters(night, verdicts, len(doubtful)), *_say_problems(night)],
        "tiles": [
            {"value": f"{made} of {sought}", "name": "lights calibrated", "link": "#lights"},
            {"value": str(skipped), "name": "skipped", "link": "#lights"},
            {"value": str(odd), "name": "stand out", "link": "#lights"},
            {"value": f"{verdicts['passed']} of {len(night.masters)}", "name": "masters certified", "link": "#masters"},
            {
                "value": str(len(night.problems)),
                "name": "problem" if len(night.problems) == 1 else "problems",
                "link": "#problems",
            },
        ],
        "reasons": [{"number": n, "what": what, "remedy": remedy} for (what, remedy), n in reasons.most_common()],
        "verdicts": [
            {"number": verdicts[name], "word": word, "symbol": symbol, "tone": tone, "meaning": meaning}
            for name, (symbol, word, tone, meaning) in VERDICTS.items()
            if verdicts[name]
        ],
    }


def _say_lights(night: Night, odd: int) -> str:
    sought, made, skipped = len(night.lights), len(night.made), len(night.skipped)
    if not sought:
        return "No frame of this night is a light, so there was nothing to calibrate."
    if not skipped:
        text = "The only light is calibrated." if sought == 1 else f"All {sought} lights are calibrated."
    elif not made:
        text = f"{count(sought, 'light was', 'lights were')} sought, and none has all the masters it needs."
    else:
        lack = "lacks a master and was" if skipped == 1 else "lack a master and were"
        text = f"{made} of {sought} lights are calibrated; {skipped} {lack} skipped."
    if not any(is_number(light.sky) for light in night.made):
        return f"{text} Their pixels were not measured." if made else text
    if not odd:
        return f"{text} None of them stands out."
    look = "stands out: look at it before you use it" if odd == 1 else "stand out: look at them before you use them"
    return f"{text} {odd} of those made {look}."


def _say_masters(night: Night, verdicts: Counter[str], doubtful: int) -> str:
    if not night.masters:
        return "There are no masters."
    parts = [f"{verdicts[name]} {word}" for name, (_, word, _, _) in VERDICTS.items() if verdicts[name]]
    text = f"Of {count(len(night.masters), 'master')}, {', '.join(parts)}."
    if doubtful:
        text += f" {doubtful} that failed {'is' if doubtful == 1 else 'are'} used all the same, as the settings ask."
    elif verdicts["failed"]:
        text += " What failed was set aside: no light was made with it."
    return text


def _say_problems(night: Night) -> list[str]:
    number = len(night.problems)
    if not number:
        return []
    return [f"{count(number, 'problem')} {'is' if number == 1 else 'are'} told below, with what helps."]


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
    columns.append({"key": "remark", "title": "What stands out"})
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
    return [
        {
            "anchor": f"light-{number}",
            "light": light,
            "verdict": _judge_light(light),
            "cells": [_fill_cell(light, column) for column in columns if column["key"] not in ("frame", "remark")],
            "thumbnail": embed_picture(light.thumbnail),
            "preview": link_file(light.preview),
            "filter": filters[light.filter],
            "remarks": _list_remarks(light),
            "plan": groups.get(number, ""),
            "masters": [
                {"role": role, "name": path, "anchor": anchors["masters"].get(path, "")}
                for role, path in light.masters.items()
            ],
            "raw": anchors["raws"].get(light.raw, ""),
        }
        for number, light in enumerate(night.lights, 1)
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


def _list_remarks(light: LightShown) -> list[Row]:
    remarks = [{"tone": "warn", "text": why[:1].upper() + why[1:], "remedy": ""} for why in light.odd.values()]
    remarks += [{"tone": "bad", "text": one.what, "remedy": one.remedy} for one in light.missing]
    if not light.path and not light.missing:
        remarks.append({"tone": "bad", "text": "it lacks a master", "remedy": ""})
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
