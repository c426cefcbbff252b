"""Raw folders as observers leave them: links, loops, pipes, fragments, results within, several at once."""

import os
import socket
import stat

import numpy as np
import pytest
import xxhash

from darkroom import index as index_module
from darkroom.raw_images import read_raw
from darkroom.sources import PIECE, FileSource, MemorySource, digest_source
from tests.unit.builders import index, overlay, write_raw

LOCKED = "this folder cannot be entered (no permission, or its path is too long)"


@pytest.fixture
def raw(tmp_path):
    write_raw(tmp_path / "raw" / "a.fits")
    return tmp_path / "raw"


def problems(raw, **settings):
    return {name: frame.problem for name, frame in index(raw, **settings).items()}


def test_loops_of_folder_links_end(raw):
    (raw / "sub").mkdir()
    write_raw(raw / "sub" / "b.fits")
    (raw / "sub" / "up").symlink_to(raw)
    (raw / "sub" / "self").symlink_to(raw / "sub")
    assert sorted(problems(raw)) == ["a.fits", "sub/b.fits"]


def test_linked_folders_and_frames_are_read(raw, tmp_path):
    write_raw(tmp_path / "archive" / "b.fits")
    write_raw(tmp_path / "elsewhere" / "night" / "c.fits")
    (raw / "b.fits").symlink_to(tmp_path / "archive" / "b.fits")
    (raw / "night").symlink_to(tmp_path / "elsewhere" / "night")
    assert problems(raw) == {"a.fits": "", "b.fits": "", "night/c.fits": ""}


@pytest.mark.parametrize("target", ["gone.fits", "x.fits", "a.fits/x.fits"], ids=["dangling", "itself", "no folder"])
def test_link_that_leads_nowhere_is_named(raw, target):
    (raw / "x.fits").symlink_to(raw / target)
    assert problems(raw) == {"a.fits": "", "x.fits": "not a regular file"}


def test_pipes_and_sockets_are_never_opened(raw):
    os.mkfifo(raw / "pipe.fits")  # opening it would wait for ever
    here = os.getcwd()
    os.chdir(raw)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("door.fits")
    os.chdir(here)
    assert problems(raw) == {"a.fits": "", "door.fits": "not a regular file", "pipe.fits": "not a regular file"}


def test_folder_with_a_fits_name_is_a_folder(raw):
    write_raw(raw / "night.fits" / "b.fits")
    assert problems(raw) == {"a.fits": "", "night.fits/b.fits": ""}


def test_folder_that_cannot_be_read_is_named(raw, monkeypatch):
    write_raw(raw / "locked" / "b.fits")
    scan = os.scandir

    def refuse(folder):
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied", folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    assert problems(raw) == {"a.fits": "", "locked": f"cannot be read: {LOCKED}"}


@pytest.mark.parametrize("length", [1, 8, 9, 80, 2879, 2880, 5759, 5760, 5760 + 95])
def test_truncated_frame_is_named(raw, length):
    content = (raw / "a.fits").read_bytes()
    whole = len(content) - 2880 + 6 * 8 * 2  # without the padding
    assert whole == 5760 + 96
    (raw / "x.fits").write_bytes(content[:length])
    assert problems(raw)["x.fits"] != ""
    assert index(raw)["x.fits"].kind == "unknown"


def test_frame_without_its_padding_is_whole(raw):
    (raw / "x.fits").write_bytes((raw / "a.fits").read_bytes()[: 5760 + 96])
    assert problems(raw)["x.fits"] == ""


def test_fragments_and_strangers_are_told_apart(raw):
    content = (raw / "a.fits").read_bytes()
    (raw / "b_empty.fits").write_bytes(b"")
    (raw / "c_text.fits").write_bytes(b"no such file\n" * 500)
    (raw / "._d.fits").write_bytes(b"\0\5\26\7" + b"\0" * 210)
    (raw / "e_zeros.fits").write_bytes(b"\0" * 6000)
    (raw / "f_header.fits").write_bytes(content[:2880].replace(b"END     ", b"NOEND   "))
    (raw / "g_cut.fits").write_bytes(content[:5800])
    found = problems(raw)
    assert found["b_empty.fits"].startswith("an empty file (0 bytes)")
    for name in ("c_text.fits", "._d.fits", "e_zeros.fits"):
        assert found[name].startswith("no FITS file (it does not begin with SIMPLE)")
    assert found["f_header.fits"].startswith("its header does not end: truncated or damaged")
    assert found["g_cut.fits"].startswith(f"truncated: 5800 of {5760 + 96} bytes")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("NAXIS1  =                    8", "NAXIS1  =                    0"),
        ("NAXIS1  =                    8", "NAXIS1  =                   -8"),
        ("NAXIS1  =                    8", "NAXIS1  =                1E999"),
        ("NAXIS1  =                    8", "NAXIS1  =           8888888888"),
        ("NAXIS1  =                    8", "NAXIS1  = 'eight   '          "),
        ("NAXIS1  =                    8", "NAXIS1  =                      "),
        ("NAXIS1  =                    8", "NAXIS9  =                    8"),
        ("NAXIS   =                    2", "NAXIS   =                    0"),
        ("NAXIS   =                    2", "NAXIS   =                    1"),
        ("NAXIS   =                    2", "NAXIS   =                1E999"),
        ("BITPIX  =                   16", "BITPIX  =                   12"),
        ("BITPIX  =                   16", "BITPIX  =                    0"),
        ("BITPIX  =                   16", "BITPIX  =              'many' "),
    ],
)
def test_header_of_no_image_is_a_problem_and_no_exception(raw, old, new):
    content = (raw / "a.fits").read_bytes()
    assert old.encode() in content
    (raw / "a.fits").write_bytes(content.replace(old.encode(), new.encode()))
    (frame,) = index(raw).values()
    assert frame.problem


@pytest.mark.parametrize("new", ["NAXIS1  = '8       '          ", "NAXIS1  =                  8.0"])
def test_image_size_is_a_number_however_it_is_written(raw, new):
    content = (raw / "a.fits").read_bytes()
    (raw / "a.fits").write_bytes(content.replace(b"NAXIS1  =                    8", new.encode()))
    (frame,) = index(raw).values()
    assert frame.problem or (frame.columns == 8 and isinstance(frame.columns, int))


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8"])
def test_pixels_of_every_type_are_read(raw, kind):
    path = write_raw(raw / "x.fits", data=np.arange(48).reshape(6, 8).astype(kind))
    frame = index(raw)["x.fits"]
    assert frame.problem == ""
    image = read_raw(str(path), frame.digest)
    np.testing.assert_array_equal(image[:], np.arange(48, dtype=np.float32).reshape(6, 8))
    path.write_bytes(path.read_bytes()[: 5760 + 48 * np.dtype(kind).itemsize - 1])
    assert index(raw)["x.fits"].problem.startswith("truncated")


def test_image_of_one_row_or_column_is_a_frame(raw):
    for name, shape in (("row.fits", (1, 8)), ("column.fits", (8, 1))):
        write_raw(raw / name, data=np.arange(8, dtype=np.uint16).reshape(shape))
        assert problems(raw)[name] == ""


def test_cube_is_no_frame(raw):
    write_raw(raw / "strange.fits", data=np.zeros((2, 3, 4, 5), np.uint16))
    assert problems(raw)["strange.fits"].startswith("no two-dimensional image in the first HDU (NAXIS = 4)")


@pytest.mark.parametrize("by_link", [False, True], ids=["plainly", "by a link"])
def test_results_folder_within_raw_is_not_searched(raw, tmp_path, by_link):
    write_raw(raw / "results" / "2024-03-10" / "lights" / "a.fits")
    write_raw(raw / "results_of_old" / "b.fits")
    (tmp_path / "link").symlink_to(raw)
    start = tmp_path / "link" if by_link else raw
    assert sorted(index(start, results=raw / "results")) == ["a.fits", "results_of_old/b.fits"]
    assert sorted(index(raw, results=start / "results")) == ["a.fits", "results_of_old/b.fits"]


def test_frames_of_several_folders_bear_the_folder_in_their_name(raw, tmp_path):
    write_raw(tmp_path / "calibrations" / "b.fits", "bias")
    assert sorted(problems([raw, tmp_path / "calibrations"])) == ["calibrations/b.fits", "raw/a.fits"]


def test_folders_of_one_name_are_told_apart(tmp_path):
    for year in ("2023", "2024", "2025"):
        write_raw(tmp_path / year / "raw" / "a.fits")
    folders = [tmp_path / year / "raw" for year in ("2023", "2024", "2025")]
    assert sorted(problems(folders)) == ["2023/raw/a.fits", "2024/raw/a.fits", "2025/raw/a.fits"]
    # a copy is found out across them
    (tmp_path / "2025" / "raw" / "a.fits").write_bytes((tmp_path / "2023" / "raw" / "a.fits").read_bytes())
    assert problems(folders)["2025/raw/a.fits"] == "the same content as 2023/raw/a.fits"


def test_folder_given_twice_or_within_another_is_searched_once(raw):
    write_raw(raw / "sub" / "b.fits")
    for folders in ([raw, raw], [raw, raw / "sub"]):
        found = index_module.index_frames(overlay(), folders, raw.parent / "results", {})
        assert sorted(frame.path for frame in found) == [str(raw / "a.fits"), str(raw / "sub" / "b.fits")]
        assert [frame.problem for frame in found] == ["", ""]


def test_exclude_holds_below_each_of_several_folders(raw, tmp_path):
    write_raw(raw / "cloudy" / "b.fits")
    write_raw(tmp_path / "other" / "cloudy" / "c.fits")
    found = problems([raw, tmp_path / "other"], exclude=["cloudy/*"])
    assert {name for name, problem in found.items() if problem} == {"raw/cloudy/b.fits", "other/cloudy/c.fits"}


def test_nothing_is_written_to_the_raw_folder(raw):
    write_raw(raw / "sub" / "b.fits")
    before = {path: os.stat(path).st_mtime_ns for path in [raw, *raw.rglob("*")]}
    for path in before:
        path.chmod(stat.S_IRUSR | (stat.S_IXUSR if path.is_dir() else 0))
    index(raw)
    assert {path: os.stat(path).st_mtime_ns for path in [raw, *raw.rglob("*")]} == before


@pytest.mark.parametrize("length", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_digest_is_of_the_content_however_it_comes(tmp_path, length):
    content = np.random.default_rng(length).bytes(length)
    (tmp_path / "x").write_bytes(content)
    found = digest_source(FileSource(str(tmp_path / "x"), os.stat(tmp_path / "x")))
    assert found == f"{xxhash.xxh3_128(content).intdigest():032x}"
    assert found == digest_source(MemorySource(content)) == digest_source(MemorySource(memoryview(content)))


def test_digest_of_nothing_is_that_of_the_specification():
    assert (
        digest_source(MemorySource(b"")) == "99aa06d3014798d86001c324468d497f"
    )  # XXH3_128bits("") with seed 0, xxHash 0.8
