"""Kind sources: where a frame's kind is told: its header, a folder or its name; and what else its folders tell."""

from __future__ import annotations

from typing import Any

from darkroom.folders import find_stem
from darkroom.headers import match_name, read_dialects
from darkroom.texts import make_printable


def find_kind(name: str, kind: str | None, word: str | None, headers: dict[str, Any]) -> tuple[str, str]:
    """Return the kind and what told it: the header, a folder or the file name."""
    *folders, file = name.split("/")
    folder_names = _add_own(headers["folders"], "folders")
    file_names = _add_own(headers["names"], "names")
    for source in headers["kind_from"]:
        if source == "header" and word is not None:
            return kind or "other", f"header: {word}"
        if source == "folder":
            for folder in reversed(folders):
                if found := match_name(folder, folder_names):
                    return found, f"folder: {folder}"
        if source == "name" and (found := match_name(find_stem(file), file_names)):
            return found, "file name"
    return "unknown", ""


def fill_from_path(reading: dict[str, Any], name: str, headers: dict[str, Any]) -> None:
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
        if part == "{kind}" and not match_name(folder, _add_own(headers["folders"], "folders")):
            return
        if not part.startswith("{") and part.casefold() != folder.casefold():
            return
    for part, folder in zip(parts, folders, strict=True):
        concept = part.strip("{}")
        if part.startswith("{") and reading.get(concept) is None:
            reading[concept] = make_printable(folder)


def _add_own(own: dict[str, list[str]], what: str) -> dict[str, list[str]]:
    """Return the built-in folders or names of each kind, after those that the settings give."""
    return {kind: own.get(kind, []) + names for kind, names in read_dialects()["generic"][what].items()}
