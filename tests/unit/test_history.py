"""Sentences of history: written over several cards, and read again whole."""

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from darkroom.history import LEFT_OUT, NO_STACK, NOT_SOLVED, add_sentence, list_sentences, read_reason

WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=90)


@given(st.lists(st.lists(WORDS, min_size=1, max_size=12).map(" ".join), max_size=4))
def test_sentences_are_read_back(texts):
    header = fits.Header()
    for text in texts:
        add_sentence(header, f"{LEFT_OUT}x: {text}")
    read = fits.Header.fromstring(header.tostring())
    assert list_sentences(read, LEFT_OUT) == [f"{LEFT_OUT}x: {text}" for text in texts]


def test_kinds_of_sentences_are_told_apart():
    header = fits.Header()
    add_sentence(header, f"{NOT_SOLVED}no stars; {'a long reason ' * 12}")
    header.add_history("settings {}")
    add_sentence(header, f"{NO_STACK}all blank")
    assert read_reason(header, NO_STACK) == "all blank"
    assert read_reason(header, NOT_SOLVED) == f"no stars; {'a long reason ' * 12}".strip()
    assert read_reason(header, LEFT_OUT) == ""


@pytest.mark.parametrize("hostile", ["Größe", "a\nEND", "tab\there", "\x00\x1b[31m"])
def test_what_is_not_printable_is_escaped(hostile):
    header = fits.Header()
    add_sentence(header, NO_STACK + hostile)
    said = read_reason(header, NO_STACK)
    assert said.isascii()
    assert said.isprintable()
