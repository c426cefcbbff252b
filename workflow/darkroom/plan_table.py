"""The plan as a table: plan.csv, with what each product is made of and why, and whether it is stale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from darkroom.matching import Match
from darkroom.plan import Plan
from darkroom.plan_lights import Light
from darkroom.texts import make_printable


def plan_rows(plan: Plan, reasons: dict[str, str]) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Return the columns and rows of plan.csv: one row a master, light or stack."""
    columns = [
        "product",
        "kind",
        "night",
        "setup",
        "filter",
        "exposure",
        "frames",
        "bias",
        "dark",
        "dark_scale",
    ]
    columns += ["flat", "why", "runners_up", "missing", "stale"]

    def rows() -> Iterator[dict[str, Any]]:
        for master in plan.masters:
            row: dict[str, Any] = {
                "product": master.path,
                "kind": f"master {master.kind}",
                "night": master.night,
            }
            row |= {"setup": master.setup, "filter": master.filter, "exposure": master.exposure}
            row |= {"frames": " ".join(make_printable(frame.name) for frame in master.frames)}
            row |= {"bias": master.bias.master.path if master.bias else ""}
            row |= {"dark": " ".join(sorted({match.master.path for match in master.darks}))}
            yield row | {"stale": reasons.get(master.path, "not needed")}
        said: dict[tuple[int, ...], dict[str, Any]] = {}
        for light in plan.lights:
            frame = light.frame
            alike = id(light.bias), id(light.dark), id(light.flat)
            if alike not in said:
                said[alike] = _tabulate_matches(light)
            row = {"product": light.path, "kind": "light", "night": frame.night, "setup": frame.setup}
            row |= {"filter": frame.filter, "exposure": frame.exposure, "frames": make_printable(frame.name)}
            row |= {"missing": " | ".join(map(str, light.misses)), "stale": reasons.get(light.path, "")}
            yield row | said[alike]
        for stack in plan.stacks:
            row = {"product": stack.path, "kind": "stack", "night": stack.night, "setup": stack.setup}
            row |= {"filter": stack.frame.filter, "exposure": stack.exposure, "stale": reasons.get(stack.path, "")}
            yield row | {"frames": " ".join(make_printable(light.frame.name) for light in stack.lights)}

    return columns, rows()


def _tabulate_matches(light: Light) -> dict[str, Any]:
    """Return the columns of plan.csv that say what a light gets."""
    matches = list_matches(light)
    row: dict[str, Any] = {kind: match.master.path for kind, match in matches}
    row["dark_scale"] = light.dark.scale if light.dark else None
    row["why"] = "; ".join(f"{kind}: {match.why}" for kind, match in matches)
    row["runners_up"] = "; ".join(f"{kind}: {other}" for kind, match in matches for other in match.runners_up)
    return row


def list_matches(light: Light) -> list[tuple[str, Match]]:
    """Return the masters that a light gets, by their kinds."""
    return [(kind, match) for kind in ("bias", "dark", "flat") if (match := getattr(light, kind))]
