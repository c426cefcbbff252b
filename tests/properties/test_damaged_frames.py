"""Whatever happened to a frame's bytes, it is listed, and reading it gives an image or one line that says why not."""

import tempfile
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from darkroom.problems import JobProblem
from darkroom.raw_images import read_raw
from tests.unit.builders import index, write_raw

WHOLE = 5760 + 96  # two blocks of header and 6 x 8 pixels


@cache
def whole_frame():
    with tempfile.TemporaryDirectory() as folder:
        path = write_raw(Path(folder) / "a.fits", data=np.arange(48, dtype=np.uint16).reshape(6, 8))
        return path.read_bytes()


def check(content):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "raw" / "a.fits"
        path.parent.mkdir()
        path.write_bytes(content)
        (frame,) = index(path.parent).values()
        assert "\n" not in frame.problem
        if frame.digest:
            assert (type(frame.rows), type(frame.columns)) == (int, int)
            image = None
            with suppress(JobProblem):
                image = read_raw(str(path), frame.digest)
            if image is not None:
                assert image[:].dtype == np.float32
                assert image.shape == (frame.rows, frame.columns)
        return frame


@given(st.data())
def test_frame_with_damaged_bytes_is_listed(data):
    damaged = bytearray(whole_frame())
    places = st.integers(0, 2880) | st.integers(0, len(damaged) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=8)):
        damaged[place] = data.draw(st.integers(0, 255))
    check(bytes(damaged))


@given(st.integers(0, 30), st.text(alphabet=[chr(code) for code in range(32, 127)], min_size=1, max_size=72))
def test_frame_with_a_garbled_card_is_listed(number, text):
    start = 80 * number + 8
    content = whole_frame()
    check(content[:start] + text.encode().ljust(72) + content[start + 72 :])


@given(st.integers(0, WHOLE + 2880))
def test_frame_cut_anywhere_is_a_problem_exactly_where_pixels_lack(length):
    frame = check(whole_frame()[:length])
    assert (frame.problem == "") is (length >= WHOLE)
