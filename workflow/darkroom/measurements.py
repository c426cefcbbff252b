"""Measurements: which frames tell a detector's read noise and gain, and where a product takes its own from. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from darkroom.frames import Frame
from darkroom.matching import canonical_exposure
from darkroom.nights import nights_apart

MOST_FRAMES = 16  # of a kind (and filter), the first in time; more tell hardly more
MOST_FILTERS = 2


@dataclass
class Measurement:
    """What is measured of the detector of one night and setup: its ``read_noise``, or its ``gain``.

    ``frames`` come with what they are read as: bias, dark or flat.
    """

    quantity: str
    night: str
    setup: str
    frames: list[tuple[str, Frame]]
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def of_biases(self) -> bool:
        """Whether biases tell the read noise, and not darks."""
        return self.frames[0][0] == "bias"

    @property
    def path(self) -> str:
        """The file of figures, below results."""
        return f"{self.night}/{self.setup}/{self.quantity}.json"


@dataclass(frozen=True)
class Source:
    """Where a product's gain or read noise comes from: a value that is known while planning, or a measurement.

    A gain in e-/ADU, a read noise in e-. Beside a measurement, the value is what to take should that fail.
    """

    name: str = "unknown"
    value: float | None = None
    measurement: Measurement | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is, or will be, a value."""
        return self.value is not None or self.measurement is not None

    @property
    def is_in_adu(self) -> bool:
        """Whether a read noise is in ADU for certain: a measured one is, and one in e- is not there to replace it."""
        return self.measurement is not None and self.value is None

    def __str__(self) -> str:
        if self.measurement:
            return f"measured on {self.measurement.night}"
        return self.name if self.value is None else f"{self.value:g} ({self.name})"


class Measurements:
    """The measurements that a night's frames allow, found by quantity, setup and night."""

    def __init__(self, frames: Iterable[Frame]):
        groups: dict[tuple[str, str], dict[str, list[Frame]]] = defaultdict(lambda: defaultdict(list))
        for frame in sorted(frames, key=lambda frame: (frame.start, frame.name)):
            groups[frame.night, frame.setup][frame.kind].append(frame)
        self.all: list[Measurement] = []
        for (night, setup), kinds in sorted(groups.items()):
            quiet = _choose_quiet(kinds)
            if quiet:
                self.all.append(Measurement("read_noise", night, setup, quiet))
                flats = _choose_flats(kinds["flat"])
                if flats and self.all[-1].of_biases:
                    self.all.append(Measurement("gain", night, setup, [*quiet, *flats]))
        self._found: dict[tuple[str, str], list[Measurement]] = defaultdict(list)
        self._nearest: dict[tuple[str, str, str], Measurement | None] = {}  # many frames ask for the same
        for measurement in self.all:
            self._found[measurement.quantity, measurement.setup].append(measurement)
            if measurement.of_biases:
                self._nearest[measurement.quantity, measurement.night, measurement.setup] = measurement

    def find(self, quantity: str, night: str, setup: str) -> Measurement | None:
        """Return the measurement of the own night, else of the nearest one, the earlier of two.

        One of darks, whose electrons are noise as well, only where none is of biases.
        """
        asked = quantity, night, setup
        if asked not in self._nearest:
            found = self._found.get((quantity, setup), [])
            self._nearest[asked] = min(
                found, key=lambda one: (not one.of_biases, nights_apart(one.night, night), one.night), default=None
            )
        return self._nearest[asked]

    def choose(self, quantity: str, frame: Frame, detector: dict[str, Any]) -> Source:
        """Return where a frame's ``gain`` or ``read_noise`` comes from: the settings, then header or measurement."""
        if detector[quantity] is not None:
            return Source("config.yaml", detector[quantity])
        header, measurement = getattr(frame, quantity), self.find(quantity, frame.night, frame.setup)
        if header is not None and (detector["prefer"] == "header" or measurement is None):
            return Source("header", header)
        return Source("measured", header, measurement) if measurement else Source()


def _choose_quiet(kinds: dict[str, list[Frame]]) -> list[tuple[str, Frame]]:
    """Return what tells the read noise: biases, else the shortest darks."""
    if len(kinds["bias"]) > 1:
        return [("bias", frame) for frame in kinds["bias"][:MOST_FRAMES]]
    by_exposure = defaultdict(list)
    for frame in kinds["dark"]:
        by_exposure[canonical_exposure(frame.exposure or 0)].append(frame)
    several = [exposure for exposure, frames in by_exposure.items() if len(frames) > 1]
    return [("dark", frame) for frame in by_exposure[min(several)][:MOST_FRAMES]] if several else []


def _choose_flats(flats: list[Frame]) -> list[tuple[str, Frame]]:
    """Return the flats of the filters that have most of them."""
    by_filter = defaultdict(list)
    for frame in flats:
        by_filter[frame.filter or ""].append(frame)
    most = sorted(by_filter, key=lambda name: (-len(by_filter[name]), name))[:MOST_FILTERS]
    return [("flat", frame) for name in most if len(by_filter[name]) > 1 for frame in by_filter[name][:MOST_FRAMES]]
