"""Solving with stand-ins for the solvers, which replay what the real ones wrote, or go wrong in all ways."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from darkroom.dialects import list_hint_cards
from darkroom.settings import fill_defaults, read_schema
from darkroom.solving import tools
from darkroom.solving.found_fields import read_solution
from darkroom.solving.solve_light import DEFAULTS, UnsolvedLight, solve_light
from darkroom.solving.tools import find_solver
from tests.solver.fields import Camera, draw_field, make_heights
from tests.solver.record import WCS_CARDS, read_catalogue

CAMERA = Camera()
CARDS = list_hint_cards("generic", {"cards": {}})
WIDE = {"scale": [5.0, 7.0]}

START = """
    import json, os, shutil, sys, time
    open({log!r}, "a").write(json.dumps([os.getpid(), os.getcwd(), sys.argv]) + "\\n")
"""
SOLVED = "shutil.copyfile({wcs!r}, 'field.wcs')"
QUERY = "shutil.copyfile({catalogue!r}, sys.argv[sys.argv.index('-o') + 1])"
ENDLESS = """
    import subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open({log!r}, "a").write(json.dumps([child.pid, "", []]) + "\\n")
    time.sleep(600)
"""
# What a solver may do instead of solving, or cards that its solution may have, and what is said of it.
WRONG = {
    "nothing": ("", "no pattern matches"),
    "text": ("open('field.wcs', 'w').write('solved!' * 999)", "makes no sense"),
    "an empty file": ("open('field.wcs', 'w')", "makes no sense"),
    "fails": ("sys.exit('out of memory, ERROR')", "it failed: 'out of memory, ERROR'"),
    "crashes": ("os.abort()", "it failed"),
    "floods": ("print('x' * 10_000_000)", "no pattern matches"),
    "no solution": ({"CTYPE1": None}, "makes no sense"),
    "another projection": ({"CTYPE1": "RA---ZEA", "CTYPE2": "DEC--ZEA"}, "makes no sense"),
    "singular": ({"CD2_2": 0.0, "CD2_1": 0.0}, "makes no sense"),
    "text for a number": ({"CRVAL1": "north"}, "makes no sense"),
    "a wild polynomial": ({"A_2_0": 1.0, "B_0_2": -1.0}, "makes no sense"),
    "a polynomial of many orders": ({"A_ORDER": 400}, "makes no sense"),
    "another place": ({"CRVAL1": 85.4}, "a solution was refused"),
    "another scale": ({"CD1_1": -1e-3, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1e-3}, "a solution was refused"),
}


def make_recorded_wcs(path, changes):
    """The recorded solution as the file that solve-field writes, with other cards."""
    header = fits.Header.fromstring(WCS_CARDS.read_text(), sep="\n")
    for name, value in changes.items():
        if value is None:
            del header[name]
        else:
            header[name] = value
    fits.PrimaryHDU(header=header).writeto(path, overwrite=True)


@pytest.fixture(scope="module")
def image():
    places = read_catalogue()
    return draw_field(CAMERA, places, make_heights(len(places), 5))


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Put stand-ins for the solver and the query on the path; return a function that reads how they were called."""
    programs, indexes, log = tmp_path / "bin", tmp_path / "indexes", tmp_path / "log"
    programs.mkdir()
    indexes.mkdir()
    header = fits.Header({"SCALE_L": np.radians(22 / 60), "SCALE_U": np.radians(120 / 60)})
    fits.PrimaryHDU(header=header).writeto(indexes / "index-test.fits")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(tools, "FOLDERS", (str(indexes),))
    monkeypatch.setattr(tools, "CONFIGURATIONS", ())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    wcs, catalogue = tmp_path / "field.wcs", tmp_path / "catalogue.fits"
    make_recorded_wcs(wcs, {})
    ra, dec = (fits.Column(name, "D", array=each) for name, each in zip(("RA", "DEC"), read_catalogue().T, strict=True))
    fits.BinTableHDU.from_columns([ra, dec]).writeto(catalogue)

    def put(changes=None, **bodies):
        make_recorded_wcs(wcs, changes or {})
        names = {"log": str(log), "wcs": str(wcs), "catalogue": str(catalogue)}
        for name, body in bodies.items():
            path = programs / {"solve_field": "solve-field", "query_starkd": "query-starkd"}.get(name, name)
            text = textwrap.dedent(START) + textwrap.dedent(body)
            path.write_text(f"#!{sys.executable} -IS\n" + text.format(**names) + "\n")
            path.chmod(0o755)

    def read_calls():
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    put.calls, put.folder, put.indexes = read_calls, tmp_path / "temporary", indexes
    return put


def test_defaults_are_those_of_the_settings():
    assert fill_defaults({}, read_schema())["solve"] == {"use": False} | DEFAULTS


def test_light_is_solved(stand_in, image):
    """The recorded solution, 1 pixel off in the corners, becomes one that is 0.1 off."""
    stand_in(solve_field=SOLVED, query_starkd=QUERY)
    solution = solve_light(image, fits.Header(), WIDE, CARDS)
    places = read_catalogue()[CAMERA.find_inside(read_catalogue())]
    assert np.abs(solution.fit.make_wcs().all_world2pix(places, 0) - CAMERA.project(places)).max() < 0.15
    assert solution.solver == "astrometry.net 0.93"
    assert solution.reference == "index-test.fits"
    assert (solution.matches, solution.catalogue) == (pytest.approx(160, abs=6), len(places))
    assert solution.rms_pixels < 0.12
    assert not list(stand_in.folder.iterdir())
    raw = read_solution(fits.Header.fromstring(WCS_CARDS.read_text(), sep="\n"), CAMERA.shape)
    assert np.abs(raw.all_world2pix(places, 0) - CAMERA.project(places)).max() > 0.5


def test_same_light_has_the_same_solution(stand_in, image):
    stand_in(solve_field=SOLVED, query_starkd=QUERY)
    assert solve_light(image, fits.Header(), WIDE, CARDS) == solve_light(image, fits.Header(), WIDE, CARDS)


@pytest.mark.parametrize("name", WRONG)
def test_solver_that_goes_wrong(stand_in, image, name):
    does, words = WRONG[name]
    changes = does if isinstance(does, dict) else {}
    stand_in(changes, solve_field=SOLVED if changes else does, query_starkd=QUERY)
    with pytest.raises(UnsolvedLight, match=r"^astrometry\.net found nothing with 1[56]. stars") as problem:
        solve_light(image, fits.Header(), WIDE, CARDS)
    said = str(problem.value)
    assert words in said
    assert "what might help" in said
    assert len(said) < 900
    assert said.isprintable()  # one line
    assert not list(stand_in.folder.iterdir())


@pytest.mark.parametrize("query", ["", "sys.exit(1)", "open('index-stars.fits', 'w').write('x')"])
def test_solution_that_cannot_be_checked_is_refused(stand_in, image, query):
    stand_in(solve_field=SOLVED, query_starkd=query)
    with pytest.raises(UnsolvedLight, match="no index has stars there to check it by"):
        solve_light(image, fits.Header(), WIDE, CARDS)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pids):
    for _ in range(50):
        if not any(map(is_alive, pids)):
            return
        time.sleep(0.1)
    pytest.fail("still alive")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc")
def test_solver_that_takes_too_long_is_stopped(stand_in, image, monkeypatch):
    monkeypatch.setattr("darkroom.solving.solve_field.GRACE", 0.5)
    stand_in(solve_field=ENDLESS, query_starkd=QUERY)
    began = time.monotonic()
    with pytest.raises(UnsolvedLight, match="stopped after 2 s"):
        solve_light(image, fits.Header(), WIDE | {"time_limit": 2}, CARDS)
    assert time.monotonic() - began < 8
    pids = [pid for pid, _, _ in stand_in.calls()]
    assert len(pids) == 2
    wait_for_end(pids)
    assert not list(stand_in.folder.iterdir())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_job_that_is_ended_leaves_nothing(stand_in, tmp_path, number):
    """Neither the solver nor its folder, if Snakemake or Ctrl-C ends the job meanwhile."""
    stand_in(solve_field=ENDLESS, query_starkd=QUERY)
    script = f"""
        import numpy as np, sys, tempfile
        from astropy.io import fits
        from darkroom.solving import tools
        from darkroom.solving.solve_light import solve_light
        from tests.solver.fields import Camera, draw_field, make_heights
        from tests.solver.record import read_catalogue
        tempfile.tempdir, tools.FOLDERS = {str(stand_in.folder)!r}, ({str(stand_in.indexes)!r},)
        tools.CONFIGURATIONS = ()
        places = read_catalogue()
        image = draw_field(Camera(), places, make_heights(len(places), 5))
        solve_light(image, fits.Header(), {WIDE!r}, {CARDS!r})
    """
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    job = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], env=surroundings, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if len(stand_in.calls()) == 2 or job.poll() is not None:
                break
            time.sleep(0.1)
        assert len(stand_in.calls()) == 2
        job.send_signal(number)
        assert job.wait(10) != 0
    finally:
        job.kill()
        job.wait()
    wait_for_end([pid for pid, _, _ in stand_in.calls()])
    assert not list(stand_in.folder.iterdir())


def test_hostile_headers_never_reach_the_arguments(stand_in, image):
    """What a header says gets there as numbers alone."""
    stand_in(solve_field="", query_starkd=QUERY)
    hostile = ["--config=/etc/passwd", "$(touch owned)", "; rm -rf /", "1e999", "16 41 41 --dir=/", "`id`"]
    header = fits.Header()
    for number, card in enumerate(["OBJCTRA", "OBJCTDEC", "RA", "DEC", "SECPIX", "OBJECT", "XPIXSZ", "FOCALLEN"]):
        header[card] = hostile[number % len(hostile)]
    header["RA-MNT"], header["DEC-MNT"] = "05 40 00", "+01 30 00"
    with pytest.raises(UnsolvedLight):
        solve_light(image, header, WIDE, CARDS)
    calls = stand_in.calls()
    assert len(calls) == 2  # near the mount's place, and anywhere
    for _, folder, arguments in calls:
        assert Path(folder).parent == stand_in.folder
        assert not any(word in argument for argument in arguments for word in ("passwd", "touch", "rm ", "id`", "inf"))
    assert "--ra=85.000000" in calls[0][2]
    assert "--dec=1.500000" in calls[0][2]
    assert not any(argument.startswith("--ra") for argument in calls[1][2])


def test_light_without_stars(stand_in):
    stand_in(solve_field=SOLVED, query_starkd=QUERY)
    blank = np.random.default_rng(1).normal(100, 3, (300, 400)).astype(np.float32)
    with pytest.raises(UnsolvedLight, match=r"only \d+ stars stand out"):
        solve_light(blank, fits.Header(), {"scale": [10, 20]}, CARDS)
    with pytest.raises(UnsolvedLight, match="only 0 stars"):
        solve_light(np.full((300, 400), np.nan, np.float32), fits.Header(), {"scale": [10, 20]}, CARDS)
    assert not stand_in.calls()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("auto", r"solve-field is not installed .*apt-get install astrometry\.net astrometry-data-tycho2"),
        ("astrometry.net", r"solve-field is not installed"),
        ("ASTAP", r"astap_cli .*apt-get install astap-cli"),
        ("magic", r"'magic' is no solver; there are astrometry\.net, ASTAP"),
    ],
)
def test_no_solver(stand_in, image, wanted, words):
    with pytest.raises(UnsolvedLight, match=words):
        solve_light(image, fits.Header(), {"solver": wanted}, CARDS)


def test_first_solver_that_is_there(stand_in):
    stand_in(astap="")
    assert find_solver().name == "ASTAP"
    stand_in(solve_field="")
    assert find_solver().name == "astrometry.net"
    assert find_solver("ASTAP").name == "ASTAP"


def test_no_index(stand_in, image, tmp_path):
    stand_in(solve_field=SOLVED)
    for settings in (WIDE, {}):
        with pytest.raises(UnsolvedLight, match=r"no star indexes in .*nowhere: .*astrometry-data-tycho2"):
            solve_light(image, fits.Header(), settings | {"indexes": [str(tmp_path / "nowhere")]}, CARDS)


def test_no_index_for_such_a_field(stand_in, image):
    """1200 x 900 pixels of 0.6 seconds of arc: patterns of 0.9' to 15', scales 00 to 05."""
    stand_in(solve_field=SOLVED, query_starkd=QUERY)
    with pytest.raises(UnsolvedLight) as problem:
        solve_light(image, fits.Header(), {"scale": [0.6, 0.6]}, CARDS)
    assert "patterns of 0.9' to 15.0'" in str(problem.value)
    assert "have 22' to 120'" in str(problem.value)
    assert "scale 00 to 05 (Debian: astrometry-data-2mass-00 to -05" in str(problem.value)
    assert not stand_in.calls()


ASTAP_SOLVED = """
    content = open({wcs!r}).read()
    lines = [content[start : start + 30].replace(" ", "") for start in range(0, len(content), 80)]
    lines = [line for line in lines if line[:4] in ("CRVA", "CRPI", "CD1_", "CD2_")]
    open("field.ini", "w").write("PLTSOLVD=T\\n" + "\\n".join(lines) + "\\n")
    print("ASTAP solver version CLI-2022.11.11")
"""


def test_astap_is_an_alternative(stand_in, image):
    """It gets a drawing of the stars, and its solution is checked by the same catalogue."""
    stand_in(astap_cli=ASTAP_SOLVED, query_starkd=QUERY)
    solution = solve_light(image, fits.Header(), WIDE | {"position": [85.2, 1.4], "solver": "ASTAP"}, CARDS)
    assert solution.solver == "ASTAP 2022.11.11"
    assert solution.centre == pytest.approx((85.0, 1.5), abs=1e-4)
    arguments = stand_in.calls()[0][2]
    assert arguments[arguments.index("-spd") + 1] == "91.400000"
    assert float(arguments[arguments.index("-ra") + 1]) == pytest.approx(85.2 / 15)
    assert float(arguments[arguments.index("-fov") + 1]) == pytest.approx(900 * np.sqrt(35) / 3600, rel=1e-4)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("PLTSOLVD=F\\nERROR=No star database found.", "ASTAP has no star database"),
        ("PLTSOLVD=F", "no pattern matches"),
        ("PLTSOLVD=T\\nCRVAL1=x", "makes no sense"),
    ],
)
def test_astap_that_fails(stand_in, image, says, words):
    stand_in(astap=f'open("field.ini", "w").write("{says}")', query_starkd=QUERY)
    with pytest.raises(UnsolvedLight, match=words):
        solve_light(image, fits.Header(), WIDE, CARDS)
