"""What is followed over nights: rows of measurements and masters, as charts and tables show them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from darkroom.chart_words import read_number, shorten

Row = dict[str, Any]


@dataclass(frozen=True)
class Trend:
    """A figure that is followed: of masters of a kind (or of a measurement), its heading, what its axis is
    called, its unit, and what it means.

    ``series`` is what colours and symbols tell apart, ``least`` the smallest change that is worth a remark, as a
    fraction; ``against`` the figure that it is drawn over, in place of the night.
    """

    name: str
    title: str
    axis: str
    unit: str
    caption: str
    kinds: tuple[str, ...] = ()
    series: str = "label"
    least: float | None = None
    error: str = ""
    reference: float | None = None
    against: str = ""

    @property
    def legend(self) -> str:
        """What its series differ in."""
        return {"dark": "Exposure", "flat": "Filter"}[self.kinds[0]] if self.kinds in (("dark",), ("flat",)) else "Kind"


MEASURED = [
    Trend("read_noise", "Read noise", "Read noise", "", "Measured from pairs of bias frames, or of the shortest darks; "
          "bars are standard errors.", series="quantity", least=0.05, error="error"),
    Trend("gain", "Gain", "Gain", "", "Measured from pairs of flats; bars are standard errors.", series="quantity",
          least=0.03, error="error"),
]  # fmt: skip
MASTERS = [
    Trend("level", "Bias level", "Bias level", "ADU", "The median of each master bias.", ("bias",), least=0.002),
    Trend("rate", "Dark current against temperature", "Dark current", "ADU/s", "The median of each master dark. Of "
          "most sensors it doubles every 5 to 8 degrees.", ("dark",), against="temperature"),
    Trend("change", "Flat against the previous one: large scale", "Change, large scale", "%", "Rms of the ratio to the "
          "flat of the night before, in blocks: the illumination, dust, a camera that was turned.", ("flat",)),
    Trend("pixel_change", "Flat against the previous one: pixels", "Change of pixels", "%", "Rms of the ratio to the "
          "flat of the night before, from pixel to pixel, beyond the noise.", ("flat",)),
    Trend("illumination_change", "Illumination among the frames of a flat", "Change among frames", "%", "Rms by which "
          "the frame that is furthest from the others differs from them, in blocks.", ("flat",)),
    Trend("noise_excess", "Noise beyond read-out and photons", "Noise excess", "%", "Of the noisiest frame of each "
          "master; bars are standard errors. Light, banding, or a wrong gain or read noise make it high.",
          ("bias", "dark", "flat"), series="kind", error="noise_excess_error", reference=0.0),
]  # fmt: skip


@dataclass
class Table:
    """A table: its heading, its columns, and its rows by column; numbers are those of the charts."""

    title: str
    columns: list[str]
    rows: list[Row]


def describe_master(row: dict[str, Any]) -> Row:
    """Return the row of a master: its kind and label, as its file's name tells them, and its figures."""
    path = str(row.get("master") or "")
    stem = path.rsplit("/", 1)[-1].removesuffix(".fits").removeprefix("master_")
    kind = stem.partition("_")[0]
    label = re.sub(r"^(dark_[^_]+)_-?\d+C", r"\1", stem) if kind == "dark" else stem
    label = label.removeprefix("flat_").removeprefix("dark_") if "_" in label else label
    verdict = str(row.get("verdict") or "")
    shown = _start_row(row) | {"master": path, "kind": shorten(kind), "label": shorten(label), "verdict": verdict}
    figures = {name: row.get(name) for name in [*(one.name for one in MASTERS), "noise_excess_error", "temperature"]}
    found = {name: number for name, value in figures.items() if (number := read_number(value)) is not None}
    shown |= found
    if verdict == "failed":
        why = shorten(str(row.get("failures") or ""), 200) or "failed"
        shown |= {f"{one.name}_odd": why for one in MASTERS if one.name in found}
    return shown


def describe_measurement(row: dict[str, Any]) -> Row:
    """Return the row of a measurement; ``told`` is what the settings, or the headers, say."""
    quantity = str(row.get("quantity") or "")
    name = shorten(quantity.replace("_", " "))
    shown = _start_row(row) | {"quantity": quantity, "label": name, "unit": str(row.get("unit") or "")}
    told = read_number(row.get("config")) or read_number(row.get("header"))
    figures = {quantity: row.get("measured"), "error": row.get("error"), "pairs": row.get("pairs"), "told": told}
    if quantity not in (one.name for one in MEASURED):
        del figures[quantity]
    return shown | {key: number for key, value in figures.items() if (number := read_number(value)) is not None}


def _start_row(row: dict[str, Any]) -> Row:
    night, setup = str(row.get("night") or ""), str(row.get("setup") or "")
    start: Row = {"night": night, "setup": setup}
    try:
        noon = datetime.fromisoformat(f"{night}T12:00:00").replace(tzinfo=UTC)
    except ValueError:  # no night that a plan would name
        return start
    return start | {"page": f"{night}/report.html", "time": round(noon.timestamp() * 1000)}


def list_tables(masters: list[Row], measured: list[Row]) -> list[Table]:
    """Return the tables of measurements and of masters, by night."""
    tables = []
    if measured:
        columns = ["night", "setup", "quantity", "measured", "error", "unit", "pairs", "told"]
        rows = [row | {"measured": row.get(row["quantity"])} for row in measured]
        tables.append(Table("Detectors", columns, _fill(rows, columns)))
    if masters:
        figures: Iterable[str] = dict.fromkeys([*(one.name for one in MASTERS), "noise_excess_error", "temperature"])
        columns = [
            "night",
            "setup",
            "master",
            "verdict",
            *(one for one in figures if any(one in row for row in masters)),
        ]
        tables.append(Table("Masters", columns, _fill(masters, columns)))
    return tables


def _fill(rows: list[Row], columns: list[str]) -> list[Row]:
    shown = sorted(rows, key=lambda row: (row["night"], row["setup"]))
    return [{column: row.get(column) for column in ["page", *columns]} for row in shown]
