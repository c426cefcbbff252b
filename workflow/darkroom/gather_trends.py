"""Gather what the page of all nights shows, from certificates and measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from darkroom.detector_table import compare_detectors
from darkroom.stamps import STAMP, read_json


def gather_trends(recipe: dict[str, Any], results: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return rows as those of certification.csv and of detectors.csv, by the page's recipe."""
    certification = []
    for told in recipe["certificates"]:
        content = read_json(results / told["path"])
        if content.get(STAMP) == told["digest"]:
            night, setup, _ = told["path"].split("/", 2)
            row = {"master": content["master"], "night": night, "setup": setup, "verdict": content["verdict"]}
            certification.append(row | {"failures": "; ".join(content["failures"])} | content["figures"])
    return certification, compare_detectors(results, recipe["measurements"])
