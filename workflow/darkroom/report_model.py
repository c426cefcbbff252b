"""What the page of a night shows: plain values, gathered from plan and products before anything is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class RawShown:
    """A raw frame: its name, kind, setup and filter, start (ISO 8601, UTC), exposure in s, temperature in C.

    ``level`` is the median of its pixels in ADU; ``problem`` is why it was left out, ``notes`` what else is odd.
    """

    name: str
    kind: str
    setup: str = ""
    filter: str = ""
    start: str = ""
    exposure: float | None = None
    temperature: float | None = None
    level: float | None = None
    problem: str = ""
    notes: str = ""


@dataclass
class MasterShown:
    """A master: ``path`` below results, the names of its raw frames, the paths of the masters it was made with.

    ``verdict`` is passed, failed, unproven, not made, or nothing where nobody looked; ``figures`` are those of its
    certificate, ``statistics`` and ``histogram`` (edges, counts) those of its pixels in ``unit``; ``picture`` a PNG.
    """

    path: str
    kind: str
    night: str
    setup: str
    filter: str = ""
    exposure: float | None = None
    frames: list[str] = field(default_factory=list)
    masters: list[str] = field(default_factory=list)
    used: bool = True
    unit: str = ""
    verdict: str = ""
    failures: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    statistics: dict[str, float] = field(default_factory=dict)
    histogram: dict[str, list[float]] = field(default_factory=dict)
    picture: bytes = b""


@dataclass
class LightShown:
    """A light: ``path`` below results (nothing if it was skipped), the raw frame's name, the masters' paths.

    ``sky`` and ``noise`` (of one pixel of empty sky) and ``noise_expected`` (what its error bars say of that) in
    ``unit``, ``fwhm`` in pixels, ``elongation`` the longer axis of its stars over the shorter one, ``stars`` counted,
    ``masked`` the part of its pixels that are flagged; ``odd`` maps a figure's name to why it stands out; ``missing``
    are the masters it lacks, and what would help, if it was skipped. ``sky_rms`` is how far, in seconds of arc, its
    stars are from where its plate solution puts them (None where it has none), ``unsolved`` why it has none though one
    was sought. ``thumbnail`` is a JPEG, ``preview`` where its picture lies, relative to the page.
    """

    path: str
    raw: str
    setup: str
    object: str = ""
    filter: str = ""
    exposure: float | None = None
    start: str = ""
    temperature: float | None = None
    masters: dict[str, str] = field(default_factory=dict)
    unit: str = ""
    sky: float | None = None
    noise: float | None = None
    noise_expected: float | None = None
    fwhm: float | None = None
    elongation: float | None = None
    stars: int | None = None
    masked: float | None = None
    sky_rms: float | None = None
    unsolved: str = ""
    odd: dict[str, str] = field(default_factory=dict)
    missing: list[Problem] = field(default_factory=list)
    notes: str = ""
    thumbnail: bytes = b""
    preview: str = ""


@dataclass
class StackedLight:
    """A light of a stack: ``path`` below results, and why it was left out, if it was.

    ``weight`` is its share, ``fwhm`` and ``rms`` (of its registration) are in pixels, its counts times ``scale`` are
    those of the reference.
    """

    path: str
    used: bool
    reason: str = ""
    weight: float | None = None
    fwhm: float | None = None
    stars: int | None = None
    rms: float | None = None
    scale: float | None = None


@dataclass
class StackShown:
    """A stack: ``path`` below results, the lights it was made of, the path of the one on which the others were laid.

    ``exposure`` is that of each light (None where they differ), ``seconds`` that of all used ones together, ``middle``
    their mid-time (ISO 8601, UTC). ``noise`` (of one pixel of empty sky) is in ``unit``, ``fwhm`` in pixels; the error
    of a sum of many pixels is ``noise_factor`` times what their error bars add up to. ``problem`` is why there is none:
    blank, clouded, too sparse. ``picture`` is a PNG, ``preview`` where it lies, relative to the page.
    """

    path: str
    setup: str
    object: str = ""
    filter: str = ""
    exposure: float | None = None
    lights: list[StackedLight] = field(default_factory=list)
    reference: str = ""
    seconds: float | None = None
    middle: str = ""
    unit: str = ""
    fwhm: float | None = None
    noise: float | None = None
    noise_factor: float | None = None
    stars: int | None = None
    problem: str = ""
    picture: bytes = b""
    preview: str = ""


@dataclass
class Pair:
    """Two pictures of the same size and stretch (PNG), before and after, and what they show."""

    title: str
    before: bytes
    after: bytes
    before_label: str
    after_label: str


@dataclass
class Problem:
    """What is wrong, and what can be done about it (may be empty)."""

    what: str
    remedy: str = ""


@dataclass
class Night:
    """All that the page of one night shows; paths are below results, other pages relative to the night's folder."""

    night: str
    title: str
    lights: list[LightShown]
    masters: list[MasterShown]
    raws: list[RawShown]
    pairs: list[Pair] = field(default_factory=list)
    stacks: list[StackShown] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    setups: list[str] = field(default_factory=list)  # a line each: what frames of a setup have in common
    detectors: list[dict[str, Any]] = field(default_factory=list)  # rows of detectors.csv
    settings: dict[str, Any] = field(default_factory=dict)
    version: str = ""

    @property
    def made(self) -> list[LightShown]:
        """The lights that were calibrated."""
        return [light for light in self.lights if light.path]

    @property
    def skipped(self) -> list[LightShown]:
        """The lights that lack a master."""
        return [light for light in self.lights if not light.path]
