"""The frame table: every raw image under the raw folders, what its header says and what is wrong with it.

Only new or changed files are opened: the readings are kept in a cache by path, size and time of change.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from darkroom.folders import list_files
from darkroom.health import find_ailments
from darkroom.nights import find_night
from darkroom.pixel_kinds import guess_kinds
from darkroom.readings import UNREADABLE, digest_reader, read_file
from darkroom.sections import Section, parse_section
from darkroom.setups import FACETS_TOLD, name_setups
from darkroom.texts import make_printable

LONGEST_EXPOSURE = 1e6  # s; more than eleven days is no exposure but a damaged card
MOST_READERS = 8  # threads that read files; each may hold one that was compressed


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


HIDDEN = (
    "path",
    "mtime_ns",
    "image",
    "strips",
    "pixels",
    "told_exposure",
    "mjd",
    "checksum",
)  # no absolute paths, nothing of the cache
FIGURES = ("level", "noise", "full", "stars")  # of the pixels
COLUMNS = [each.name for each in fields(Frame) if each.name not in HIDDEN]
COLUMNS[-3:-3] = FIGURES


def index_frames(settings: dict[str, Any], raw: list[Path], results: Path, cache: dict[str, Any]) -> list[Frame]:
    """Return all raw frames, reading only what the cache does not hold; the cache is brought up to date in place."""
    headers = settings["headers"]
    if cache.get("reader") != (reader := digest_reader(headers)):
        cache.clear()
        cache.update(reader=reader, readings={})
    old, new, unread = cache["readings"], {}, []
    for path, name, status in list_files(raw, results):
        known = old.get(path)
        same = known and known["name"] == name and known["stat"] == [status.st_size, status.st_mtime_ns]
        # chmod changes neither size nor time, so what could not be read is tried again
        if not same or known["readings"][0].get("problem", "").startswith(UNREADABLE):
            unread.append((path, name, status))
        new[path] = known  # in the order of the folders
    new |= _read_all(unread, headers)
    cache["readings"] = new
    frames = []
    for path, known in new.items():
        size, mtime_ns = known["stat"]
        for reading in known["readings"]:
            label = reading.get("label")
            name = f"{known['name']}[{label}]" if label else known["name"]
            fields = {field: value for field, value in reading.items() if field != "label"}
            frame = Frame(path=path, name=name, size=size, mtime_ns=mtime_ns, **fields)
            if is_excluded(frame, raw, settings["exclude"]):
                frame.problem = "excluded by config.yaml: exclude"
            frames.append(frame)
    usable = [frame for frame in frames if not frame.problem]
    if "pixels" in headers["kind_from"]:
        _guess_unknown(usable)
    for frame in usable:
        _place(frame, settings)
    name_setups(frames)
    _drop_doubles(frames)
    _examine(frames, settings)
    return frames


def _examine(frames: list[Frame], settings: dict[str, Any]) -> None:
    """Say of each frame what it suffers from, and leave it out where the settings say so."""
    ailments = find_ailments(frames, settings)
    for frame in frames:
        own = ailments.get(frame.name, [])
        frame.health = frame.health or ", ".join(dict.fromkeys(ailment.name for ailment in own))
        for ailment in own:
            if settings["health"][ailment.name] == "warn":
                frame.notes = "; ".join(filter(None, [frame.notes, ailment.text]))
            else:
                frame.problem = frame.problem or ailment.text


def _read_all(files: list[tuple[str, str, os.stat_result]], headers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the readings of files by path, as the cache keeps them: without the fields of which nothing is said."""
    if not files:
        return {}
    from astropy.utils.exceptions import AstropyWarning

    def read(item: tuple[str, str, os.stat_result]) -> dict[str, Any]:
        path, name, status = item
        readings = [
            {field: value for field, value in reading.items() if value is not None and value != ""}
            for reading in read_file(path, name, status, headers)
        ]
        return {"name": name, "stat": [status.st_size, status.st_mtime_ns], "readings": readings}

    readers = min(os.cpu_count() or 1, MOST_READERS)
    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=readers) as pool:
        warnings.simplefilter("ignore", AstropyWarning)  # odd cards are read as well as they can be
        return dict(zip((path for path, _, _ in files), pool.map(read, files), strict=True))


def _guess_unknown(frames: list[Frame]) -> None:
    """Give frames of unknown kind the one that their pixels tell, and say that it is a guess."""
    guesses = guess_kinds(frames)
    for frame in frames:
        kind, why = guesses.get(frame.name, (None, ""))
        if kind:
            frame.kind, frame.kind_from = kind, f"pixels: {why}"
            frame.notes = "; ".join(filter(None, [frame.notes, f"its kind, {kind}, is a guess from its pixels"]))


def _place(frame: Frame, settings: dict[str, Any]) -> None:
    """Give the frame its night and regions, or say why it cannot take part."""
    if frame.kind == "bias":
        frame.told_exposure = frame.exposure
        frame.exposure, frame.filter = 0.0, None
    elif frame.kind == "dark":
        frame.filter = None
    if frame.kind == "unknown":
        frame.problem = "nothing tells what kind of frame it is (headers.words or headers.folders does)"
    elif frame.kind == "other":
        word = frame.kind_from.removeprefix("header: ")
        frame.problem = f"'{word}' is no bias, dark, flat or light (headers.words adds words)"
    elif frame.start is None:
        frame.problem = "no date and time of observation, so no night (headers.cards.start names the card)"
    elif frame.kind != "bias" and frame.exposure is None:
        frame.problem = "no exposure time in its header (headers.cards.exposure names the card)"
    elif frame.kind != "bias" and not 0 < (frame.exposure or 0) <= LONGEST_EXPOSURE:
        frame.problem = f"an exposure of {frame.exposure:g} s (headers.cards.exposure names another card)"
    if frame.start is not None:
        frame.night, note = find_night(frame.start, frame.longitude, settings["site"])
        frame.notes = "; ".join(filter(None, [frame.notes, note]))
    frame.overscan, frame.trim = _choose_regions(frame, settings["overscan"])
    frame.problem = frame.problem or _check_regions(frame, settings["overscan"])
    if not frame.problem and frame.technique and "image" not in frame.technique.casefold():
        frame.problem = f"not an image ({frame.technique}); listed, not reduced"


def _choose_regions(frame: Frame, overscan: dict[str, Any]) -> tuple[str | None, str | None]:
    if frame.strips is not None:
        strip = next((strip for strip in frame.strips if strip), None)
        return strip if overscan["use"] else None, None
    if not overscan["use"]:
        return None, overscan["trim"] or frame.trim
    return overscan["section"] or frame.overscan, overscan["trim"] or frame.trim


def _check_regions(frame: Frame, settings: dict[str, Any]) -> str:
    """Return what is wrong with a frame's overscan and trim sections, if anything is."""
    if frame.strips is not None:
        return ""
    shape = (frame.rows, frame.columns)
    trim = parse_section(frame.trim) if frame.trim else Section(1, shape[1], 1, shape[0])
    overscan = parse_section(frame.overscan) if frame.overscan else trim
    for name, section in (("trim", trim), ("section", overscan)):
        if not section.fits_into(shape):
            return f"overscan.{name} {section} lies outside its {shape[1]} x {shape[0]} pixels"
    if not (overscan.spans_rows_of(trim) or overscan.spans_columns_of(trim)):
        return f"the overscan {overscan} does not reach along the whole image {trim}"
    length = trim.shape[0] if overscan.spans_rows_of(trim) else trim.shape[1]
    if frame.overscan and settings["method"] in ("polynomial", "spline") and length < settings["order"] + 4:
        return f"overscan.order: {settings['order']} is too much for the {length} rows of its overscan"
    return ""


def _drop_doubles(frames: list[Frame]) -> None:
    """Let a second file of the same content take no part, so that a copy weighs nothing.

    The one of the shortest file name stays: a copy's has something added, often in front ("Copy of", "(copy)").
    """
    first: dict[str, str] = {}
    for frame in sorted(frames, key=lambda frame: (len(frame.name.rsplit("/", 1)[-1]), frame.name)):
        plane = (frame.image or {}).get("plane")  # those of a compressed cube share the digest of the whole
        for content in (f"{frame.digest} {plane}", _name_uncompressed(frame)):
            if frame.digest and not frame.problem and first.setdefault(content, frame.name) != frame.name:
                frame.problem = f"the same content as {make_printable(first[content])}"


def _name_uncompressed(frame: Frame) -> str:
    """Return what a frame and a compressed copy of it beside it have in common."""
    folder, _, file = frame.name.rpartition("/")
    plain = re.sub(r"(\.[^.]*?)(\.gz|\.bz2|\.fz)?(\[[^]]*\])?$", r"\3", file, flags=re.IGNORECASE)
    return f"{folder}/{plain} {frame.start} {frame.kind} {frame.exposure} {frame.setup}"


def is_excluded(frame: Frame, raw: list[Path], patterns: list[str]) -> bool:
    """Whether one of the globs matches the frame's name, or its path below a raw folder; case does not count."""
    if not patterns:
        return False
    path = Path(frame.path)
    names = {frame.name, path.name, *(str(path.relative_to(root)) for root in raw if path.is_relative_to(root))}
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for name in names for pattern in patterns)


def table_rows(frames: list[Frame]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the frame table as a person reads them."""
    for frame in frames:
        row = {column: getattr(frame, column, None) for column in COLUMNS}
        row |= {figure: frame.pixels.get(figure) for figure in FIGURES}
        if frame.digest:
            row |= {facet: "unknown" for facet in FACETS_TOLD if row[facet] is None and facet != "mosaic"}
        if frame.fixes:
            row["fixes"] = "; ".join(f"{card} = {value}" for card, value in frame.fixes.items())
        yield row
