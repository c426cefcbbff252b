"""Gather what the page of a night shows: the story that was planned, and what the products tell of themselves."""

from __future__ import annotations

import base64
import binascii
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from darkroom import __version__
from darkroom.detector_table import compare_detectors
from darkroom.gather_stacks import gather_stack
from darkroom.oddities import find_oddities
from darkroom.png_texts import read_texts
from darkroom.report_model import LightShown, MasterShown, Night, Pair, Problem, RawShown, StackShown
from darkroom.stamps import STAMP, name_refusal, read_json

MEASURED = ("unit", "sky", "noise", "noise_expected", "fwhm", "elongation", "stars", "masked", "sky_rms", "unsolved")


@dataclass
class Unmade:
    """What a run did not make: ``paths`` below results, what it said of that, and why lights lack, by path."""

    paths: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)


def gather_night(recipe: dict[str, Any], results: Path, unmade: Unmade | None = None) -> Night:
    """Return all that a page shows, by the page's recipe and the products below ``results``.

    A picture or certificate that is not there, or not as planned, leaves its place empty.
    """
    told, unmade = recipe["night"], unmade or Unmade()
    lights = [_gather_light(one, told["night"], results, unmade) for one in told["lights"]]
    find_oddities([light for light in lights if light.path])
    problems = [Problem(line) for line in unmade.problems]
    pairs = [one["path"] for one in told["pairs"] if one["path"] not in unmade.paths]
    return Night(
        night=told["night"],
        title=recipe["title"],
        lights=lights,
        masters=[_gather_master(one, results, unmade) for one in told["masters"]],
        raws=[RawShown(**{key: value for key, value in one.items() if key != "digest"}) for one in told["raws"]],
        stacks=[_gather_stack(one, told["night"], results, unmade) for one in told["stacks"]],
        pairs=[pair for path in pairs if (pair := _gather_pair(results / path))],
        problems=problems + [Problem(**one) for one in told["problems"]],
        notes=told["notes"],
        setups=told["setups"],
        detectors=compare_detectors(results, told["measurements"]),
        settings=told["settings"],
        version=__version__,
    )


def _gather_light(told: dict[str, Any], night: str, results: Path, unmade: Unmade) -> LightShown:
    names = ("path", "raw", "setup", "object", "filter", "exposure", "start", "temperature", "masters", "notes")
    light = LightShown(**{name: told[name] for name in names})
    light.missing = [Problem(**one) for one in told["missing"]]
    if light.path in unmade.paths:
        light.missing.append(Problem(unmade.reasons.get(light.path, "not made")))
        light.path = ""
    elif (preview := told.get("preview")) and preview not in unmade.paths:
        texts = _read_texts(results / preview)
        figures = _read_figures(texts)
        for name in MEASURED:
            if figures.get(name) is not None:
                setattr(light, name, figures[name])
        light.thumbnail = _decode(texts.get("thumbnail", ""))
        light.preview = preview.removeprefix(f"{night}/")
    return light


def _gather_master(told: dict[str, Any], results: Path, unmade: Unmade) -> MasterShown:
    names = ("path", "kind", "night", "setup", "filter", "exposure", "frames", "masters", "unit", "used")
    master = MasterShown(**{name: told[name] for name in names})
    if certificate := told["certificate"]:
        known = (certificate["digest"], told["digest"])
        for path in (certificate["path"], name_refusal(certificate["path"])):
            content = read_json(results / path)
            if content.get(STAMP) in known:
                master.verdict, master.failures = content.get("verdict", ""), content.get("failures", [])
                master.figures = content.get("figures", {})
                break
    if (preview := told.get("preview")) and preview not in unmade.paths:
        figures = _read_figures(_read_texts(results / preview))
        master.statistics, master.histogram = figures.get("statistics", {}), figures.get("histogram", {})
        master.picture = _read_bytes(results / preview)
    return master


def _gather_stack(told: dict[str, Any], night: str, results: Path, unmade: Unmade) -> StackShown:
    if told["path"] in unmade.paths:
        stack = gather_stack({**told, "path": ""}, results)
        stack.problem = unmade.reasons.get(told["path"], "not made")
        return stack
    stack = gather_stack(told, results)
    if (preview := told.get("preview")) and preview not in unmade.paths and not stack.problem:
        figures = _read_figures(_read_texts(results / preview))
        stack.fwhm, stack.noise, stack.stars = (figures.get(name) for name in ("fwhm", "noise", "stars"))
        stack.picture, stack.preview = _read_bytes(results / preview), preview.removeprefix(f"{night}/")
    return stack


def _gather_pair(path: Path) -> Pair | None:
    """Return a pair from the picture that has both, side by side; None if it is not there."""
    figures, content = _read_figures(_read_texts(path)), _read_bytes(path)
    if not figures or not content:
        return None
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        width, (whole, height) = int(figures["width"]), image.size
        before = _encode(image.crop((0, 0, width, height)))
        after = _encode(image.crop((whole - width, 0, whole, height)))
    return Pair(figures["title"], before, after, figures["before_label"], figures["after_label"])


def _encode(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _read_texts(path: Path) -> dict[str, str]:
    try:
        return read_texts(path) or {}
    except OSError:
        return {}


def _read_figures(texts: dict[str, str]) -> dict[str, Any]:
    try:
        return json.loads(texts.get("figures", "{}"))
    except ValueError:
        return {}


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
