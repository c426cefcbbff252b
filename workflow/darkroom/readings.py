"""Readings: what a raw file says of each image in it, by its headers, its folders, its name and its pixels."""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkroom.fingerprints import fingerprint_module
from darkroom.fixes import apply_fixes, find_fixes
from darkroom.folders import UNREAD
from darkroom.hdus import BLOCK, Hdu, iterate_planes, list_hdus, list_images, read_extension, read_header
from darkroom.headers import describe_header, matches, read_dialects
from darkroom.kind_sources import fill_from_path, find_kind
from darkroom.parsed_cards import ParsedCards, merge_cards
from darkroom.problems import JobProblem
from darkroom.processed import find_processing
from darkroom.quantities import read_number
from darkroom.sources import DamagedFile, FileChanged, RawProblem, Source, open_source
from darkroom.tiles import demand_bounded_tiles
from darkroom.values import find_value

if TYPE_CHECKING:
    pass

UNREADABLE = "cannot be read"
LONGEST_CUBE = 1e7  # s; beyond, its exposure is no time
COLOURS = ["CTYPE3", "COLORTYP", "COLORSPC"]  # where a cube says that its planes are colours
CYCLES = ["KCT", "CYCLETIM"]  # s from the start of one plane to that of the next (Andor Solis)


def digest_reader(headers: dict[str, Any]) -> str:
    """Return a digest of all but the file that a reading depends on: settings, dialects, this code."""
    content = repr((headers, read_dialects(), fingerprint_module("readings")))
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def read_file(path: str, name: str, status: os.stat_result, headers: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the reading of each image in a file: the fields of its frame but those that depend on the whole night."""
    if stat.S_ISDIR(status.st_mode):
        return [{"problem": f"{UNREADABLE}: this folder cannot be entered (no permission, or its path is too long)"}]
    if not stat.S_ISREG(status.st_mode):
        return [{"problem": "not a regular file"}]
    if name.lower().endswith(UNREAD):
        return [{"problem": f"files of this kind ({Path(name).suffix}) are not read; decompress it first"}]
    try:
        source = open_source(path, status)
        hdus = list_hdus(source)
        images = list_images(hdus)
        for hdu in images:
            if hdu.compressed:
                demand_bounded_tiles(read_extension(source, hdu), read_header(source, hdu.start)[0])
        if headers["extensions"] == "stitch" and len(images) > 1:
            return [_read_mosaic(path, name, source, hdus, images, headers)]
        labels: list[str | None] = [None] if len(images) == 1 else [*_label(images)]
        return [
            _read_image(path, source, hdus, hdu, plane, label, described)
            for hdu, label in zip(images, labels, strict=True)
            for described in [_describe_hdu(name, source, hdus, hdu, headers)]
            for plane in iterate_planes(hdu)
        ]
    except MemoryError:
        return [{"problem": "does not fit into memory: damaged, or name it in exclude", "health": "damaged"}]
    except FileChanged:
        return [{"problem": f"{UNREADABLE}: it is being written to; wait for it to end"}]
    except RawProblem as problem:
        return [{"problem": str(problem), "health": "damaged" if isinstance(problem, DamagedFile) else ""}]
    except OSError as error:
        return [{"problem": f"{UNREADABLE}: {error.strerror or error}", "health": "damaged"}]


def _read_image(
    path: str,
    source: Source,
    hdus: list[Hdu],
    hdu: Hdu,
    plane: int | None,
    part: str | None,
    described: dict[str, Any],
) -> dict[str, Any]:
    """Return the reading of one image: of several, each has a ``label`` and an address, ``image``."""
    image = None
    if part is not None or plane is not None:
        image = {"hdu": hdu.number} | ({} if plane is None else {"plane": plane})
    rows, columns = hdu.shape[-2:]
    reading = described | {"image": image, "part": part, "rows": rows, "columns": columns}
    if image:
        reading["label"] = f"{hdu.number}" if plane is None else f"{hdu.number},{plane}"
    if plane is not None:
        _tell_plane(reading, plane, hdu)
    return reading | _look_at(path, source, hdus, image, reading)


def _read_mosaic(
    path: str, name: str, source: Source, hdus: list[Hdu], images: list[Hdu], headers: dict[str, Any]
) -> dict[str, Any]:
    """Return the reading of an image that is stitched of those of several amplifiers.

    Raises
    ------
    RawProblem
        If they do not say where they lie, or do not fit together.
    """
    from darkroom.amplifiers import describe_amplifiers, place_amplifiers

    parts = [(hdu.number, describe_header(merge_cards(hdus, hdu), headers), hdu.shape) for hdu in images]
    if cubes := [hdu for hdu in images if len(hdu.shape) == 3]:
        raise RawProblem(f"cannot be stitched: extension {cubes[0].number} is a cube")
    try:
        amplifiers = describe_amplifiers(parts)
    except ValueError as problem:
        raise RawProblem(f"{problem}; headers.extensions: separate takes each by itself") from None
    (rows, columns), _ = place_amplifiers(amplifiers)
    image = {"amplifiers": amplifiers}
    reading = _describe(name, merge_cards(hdus, images[0]), headers)
    broken = next(filter(None, (_check_sums(source, hdu) for hdu in images)), "")
    strips = [known["overscan"] for _, known, _ in parts]
    reading |= {"image": image, "rows": rows, "columns": columns, "trim": None, "overscan": None, "strips": strips}
    reading["checksum"] = broken
    for quantity in ("gain", "read_noise"):  # the flats even out what little the amplifiers differ by
        told = [known[quantity] for _, known, _ in parts]
        reading[quantity] = sum(told) / len(told) if all(told) else None
    return reading | _look_at(path, source, hdus, image, reading)


def _describe_hdu(name: str, source: Source, hdus: list[Hdu], hdu: Hdu, headers: dict[str, Any]) -> dict[str, Any]:
    """Return what all planes of an HDU have in common; of compressed ones that is the digest, too."""
    from darkroom.raw_images import digest_image

    described = _describe(name, merge_cards(hdus, hdu), headers) | {"checksum": _check_sums(source, hdu)}
    if hdu.compressed and len(hdu.shape) == 3:
        described["digest"] = digest_image(source, hdus, {"hdu": hdu.number})
    return described


def _describe(name: str, cards: Mapping[str, Any], headers: dict[str, Any]) -> dict[str, Any]:
    """Return what the header of an image and the names of its file tell."""
    if fixes := find_fixes(cards, name, headers):
        cards = apply_fixes(cards, fixes)
    known = describe_header(cards, headers)
    processed = find_processing(cards, name, known, headers["words"])
    word = known.pop("kind_word")
    for concept in ("calibrated", "place", "data"):
        known.pop(concept, None)
    kind, told_by = find_kind(name, known.pop("kind"), word, headers)
    reading: dict[str, Any] = {**known, "kind": kind, "kind_from": told_by, "fixes": fixes or None}
    if "MJD-OBS" not in fixes and not any(card.startswith("DATE") for card in fixes):
        reading["mjd"] = read_number(find_value(cards, ["MJD-OBS"]))
    fill_from_path(reading, name, headers)
    return reading | ({"problem": processed} if processed else {})


def _look_at(
    path: str, source: Source, hdus: list[Hdu], image: dict[str, Any] | None, reading: dict[str, Any]
) -> dict[str, Any]:
    """Return the digest of an image and what its pixels tell; the latter of raw frames alone."""
    from darkroom.pixels import measure_pixels
    from darkroom.raw_images import digest_image, open_image

    found = {"digest": reading.get("digest") or digest_image(source, hdus, image)}
    if "problem" in reading:
        return found
    try:
        raw = open_image(path, source, hdus, image)
        # that a light has stars is no news
        return found | {"pixels": measure_pixels(raw, reading["saturation"], stars=reading["kind"] != "light")}
    except JobProblem as problem:  # in the words of a job, which is what reads pixels else
        if isinstance(problem.__context__, OSError | FileChanged):
            raise problem.__context__ from None
        raise DamagedFile(f"its pixels cannot be read ({problem.__context__}); copy it again") from None


def _tell_plane(reading: dict[str, Any], plane: int, hdu: Hdu) -> None:
    """Tell the planes of a cube apart: by time, or by colour where there are three that say so."""
    cards = ParsedCards(hdu.header)
    if hdu.shape[0] == 3 and matches(find_value(cards, COLOURS), ["rgb*", "color*"]):
        reading["filter"] = "RGB"[plane - 1]
        return
    seconds = (read_number(find_value(cards, CYCLES)) or reading["exposure"] or 0.0) * (plane - 1)
    if reading["start"] and 0 < seconds < LONGEST_CUBE:
        with suppress(OverflowError):  # at the end of all times
            start = datetime.fromisoformat(reading["start"]) + timedelta(seconds=seconds)
            reading["start"] = start.isoformat(timespec="milliseconds")


def _check_sums(source: Source, hdu: Hdu) -> str:
    """Return which of its sums an HDU contradicts, ``DATASUM`` or ``CHECKSUM``; nothing if it has none, or they fit."""
    from darkroom.checksums import find_broken_checksum

    header = ParsedCards(read_header(source, hdu.start)[0] if hdu.compressed else hdu.header)
    if not {"DATASUM", "CHECKSUM"} & header.names:
        return ""
    length = math.ceil((hdu.end - hdu.start) / BLOCK) * BLOCK
    return find_broken_checksum(header, source, hdu.start, hdu.data, hdu.start + length)


def _label(images: list[Hdu]) -> list[str]:
    """Return what the images of a file are called: their EXTNAMEs if these tell them apart, else their numbers."""
    names = [hdu.name for hdu in images]
    distinct = all(names) and len(set(names)) == len(names)
    return names if distinct else [str(hdu.number) for hdu in images]
