"""The cache of the frame table: a frame is opened once, and again when it or the way of reading has changed."""

import json
import os

import pytest

from darkroom import readings as readings_module
from darkroom.stamps import read_json
from tests.unit.builders import index, write_raw


@pytest.fixture
def raw(tmp_path):
    for number in (1, 2, 3):
        write_raw(tmp_path / "raw" / f"light_{number}.fits")
    return tmp_path / "raw"


@pytest.fixture
def opened(monkeypatch):
    """The names of the files that are opened."""
    names = []
    read = readings_module.open_source

    def watch(path, status):
        names.append(os.path.basename(path))
        return read(path, status)

    monkeypatch.setattr(readings_module, "open_source", watch)
    return names


def through_json(cache):
    return json.loads(json.dumps(cache))


def test_second_index_opens_no_file_and_finds_the_same(raw, opened, monkeypatch):
    cache = {}
    first = index(raw, cache)
    assert sorted(opened) == ["light_1.fits", "light_2.fits", "light_3.fits"]
    opened.clear()
    cache = through_json(cache)
    monkeypatch.setattr("builtins.open", lambda *args, **kwargs: pytest.fail(f"opened {args}"))
    assert index(raw, cache) == first
    assert opened == []


def test_changed_new_and_touched_frames_are_read_again_and_no_others(raw, opened):
    cache = {}
    before = index(raw, cache)
    opened.clear()
    write_raw(raw / "light_4.fits")
    write_raw(raw / "light_2.fits", FILTER="B")
    os.utime(raw / "light_3.fits", ns=(1, 1))
    after = index(raw, through_json(cache))
    assert sorted(opened) == ["light_2.fits", "light_3.fits", "light_4.fits"]
    assert after["light_2.fits"].filter == "B"
    assert after["light_2.fits"].digest != before["light_2.fits"].digest
    assert after["light_3.fits"].digest == before["light_3.fits"].digest  # it was only touched


def test_frame_that_grew_is_read_again_though_its_time_is_the_same(raw):
    path, cache = raw / "light_1.fits", {}
    content, status = path.read_bytes(), path.stat()
    path.write_bytes(content[:5800])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "truncated" in index(raw, cache)["light_1.fits"].problem
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert index(raw, cache)["light_1.fits"].problem == ""


def test_cache_forgets_frames_that_are_gone(raw):
    cache = {}
    index(raw, cache)
    (raw / "light_1.fits").unlink()
    assert sorted(index(raw, cache)) == ["light_2.fits", "light_3.fits"]
    assert sorted(os.path.basename(path) for path in cache["readings"]) == ["light_2.fits", "light_3.fits"]


def test_other_ways_of_reading_headers_read_every_frame_anew(raw, opened):
    cache = {}
    index(raw, cache)
    opened.clear()
    found = index(raw, cache, headers__cards={"filter": ["INSTRUME"]})
    assert len(opened) == 3
    assert {frame.filter for frame in found.values()} == {"Simulated CCD"}


def test_settings_that_are_not_of_headers_read_nothing_anew_but_hold(raw, opened):
    cache = {}
    index(raw, cache)
    opened.clear()
    found = index(raw, cache, exclude=["light_1.fits"], site__night_offset_hours=24, overscan__trim="[1:4,1:6]")
    assert opened == []
    assert found["light_1.fits"].problem.startswith("excluded")
    assert found["light_2.fits"].night == "2024-03-12"
    assert found["light_2.fits"].trim == "[1:4,1:6]"
    assert index(raw, cache)["light_1.fits"].problem == ""


def test_moved_raw_folder_is_read_anew(raw, opened):
    cache = {}
    first = index(raw, cache)
    raw.rename(raw.parent / "moved")
    opened.clear()
    moved = index(raw.parent / "moved", cache)
    assert len(opened) == 3
    assert {name: frame.digest for name, frame in moved.items()} == {n: f.digest for n, f in first.items()}


def test_frame_that_could_not_be_read_is_tried_again(raw, monkeypatch):
    cache = {}
    with monkeypatch.context() as patch:

        def refuse(path, status):
            raise PermissionError(13, "Permission denied")

        patch.setattr(readings_module, "open_source", refuse)
        assert index(raw, cache)["light_1.fits"].problem == "cannot be read: Permission denied"
    # chmod changes neither size nor time
    assert index(raw, through_json(cache))["light_1.fits"].problem == ""


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[1, 2]", b"null", b"\xff\xfe\0", b'{"reader": "another"}', b'{"readings": {}}']
)
def test_damaged_cache_is_made_anew(raw, tmp_path, damage):
    (tmp_path / "frames.json").write_bytes(damage)
    cache = read_json(tmp_path / "frames.json")
    assert len(index(raw, cache)) == 3
    assert len(cache["readings"]) == 3
    assert through_json(cache) == cache


def test_absent_cache_is_empty(tmp_path):
    assert read_json(tmp_path / "absent" / "frames.json") == {}
