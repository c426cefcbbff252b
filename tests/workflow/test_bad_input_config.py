"""Settings that cannot be: all that is wrong is said at once, a line each, before any frame is read."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.running import run_snakemake
from tests.workflow.jobs import make_night


def refuse(folder: Path, *args: str, **run: Any) -> list[str]:
    """Run where Darkroom must refuse; return its lines, without 'darkroom: '."""
    err = run_snakemake(folder, *args, expect=1, **run).stderr
    assert "Traceback" not in err
    assert "Exception" not in err
    _, found, lines = err.partition("darkroom: ")
    assert found, err
    return lines.splitlines()


@pytest.fixture(scope="module")
def garbage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a working directory whose only frame would be complained of if it were read."""
    folder = tmp_path_factory.mktemp("garbage")
    (folder / "raw" / "sub").mkdir(parents=True)
    (folder / "raw" / "sub" / "light.fits").write_text("no FITS")
    (folder / "empty").mkdir()
    (folder / "file").write_text("in the way")
    return folder


FOLDERS = {
    "no such raw": (
        {"raw": "raws"},
        r"raw: no such folder: \S+/raws \(set raw in config\.yaml or with .*",
    ),
    "one of two": ({"raw": "[raw, there]"}, r"raw: no such folder: \S+/there \(set raw .*"),
    "raw is a file": ({"raw": "file"}, r"raw: not a folder: \S+/file \(set raw .*"),
    "no frames": ({"raw": "empty"}, r"raw: no frames \(\.fits, \.fit, \.fts\) anywhere under empty"),
    "a file in the way": ({"results": "file"}, r"results: cannot write to \S+/file \(Not a directory\)"),
    "below a file": ({"results": "file/a"}, r"results: cannot write to \S+/file/a \(Not a directory\)"),
    "no place": ({"results": "/proc/a"}, r"results: cannot write to /proc/a \(No such file or directory\)"),
    "braces": (
        {"results": '"re{x}"'},
        r"results: 're\{x\}' holds braces or unprintable characters; name another folder",
    ),
    "raw itself": ({"results": "raw"}, r"results: \S+/raw lies in the raw folder \S+/raw, .*"),
    "among raw": (
        {"results": "raw/sub"},
        r"results: \S+/raw/sub lies in the raw folder \S+/raw, which is never written to; name .*",
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_cannot_serve_is_named(name: str, garbage: Path) -> None:
    config, line = FOLDERS[name]
    lines = refuse(garbage, config={"results": "made"} | config)
    assert len(lines) == 1
    assert re.fullmatch(f"config\\.yaml: {line}", lines[0])
    assert [str(path.relative_to(garbage)) for path in sorted((garbage / "raw").rglob("*"))] == [
        "raw/sub",
        "raw/sub/light.fits",
    ]


def test_a_night_of_garbage_is_listed(garbage: Path) -> None:
    assert refuse(garbage, config={"results": "results of garbage"}) == [
        "config.yaml: raw: none of the 1 files under raw can be used:",
        "  sub/light.fits: no FITS file (it does not begin with SIMPLE); convert it or name it in exclude",
    ]


def test_all_wrong_keys_and_types_are_listed_before_a_frame_is_read(garbage: Path) -> None:
    (garbage / "wrong.yaml").write_text(
        "Bias: {}\n"
        "flat: {use: maybe, sgima: 3, min_count: 5, combine: {reject: sigmaclip, sigma: -1}}\n"
        "dark:\n"
        "lights_per_job: 2.5\n"
        "site: {longitude: west}\n"
        "overscan: {order: 99}\n"
        'headers: {kind_from: [headr], cards: {expo: [X]}, path: "{kind}/{x}"}\n'
    )
    lines = refuse(garbage, configfile="wrong.yaml", config={"missing": "never", "results": "unmade"})
    expected = [
        r"Bias: unknown key, did you mean 'bias'\?",
        r"dark: nothing is not a block of keys",
        r"flat\.min_count: unknown key, did you mean 'min_counts'\?",
        r"flat\.sgima: unknown key; known here: use, subtract_dark, .*",
        r"flat\.combine\.reject: 'sigmaclip' is not one of sigma, minmax, none",
        r"flat\.combine\.sigma: -1 must be more than 0",
        r"flat\.use: 'maybe' is not true or false",
        r"headers\.cards: 'expo' is not one of kind, .*",
        r"headers\.kind_from\.0: 'headr' is not one of header, folder, name, pixels",
        r"headers\.path: '\{kind\}/\{x\}' is not a pattern such as .*",
        r"lights_per_job: 2\.5 is not a whole number",
        r"missing: 'never' is not one of skip, stop",
        r"overscan\.order: 99 is more than 20",
        r"site\.longitude: 'west' is not a number or null",
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(f"config\\.yaml: {pattern}", line), (line, pattern)
    assert not (garbage / "unmade").exists()


def test_all_impossible_combinations_are_listed_before_a_frame_is_read(garbage: Path) -> None:
    (garbage / "impossible.yaml").write_text(
        "site: {longitude: 3, night_offset_hours: 4}\n"
        "bias: {use: false}\n"
        "dark: {per_second: true, scale: false}\n"
        "flat: {max_counts: 5}\n"
        'overscan: {section: "[1:2]", trim: "[5:1,1:4]"}\n'
        "headers: {kind_from: [name], cards: {kind: [X]}}\n"
    )
    lines = refuse(garbage, configfile="impossible.yaml", config={"results": "unmade"})
    keys = [line.removeprefix("config.yaml: ").split(": ")[0] for line in lines]
    twice = ["dark.per_second", "dark.per_second"]
    assert keys == ["site", "overscan.section", "overscan.trim", *twice, "flat", "headers"]
    assert not (garbage / "unmade").exists()


YAMLS = {
    "flat: [\nraw: x": r"config\.yaml, line \d: not YAML: .*",
    "raw: raw\n\tbias: 3": r"config\.yaml, line 2: not YAML: found character .*",
    "raw: raw\n dark: {use: no}": r"config\.yaml, line 2: not YAML: mapping values are not allowed here",
    "- a\n- list": r"config\.yaml: holds no keys such as 'raw: raw'; .*",
    "": r"config\.yaml: holds no keys such as 'raw: raw'; delete it to run with the defaults",
}


@pytest.mark.parametrize("text", YAMLS)
def test_a_config_file_that_is_no_yaml_is_named_with_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    lines = refuse(tmp_path, "-n")
    assert len(lines) == 1
    assert re.fullmatch(YAMLS[text], lines[0])


def test_what_is_mistyped_on_the_command_line_is_said(garbage: Path) -> None:
    assert refuse(garbage, config={"raws": "x", "lights_per_job": "0"}) == [
        "config.yaml: raws: unknown key, did you mean 'raw'?",
        "config.yaml: lights_per_job: 0 is less than 1",
    ]
    assert refuse(garbage, cores=0) == ["--cores 0: nothing can run on no cores; give 1 or more, or 'all'"]


def test_a_target_that_the_plan_does_not_have_is_said(tmp_path: Path) -> None:
    make_night(tmp_path / "raw")
    setup = "2024-03-11/camera/master_bias"
    assert refuse(tmp_path, "-n", f"results/{setup}.fits") == [
        f"{setup}: the plan has no such product; see results/plan.txt"
    ]
    unknown = run_snakemake(tmp_path, "-n", "ligths", expect=1)
    assert "No rule to produce ligths" in unknown.stdout + unknown.stderr
    assert "Traceback" not in unknown.stdout + unknown.stderr


def test_a_file_in_the_way_of_a_product_is_named(tmp_path: Path) -> None:
    make_night(tmp_path / "raw")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "2024-03-10").write_text("notes of the night")
    (line,) = refuse(tmp_path)
    assert re.fullmatch(r"\S+/results/2024-03-10/\S+: Not a directory; make way or room there, and run again", line)
    assert (tmp_path / "results" / "2024-03-10").read_text() == "notes of the night"
