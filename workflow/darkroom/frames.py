"""The frame table: every raw image under the raw folders, what its header says and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from darkroom.texts import make_printable


@dataclass
class Frame:
    """One raw frame: a row of the frame table. A file may hold several.

    ``problem`` says why the frame takes no part; ``notes`` what else an observer should know.
    Exposure in seconds, start in ISO UTC, temperature of the sensor in deg C, gain in e-/ADU, read noise in e-,
    saturation in ADU; FITS sections. ``image`` is where it lies in its file (see `darkroom.raw_images.read_raw`),
    ``part`` the chip or amplifier, ``strips`` the overscans of stitched amplifiers, ``fixes`` what the settings say in
    place of its cards, ``pixels`` what `darkroom.pixels.measure_pixels` found, ``health`` what is wrong with them.
    """

    path: str
    name: str
    size: int = 0
    mtime_ns: int = 0
    digest: str = ""
    kind: str = "unknown"
    kind_from: str = ""
    dialect: str = ""
    night: str = ""
    setup: str = ""
    filter: str | None = None
    object: str | None = None
    exposure: float | None = None
    start: str | None = None
    temperature: float | None = None
    longitude: float | None = None
    rows: int = 0
    columns: int = 0
    camera: str | None = None
    telescope: str | None = None
    part: str | None = None
    binning: str | None = None
    readout: str | None = None
    gain_setting: str | None = None
    offset_setting: str | None = None
    window: str | None = None
    mosaic: str | None = None
    technique: str | None = None
    gain: float | None = None
    read_noise: float | None = None
    saturation: float | None = None
    overscan: str | None = None
    trim: str | None = None
    strips: list[str | None] | None = None
    image: dict[str, Any] | None = None
    fixes: dict[str, Any] | None = None
    told_exposure: float | None = None
    mjd: float | None = None
    checksum: str = ""
    pixels: dict[str, Any] = field(default_factory=dict)
    health: str = ""
    problem: str = ""
    notes: str = ""


# No absolute paths, nothing that a person cannot read.
HIDDEN = ("path", "mtime_ns", "image", "strips", "pixels", "told_exposure", "mjd", "checksum")
FIGURES = ("level", "noise", "full", "stars")  # of the pixels
COLUMNS = [each.name for each in fields(Frame) if each.name not in HIDDEN]
COLUMNS[-3:-3] = FIGURES
# What headers tell of a camera's state; a card that is missing leaves it unknown.
FACETS_TOLD = ("camera", "binning", "readout", "gain_setting", "offset_setting", "window", "mosaic")


def add_note(frame: Frame, note: str) -> None:
    """Add what else an observer should know of a frame."""
    frame.notes = "; ".join(filter(None, [frame.notes, note]))


def table_rows(frames: list[Frame]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the frame table as a person reads them."""
    for frame in frames:
        row: dict[str, Any] = {column: getattr(frame, column, None) for column in COLUMNS}
        row |= {"name": make_printable(frame.name), "kind_from": make_printable(frame.kind_from)}
        row |= {figure: frame.pixels.get(figure) for figure in FIGURES}
        if frame.digest:
            row |= {facet: "unknown" for facet in FACETS_TOLD if row[facet] is None and facet != "mosaic"}
        if frame.fixes:
            row["fixes"] = "; ".join(f"{card} = {value}" for card, value in frame.fixes.items())
        yield row
