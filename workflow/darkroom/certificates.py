"""Certificates: which masters were held against a frame that did not make them, and which of them failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darkroom.matching import Master
from darkroom.measurements import Measurements, Source
from darkroom.stamps import STAMP, name_certificate, name_refusal, read_json

QUARANTINE = "quarantine"
CHANGED = "changed by"  # how the failure of a flat begins that is not as it was the night before
COLUMNS = ["master", "night", "setup", "verdict", "failures"]


@dataclass(frozen=True)
class Verdict:
    """What was found: ``passed``, ``failed`` or ``not made`` (and why), ``unproven`` (one frame); figures by name."""

    verdict: str
    failures: list[str]
    figures: dict[str, Any]

    @property
    def is_made(self) -> bool:
        """Whether there is a master at all."""
        return self.verdict != "not made"


@dataclass
class Certificate:
    """The certification of a master; ``previous`` is the flat of an earlier night that it is compared with.

    ``verdict`` is what an earlier run found, if it was of this very certificate; ``sources`` where the gain and the
    read noise come from by which its frames are judged.
    """

    master: Master
    previous: Master | None = None
    verdict: Verdict | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def path(self) -> str:
        """The file of figures, below results."""
        return name_certificate(self.master.path)


def plan_certificate(
    master: Master,
    earlier: list[Master],
    changed: list[Master],
    lit: set[tuple[str, str, str | None]],
    measurements: Measurements,
) -> Certificate:
    """Return a certification; ``earlier`` are masters of the kind, ``lit`` nights, setups and filters of lights.

    ``changed`` are flats that failed for what changed since the night before them.
    """
    previous = _find_previous(master, earlier, changed, lit)
    return Certificate(master, previous, sources=_find_sources(master, measurements))


def _find_previous(
    master: Master, earlier: list[Master], changed: list[Master], lit: set[tuple[str, str, str | None]]
) -> Master | None:
    """Return the flat of the last night before that has lights of the same setup and filter.

    None if that one failed for its change: which of the two was odd nobody knows, and a camera that was turned would
    fail for ever after.
    """
    if master.kind != "flat":
        return None
    alike = [
        other
        for other in [*earlier, *changed]
        if (other.setup, other.filter) == (master.setup, master.filter)
        and other.night < master.night
        and (other.night, other.setup, other.filter) in lit
    ]
    last = max(alike, key=lambda other: other.night, default=None)
    return None if any(last is other for other in changed) else last


def _find_sources(master: Master, measurements: Measurements) -> dict[str, Source]:
    """Return by what gain and read noise to judge a master: its frames are judged, not their headers.

    Biases hold no electrons; of darks they may be most of the noise.
    """
    sources = dict(master.sources)
    for quantity in ("read_noise",) if master.kind == "bias" else ("read_noise", "gain"):
        if found := measurements.find(quantity, master.night, master.setup):
            sources[quantity] = Source("measured", sources[quantity].value, found)
    return sources


def read_verdict(results: Path, certificate: Certificate) -> Verdict | None:
    """Return the verdict that was reached by this very certificate's recipe; None if there is none yet.

    A master that could not even be made, since none of its frames is good, has one by its own recipe.
    """
    for path in (certificate.path, name_refusal(certificate.path)):
        content = read_json(results / path)
        whole = {"verdict", "failures", "figures"} <= content.keys()
        if whole and content.get(STAMP) in (certificate.digest, certificate.master.digest):
            return Verdict(content["verdict"], content["failures"], content["figures"])
    return None


def list_figures(certificates: list[Certificate]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return columns and rows of the table of certification: a master each, and a column for each figure."""
    found = [(certificate, certificate.verdict) for certificate in certificates if certificate.verdict]
    names = list(dict.fromkeys(name for _, verdict in found for name in verdict.figures))
    rows = [
        {
            "master": certificate.master.path,
            "night": certificate.master.night,
            "setup": certificate.master.setup,
            "verdict": verdict.verdict,
            "failures": "; ".join(verdict.failures),
            **verdict.figures,
        }
        for certificate, verdict in found
    ]
    return [*COLUMNS, *names], rows


def set_aside(results: Path, masters: list[str]) -> list[str]:
    """Move masters that failed to the folder of quarantine; return where those lie that were still in their place."""
    moved = []
    for path in masters:
        target = results / QUARANTINE / path
        if (results / path).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            (results / path).replace(target)
            moved.append(str(target))
            picture = (results / path).with_suffix(".png")
            if picture.exists():
                picture.replace(target.with_suffix(".png"))
    return moved
