"""Hostile names in headers, files and folders: every light is made, nothing is run, nothing leaves the results."""

import os
import re
import shutil
from pathlib import Path

import pytest
from astropy.io import fits

from darkroom.prepare import PlanError
from tests.running import find_lights, find_masters, read_header, run_snakemake
from tests.workflow.jobs import make_night, plan_night, run_job

UNCERTIFIED = {"certification": {"use": False}}
NAMES = [
    "../../x",
    "/etc/x",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned #",
    "a/b c'd\"",
    "{night}",
    "{{filter}}",
    "{0}%s%(x)s",
    "*[a]?",
    "-rf",
    "--config",
    "..",
    ".",  # says nothing
    "none",
    "V" * 300,
    "V" * 299 + "W",
    "v",
    "H\N{GREEK SMALL LETTER ALPHA}",
    "\n\x1b[2J",  # a card that cannot be parsed, as good as none
]
SAFE = re.compile(r"[A-Za-z0-9._+:=@,()-]+")


def give_cards(path: Path, cards: dict[str, str]) -> None:
    """Set cards to any text; astropy refuses what is not printable ASCII, so such text is put in as bytes."""
    plain = {card: "".join(c if " " <= c <= "~" else "?" * len(c.encode()) for c in cards[card]) for card in cards}
    with fits.open(path, mode="update") as hdus:
        hdus[0].header.update(plain)
    content = path.read_bytes()
    for card, text in plain.items():
        if text != cards[card]:
            assert content.count(text.encode()) == 1
            content = content.replace(text.encode(), cards[card].encode())
    path.write_bytes(content)


def assert_safe(folder: Path, results: Path) -> None:
    """Nothing was run, nothing lies outside the results, and every name below is plain."""
    assert not list(folder.rglob("*pwned"))
    assert not Path("pwned").exists()
    assert {path.name for path in folder.iterdir()} <= {"raw", results.name, ".snakemake"}
    for path in results.glob("[!.]*/**/*"):
        for part in path.relative_to(results).parts:
            assert SAFE.fullmatch(part), part
            assert not part.startswith(("-", "."))
            assert len(part) < 120


def test_names_in_headers(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_night(raw, flats={"V": 1}, lights={("V", 60.0): 1})
    flat, light = raw / "flat_V_001.fits", raw / "light_V_60s_001.fits"
    for number, name in enumerate(NAMES):
        for source in (flat, light):
            copy = Path(shutil.copy(source, raw / f"{source.stem[:5]}_{number:02d}.fits"))
            give_cards(copy, {"FILTER": name, "OBJECT": name[::-1], "OBSERVER": f"{number}"})
    with fits.open(flat, mode="update") as flats, fits.open(light, mode="update") as lights:
        del flats[0].header["FILTER"], lights[0].header["FILTER"]  # no filter, beside one that is called none

    nights = plan_night(tmp_path, **UNCERTIFIED)
    for job in nights.jobs.values():
        run_job(nights, job)

    results = tmp_path / "results"
    assert_safe(tmp_path, results)
    lights_made = find_lights(results)
    assert len(lights_made) == len(NAMES) + 1
    flats_used = {read_header(path)["FLATFIL"] for path in lights_made.values()}
    assert len(flats_used) == len(NAMES) - 1, "two filters share a flat"


@pytest.mark.parametrize("card", ["INSTRUME", "READOUTM", "TELESCOP", "IMAGETYP", "DATE-OBS", "BIASSEC", "XBINNING"])
def test_names_in_other_cards(tmp_path: Path, card: str) -> None:
    make_night(tmp_path / "raw", biases=1, darks={60.0: 1}, flats={"V": 1}, lights={("V", 60.0): 1})
    for name in NAMES:
        for path in (tmp_path / "raw").iterdir():
            give_cards(path, {card: name})
        try:
            nights = plan_night(tmp_path, **UNCERTIFIED)
        except PlanError:
            assert card in ("IMAGETYP", "DATE-OBS"), "only without a kind or a date can no frame be used"
            continue
        for job in nights.jobs.values():
            run_job(nights, job)
        assert_safe(tmp_path, tmp_path / "results")
    assert find_lights(tmp_path / "results") or card in ("IMAGETYP", "DATE-OBS")


FILES = [
    "-rf.fits",
    "--dryrun.fits",
    "$(touch pwned).fits",
    "`touch pwned`.fits",
    "; touch pwned;.fits",
    "a && touch pwned.fits",
    'it\'s "so".fits',
    "{night}.fits",
    "{wildcards.x}.fits",
    "{{setup}.fits",
    "*.fits",
    "[ab]?.fits",
    "new\nline\ttab.fits",
    "\x1b[2J\x07.fits",  # what clears a terminal
    "\N{GREEK SMALL LETTER ALPHA}.fits",
    "\udcff\udcfe.fits",  # bytes that are no UTF-8
    "two  spaces .fits",
    "..fits",
    "...fits",
    "%s.fits",
    "\\n.fits",
    "~.fits",
    "x" * 250 + ".fits",
    "same.fits",
    "SAME.FITS",
    "sub/same.fits",
    "{night}/*/-n/$(touch pwned)/a b.fits",
]


def test_names_of_files_and_folders_from_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "it's {night} $(touch pwned); *"
    raw = folder / "raw"
    make_night(raw, lights={("V", 60.0): len(FILES)})
    for light, name in zip(sorted(raw.glob("light_*")), FILES, strict=True):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        light.rename(raw / name)
    before = {os.fsencode(path) for path in raw.rglob("*")}
    results = "re $(touch pwned)'s"
    quick = tmp_path / "quick.yaml"
    quick.write_text("certification: {use: false}\n")

    run = run_snakemake(folder, config={"results": f'"{results}"'}, configfile=quick)

    assert "Traceback" not in run.stderr
    assert f"{len(FILES)} of {len(FILES)} light(s) calibrated" in run.stderr
    logs = [*(folder / results).glob("*.txt"), *(folder / results).glob("*.csv"), *(folder / results).rglob("*.log")]
    assert len(logs) > 5
    for said in (run.stdout, run.stderr, *(path.read_text() for path in logs)):
        assert not {"\x1b", "\x07"} & set(said), "control characters reach the terminal"
    assert_safe(folder, folder / results)
    assert len(find_lights(folder / results)) == len(FILES)
    assert len(find_masters(folder / results)) == 3
    raws = {read_header(path)["RAWID"] for path in find_lights(folder / results).values()}
    assert len(raws) == len(FILES)
    assert {os.fsencode(path) for path in raw.rglob("*")} == before
    assert not [line for line in (folder / results / "plan.txt").read_text().splitlines() if line.startswith("line")]
    again = run_snakemake(folder, config={"results": f'"{results}"'}, configfile=quick)
    assert "Nothing to be done" in again.stderr
