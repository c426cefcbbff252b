"""The plan of what needs the sky: plate solutions of lights, and stacks of lights of one object. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from darkroom.matching import canonical_exposure
from darkroom.setups import make_slug, tell_apart

if TYPE_CHECKING:
    from darkroom.frames import Frame
    from darkroom.plan_lights import Light

FEWEST = 2  # lights that make a stack


@dataclass
class PlateSolution:
    """Where a light lies on the sky: found before the light is made, so that it can bear the coordinates."""

    light: Light
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def path(self) -> str:
        """The product, below results: beside the lights, by the light's name."""
        folder, _, name = self.light.path.rpartition("/lights/")
        return f"{folder}/solutions/{name.removesuffix('.fits')}.wcs"

    @property
    def group(self) -> tuple[str, str, str, str]:
        """Night, setup, filter and exposure: the solutions that one batch may hold."""
        return self.light.group


@dataclass
class Stack:
    """Lights of one night, setup, object and filter, in the order of time; of one exposure, or None of several."""

    path: str
    lights: list[Light]
    exposure: float | None
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def frame(self) -> Frame:
        """The frame of the first light, which tells what all have in common."""
        return self.lights[0].frame

    @property
    def night(self) -> str:
        """That of its lights."""
        return self.frame.night

    @property
    def setup(self) -> str:
        """That of its lights."""
        return self.frame.setup

    @property
    def group(self) -> tuple[str, str, str, str]:
        """What the previews of stacks have in common that one batch may hold."""
        return self.night, self.setup, "stacks", "all"


def plan_solutions(lights: Sequence[Light]) -> None:
    """Have lights solved."""
    for light in lights:
        light.solution = PlateSolution(light)


def plan_stacks(lights: Sequence[Light], by: str) -> list[Stack]:
    """Return a stack for each night, setup, object, filter and (``by`` exposure) exposure that has two lights or more.

    Of an object the spelling counts, but for capitals and spaces: M13, m 13. Lights without any are of one field, as
    far as their headers tell; those of another are found out by their stars.
    """
    groups: dict[tuple[str, ...], list[Light]] = defaultdict(list)
    for light in lights:
        night, setup, passband, exposure = light.group
        own = exposure if by == "exposure" else ""
        groups[night, setup, _fold(light.frame.object), passband, own].append(light)
    groups = {key: members for key, members in sorted(groups.items()) if len(members) >= FEWEST}
    names = tell_apart({key: _name_stack(key, members[0]) for key, members in groups.items()})
    return [Stack(f"{names[key]}.fits", _order(members), _find_exposure(members)) for key, members in groups.items()]


def _name_stack(key: tuple[str, ...], light: Light) -> str:
    night, setup, _, passband, exposure = key
    name = light.frame.object and "_".join(light.frame.object.split())  # most have a space, which tells none apart
    name = "_".join(filter(None, [make_slug(name), make_slug(passband or None), exposure]))
    return f"{night}/{setup}/stacks/{name}"


def _fold(name: str | None) -> str:
    return re.sub(r"[\s_]+", "", name or "").casefold()


def _order(lights: list[Light]) -> list[Light]:
    return sorted(lights, key=lambda light: (light.frame.start or "~", light.path))


def _find_exposure(lights: list[Light]) -> float | None:
    """Return the exposure that all have."""
    exposures = {canonical_exposure(light.frame.exposure or 0) for light in lights}
    return lights[0].frame.exposure if len(exposures) == 1 else None
