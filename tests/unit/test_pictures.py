"""Pictures and their texts: read back by Pillow, and by the reader that has no library; whole, or not at all."""

import base64
import io
import json
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from darkroom.pictures import join_pictures, make_thumbnail, scale_picture, write_jpeg, write_png
from darkroom.planned import PlannedRecipe
from darkroom.png_texts import LONGEST, read_text, read_texts
from darkroom.problems import JobProblem
from darkroom.stamps import digest_recipe

GREY = np.random.default_rng(2).integers(0, 256, (120, 200), np.uint8)
COLOUR = np.random.default_rng(3).integers(0, 256, (120, 200, 3), np.uint8)
RECIPE = {"product": "2024-03-10/ccd/lights/m67.png", "kind": "preview", "settings": {"size": 512, "name": "Ω <b>"}}
FIGURES = {"sky": 512.25, "stars": 17, "noise": float("nan"), "edges": np.arange(3.0), "unit": "electron"}


@pytest.mark.parametrize("levels", [GREY, COLOUR])
def test_png_holds_every_level(tmp_path, levels):
    """The first row at its foot."""
    path = tmp_path / "deep" / "m67.png"
    write_png(str(path), levels, FIGURES, RECIPE, 255 - levels)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB" if levels.ndim == 3 else "L")), levels[::-1])
        by_pillow = dict(picture.text)
    assert read_texts(path) == by_pillow
    assert next(iter(by_pillow)) == "RECIPE"
    assert by_pillow["RECIPE"] == read_text(path, "RECIPE") == digest_recipe(RECIPE)
    assert json.loads(by_pillow["recipe"]) == RECIPE
    assert json.loads(by_pillow["figures"]) == {
        "sky": 512.25,
        "stars": 17,
        "noise": None,
        "edges": [0.0, 1.0, 2.0],
        "unit": "electron",
    }
    assert base64.b64decode(by_pillow["thumbnail"]) == make_thumbnail(255 - levels) != make_thumbnail(levels)
    with Image.open(io.BytesIO(base64.b64decode(by_pillow["thumbnail"]))) as small:
        assert (small.format, small.size) == ("JPEG", (96, 58))
    assert [each.name for each in path.parent.iterdir()] == ["m67.png"]


def test_same_picture_has_the_same_bytes(tmp_path, monkeypatch):
    write_png(str(tmp_path / "a.png"), GREY, FIGURES, RECIPE, GREY)
    monkeypatch.setattr("time.time", lambda: 0.0)
    write_png(str(tmp_path / "b.png"), GREY, FIGURES, RECIPE, GREY)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    write_png(str(tmp_path / "b.png"), GREY, FIGURES | {"sky": 1.0}, RECIPE, GREY)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_picture_of_another_plan_is_not_written(tmp_path):
    """The recipe file is gone: a new run has planned anew."""
    recipe = PlannedRecipe(RECIPE, tmp_path / "gone.json")
    with pytest.raises(JobProblem, match="planned anew"):
        write_png(str(tmp_path / "m67.png"), GREY, {}, recipe)
    assert not list(tmp_path.iterdir())
    (tmp_path / "gone.json").write_text("{}")
    write_png(str(tmp_path / "m67.png"), GREY, {}, recipe)
    assert read_texts(tmp_path / "m67.png").keys() == {"RECIPE", "recipe", "figures"}


def test_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    for write in (lambda path: write_png(path, GREY, {}, RECIPE), lambda path: write_jpeg(path, GREY)):
        with pytest.raises(JobProblem, match="cannot be written"):
            write(str(tmp_path / "file" / "m67.png"))


def test_jpeg_shows_the_picture_upright(tmp_path):
    levels = np.zeros((80, 160, 3), np.uint8)
    levels[:40, :, 0] = 200  # red below
    write_jpeg(str(tmp_path / "m67.jpg"), levels)
    with Image.open(tmp_path / "m67.jpg") as picture:
        assert (picture.format, picture.size) == ("JPEG", (160, 80))
        np.testing.assert_allclose(np.asarray(picture)[60, 80], [200, 0, 0], atol=12)
        np.testing.assert_allclose(np.asarray(picture)[20, 80], [0, 0, 0], atol=12)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((120, 200), 100, (60, 100)),
        ((200, 120, 3), 100, (100, 60, 3)),
        ((1, 5000), 100, (1, 100)),
        ((50, 20), 100, (50, 20)),
    ],
)
def test_pictures_are_made_smaller_only(shape, size, expected):
    assert scale_picture(np.full(shape, 77, np.uint8), size).shape == expected
    assert (scale_picture(np.full(shape, 77, np.uint8), size) == 77).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 4000), (2000, 1), (90, 90, 3)])
def test_thumbnail_of_any_shape(shape):
    with Image.open(io.BytesIO(make_thumbnail(np.full(shape, 50, np.uint8)))) as small:
        assert max(small.size) <= 96
        assert small.getextrema() in ((50, 50), ((50, 50),) * 3)


def test_pair_lies_side_by_side():
    pair = join_pictures(GREY, 255 - GREY)
    np.testing.assert_array_equal(pair, np.hstack([GREY, 255 - GREY]))


# The reader of texts, on PNGs put together by hand.


def chunk(kind, data=b"", check=None):
    check = zlib.crc32(kind + data) if check is None else check
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEAD = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
PIXELS = chunk(b"IDAT", zlib.compress(b"\0\0"))
END = chunk(b"IEND")
STAMP = chunk(b"tEXt", b"RECIPE\0abc")


def write(path, *chunks, start=SIGNATURE):
    path.write_bytes(start + b"".join(chunks))
    return path


def test_each_kind_of_text_is_read(tmp_path):
    path = write(
        tmp_path / "x.png",
        HEAD,
        STAMP,
        chunk(b"zTXt", b"packed\0\0" + zlib.compress("µm".encode("latin-1"))),
        PIXELS,
        chunk(b"iTXt", b"plain\0\0\0de\0\0" + "Ω".encode()),
        chunk(b"iTXt", b"both\0\1\0\0k\0" + zlib.compress("Ω<>".encode())),
        chunk(b"tEXt", b"RECIPE\0later"),
        END,
    )
    assert read_texts(path) == {"RECIPE": "abc", "packed": "µm", "plain": "Ω", "both": "Ω<>"}
    assert read_text(path, "RECIPE") == "abc"
    assert read_text(path, "both") == "Ω<>"
    assert read_text(path, "other") is None


def test_texts_are_those_that_pillow_reads(tmp_path):
    path = write(tmp_path / "x.png", HEAD, STAMP, chunk(b"zTXt", b"k\0\0" + zlib.compress(b"v")), PIXELS, END)
    with Image.open(path) as picture:
        assert picture.text == read_texts(path)


WHOLE = [HEAD, STAMP, PIXELS, END]
BROKEN = {
    "empty": (b"", []),
    "signature alone": (SIGNATURE, []),
    "other signature": (b"\x89PNG\n\n\x1a\n", WHOLE),
    "no head": (SIGNATURE, [STAMP, PIXELS, END]),
    "head again": (SIGNATURE, [HEAD, HEAD, STAMP, PIXELS, END]),
    "no end": (SIGNATURE, WHOLE[:-1]),
    "something after the end": (SIGNATURE, [*WHOLE, b"\0"]),
    "a chunk after the end": (SIGNATURE, [*WHOLE, PIXELS]),
    "end with data": (SIGNATURE, [HEAD, STAMP, PIXELS, chunk(b"IEND", b"x")]),
    "longer than the file": (SIGNATURE, [HEAD, STAMP, struct.pack(">I", 2**31) + b"IDAT", END]),
    "text of other check sum": (SIGNATURE, [HEAD, chunk(b"tEXt", b"RECIPE\0abc", check=1), PIXELS, END]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_whole_png_has_no_texts(tmp_path, name):
    start, chunks = BROKEN[name]
    path = write(tmp_path / "x.png", *chunks, start=start)
    assert read_texts(path) is None
    assert read_text(path, "RECIPE") is None


def test_png_cut_short_anywhere_has_no_texts(tmp_path):
    whole = write(tmp_path / "x.png", *WHOLE).read_bytes()
    assert read_text(tmp_path / "x.png", "RECIPE") == "abc"
    for length in range(len(whole)):
        (tmp_path / "x.png").write_bytes(whole[:length])
        assert read_texts(tmp_path / "x.png") is None
        assert read_text(tmp_path / "x.png", "RECIPE") is None


BAD_TEXTS = {
    "bomb": chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(LONGEST + 1))),
    "packed by another way": chunk(b"zTXt", b"k\0\1" + zlib.compress(b"x")),
    "nothing packed": chunk(b"zTXt", b"k\0\0nothing"),
    "packed text cut short": chunk(b"zTXt", b"k\0\0" + zlib.compress(b"some words")[:-6]),
    "no languages": chunk(b"iTXt", b"k\0\0\0de"),
    "no UTF-8": chunk(b"iTXt", b"k\0\0\0\0\0\xff\xfe"),
    "neither packed nor plain": chunk(b"iTXt", b"k\0\7\0\0\0x"),
}


@pytest.mark.parametrize("name", BAD_TEXTS)
def test_text_that_cannot_be_unpacked_is_none(tmp_path, name):
    """But what else is there is read by name, without a look at it."""
    path = write(tmp_path / "x.png", HEAD, STAMP, BAD_TEXTS[name], PIXELS, END)
    assert read_texts(path) is None
    assert read_text(path, "k") is None
    assert read_text(path, "RECIPE") == "abc"


def test_texts_beyond_any_measure_are_none(tmp_path):
    long = write(tmp_path / "long.png", HEAD, STAMP, chunk(b"tEXt", b"k\0" + bytes(LONGEST)), PIXELS, END)
    many = write(tmp_path / "many.png", HEAD, STAMP, *[chunk(b"tEXt", b"k\0x")] * 1000, PIXELS, END)
    for path in (long, many):
        assert read_texts(path) is None
        assert read_text(path, "RECIPE") is None


def test_file_that_is_gone_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "x.png", "RECIPE")


def test_reader_needs_the_standard_library_alone():
    code = (
        "import sys, darkroom.png_texts; print([name for name in ('numpy', 'PIL', 'astropy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
