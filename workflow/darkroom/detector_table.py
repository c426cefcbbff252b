"""The table of detectors: what was measured of each, beside what its header and the settings say."""

from __future__ import annotations

from math import hypot
from pathlib import Path
from typing import Any

from darkroom.stamps import STAMP, read_json

DETECTORS = ["night", "setup", "quantity", "unit", "measured", "error", "pairs", "header", "config"]


def compare_detectors(results: Path, measurements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row of detectors.csv for each measurement that was made, beside what headers and settings say.

    Parameters
    ----------
    measurements
        Of each its ``night``, ``setup``, ``quantity``, ``path`` below results and ``digest``; what the ``header`` and
        the ``config`` say, and the ``gain`` (e-/ADU) by which a read noise is one in electrons if none was measured.
    """
    found = [(one, figures) for one in measurements if (figures := _read(results, one))]
    gains = {
        (one["night"], one["setup"]): (figures["value"], figures["error"])
        for one, figures in found
        if one["quantity"] == "gain"
    }
    rows = []
    for one, figures in found:
        place = one["night"], one["setup"]
        unit, (factor, doubt) = "e-/ADU", (1.0, 0.0)
        if one["quantity"] == "read_noise":
            factor, doubt = gains.get(place) or (one["gain"] or 1.0, 0.0)
            unit = "e-" if one["gain"] or place in gains else "ADU"
        row: dict[str, Any] = {"night": one["night"], "setup": one["setup"], "quantity": one["quantity"], "unit": unit}
        row |= {
            "measured": round(figures["value"] * factor, 5),
            "error": round(hypot(figures["error"] * factor, figures["value"] * doubt), 5),
        }
        rows.append(row | {"pairs": figures["pairs"], "header": one["header"], "config": one["config"]})
    return rows


def _read(results: Path, measurement: dict[str, Any]) -> dict[str, Any] | None:
    content = read_json(results / measurement["path"])
    return content.get(measurement["quantity"]) if content.get(STAMP) == measurement["digest"] else None
