"""Certificates: which masters were held against a frame that did not make them, and which of them failed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from darkroom.matching import Master
from darkroom.stamps import STAMP

QUARANTINE = "quarantine"
COLUMNS = ["master", "night", "setup", "verdict", "failures"]


@dataclass
class Certificate:
    """The certification of a master; ``previous`` is the flat of an earlier night that it is compared with."""

    master: Master
    previous: Master | None = None
    recipe: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def path(self) -> str:
        """The file of figures, below results."""
        folder, name = self.master.path.rsplit("/", 1)
        return f"{folder}/certificates/{name.removesuffix('.fits')}.json"


@dataclass(frozen=True)
class Verdict:
    """What was found: ``passed``, ``failed`` (and why) or ``unproven`` (a single frame); figures by name."""

    verdict: str
    failures: list[str]
    figures: dict[str, Any]


def read_verdict(results: Path, certificate: Certificate) -> Verdict | None:
    """Return the verdict that was reached by this very certificate's recipe; None if there is none yet."""
    try:
        content = json.loads((results / certificate.path).read_text(encoding="utf-8"))
        if content[STAMP] != certificate.digest:
            return None
        return Verdict(content["verdict"], content["failures"], content["figures"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def list_figures(certificates: list[tuple[Certificate, Verdict]]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return columns and rows of the table of certification: a master each, and a column for each figure."""
    names = list(dict.fromkeys(name for _, found in certificates for name in found.figures))
    rows = [
        {
            "master": certificate.master.path,
            "night": certificate.master.night,
            "setup": certificate.master.setup,
            "verdict": found.verdict,
            "failures": "; ".join(found.failures),
            **found.figures,
        }
        for certificate, found in certificates
    ]
    return [*COLUMNS, *names], rows


def set_aside(results: Path, masters: list[Master]) -> list[str]:
    """Move masters that failed to the folder of quarantine; return where those lie that were still there."""
    moved = []
    for master in masters:
        target = results / QUARANTINE / master.path
        if (results / master.path).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            (results / master.path).replace(target)
            moved.append(str(target))
    return moved
