"""The detector as a job knows it: gain and read noise, from settings, header or measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from astropy.io import fits

from darkroom.masters import MasterShelf


@dataclass(frozen=True)
class Detector:
    """Gain in e-/ADU and read noise in ADU (rms); None where neither settings, header nor measurement tell."""

    gain: float | None
    read_noise: float | None

    @property
    def is_known(self) -> bool:
        """Whether error bars can be given."""
        return self.gain is not None and self.read_noise is not None


def read_detector(recipe: dict[str, Any], shelf: MasterShelf) -> Detector:
    """Return the detector of a product's recipe; what the plan left to the measurement is read from its file.

    Raises
    ------
    JobProblem
        If that file is gone, damaged or made by another recipe.
    """
    sources = recipe["detector"]
    gain = _measure(sources["gain"], shelf, "gain") or sources["gain"]["value"]
    read_noise = _measure(sources["read_noise"], shelf, "read_noise")
    if read_noise is None and sources["read_noise"]["value"] is not None and gain is not None:
        read_noise = sources["read_noise"]["value"] / gain
    return Detector(gain, read_noise)


def stamp_detector(header: fits.Header, recipe: dict[str, Any], detector: Detector) -> None:
    """Write gain and read noise into a product's header, and where they come from."""
    if detector.gain is not None:
        header["CALGAIN"] = (detector.gain, "[electron/adu] gain")
        header["CALGFROM"] = _say_origin(recipe["detector"]["gain"])  # a comment might not fit
    if detector.read_noise is not None:
        header["CALRON"] = (detector.read_noise, "[adu] read noise, rms")
        header["CALRFROM"] = _say_origin(recipe["detector"]["read_noise"])  # a comment might not fit


def _say_origin(source: dict[str, Any]) -> str:
    return source["measured"]["path"] if source["measured"] else source["from"]


def _measure(source: dict[str, Any], shelf: MasterShelf, quantity: str) -> float | None:
    if not source["measured"]:
        return None
    found = shelf.read_figures(source["measured"])[quantity]
    return found["value"] if found else None
