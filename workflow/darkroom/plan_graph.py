"""The graph of a night: groups of raw frames, the masters made of them, the lights calibrated with those."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from darkroom.chart_words import say_number, shorten
from darkroom.page_words import VERDICTS
from darkroom.report_model import LightShown, MasterShown, Night

LAYERS = ["raw", "bias", "dark", "flat", "light"]
LONGEST = 30  # letters of a text in the picture


@dataclass
class Node:
    """A node of the plan: a group of frames or a master, with what it is called and a second line about it.

    ``layer`` is one of `LAYERS`; ``look`` plain, doubt (unproven) or lost (failed, not made, skipped); ``mark`` the
    symbol beside it, if any; ``raws`` are the names of its frames and ``path`` is that of a master.
    """

    id: str
    layer: str
    setup: str
    name: str
    words: str
    look: str = "plain"
    mark: str = ""
    path: str = ""
    raws: list[str] = field(default_factory=list)
    ancestors: list[str] = field(default_factory=list)
    descendants: list[str] = field(default_factory=list)


@dataclass
class PlanGraph:
    """Nodes by id, and edges from what is used to what uses it, always to a later layer."""

    nodes: dict[str, Node]
    edges: list[tuple[str, str]]


def make_graph(night: Night) -> PlanGraph:
    """Return the graph of a night's plan."""
    nodes: dict[str, Node] = {}
    ids: dict[str, str] = {}  # of masters, by path
    wanted: list[tuple[str, str]] = []
    for number, master in enumerate(night.masters, 1):
        if master.path in ids:
            continue
        node = _describe_master(f"m{number}", master, night.night)
        ids[master.path] = node.id
        nodes[node.id] = node
        if master.frames:
            raw = _describe_frames(f"r{node.id[1:]}", master)
            nodes[raw.id] = raw
            wanted.append((raw.id, node.id))
    for master in night.masters:
        wanted += [(ids[path], ids[master.path]) for path in master.masters if path in ids]
    for number, lights in enumerate(group_lights(night.lights), 1):
        node = _describe_lights(f"l{number}", lights)
        nodes[node.id] = node
        wanted += [(ids[path], node.id) for path in lights[0].masters.values() if path in ids]
    edges = [
        (source, target)
        for source, target in dict.fromkeys(wanted)
        if LAYERS.index(nodes[source].layer) < LAYERS.index(nodes[target].layer)
    ]
    for way, one, other in (("ancestors", 1, 0), ("descendants", 0, 1)):
        near = defaultdict(list)
        for edge in edges:
            near[edge[one]].append(edge[other])
        for node in nodes.values():
            setattr(node, way, sorted(_reach(node.id, near)))
    return PlanGraph(nodes, edges)


def group_lights(lights: Iterable[LightShown]) -> list[list[LightShown]]:
    """Return lights of the same setup, filter, exposure and masters together, and so those that lack the same."""
    groups: dict[tuple[Any, ...], list[LightShown]] = defaultdict(list)
    for light in lights:
        lacks = tuple(one.what for one in light.missing) if not light.path else ()
        key = (light.setup, light.filter, _sort_exposure(light.exposure), not light.path)
        groups[(*key, tuple(sorted(light.masters.items())), lacks)].append(light)
    return [groups[key] for key in sorted(groups)]


def describe_plan_in_words(night: Night) -> list[dict[str, Any]]:
    """Return the plan as nested lists, from each group of lights to its masters and their frames.

    A group has ``node`` (its id in the picture), ``title``, ``setup``, ``lights`` (raw names), ``missing`` (texts) and
    ``masters``; one of these ``node``, ``title``, ``path``, ``verdict``, ``frames`` and ``masters`` again.
    """
    masters = {master.path: master for master in reversed(night.masters)}
    ids = {node.path: node.id for node in reversed(make_graph(night).nodes.values()) if node.path}

    def describe(path: str, above: tuple[str, ...]) -> dict[str, Any]:
        master = masters.get(path)
        if master is None:
            return {"node": "", "title": path, "path": path, "verdict": "", "frames": [], "masters": []}
        below = [describe(one, (*above, path)) for one in master.masters if one not in (*above, path)]
        return {"node": ids[path], "title": _name_master(master), "path": path, "verdict": master.verdict,
                "frames": list(master.frames), "masters": below}  # fmt: skip

    return [
        {
            "node": f"l{number}",
            "title": f"{_count(len(lights), 'light')}, {_name_lights(lights[0])}",
            "setup": lights[0].setup,
            "lights": [light.raw for light in lights],
            "missing": [one.what for one in lights[0].missing] if not lights[0].path else [],
            "masters": [describe(path, ()) for path in lights[0].masters.values()],
        }
        for number, lights in enumerate(group_lights(night.lights), 1)
    ]


def _describe_master(id_: str, master: MasterShown, night: str) -> Node:
    looks = {"failed": "lost", "not made": "lost", "unproven": "doubt"}
    words = [VERDICTS[master.verdict][1] if master.verdict in VERDICTS else shorten(master.verdict, 12)]
    words += [f"of {shorten(master.night, 12)}"] if master.night != night else []
    words += [] if master.used else ["not used"]
    mark = master.verdict.replace(" ", "-") if master.verdict in (*looks, "passed") else ""
    layer = master.kind if master.kind in LAYERS[1:4] else "bias"
    look = looks.get(master.verdict, "plain")
    return Node(id_, layer, master.setup, _name_master(master), ", ".join(words), look, mark, master.path)


def _name_master(master: MasterShown) -> str:
    return shorten(master.path.rsplit("/", 1)[-1].removesuffix(".fits").replace("_", " "), LONGEST) or "master"


def _describe_frames(id_: str, master: MasterShown) -> Node:
    name = _count(len(master.frames), f"{shorten(master.kind, 12)} frame")
    what = [shorten(master.filter, 14)] if master.filter else []
    what += [f"{say_number(master.exposure)} s"] if master.exposure else []
    return Node(id_, "raw", master.setup, name, ", ".join(what), raws=list(master.frames))


def _describe_lights(id_: str, lights: list[LightShown]) -> Node:
    lost = not lights[0].path
    words = f"{_count(len(lights), 'light')}{' skipped' if lost else ''}"
    look, mark = ("lost", "skipped") if lost else ("plain", "")
    raws = [light.raw for light in lights]
    return Node(id_, "light", lights[0].setup, _name_lights(lights[0]), words, look, mark, raws=raws)


def _name_lights(light: LightShown) -> str:
    exposure = [f"{say_number(light.exposure)} s"] if light.exposure is not None else []
    return ", ".join([shorten(light.filter, 20) or "no filter", *exposure])


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _sort_exposure(exposure: float | None) -> float:
    return -1.0 if exposure is None or exposure != exposure else exposure


def _reach(start: str, near: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for other in near.get(waiting.pop(), []):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found
