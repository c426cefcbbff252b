"""Findings: what earlier runs found out about masters and detectors, for the next plan, its notes and its tables."""

from __future__ import annotations

from math import hypot
from pathlib import Path
from typing import Any

from darkroom.certificates import Certificate, list_figures, read_verdict
from darkroom.frames import Frame
from darkroom.measurements import Measurement
from darkroom.plan import Plan
from darkroom.recipes import write_recipe
from darkroom.stamps import STAMP, read_json

DISAGREEMENT = 3.0  # standard deviations of a measurement
DETECTORS = ["night", "setup", "quantity", "unit", "measured", "error", "pairs", "header", "config"]


class Findings:
    """What is known of a night's masters and detectors from earlier runs, below ``results``."""

    def __init__(self, results: Path, settings: dict[str, Any]):
        self.results = results
        self.settings = settings
        self.certificates: list[Certificate] = []

    def judge(self, certificate: Certificate) -> str:
        """Return why a master is not to be used; nothing if it passed, or nobody knows, or it is to be used."""
        rules = self.settings["certification"]
        write_recipe(certificate, self.settings)
        certificate.verdict = read_verdict(self.results, certificate)
        if rules["use"]:
            self.certificates.append(certificate)
        if certificate.verdict is None:
            return ""
        used_anyway = not rules["use"] or rules["failed"] == "warn"
        return "" if used_anyway and certificate.verdict.is_made else "; ".join(certificate.verdict.failures)

    def list_notes(self, plan: Plan) -> list[str]:
        """Return what an observer should know: masters that failed and are used, detectors that are not as told."""
        notes = [
            f"{certificate.master.path} failed its certification and is used all the same "
            f"({'; '.join(certificate.verdict.failures)}); see certification.csv"
            for certificate in plan.certificates.values()
            if certificate.verdict and certificate.verdict.failures
        ]
        return notes + [note for row in self._compare_detectors(plan) if (note := _say_disagreement(row))]

    def tabulate_certificates(self, plan: Plan | None = None) -> tuple[list[str], list[dict[str, Any]]]:
        """Return columns and rows of certification.csv; where a plan is given, of its masters and those that failed."""
        if plan is None:
            return list_figures(self.certificates)
        shown = {master.path for master in [*plan.masters, *plan.failed]} - plan.aside
        return list_figures([one for one in self.certificates if one.master.path in shown])

    def tabulate_detectors(self, plan: Plan) -> tuple[list[str], list[dict[str, Any]]]:
        """Return columns and rows of detectors.csv."""
        return DETECTORS, self._compare_detectors(plan)

    def _compare_detectors(self, plan: Plan) -> list[dict[str, Any]]:
        """Return a row for each measurement that was made, beside what headers and settings say."""
        gains = {
            (one.night, one.setup): (found["value"], found["error"])
            for one in plan.measurements.all
            if one.quantity == "gain" and (found := self._read(one))
        }
        rows = []
        for one in plan.measurements.all:
            if not (found := self._read(one)):
                continue
            told = {frame.gain for _, frame in one.frames} if one.quantity == "gain" else set()
            unit, (factor, doubt) = "e-/ADU", (1.0, 0.0)
            if one.quantity == "read_noise":
                told = {frame.read_noise for _, frame in one.frames}
                gain = _find_gain(one.frames[0][1], self.settings)
                factor, doubt = gains.get((one.night, one.setup)) or (gain or 1.0, 0.0)
                unit = "e-" if gain or (one.night, one.setup) in gains else "ADU"
            row: dict[str, Any] = {"night": one.night, "setup": one.setup, "quantity": one.quantity, "unit": unit}
            row |= {
                "measured": round(found["value"] * factor, 5),
                "error": round(hypot(found["error"] * factor, found["value"] * doubt), 5),
            }
            row |= {"pairs": found["pairs"], "header": told.pop() if len(told) == 1 else None}
            rows.append(row | {"config": self.settings["detector"][one.quantity]})
        return rows

    def _read(self, measurement: Measurement) -> dict[str, Any] | None:
        content = read_json(self.results / measurement.path)
        return content.get(measurement.quantity) if content.get(STAMP) == measurement.digest else None


def _find_gain(frame: Frame, settings: dict[str, Any]) -> float | None:
    return settings["detector"]["gain"] or frame.gain


def _say_disagreement(row: dict[str, Any]) -> str:
    """Return that header or settings and the frames disagree by more than three standard deviations."""
    source = "config.yaml" if row["config"] is not None else "the header"
    told = row["config"] if row["config"] is not None else row["header"]
    if told is None or row["unit"] == "ADU" or abs(told - row["measured"]) <= DISAGREEMENT * row["error"]:
        return ""
    name = row["quantity"].replace("_", " ")
    decision = "it counts" if source == "config.yaml" else "detector.prefer says which counts"
    return (
        f"{name} of {row['night']}, setup {row['setup']}: {source} says {told:g} {row['unit']}, the frames "
        f"{row['measured']:.4g} +- {row['error']:.2g}; {decision}"
    )
