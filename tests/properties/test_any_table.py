"""Whatever the frame table holds, there is a plan or a line that says why not; each product has its own place."""

import csv
import json
import os
import tempfile
import time
from datetime import datetime
from pathlib import Path
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from darkroom.frames import FACETS_TOLD, Frame
from darkroom.index import index_frames
from darkroom.picture_recipes import write_picture_recipes
from darkroom.plan import make_plan
from darkroom.plan_table import plan_rows
from darkroom.plan_text import describe_plan, list_notes, list_problems
from darkroom.prepare import prepare
from darkroom.prepared import CACHE, PlanError
from darkroom.readings import digest_reader
from darkroom.recipes import write_recipes
from darkroom.setups import name_setups
from tests.unit.builders import overlay

RAW = Path("/raw")
HOSTILE = [
    "V", "v", "B", "../../x", "/etc/x", "$(touch pwned)", "a/b c'd\"", "{night}", "*", "..", ".", "none", "x" * 300,
    "x" * 299 + "y", "-rf", "H\N{GREEK SMALL LETTER ALPHA}", "\N{KELVIN SIGN}", "k",
    "stra\N{LATIN SMALL LETTER SHARP S}e", "strasse", "_", "V.", "CON", "a\\b", "%s", "#",
]  # fmt: skip
TEXTS = st.none() | st.sampled_from(HOSTILE)
FEW = st.sampled_from([None, None, "1", "2"])
NUMBERS = st.sampled_from([None, None, 0.0, -1.0, 1.0, 1e-300, 1e300, 100.0, 65535.0])
LEVELS = st.floats(-1e38, 1e38) | st.sampled_from([0.0, 300.0, 310.0, 20_000.0, 65535.0])
SHARES = st.sampled_from([0.0, 0.001, 0.5, 0.6, 1.0])
PLACES = st.tuples(st.integers(0, 47), st.integers(0, 47)).map(list)
PIXELS = st.fixed_dictionaries(
    {
        "pixels": st.sampled_from([48, 2304, 10**6]),
        "searched": st.sampled_from([0, 2304, 10**6]),
        "blank": SHARES,
        "blank_rows": st.sampled_from([0, 1, 24, 48]),
        "blank_value": st.none() | LEVELS,
        "level": LEVELS,
        "noise": LEVELS.map(abs),
        "lowest": LEVELS,
        "highest": LEVELS,
        "one_value": st.booleans(),
        "full": SHARES,
        "full_from": st.none() | LEVELS,
        "parts": st.lists(LEVELS, min_size=16, max_size=16),
        "parts_noise": LEVELS.map(abs),
        "stars": st.integers(0, 5000),
        "bright_stars": st.integers(0, 5000),
        "peaks": st.lists(PLACES, max_size=30),
    }
).map(lambda pixels: pixels if pixels["full_from"] is not None else pixels | {"full": 0.0})
BLANK = {"pixels": 48, "searched": 0, "blank": 1.0, "blank_rows": 0}
STARTS = st.sampled_from(["2024-03-10T20:00:00.000", "2024-03-11T02:00:00.000", "2024-03-11T20:00:00.000"])
STARTS |= st.sampled_from(["1858-11-17T00:00:00.000", "9999-12-30T23:59:59.999", "0001-01-03T00:00:00.000"])
STARTS |= st.datetimes(datetime(2024, 3, 9), datetime(2024, 3, 12)).map(
    lambda at: at.isoformat(timespec="milliseconds")
)
# what a reading says, one file or image each: a plain night, and up to four fields of anything
USUAL = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["bias", "dark", "flat", "light", "light"]),
        "kind_from": st.just("file name"),
        "night_of": STARTS,
        "exposure": st.sampled_from([30.0, 60.0, 60.0, 60.004]),
        "rows": st.just(48),
        "filter": st.sampled_from(["V", "B"]),
    }
)
ANY = {
    "kind": st.sampled_from(["unknown", "other"]),
    "kind_from": st.sampled_from(["header: x", "folder: $(touch pwned)"]),
    "exposure": st.sampled_from([None, 0.0, -1.0, 1e-9, 1e6, 1e300]),
    "rows": st.sampled_from([6, 1]),
    "filter": TEXTS,
    "object": TEXTS,
    "temperature": st.sampled_from([None, -10.0, -10.5, 20.0, -273.15, 1e300, -1e300]),
    "longitude": st.sampled_from([None, 0.0, -179.0, 359.0]),
    "camera": TEXTS,
    "telescope": TEXTS,
    "part": TEXTS,
    "binning": st.sampled_from([None, None, "1x1", "2x2"]),
    "readout": FEW,
    "gain_setting": FEW,
    "offset_setting": TEXTS,
    "window": FEW,
    "mosaic": st.sampled_from([None, "RGGB", "GBRG"]),
    "technique": st.sampled_from([None, "IMAGE", "image/../x", "SPECTRUM"]),
    "gain": NUMBERS,
    "read_noise": NUMBERS,
    "saturation": NUMBERS,
    "overscan": st.sampled_from([None, "[41:48,1:48]", "[1:8,1:48]"]),
    "trim": st.sampled_from([None, "[1:40,1:48]", "[1:40,1:40]"]),
    "strips": st.sampled_from([None, [None, None], ["[41:48,1:48]", None]]),
    "fixes": st.sampled_from([None, {"FILTER": "../../x"}]),
    "mjd": st.sampled_from([None, 0.0, 60379.0, 1e300]),
    "checksum": st.sampled_from(["", "DATASUM", "CHECKSUM"]),
    "pixels": st.just({}) | st.just(BLANK) | PIXELS,
    "same": st.booleans(),
    "problem": st.sampled_from(["", "", "", "truncated"]),
}
ODD = st.lists(st.one_of([st.tuples(st.just(field), values) for field, values in ANY.items()]), max_size=4).map(dict)
READINGS = st.tuples(USUAL, ODD).map(lambda parts: parts[0] | parts[1])
NAMES = st.sampled_from(
    ["a.fits", "A.FITS", "a.fit", "a.fits.gz", "sub/a.fits", "Sub/A.fits", "bias/b.fits", "$(touch pwned)/a b.fits"]
)
NAMES |= st.sampled_from(
    ["\x1b[2J.fits", "new\nline.fits", "\udcff.fits", "x" * 250 + ".fits", "..fits", "-rf.fits", "a_1.fits"]
)
FILES = st.dictionaries(NAMES, st.lists(READINGS, min_size=1, max_size=3), min_size=1, max_size=9)
SWITCHES = st.fixed_dictionaries(
    {},
    optional={
        "bias__use": st.booleans(),
        "dark__use": st.booleans(),
        "flat__use": st.booleans(),
        "dark__per_second": st.booleans(),
        "dark__subtract_bias": st.booleans(),
        "flat__max_age_days": st.sampled_from([0, 10**6]),
        "bias__max_age_days": st.sampled_from([0, 2]),
        "dark__temperature_tolerance": st.sampled_from([None, 0, 2]),
        "lights__mask": st.booleans(),
        "lights__cosmic_rays__use": st.booleans(),
        "certification__use": st.booleans(),
        "detector__compare": st.booleans(),
        "health__empty": st.sampled_from(["warn", "stop"]),
        "health__lit": st.sampled_from(["warn", "stop"]),
        "nights": st.sampled_from([None, "2024-03-10", "2024-01-01..2024-03-10"]),
        "missing": st.sampled_from(["skip", "stop"]),
    },
).filter(
    lambda keys: (
        not keys.get("dark__per_second") or keys.get("bias__use", True) > (not keys.get("dark__subtract_bias", True))
    )
)


def describe_files(files):
    """What the folders list, and the cache of their readings."""
    listed, known = [], {}
    for file, readings in files.items():
        path = f"{RAW}/{file}"
        listed.append((path, file, os.stat_result((0o100644, 0, 0, 0, 0, 0, 2880, 0, 0, 0), {"st_mtime_ns": 10**18})))
        told = []
        for number, reading in enumerate(readings, start=1):
            one = {"columns": 48, **reading, "start": reading["night_of"], "digest": f"{len(listed)}-{number}"}
            del one["night_of"]
            if one.pop("same", False):
                one["digest"] = "the same"
            if len(readings) > 1:
                one |= {"label": str(number), "image": {"hdu": number}}
            if one.get("strips"):
                data = [f"[{1 + 20 * part}:{20 + 20 * part},1:48]" for part in (0, 1)]
                parts = [{"hdu": 1, "data": each, "place": [0, 0], "turned": [False, False]} for each in data]
                one["image"] = {"amplifiers": parts}
            if one.get("problem"):
                one = {"problem": one["problem"]}
            told.append({field: value for field, value in one.items() if value is not None})
        known[path] = {"name": file, "stat": [2880, 10**18], "readings": told}
    return listed, known


def make_cache(known, checked):
    return {"reader": digest_reader(checked["headers"]), "readings": json.loads(json.dumps(known))}


def index(files, checked, random=None):
    listed, known = describe_files(files)
    if random:
        random.shuffle(listed)
    with patch("darkroom.index.list_files", lambda raw, results: listed):
        return index_frames(checked, [RAW], Path("/results"), make_cache(known, checked))


def is_shown_plainly(text):
    return all(line.isprintable() for line in text.split("\n"))


def assert_below(paths):
    """Each is a path of its own below results, on any disk."""
    assert len({path.casefold() for path in paths}) == len(paths)
    for path in paths:
        assert not path.startswith("/")
        for part in path.split("/"):
            assert part.isascii()
            assert part.isprintable()
            assert not set(part) & set(" \\'\"$`*?[]{}<>|;&!~#%")
            assert part[0] not in "-."
            assert len(part) < 160


def describe(plan):
    """The plan as plain values, whatever the order of the frames in its lines."""
    frames = {
        frame.name: (frame.kind, frame.setup, frame.problem, sorted(frame.notes.split("; "))) for frame in plan.frames
    }
    masters = {m.path: ([f.name for f in m.frames], [x.master.path for x in m.matches]) for m in plan.masters}
    lights = {
        light.path: (light.frame.name, [(m.master.path, m.scale) for m in light.matches], list(map(str, light.misses)))
        for light in plan.lights
    }
    return frames, masters, lights, sorted(map(str, plan.refused))


@settings(max_examples=1000)
@given(FILES, SWITCHES, st.randoms(use_true_random=False))
def test_any_table_has_a_plan(files, switches, random):
    checked = overlay(**switches, previews__use=True, report__use=True)
    try:
        plan = make_plan(index(files, checked), checked)
    except PlanError:  # no frame is of the nights that are asked for
        assert switches["nights"]
        return
    write_recipes(plan, checked)
    write_picture_recipes(plan, checked)
    assert_below([one.path for one in plan.masters])
    assert_below([one.path for one in plan.lights])
    assert_below([one.path for one in plan.list_all()])
    json.dumps([one.recipe for one in plan.list_all()], allow_nan=False)
    for item in plan.list_all():
        assert item.recipe
    assert is_shown_plainly(describe_plan(plan, dict.fromkeys([one.path for one in plan.list_all()], "")))
    assert all(line.isprintable() for line in list_problems(plan) + list_notes(plan))
    columns, rows = plan_rows(plan, dict.fromkeys([one.path for one in plan.list_all()], ""))
    for row in rows:
        assert set(row) <= set(columns)
    assert describe(make_plan(index(files, checked, random), checked)) == describe(plan)


@settings(max_examples=800)
@given(FILES)
def test_what_is_unknown_is_never_equal_without_a_word(files):
    frames = [frame for frame in index(files, overlay()) if frame.digest and not frame.problem]
    for one in frames:
        for other in frames:
            if one.setup == other.setup:
                assert (one.rows, one.columns, one.part) == (other.rows, other.columns, other.part)
                assert (one.overscan, one.trim, one.strips) == (other.overscan, other.trim, other.strips)
                for facet in FACETS_TOLD:
                    own, its = getattr(one, facet), getattr(other, facet)
                    assert own == its or None in (own, its)
                    if own is None and its is not None:
                        assert f"{facet.replace('_', ' ')} {its}" in one.notes


@settings(max_examples=200)
@given(FILES, SWITCHES)
def test_any_table_is_prepared_or_refused(files, switches):
    config = {}
    for name, value in switches.items():
        *sections, key = name.split("__")
        part = config
        for section in sections:
            part = part.setdefault(section, {})
        part[key] = value
    with tempfile.TemporaryDirectory() as folder:
        raw, results = Path(folder) / "raw", Path(folder) / "results"
        raw.mkdir()
        listed, known = describe_files(files)
        (results / CACHE).mkdir(parents=True)
        cache = make_cache(known, overlay(**switches))
        (results / CACHE / "frames.json").write_text(json.dumps(cache))
        nights, said = None, ""
        with patch("darkroom.index.list_files", lambda raw, results: listed):
            try:
                nights = prepare({"raw": str(raw), "results": str(results), **config})
            except PlanError as refusal:
                said = str(refusal)
        assert is_shown_plainly(said)
        assert {path.name for path in Path(folder).iterdir()} == {"raw", "results"}
        for path in [*results.glob("*.txt"), *results.glob("*.csv")]:
            assert is_shown_plainly(path.read_text()), path
        with (results / "frames.csv").open(newline="") as file:
            assert len(list(csv.DictReader(file))) == sum(map(len, files.values()))
        if nights:
            assert_below([path for job in nights.jobs.values() for path in job.products])
            assert_below([job.recipe for job in nights.jobs.values() if not job.recipe.startswith(".")])
            assert_below([job.log.removeprefix("logs/") for job in nights.jobs.values()])
            assert all(line.isprintable() for line in nights.warnings)


def test_setups_of_one_short_digest_are_told_apart():
    """Of some thousand settings two have one digest of 24 bits; a setup that is alone keeps its name."""
    cards = {"camera": "cam", "binning": "1x1", "rows": 6, "columns": 8}
    frames = [Frame(f"/raw/{n}.fits", f"{n}.fits", digest=f"{n}", gain_setting=f"{n}", **cards) for n in range(12_000)]
    alone = {}
    for frame in frames:
        name_setups([frame])
        alone.setdefault(frame.setup, []).append(frame.name)
    assert max(map(len, alone.values())) > 1, "no two digests are equal"
    start = time.process_time()
    name_setups(frames)
    assert time.process_time() - start < 5, "each is compared with each"
    assert len({frame.setup for frame in frames}) == len(frames)
    kept = {name for frame in frames for name in [frame.setup] if name in alone}
    assert kept == {name for name, same in alone.items() if len(same) == 1}
