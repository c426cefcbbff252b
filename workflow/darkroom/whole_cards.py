"""Whole cards: what the cards of a header say that tell how its data lie; none of them is trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from darkroom.sources import DamagedFile

if TYPE_CHECKING:
    from astropy.io import fits

MOST_AXES = 999  # as the standard has it
LONGEST_AXIS = 2**20  # pixels; no chip comes near, and one row of them is all that is read at once


def read_axes(header: fits.Header, card: str) -> list[int]:
    """Return the lengths of the axes in the order of NumPy."""
    number = read_whole(header, card)
    if not 0 <= number <= MOST_AXES:
        raise DamagedFile(f"its header asks for {number} axes: damaged")
    return [read_whole(header, f"{card}{axis}") for axis in range(number, 0, -1)]


def read_whole(header: fits.Header, card: str, default: int | None = None) -> int:
    """Return a card's whole number, the default where there is no such card; DamagedFile if it is none."""
    try:
        return int(find_card(header, card, default))
    except (ValueError, TypeError, OverflowError):
        raise DamagedFile(f"its header lacks {card}, or it is no number: damaged") from None


def read_text(header: fits.Header, card: str) -> str:
    """Return a card's text, nothing where it has none."""
    return str(find_card(header, card) or "").strip()


def find_card(header: fits.Header, card: str, default: Any = None) -> Any:
    """Return a card's value, None where it cannot be parsed."""
    from astropy.io import fits

    try:
        return header.get(card, default)
    except fits.VerifyError:
        return None
