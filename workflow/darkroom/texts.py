"""Texts: what a person is shown, whatever a header or a file name holds."""

from __future__ import annotations


def make_printable(text: str) -> str:
    """Return ``text`` with control characters and bytes that are no UTF-8 written out, so that it stays on its line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
