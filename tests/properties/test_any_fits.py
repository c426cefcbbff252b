"""Whatever the structure of a FITS file is said to be, its images are read, or a line says why not; memory is kept."""

import io
import json
import resource
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import example, given, settings
from hypothesis import strategies as st

from darkroom.problems import JobProblem
from darkroom.raw_images import read_raw
from darkroom.readings import read_file
from tests.unit.builders import overlay

BLOCK = 2880
MEMORY = 2**30  # bytes that a file of some kB may make the process grow by, at most
TOLD = {
    "IMAGETYP": "Light Frame",
    "EXPTIME": 60.0,
    "FILTER": "V",
    "DATE-OBS": "2024-03-11T02:00:00",
    "DETSEC": "[1:8,1:6]",
}
OTHER = dict(TOLD, DETSEC="[9:16,1:6]")
WAYS = ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1"]


def split(hdus: list[fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU]) -> list[tuple[list[bytes], bytes]]:
    """The cards and the data of each HDU, as they are in a file."""
    file = io.BytesIO()
    fits.HDUList(hdus).writeto(file, checksum=len(hdus) == 2)
    file.seek(0)
    parts = []
    with fits.open(file, disable_image_compression=True) as opened:
        for hdu in opened:
            place = hdu.fileinfo()
            lines = file.getvalue()[place["hdrLoc"] : place["datLoc"]]
            cards = [lines[start : start + 80] for start in range(0, len(lines), 80)]
            end = cards.index(b"END".ljust(80))
            parts.append((cards[:end], file.getvalue()[place["datLoc"] : place["datLoc"] + place["datSpan"]]))
    return parts


@cache
def make_templates() -> dict[str, list[tuple[list[bytes], bytes]]]:
    """Files of every form that is read."""
    image = np.arange(48, dtype=np.int16).reshape(6, 8)
    told, other = fits.Header(TOLD), fits.Header(OTHER)
    first = fits.PrimaryHDU(None, fits.Header({"INSTRUME": "cam"}))
    table = fits.BinTableHDU.from_columns([fits.Column("a", "PJ()", array=[[1, 2], [3]]), fits.Column("b", "D")])
    templates = {
        "plain": [fits.PrimaryHDU(image, told)],
        "unsigned": [fits.PrimaryHDU(image.astype(np.uint16), told)],
        "float": [fits.PrimaryHDU(image.astype(np.float32), told), table],
        "cube": [fits.PrimaryHDU(np.stack([image, image + 1, image + 2]), told)],
        "amplifiers": [first, fits.ImageHDU(image, told, name="A"), fits.ImageHDU(image + 1, other, name="B")],
        "several": [fits.PrimaryHDU(image, told), table, fits.ImageHDU(image + 1, other)],
    }
    large = np.random.default_rng(1).integers(0, 200, (30, 40)).astype(np.int16)
    for way in WAYS:
        tile = {"tile_shape": (10, 10)} if way == "HCOMPRESS_1" else {}
        templates[way] = [first, fits.CompImageHDU(large, told, compression_type=way, **tile)]
    cube = np.stack([large, large + 1])
    templates["cube of tiles"] = [first, fits.CompImageHDU(cube, told), fits.CompImageHDU(large, other)]
    return {name: split(hdus) for name, hdus in templates.items()}


SIZES = st.sampled_from([-(2**63), -1000, -3, -1, 0, 1, 2, 3, 5, 6, 7, 8, 16, 40, 48, 999, 1000, 30_000, 10**6, 10**9])
SIZES |= st.sampled_from([2**31 - 1, 2**31, 2**32, 2**62, 2**64, 10**30])
TEXTS = [
    "'T'", "T", "F", "'IMAGE   '", "'BINTABLE'", "'TABLE   '", "'IUEIMAGE'", "'../../x'", "NaN", "1E400", "-0.0", "8.0",
    "1E-320", "(1,2)", "'", "'\x1b[2J'", "'a\0b'", "'\xe9'", "", "'PB(999)'", "'1PB'", "'1QB(1)'", "'GZIP_1'",
    "'PLIO_1'", "'RICE_1'", "'HCOMPRESS_1'", "'NOCOMPRESS'", "'SUBTRACTIVE_DITHER_1'", "'[8:1,6:1]'", "'[1:99,1:99]'",
    "'[0:0,0:0]'", "'9999-12-31T23:59:59'", "'[1000000000:1000000007,1:6]'", "'0001-01-01'", "'&'", "'rgb'",
    "'BYTEPIX'", "'BLOCKSIZE'", "'NOISEBIT'", "1E18", "1E300", "'MASK'", "'UNCERT'",
]  # fmt: skip
VALUES = SIZES.map(str) | st.sampled_from(TEXTS) | st.sampled_from(["8", "16", "32", "64", "-32", "-64"])
SHAPE = ["SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "PCOUNT", "GCOUNT", "GROUPS", "EXTEND"]
MEANT = ["BSCALE", "BZERO", "BLANK", "NEXTEND", "EXTNAME", "EXTVER", "INHERIT", "CHECKSUM", "DATASUM", "KCT", "CTYPE3"]
TABLES = ["TFIELDS", "TTYPE1", "TFORM1", "TTYPE2", "TFORM2", "THEAP", "TSCAL1", "TZERO1", "TDIM1", "TNULL1"]
TILES = [
    "ZIMAGE", "ZBITPIX", "ZNAXIS", "ZNAXIS1", "ZNAXIS2", "ZNAXIS3", "ZTILE1", "ZTILE2", "ZCMPTYPE", "ZNAME1", "ZVAL1",
    "ZNAME2", "ZVAL2", "ZQUANTIZ", "ZDITHER0", "ZBLANK", "ZSCALE", "ZZERO", "ZSIMPLE", "ZEXTEND", "ZTENSION",
]  # fmt: skip
NAMES = st.sampled_from([*SHAPE, *SHAPE, *MEANT, *TABLES, *TILES, *TILES, *TOLD])
LINES = st.one_of(
    st.tuples(NAMES, VALUES).map(lambda card: f"{card[0]:<8}= {card[1]:>20}"),
    st.tuples(NAMES, VALUES).map(lambda card: f"{card[0]:<8} {card[1]}"),
    st.sampled_from(["END", "CONTINUE  'x&'", "HIERARCH ESO  X = 1", "", "\0" * 80, "\xff" * 80, "simple  =    T"]),
    st.text(alphabet=[chr(code) for code in range(256)], max_size=80),
)
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["set", "set", "set", "set", "insert", "remove", "damage", "cut", "repeat"]),
        LINES,
        st.integers(0, 2**20),
        st.binary(min_size=1, max_size=12),
    ),
    max_size=5,
)


def change(parts: list[tuple[list[bytes], bytes]], changes: list[tuple[int, str, str, int, bytes]]) -> bytes:
    """The bytes of a file after all changes: cards set, inserted and removed, data damaged, cut and repeated."""
    parts = [(list(cards), bytearray(data)) for cards, data in parts]
    for number, deed, line, place, random in changes:
        cards, data = parts[number % len(parts)]
        card = line.encode("latin-1").ljust(80)[:80]
        if deed == "set":
            names = [other[:8] for other in cards]
            where = names.index(card[:8]) if card[:8] in names else len(cards)
            cards[where : where + 1] = [card]
        elif deed == "insert":
            cards.insert(place % (len(cards) + 1), card)
        elif deed == "remove" and cards:
            cards.pop(place % len(cards))
        elif deed == "damage" and data:
            start = place % len(data)
            data[start : start + len(random)] = random
        elif deed == "cut":
            del data[place % (len(data) + 1) :]
        elif deed == "repeat" and len(parts) < 6:
            parts.append((list(cards), bytearray(data)))
    content = b""
    for cards, data in parts:
        header = b"".join([*cards, b"END".ljust(80)])
        content += header.ljust(-(-len(header) // BLOCK) * BLOCK) + bytes(data)
    return content


@contextmanager
def limit_memory() -> Iterator[None]:
    """Let the process grow by no more than MEMORY."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


SETTINGS = {way: overlay(headers__extensions=way)["headers"] for way in ("separate", "stitch")}


def check(path: Path, content: bytes, way: str) -> None:
    path.write_bytes(content)
    with warnings.catch_warnings(), limit_memory():
        warnings.simplefilter("ignore")
        readings = read_file(str(path), "night/a.fits", path.stat(), SETTINGS[way])
        assert readings
        json.dumps(readings, allow_nan=False)
        for reading in readings:
            assert all(value.isprintable() for value in reading.values() if isinstance(value, str))
            assert reading.get("problem") or reading["digest"]
            if not reading.get("problem"):
                shape = reading["rows"], reading["columns"]
                assert min(shape) > 0
                with suppress(JobProblem):
                    image = read_raw(str(path), reading["digest"], reading["image"], reading["fixes"])
                    assert image.shape == shape
                    assert image[:].shape == shape
                    assert image[:].dtype == np.float32


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("raw") / "a.fits"


@pytest.mark.parametrize("name", make_templates())
@pytest.mark.parametrize("way", SETTINGS)
def test_files_that_are_changed_are_read_else(path: Path, name: str, way: str) -> None:
    check(path, change(make_templates()[name], []), way)
    readings = read_file(str(path), "night/a.fits", path.stat(), SETTINGS[way])
    refused = name == "PLIO_1" or (way == "stitch" and name == "cube of tiles")
    assert [bool(reading.get("problem")) for reading in readings] == [refused] * len(readings)


@settings(max_examples=2000)
@given(st.sampled_from(sorted(make_templates())), CHANGES, st.sampled_from(sorted(SETTINGS)))
@example("RICE_1", [(1, "set", "ZNAXIS  =                    0", 0, b"0")], "separate")
@example("cube", [(0, "set", "KCT     =                1E300", 0, b"0")], "separate")
@example("cube", [(0, "set", "DATE-OBS= '9999-12-31T23:59:59'", 0, b"0")], "separate")
def test_any_structure_is_read_or_named(
    path: Path, name: str, changes: list[tuple[int, str, str, int, bytes]], way: str
) -> None:
    check(path, change(make_templates()[name], changes), way)


@settings(max_examples=500)
@given(st.binary(max_size=6000), st.sampled_from([b"", b"SIMPLE  =                    T", b"\x1f\x8b\x08\0", b"BZh9"]))
def test_any_bytes_are_read_or_named(path: Path, content: bytes, begin: bytes) -> None:
    check(path, begin + content, "separate")
