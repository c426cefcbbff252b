"""The table of a night's lights, lights.csv: what each is, got and measures; what the page's series are drawn from."""

from __future__ import annotations

import csv
import io
from typing import Any

from darkroom.report_model import LightShown, Night

PLAIN = ("object", "filter", "exposure", "start", "temperature")
MEASURED = ("unit", "sky", "noise", "noise_expected", "fwhm", "elongation", "stars", "masked", "sky_rms")
COLUMNS = ("light", "raw", "setup", *PLAIN, "bias", "dark", "flat", *MEASURED, "odd", "missing", "notes")


def tabulate_lights(night: Night) -> str:
    """Return lights.csv: a row for each light, in order of time, and empty cells for what is not known.

    ``sky``, ``noise`` and ``noise_expected`` are in ``unit``, ``fwhm`` and ``elongation`` as `darkroom.sky_measures`
    tells, ``masked`` is a part of one, ``sky_rms`` in seconds of arc.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_tabulate(light) for light in sorted(night.lights, key=lambda light: (light.start, light.raw)))
    return text.getvalue()


def _tabulate(light: LightShown) -> dict[str, Any]:
    row: dict[str, Any] = {"light": light.path, "raw": light.raw, "setup": light.setup}
    row |= {name: getattr(light, name) for name in (*PLAIN, *MEASURED)}
    row |= {kind: light.masters.get(kind, "") for kind in ("bias", "dark", "flat")}
    row["odd"] = "; ".join(light.odd.values())
    row["missing"] = " | ".join("; ".join(filter(None, [one.what, one.remedy])) for one in light.missing)
    return row | {"notes": light.notes}
