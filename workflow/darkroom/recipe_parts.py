"""Parts of recipes: what products depend on of raw frames, of settings, of code and of libraries."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

from darkroom.fingerprints import fingerprint_script
from darkroom.frames import Frame

SCRIPTS = {
    "bias": "make_master_bias.py",
    "dark": "make_master_dark.py",
    "flat": "make_master_flat.py",
    "light": "calibrate_lights.py",
    "solution": "solve_lights.py",
    "stack": "stack_lights.py",
    "gain": "measure_detector.py",
    "read_noise": "measure_detector.py",
    "certificate": "certify_master.py",
    "bad_pixels": "collect_bad_pixels.py",
}
LIBRARIES = ("astropy", "ccdproc", "numpy", "scipy")
STAR_LIBRARIES = {"solution": ("sep",), "stack": ("astroalign", "drizzle", "sep")}


def describe_frame(frame: Frame) -> dict[str, Any]:
    """Return what a product depends on of a raw frame; the name without its folder, which may move."""
    name = frame.name.rsplit("/", 1)[-1]
    known: dict[str, Any] = {"name": name, "digest": frame.digest, "start": frame.start, "exposure": frame.exposure}
    known |= {"temperature": frame.temperature}
    return known | {key: value for key, value in (("image", frame.image), ("fixes", frame.fixes)) if value}


def combine_settings(combine: dict[str, Any]) -> dict[str, Any]:
    """Return only the settings that the chosen way of combining looks at."""
    used = {"sigma": ("sigma",), "minmax": ("low", "high"), "none": ()}[combine["reject"]]
    return {key: combine[key] for key in ("method", "reject", *used)}


def overscan_settings(frame: Frame, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is done about a frame's overscan, with its sections; None where it has none."""
    if not frame.overscan and not frame.trim and frame.strips is None:
        return None
    chosen: dict[str, Any] = {"section": frame.overscan, "trim": frame.trim}
    if frame.overscan:
        used = ("method",) if settings["overscan"]["method"] in ("median", "mean") else ("method", "order", "sigma")
        chosen |= {key: settings["overscan"][key] for key in used}
    if frame.strips is not None and frame.image:
        parts = zip(frame.strips, frame.image["amplifiers"], strict=True)
        chosen["amplifiers"] = [{"section": strip, "trim": part["data"]} for strip, part in parts]
    return chosen


def describe_tools(kind: str, frame: Frame, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the code and the libraries that make a kind of product of a frame, and the frame's colours."""
    libraries = list(LIBRARIES)
    if kind in ("dark", "flat") or (kind == "light" and settings["lights"]["cosmic_rays"]["use"]):
        libraries.append("astroscrappy")  # its filter finds bad pixels, too
    if kind in ("solution", "stack"):
        libraries += STAR_LIBRARIES[kind]
    tools: dict[str, Any] = {"code": fingerprint_script(SCRIPTS[kind]), "versions": find_versions(tuple(libraries))}
    return tools | ({"mosaic": frame.mosaic} if frame.mosaic else {})


@cache
def find_versions(libraries: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of libraries that are installed."""
    return {library: version(library) for library in libraries}
