"""Bad frames and missing masters: each is named in one line that says what to do, and all else is made."""

import os
import re
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from astropy.io import fits

from tests.running import find_lights, read_header, run_snakemake
from tests.workflow.engine import run_due
from tests.workflow.jobs import make_night

UNCERTIFIED: dict[str, dict[str, object]] = {"certification": {"use": False}}
# Files of a night, and the line each gets; none for a folder.
BAD = {
    "text.fits": r"no FITS file .*; convert it or name it in exclude",
    "empty.fits": r"an empty file \(0 bytes\); copy it again",
    "truncated.fits": r"truncated: 8520 of 11136 bytes; copy it again",
    "half_header.fits": r"truncated: 2000 bytes hold no header; copy it again",
    "folder_like.fits": None,
    "pipe.fits": r"not a regular file",
    "dangling.fits": r"not a regular file",
    "packed.fits.gz": r"its compression is truncated or damaged .*; copy it again",
    "cube.fits": r"no two-dimensional image in the first HDU \(NAXIS = 4\)",
    "light_V_60s_001_copy.fits": r"the same content as light_V_60s_001\.fits",
    "no_kind.fits": r"nothing tells what kind of frame it is \(headers\.words, folders, names or fix does\)",
    "focus.fits": r"'Focus' is no bias, dark, flat or light \(headers\.words adds words\)",
    "no_exposure.fits": r"no exposure time in its header \(headers\.cards\.exposure names the card\)",
    "worded_exposure.fits": r"no exposure time in its header .*",
    "zero_exposure.fits": r"an exposure of 0 s \(headers\.cards\.exposure names another card\)",
    "no_date.fits": r"no date and time of observation, so no night \(headers\.cards\.start names the card\)",
    "first_day.fits": r"no date and time of observation, .*",
    "last_day.fits": r"no date and time of observation, .*",
    "other_shape.fits": r"no dark near 60 s .*: there are dark frames of setup \S+56x48-\w+ only; dark\.use: false .*",
    "red.fits": r"no flat in R .*: there are flats in V only; .*; flat\.use: false goes without",
}
UNDATED = {"JD": None}  # the date in another card
CARDS = {
    "no_kind": {"IMAGETYP": None},
    "focus": {"IMAGETYP": "Focus"},
    "no_exposure": {"EXPTIME": None, "EXPOSURE": None},
    "worded_exposure": {"EXPTIME": "long", "EXPOSURE": "long"},
    "zero_exposure": {"EXPTIME": 0.0, "EXPOSURE": 0.0},
    "no_date": UNDATED | {"DATE-OBS": None},
    "first_day": UNDATED | {"DATE-OBS": "0001-01-01T00:00:00"},
    "last_day": UNDATED | {"DATE-OBS": "9999-12-31T23:59:59"},
    "red": {"FILTER": "R"},
}


def vary(light: Path, name: str, data: np.ndarray | None = None, **cards: object) -> None:
    """Write another light beside one: other data, other cards, or without a card (None)."""
    header = read_header(light)
    for card, value in ({"NOTE": name} | cards).items():
        if value is None:
            del header[card]
        else:
            header[card] = value
    fits.PrimaryHDU(fits.getdata(light) if data is None else data, header).writeto(light.parent / f"{name}.fits")


def spoil(raw: Path) -> None:
    """Put one of everything bad among the frames of a night."""
    light = raw / "light_V_60s_001.fits"
    content = light.read_bytes()
    (raw / "text.fits").write_text("SIMPLY a text\n" * 300)
    (raw / "empty.fits").touch()
    (raw / "truncated.fits").write_bytes(content[:8520])
    (raw / "half_header.fits").write_bytes(content[:2000])
    (raw / "folder_like.fits").mkdir()
    (raw / "dangling.fits").symlink_to("nowhere")
    (raw / "packed.fits.gz").write_bytes(b"\x1f\x8b")
    (raw / "light_V_60s_001_copy.fits").write_bytes(content)
    os.mkfifo(raw / "pipe.fits")
    vary(light, "cube", np.zeros((2, 2, 48, 56), np.uint16))
    vary(light, "other_shape", fits.getdata(light)[:40])
    vary(light, "other_bias", fits.getdata(light)[:40], IMAGETYP="Bias Frame", EXPTIME=0.0, EXPOSURE=0.0)
    for name, cards in CARDS.items():
        vary(light, name, **cards)


def snapshot(folder: Path) -> dict[str, object]:
    """Return everything below a folder: content, or None where there is none, and time of change."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.is_file() and path.read_bytes())
        for path in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    make_night(folder / "raw")
    run_due(folder, **UNCERTIFIED)
    return folder


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("spoilt")
    make_night(folder / "raw")
    spoil(folder / "raw")
    before = snapshot(folder / "raw")
    (folder / "quick.yaml").write_text("certification: {use: false}\n")
    run = run_snakemake(folder, configfile="quick.yaml")
    assert snapshot(folder / "raw") == before
    return folder, run


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_in_one_line(name: str, spoilt: tuple[Path, CompletedProcess[str]]) -> None:
    text = (spoilt[0] / "results" / "plan.txt").read_text()
    lines = [line for line in text.partition("LEFT OUT")[2].partition("TO BE MADE")[0].splitlines() if name in line]
    if BAD[name] is None:
        assert lines == []
    else:
        named = rf"  (\S+, )*{re.escape(name)}(, \S+)*(:| skipped:) {BAD[name]}"
        # a light that lacks two masters has a line for each
        assert any(re.fullmatch(named, line) for line in lines), (named, lines)
        assert len(lines) == 1 or "skipped" in lines[0], lines


def test_bad_files_are_warned_of_before_and_after_the_run(spoilt: tuple[Path, CompletedProcess[str]]) -> None:
    err = spoilt[1].stderr
    assert "Traceback" not in err
    assert "Error" not in err
    warnings = re.findall("^warning: (.*)", err, re.MULTILINE)
    assert len(warnings) == 13
    assert warnings[-1] == "and 4 more; all in results/plan.txt"
    assert all(f"\n  {line}\n" in err for line in warnings[:-1])
    assert "2 of 4 light(s) calibrated" in err
    assert "2 light(s) skipped, for want of a master" in err


def test_the_other_frames_give_what_they_give_alone(clean: Path, spoilt: tuple[Path, CompletedProcess[str]]) -> None:
    one, other = (
        {
            str(path.relative_to(folder / "results")): path.read_bytes()
            for path in (folder / "results").glob("????-??-??/**/*")
            if path.is_file()
        }
        for folder in (clean, spoilt[0])
    )
    masters = {"master_bias.fits", "master_dark_60s.fits", "master_flat_V.fits", "bad_pixels.fits"}
    lights = {"light_V_60s_001.fits", "light_V_60s_002.fits"}
    assert {name.split("/")[-1] for name in one} == masters | lights | {"gain.json", "read_noise.json"}
    assert other == one
    assert not list((spoilt[0] / "results").rglob("*.tmp"))


def test_missing_stop_makes_nothing(tmp_path: Path) -> None:
    make_night(tmp_path / "raw", lights={("V", 60.0): 1, ("R", 60.0): 1})
    run = run_snakemake(tmp_path, config={"missing": "stop"}, expect=1)
    assert "warning: light_R_60s_001.fits skipped: no flat in R" in run.stderr
    assert "darkroom: 1 light(s) lack a master, and config.yaml says missing: stop" in run.stderr
    assert "Traceback" not in run.stderr
    assert not list(tmp_path.rglob("results/**/*.fits"))


def test_a_whole_dark_is_not_scaled(tmp_path: Path) -> None:
    make_night(tmp_path / "raw", lights={("V", 60.0): 1, ("V", 200.0): 1})
    whole = {"dark": {"subtract_bias": False}, "flat": {"subtract_dark": False}}
    nights, _, failed = run_due(tmp_path, **whole, **UNCERTIFIED)
    assert not failed
    skipped = (
        r"light_V_200s_001\.fits skipped: no dark near 200 s \(night 2024-03-10, setup \S+\): there is 60 s, "
        r"which holds its bias and so cannot be scaled; dark\.subtract_bias: true .* allows it; dark\.use: false .*"
    )
    assert [bool(re.fullmatch(skipped, line)) for line in nights.warnings] == [True]
    assert list(find_lights(tmp_path / "results")) == ["light_V_60s_001"]
    assert (nights.summary["lights"], nights.summary["skipped"]) == (1, 1)


@pytest.mark.parametrize("lost", ["bias", "dark", "flat"])
def test_without_a_kind_nothing_is_made(tmp_path: Path, lost: str) -> None:
    make_night(tmp_path / "raw")
    for path in (tmp_path / "raw").glob(f"{lost}_*"):
        path.unlink()
    run = run_snakemake(tmp_path, expect=1)
    assert re.search(rf"warning: .*: no {lost} .*there is no {lost} frame at all; {lost}\.use: false", run.stderr)
    assert re.findall("^darkroom: .*", run.stderr, re.MULTILINE) == [
        "darkroom: no light can be calibrated, for want of masters (see the warnings above, or: snakemake plan)"
    ]
    assert "Traceback" not in run.stderr
    assert not list(tmp_path.rglob("results/**/*.fits"))


def test_darks_alone_are_refused_and_biases_alone_are_not(tmp_path: Path) -> None:
    make_night(tmp_path / "raw")
    for kind in ("dark", "bias"):
        (tmp_path / kind / "raw").mkdir(parents=True)
        for path in (tmp_path / "raw").glob(f"{kind}_*"):
            path.rename(tmp_path / kind / "raw" / path.name)
    run = run_snakemake(tmp_path / "dark", expect=1)
    assert "master dark 60 s of 2024-03-10 cannot be made: no bias" in run.stderr
    assert "darkroom: no master can be made, and there are no lights" in run.stderr
    run_due(tmp_path / "bias")
    assert {path.name for path in tmp_path.rglob("results/**/*.fits")} == {"master_bias.fits"}
