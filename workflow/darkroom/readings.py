"""Readings: what one raw file says of itself, by its header, its folders and its name."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkroom.fingerprints import fingerprint_module
from darkroom.folders import find_compression
from darkroom.headers import describe_header, match_name, read_dialects
from darkroom.processed import find_processing
from darkroom.raw import RawProblem, digest_file, read_raw_header
from darkroom.texts import make_printable

if TYPE_CHECKING:
    from astropy.io import fits

UNREADABLE = "cannot be read"


class ParsedCards(Mapping[str, Any]):
    """A FITS header whose cards are looked up once: asking astropy for one that is not there takes longest of all."""

    def __init__(self, header: fits.Header):
        self.header = header
        self.names = {name.upper() for name in header}
        self.values_found: dict[str, Any] = {}
        self.comments = header.comments

    def __getitem__(self, card: str) -> Any:
        if card not in self.values_found:
            self.values_found[card] = self.header[card]
        return self.values_found[card]

    def get(self, card: str, default: Any = None) -> Any:
        """Return a card's value, the default where there is no such card."""
        return self[card] if self._may_have(card) and card in self.header else default

    def _may_have(self, card: str) -> bool:
        # HIERARCH may be left out, and a dot asks for a field of a record
        return card.upper() in self.names or "." in card or card.upper().startswith("HIERARCH ")

    def __iter__(self) -> Iterator[str]:
        return iter(self.header)

    def __len__(self) -> int:
        return len(self.header)


def digest_reader(headers: dict[str, Any]) -> str:
    """Return a digest of all but the file that a reading depends on: settings, dialects, this code."""
    content = repr((headers, read_dialects(), fingerprint_module("readings")))
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def read_frame(path: str, name: str, status: os.stat_result, headers: dict[str, Any]) -> dict[str, Any]:
    """Return a frame's reading: its fields but those that depend on the settings of the night."""
    if stat.S_ISDIR(status.st_mode):
        return {"problem": f"{UNREADABLE}: permission denied for this folder"}
    if not stat.S_ISREG(status.st_mode):
        return {"problem": "not a regular file"}
    if find_compression(name):
        return {"problem": "compressed frames are not read; decompress it first"}
    try:
        header = ParsedCards(read_raw_header(path, status.st_size))
        with open(path, "rb") as file:
            digest = digest_file(file)
    except RawProblem as problem:
        return {"problem": str(problem)}
    except OSError as error:
        return {"problem": f"{UNREADABLE}: {error.strerror or error}"}
    known = describe_header(header, headers)
    processed = find_processing(header, name, known, headers["words"])
    word = known.pop("kind_word")
    del known["calibrated"]
    kind, source = _find_kind(name, known.pop("kind"), word, headers)
    reading = {**known, "kind": kind, "kind_from": source, "digest": digest}
    reading |= {"rows": int(header["NAXIS2"]), "columns": int(header["NAXIS1"])}
    if processed:
        reading["problem"] = processed
    _fill_from_path(reading, name, headers)
    return reading


def _find_kind(name: str, kind: str | None, word: str | None, headers: dict[str, Any]) -> tuple[str, str]:
    """Return the kind and what told it: the header, a folder or the file name."""
    *folders, file = name.split("/")
    folder_names = _folder_names(headers)
    names = read_dialects()["generic"]["names"]
    for source in headers["kind_from"]:
        if source == "header" and word is not None:
            return kind or "other", f"header: {word}"
        if source == "folder":
            for folder in reversed(folders):
                if found := match_name(folder, folder_names):
                    return found, f"folder: {folder}"
        if source == "name" and (found := match_name(Path(file).stem, names)):
            return found, "file name"
    return "unknown", ""


def _fill_from_path(reading: dict[str, Any], name: str, headers: dict[str, Any]) -> None:
    """Fill filter and object from the folders where the header has none; ``path`` is like ``{kind}/{filter}``.

    A folder that stands for the kind must be the name of one, and one named outright must be that one.
    """
    if headers["path"] is None:
        return
    parts = headers["path"].split("/")
    folders = name.split("/")[:-1][-len(parts) :]
    if len(folders) < len(parts):
        return
    for part, folder in zip(parts, folders, strict=True):
        if part == "{kind}" and not match_name(folder, _folder_names(headers)):
            return
        if not part.startswith("{") and part.casefold() != folder.casefold():
            return
    for part, folder in zip(parts, folders, strict=True):
        concept = part.strip("{}")
        if part.startswith("{") and reading.get(concept) is None:
            reading[concept] = make_printable(folder)


def _folder_names(headers: dict[str, Any]) -> dict[str, list[str]]:
    built_in = read_dialects()["generic"]["folders"]
    return {kind: headers["folders"].get(kind, []) + names for kind, names in built_in.items()}
