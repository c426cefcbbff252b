"""Parsed cards: a FITS header, or that of an extension before the primary one, whose cards are looked up once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from darkroom.hdus import Hdu, is_structural

if TYPE_CHECKING:
    from astropy.io import fits


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


class MergedCards(Mapping[str, Any]):
    """The cards of an extension, and those of the primary header that it does not give anew."""

    def __init__(self, own: ParsedCards, primary: ParsedCards):
        self.own, self.primary = own, primary
        self.comments = _Comments(self)

    def __getitem__(self, card: str) -> Any:
        return self._choose(card)[card]

    def get(self, card: str, default: Any = None) -> Any:
        """Return a card's value, the default where there is no such card."""
        return self._choose(card).get(card, default)

    def _choose(self, card: str) -> ParsedCards:
        return self.own if is_structural(card.upper()) or card in self.own.header else self.primary

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from (card for card in self.primary if not is_structural(card) and card not in self.own.header)

    def __len__(self) -> int:
        return len(list(iter(self)))


class _Comments:
    def __init__(self, cards: MergedCards):
        self.cards = cards

    def __getitem__(self, card: str) -> str:
        return str(self.cards._choose(card).comments[card])


def merge_cards(hdus: list[Hdu], hdu: Hdu) -> ParsedCards | MergedCards:
    """Return the cards of an image, and those of the primary header that it does not give anew."""
    own = ParsedCards(hdu.header)
    return MergedCards(own, ParsedCards(hdus[0].header)) if hdu.number else own
