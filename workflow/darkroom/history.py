"""History: sentences in the HISTORY cards of a product, which hold 72 characters each, written and read again."""

from __future__ import annotations

from astropy.io import fits

from darkroom.texts import make_printable

LINE = 72  # characters of a card
LEFT_OUT, NOT_SOLVED, NO_STACK = "left out ", "not solved: ", "no stack: "
ADVICE = "; what might help: "  # between the reason why a light is not solved and what to do about it
BEGINNINGS = (LEFT_OUT, NOT_SOLVED, NO_STACK, "settings ", "raw card: ")  # of sentences


def add_sentence(header: fits.Header, sentence: str) -> None:
    """Add a sentence that begins as one of BEGINNINGS does; what is not printable ASCII is escaped."""
    header.add_history(" ".join(make_printable(sentence).split()).encode("ascii", "backslashreplace").decode())


def list_sentences(header: fits.Header, beginning: str) -> list[str]:
    """Return the sentences that begin so, each whole, with their beginning."""
    sentences: list[str] = []
    for line in map(str, header.get("HISTORY", [])):
        if line.startswith(BEGINNINGS):
            sentences.append(line)
        elif sentences:  # a card loses the spaces at its end
            full = -(-len(sentences[-1]) // LINE) * LINE
            sentences[-1] = sentences[-1].ljust(full) + line
    return [sentence for sentence in sentences if sentence.startswith(beginning)]


def read_reason(header: fits.Header, beginning: str) -> str:
    """Return what the sentences that begin so say; nothing where there is none."""
    return "; ".join(sentence.removeprefix(beginning) for sentence in list_sentences(header, beginning))
