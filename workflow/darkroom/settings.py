"""The settings: config.yaml checked against its schema, with every default filled in."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from copy import deepcopy
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from darkroom.links import is_awkward
from darkroom.night_choice import list_choice_problems
from darkroom.sections import parse_section
from darkroom.texts import make_printable

SCHEMA = Path(__file__).parents[1] / "schemas" / "config.schema.yaml"
# JSON Schema's types as an observer calls them.
TYPES = {
    "object": "a block of keys",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


class SettingsError(ValueError):
    """What is wrong with the settings, one line each, in ``problems``."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


@cache
def read_schema() -> dict[str, Any]:
    """Return the JSON Schema of config.yaml."""
    return yaml.safe_load(SCHEMA.read_text())


def find_config_file(beside: str) -> str:
    """Return the config.yaml of the working directory, or else the one in the folder ``beside``.

    Raises
    ------
    SettingsError
        If it is no YAML, or holds no keys; Snakemake would say neither which file nor where.
    """
    path = Path("config.yaml") if Path("config.yaml").exists() else Path(beside, "config.yaml")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SettingsError([f"{path}{line}: not YAML: {error.problem}"]) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError([f"{path}: cannot be read: {' '.join(str(error).split())}"]) from None
    except ValueError as error:  # YAML takes 2024-13-01 for a date
        raise SettingsError([f"{path}: holds a date that is none ({error})"]) from None
    if not isinstance(content, dict):
        raise SettingsError([f"{path}: holds no keys such as 'raw: raw'; delete it to run with the defaults"])
    return str(path)


def check_settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings with every default filled in.

    Parameters
    ----------
    config : dict
        What config.yaml, its overlays and the command line give together.

    Raises
    ------
    SettingsError
        Names every unknown key, wrong type and impossible combination at once.
    """
    config = _read_texts(config, read_schema())
    errors = sorted(_make_validator().iter_errors(config), key=lambda error: list(map(str, error.path)))
    settings = fill_defaults(_without(config, errors), read_schema())
    lines = [*_violations(errors), *_contradictions(settings)]
    problems = [f"config.yaml: {make_printable(line)}" for line in lines]
    if problems:
        raise SettingsError(problems)
    return settings


def fill_defaults(value: Any, schema: dict[str, Any]) -> Any:
    """Return ``value`` with the schema's defaults in place of absent keys, at every depth."""
    if "properties" not in schema or not isinstance(value, dict):
        whole = "number" in schema.get("type", "") and isinstance(value, int) and not isinstance(value, bool)
        return float(value) if whole else value  # 5 and 5.0 are one setting
    filled = dict(value)
    for key, part in schema["properties"].items():
        if key in filled or "default" in part:
            filled[key] = fill_defaults(filled[key] if key in filled else deepcopy(part["default"]), part)
    return filled


def _read_texts(value: Any, schema: dict[str, Any]) -> Any:
    """Return ``value`` with text read as YAML where no text may stand, numbers and dates as text where only text may.

    --config turns nested values and null into text, and a folder's name of digits into a number; YAML makes dates.
    """
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        return {key: _read_texts(item, parts.get(key, {})) for key, item in value.items()}
    if isinstance(value, list):
        return [_read_texts(item, schema.get("items", {})) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and "string" in schema.get("type", ""):
        return str(value)  # a folder called 20240310
    if isinstance(value, date) and "string" in schema.get("type", ""):
        return value.isoformat()  # a night, or a folder called by one
    if value == "null" and "null" in schema.get("type", ""):
        return None
    if isinstance(value, str) and "string" not in schema.get("type", "string"):
        try:
            return yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, AttributeError):  # the latter two of what looks like a date or has a tag
            return value
    return value


def _without(config: dict[str, Any], errors: list[Any]) -> dict[str, Any]:
    """Return the settings without those that are wrong, so that the others can be held against each other."""
    right = deepcopy(config)
    for error in errors:
        part = right
        path = list(error.absolute_path)
        while len(path) > 1 and isinstance(part.get(path[0]), dict):
            part = part[path.pop(0)]
        if path and error.validator != "additionalProperties":
            part.pop(path[0], None)
    return right


def _violations(errors: list[Any]) -> Iterator[str]:
    for error in errors:
        where = ".".join(str(part) for part in error.absolute_path)
        if error.validator == "additionalProperties":
            known = error.schema.get("properties", {})
            for key in sorted(set(error.instance) - set(known), key=str):
                name = f"{where}.{key}" if where else str(key)
                yield f"{name}: unknown key{_suggest(str(key), known)}"
        else:
            yield f"{where or 'the whole file'}: {_explain(error)}"


def _make_validator() -> Any:
    """Return a validator to which 48.0 is no integer, since it cannot count, and nan and inf are no numbers."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    def is_integer(_: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def is_number(_: Any, value: Any) -> bool:
        return is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))

    types = Draft202012Validator.TYPE_CHECKER.redefine_many({"integer": is_integer, "number": is_number})
    return extend(Draft202012Validator, type_checker=types)(read_schema())


def _suggest(key: str, known: dict[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f", did you mean '{near[0]}'?" if near else f"; known here: {', '.join(known)}"


def _explain(error: Any) -> str:
    shown = repr(error.instance)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    match error.validator:
        case "type":
            wanted = error.validator_value
            names = [TYPES[name] for name in (wanted if isinstance(wanted, list) else [wanted])]
            return f"{'nothing' if error.instance is None else shown} is not {' or '.join(names)}"
        case "enum":
            return f"{shown} is not one of {', '.join(map(str, error.validator_value))}"
        case "minimum":
            return f"{shown} is less than {error.validator_value}"
        case "exclusiveMinimum":
            return f"{shown} must be more than {error.validator_value}"
        case "exclusiveMaximum":
            return f"{shown} must be less than {error.validator_value}"
        case "maximum":
            return f"{shown} is more than {error.validator_value}"
        case "pattern":
            return f'{shown} is not a pattern such as "{{kind}}/{{filter}}"'
        case _:
            return f"{shown} does not fit: {error.message}"


def _contradictions(settings: dict[str, Any]) -> Iterator[str]:
    raw, site, overscan = settings["raw"], settings["site"], settings["overscan"]
    columns, linearity = settings["lights"]["repair_columns"], settings["detector"]["linearity"]
    bias, dark, flat = settings["bias"], settings["dark"], settings["flat"]
    if not raw:
        yield "raw: names no folder"
    if not settings["results"].strip():
        yield "results: names no folder"
    if is_awkward(settings["results"]):
        yield f"results: {settings['results']!r} holds braces or unprintable characters; name another folder"
    yield from (f"nights: {line}" for line in list_choice_problems(settings["nights"]))
    if site["longitude"] is not None and site["night_offset_hours"] is not None:
        yield "site: longitude and night_offset_hours are two rules for one thing; give one of them"
    named = [("overscan.section", overscan["section"]), ("overscan.trim", overscan["trim"])]
    for where, text in [*named, *(("lights.repair_columns", text) for text in columns)]:
        if text is not None:
            try:
                parse_section(text)
            except ValueError as error:
                yield f"{where}: {error}"
    if linearity and not (bias["use"] and (dark["subtract_bias"] or not dark["use"])):
        yield (
            "detector.linearity: counts from the bias, which must be off before the dark: set bias.use to true, and "
            "dark.subtract_bias to true or dark.use to false"
        )
    if dark["use"] and dark["per_second"]:
        if not (bias["use"] and dark["subtract_bias"]):
            yield "dark.per_second: a rate needs darks free of bias: set bias.use and dark.subtract_bias to true"
        if not dark["scale"]:
            yield "dark.per_second: a rate is always scaled by time: set dark.scale to true"
    if flat["max_counts"] is not None and flat["max_counts"] <= flat["min_counts"]:
        yield f"flat: max_counts {flat['max_counts']:g} is not above min_counts {flat['min_counts']:g}"
    yield from _contradict_headers(settings["headers"])
    if settings["solve"]["scale"] or settings["solve"]["position"]:
        from darkroom.solving.hints import list_hint_problems

        yield from (f"solve.{line}" for line in list_hint_problems(settings["solve"]))


def _contradict_headers(headers: dict[str, Any]) -> Iterator[str]:
    if "kind" in headers["cards"] and "header" not in headers["kind_from"]:
        yield "headers: cards.kind is given, but kind_from does not ask the header"
    if headers["fix"] or headers["dialect"] is not None:
        from darkroom.dialects import read_dialects  # a job on a cluster parses the settings too, and reads no header
        from darkroom.fixes import list_fix_problems

        yield from list_fix_problems(headers["fix"])
        if headers["dialect"] not in [None, *read_dialects()]:
            yield f"headers.dialect: there is no {headers['dialect']!r}, but {', '.join(read_dialects())}"
