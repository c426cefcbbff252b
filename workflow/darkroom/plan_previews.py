"""The plan of what is looked at: previews of lights and masters, pairs of before and after, pages of nights. Pure."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from darkroom.frames import Frame
from darkroom.matching import Master
from darkroom.plan_lights import Light
from darkroom.plan_stacks import Stack
from darkroom.setups import make_slug, tell_apart

if TYPE_CHECKING:
    from darkroom.plan import Plan


@dataclass
class Preview:
    """The preview of a light, stack or master, beside it."""

    of: Light | Stack | Master
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def path(self) -> str:
        """The picture, below results."""
        return name_preview(self.of.path)

    @property
    def frame(self) -> Frame:
        """The frame, or one of the frames, that it shows."""
        return self.of.frames[0] if isinstance(self.of, Master) else self.of.frame

    @property
    def group(self) -> tuple[str, str, str, str]:
        """Night, setup, filter and exposure: the previews of lights or stacks that one batch may hold."""
        assert not isinstance(self.of, Master), "masters are looked at one by one"
        return self.of.group


@dataclass
class Pair:
    """Two pictures side by side: a raw light and the calibrated one, or a single bias and the master."""

    path: str
    of: Light | Master
    frame: Frame
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""


@dataclass
class NightPage:
    """The page of a night; ``previews`` and ``pairs`` are its pictures, ``masters`` all that its lights get."""

    night: str
    lights: list[Light]
    masters: list[Master]
    failed: list[Master]
    frames: list[Frame]
    stacks: list[Stack] = field(default_factory=list)
    previews: list[Preview] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def path(self) -> str:
        """The page, below results."""
        return f"{self.night}/report.html"

    @property
    def table(self) -> str:
        """The table of its lights, below results."""
        return f"{self.night}/lights.csv"

    @property
    def companions(self) -> list[str]:
        """What is made with the page, and bears no stamp of its own."""
        return [self.table]


@dataclass
class TrendsPage:
    """The page of all nights; ``needs`` are the figures, below results, that it is made of and that are planned."""

    needs: list[str] = field(default_factory=list)
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    path: str = "trends.html"


def name_preview(product: str) -> str:
    """Return where the preview of a light or master is."""
    return f"{product.removesuffix('.fits')}.png"


def plan_previews(plan: Plan) -> list[Preview]:
    """Return the previews of all lights, stacks and masters that a run makes."""
    of: list[Light | Stack | Master] = [*plan.wanted_masters, *plan.made, *plan.stacks]
    return [Preview(one) for one in of]


def plan_pairs(plan: Plan) -> list[Pair]:
    """Return a pair for each night, setup, filter and exposure, of the light in the middle, and one for each bias."""
    groups: dict[tuple[str, ...], list[Light]] = {}
    for light in plan.made:
        groups.setdefault(light.group, []).append(light)
    stems = tell_apart({key: f"{key[0]}/{key[1]}/pairs/light_{make_slug(key[2] or None)}_{key[3]}" for key in groups})
    pairs = []
    for key, lights in sorted(groups.items()):
        light = lights[len(lights) // 2]
        pairs.append(Pair(f"{stems[key]}.png", light, light.frame))
    for master in plan.wanted_masters:
        if master.kind == "bias":
            name = master.path.rsplit("/", 1)[-1].removesuffix(".fits")
            frame = master.frames[len(master.frames) // 2]
            pairs.append(Pair(f"{master.night}/{master.setup}/pairs/{name}.png", master, frame))
    return pairs


def plan_night_pages(plan: Plan, shown: list[Frame]) -> list[NightPage]:
    """Return a page for each night with lights, or masters that a run makes; ``shown`` are the frames to be told of."""
    wanted = plan.wanted_masters
    nights = {light.frame.night for light in plan.lights} | {master.night for master in wanted}
    nights = {night for night in nights if plan.takes(night)}
    lights: dict[str, list[Light]] = {night: [] for night in nights}
    for light in plan.lights:
        lights[light.frame.night].append(light)
    frames: dict[str, list[Frame]] = {night: [] for night in nights}
    around = _find_nights_around(plan.frames)
    for frame in shown:
        for night in [frame.night] if frame.night else around(frame) or nights:
            if night in frames:
                frames[night].append(frame)
    previews = {id(preview.of): preview for preview in plan.previews}
    pages = []
    for night in sorted(nights):
        used = _list_used(lights[night])
        masters = [master for master in wanted if master.night == night or id(master) in used]
        failed = [master for master in plan.failed if master.night == night]
        made = [light for light in lights[night] if not light.misses]
        page = NightPage(night, lights[night], masters, failed, frames[night])
        page.stacks = [stack for stack in plan.stacks if stack.night == night]
        page.previews = [previews[id(one)] for one in [*masters, *made, *page.stacks] if id(one) in previews]
        shown_here = {id(one) for one in [*masters, *made]}
        page.pairs = [pair for pair in plan.pairs if id(pair.of) in shown_here]
        pages.append(page)
    return pages


def _find_nights_around(frames: list[Frame]) -> Callable[[Frame], set[str]]:
    """Return what tells of which nights a frame can be whose night nobody knows, as a damaged one's.

    They are those of the frames in its folder and below, or else in the nearest folder above that has any.
    """
    folders: dict[str, set[str]] = defaultdict(set)
    if not all(frame.night for frame in frames):
        nights: dict[str, set[str]] = defaultdict(set)
        for frame in frames:
            if frame.night:
                nights[os.path.dirname(frame.path)].add(frame.night)
        for folder, own in nights.items():
            for one in (folder, *map(str, PurePath(folder).parents)):
                folders[one] |= own
    return lambda frame: next((folders[one] for one in map(str, PurePath(frame.path).parents) if one in folders), set())


def _list_used(lights: list[Light]) -> set[int]:
    """Return the identities of the masters that lights get, directly or through another master."""
    waiting = [match.master for light in lights for match in light.matches]
    found: set[int] = set()
    while waiting:
        master = waiting.pop()
        if id(master) not in found:
            found.add(id(master))
            waiting += [match.master for match in master.matches]
    return found
