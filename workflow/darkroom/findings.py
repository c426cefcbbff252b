"""Findings: what earlier runs found out about masters and detectors, for the next plan, its notes and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from darkroom.certificates import Certificate, list_figures, read_verdict
from darkroom.detector_table import DETECTORS, compare_detectors
from darkroom.night_story import describe_measurements
from darkroom.plan import Plan
from darkroom.recipes import write_recipe

DISAGREEMENT = 3.0  # standard deviations of a measurement


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
        return compare_detectors(self.results, describe_measurements(plan.measurements.all, self.settings))


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
