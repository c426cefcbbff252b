"""The parts of the benchmark: its nights, what it measures, its check of the lights, and its tables."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits
from matplotlib import pyplot as plt

from darkroom.prepare import prepare
from tests.bench import __main__ as bench
from tests.bench import agreement, budget, competitors, memory, one_job, report, rules, timed
from tests.bench import budget_tables as tables
from tests.bench.night import FLAT_SIGNAL, NIGHTS, SKY, Night, Pixels, write_night
from tests.camera import Camera
from tests.running import REPOSITORY

SMALL = Night(biases=4, darks=4, flats=4, lights=3, filters=("B", "V"), size=96)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "raw"
    write_night(SMALL, folder)
    return folder


def take_run(name, raw, folder):
    """Let a competitor calibrate the small night; return it and what it took."""
    (competitor,) = [entry for entry in competitors.choose_competitors(SMALL, raw, [name])[0] if entry.name == name]
    folder.mkdir()
    return competitor, timed.measure(competitor.prepare(folder), folder, folder.with_suffix(".log"))


def test_night_has_the_frames_it_says(raw):
    counts = {path.name: len(list(path.glob("*.fits"))) for path in raw.iterdir() if path.is_dir()}
    assert counts == {"bias": 4, "dark": 4, "flat_B": 4, "flat_V": 4, "light_B": 3, "light_V": 3}
    data, header = fits.getdata(raw / "light_B" / "light_B_003.fits", header=True)
    assert (data.dtype.kind, data.itemsize, data.shape) == ("u", 2, (96, 96))
    assert (header["IMAGETYP"], header["FILTER"], header["EXPTIME"]) == ("Light Frame", "B", 60)
    times = [fits.getval(path, "DATE-OBS") for path in raw.glob("*/*.fits")]
    assert len(set(times)) == len(times)


def test_night_that_is_there_is_kept_and_another_replaces_it(tmp_path):
    night = Night(1, 1, 1, 1, size=32)
    write_night(night, tmp_path / "raw")
    bias = tmp_path / "raw" / "bias" / "bias_001.fits"
    before = bias.stat().st_mtime_ns
    write_night(night, tmp_path / "raw")
    assert bias.stat().st_mtime_ns == before
    write_night(Night(1, 1, 1, 1, size=40), tmp_path / "raw")
    assert fits.getdata(bias).shape == (40, 40)


def test_standard_and_long_nights_are_those_of_the_docs():
    assert len(NIGHTS["standard"].list_frames()) == 16 + 16 + 2 * 16 + 2 * 24
    assert len(NIGHTS["long"].list_frames()) == 3 * 16 + 336
    # raw frames, and lights of float32, error bar and a byte of mask
    assert NIGHTS["standard"].bytes >= 2048**2 * (112 * 2 + 48 * 9)


def test_frames_have_the_noise_of_read_out_and_photons_and_share_none_of_it():
    camera = Camera(shape=(200, 210), hot_fraction=0.0)
    pixels = Pixels(camera, ("V",), seed=5)
    flats = [pixels.expose("flat", "V", FLAT_SIGNAL).astype(float) for _ in range(2)]
    expected = camera.bias_pattern() + camera.flat("V") * FLAT_SIGNAL + camera.dark_rate() * 4
    variance = (expected - camera.bias_pattern()) / camera.gain + (camera.read_noise / camera.gain) ** 2 + 1 / 12
    pulls = [((flat - expected) / np.sqrt(variance)).ravel() for flat in flats]
    for pull in pulls:  # five standard errors
        assert abs(pull.mean()) < 5 / np.sqrt(pull.size)
        assert abs(pull.var() - 1) < 5 * np.sqrt(2 / pull.size)
    assert abs(np.corrcoef(pulls)[0, 1]) < 5 / np.sqrt(pulls[0].size)


@pytest.mark.parametrize(("name", "stored"), [("numpy", ">f4"), ("ccdproc", ">f8"), ("ccdproc-memory", ">f4")])
def test_peers_make_true_lights(name, stored, raw, tmp_path):
    competitor, _ = take_run(name, raw, tmp_path / "run")
    camera = Camera(shape=(96, 96), seed=1)
    scene = {filter: Pixels(camera, SMALL.filters, 1).stars for filter in SMALL.filters}
    lights = agreement.read_sample(SMALL, competitor, tmp_path / "run")
    assert set(lights) == {f"light_{filter}_{number:03d}" for filter in "BV" for number in (1, 2, 3)}
    for stem, light in lights.items():
        sky = np.linspace(*SKY, 3)[int(stem[-3:]) - 1]
        cold = camera.dark_rate() < 1  # ADU/s
        # read-out and photons, of the light and of the masters (of four frames)
        noise = np.sqrt((sky / camera.gain + (camera.read_noise / camera.gain) ** 2) * 1.5)
        error = (light - sky - scene[stem[6]])[cold]
        assert abs(np.median(error)) < 0.01 * sky
        assert np.quantile(abs(error), 0.9) < 2.5 * noise
        assert fits.getdata(competitor.find(tmp_path / "run")[stem]).dtype == stored


def test_floor_reads_all_and_writes_what_float32_lights_have(raw, tmp_path):
    competitor, run = take_run("floor", raw, tmp_path / "run")
    assert agreement.read_sample(SMALL, competitor, tmp_path / "run") == {}
    for path in competitor.find(tmp_path / "run").values():
        assert path.stat().st_size >= 4 * 96 * 96
    assert run.seconds < 5


def test_a_light_less_is_no_run(raw, tmp_path):
    competitor, _ = take_run("floor", raw, tmp_path / "run")
    (tmp_path / "run" / "lights" / "light_V_002.fits").unlink()
    with pytest.raises(RuntimeError, match="floor: made 5 of 6 lights"):
        agreement.read_sample(SMALL, competitor, tmp_path / "run")


def test_lights_agree_within_a_hundredth_of_the_sky():
    rng = np.random.default_rng(1)
    ours = {"light": rng.normal(600, 20, (50, 60)).astype(np.float32)}
    theirs = {"light": ours["light"] + rng.normal(0, 2, (50, 60)).astype(np.float32)}
    theirs["light"][0, :50] += 1000  # hot pixels, 1.7 % of them
    # 1.96 standard deviations hold 95 %; the hot pixels push that to 96.7 %
    assert agreement.check_agreement("peer", ours, theirs) == pytest.approx(2.13 * 2 / 600, rel=0.1)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda light: light * 1.02,  # another flat, or none
        lambda light: light + 1000,  # a bias left in
        lambda light: np.where(np.arange(light.size).reshape(light.shape) % 10 == 0, np.nan, light),
        lambda light: light + np.random.default_rng(2).normal(0, 6, light.shape),
        lambda light: np.zeros_like(light),
    ],
)
def test_lights_that_differ_are_told(spoil):
    ours = {"light_V_001": np.full((40, 50), 600, np.float32)}
    theirs = {"light_V_001": spoil(ours["light_V_001"])}
    with pytest.raises(RuntimeError, match=r"peer: light_V_001 differs from Darkroom's by .* % of the sky"):
        agreement.check_agreement("peer", ours, theirs)


def test_measure_counts_the_largest_process_and_not_the_one_that_asks(tmp_path):
    ballast = np.ones(30_000_000)  # 240 MB here
    child = "import time; x = bytearray(100_000_000); time.sleep(0.3)"
    command = [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"]
    run = timed.measure(command, tmp_path, tmp_path / "out.log")
    assert 100 < run.memory < 200
    assert 0.3 < run.seconds < 10
    assert ballast.nbytes == 240e6


def test_measure_tells_why_a_command_failed(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)exit status 3.*no such night"):
        timed.measure(
            [sys.executable, "-c", "print('no such night'); raise SystemExit(3)"], tmp_path, tmp_path / "out.log"
        )


def test_table_has_medians_and_their_ratios(tmp_path):
    def took(*seconds):
        return [timed.Measurement(value, 2 * value, 100 + value) for value in seconds]

    runs = {"darkroom": took(12, 10, 11), "darkroom bare": took(5.5), "numpy": took(22, 20, 40)}
    rows = report.summarise_runs(runs)
    ratios = {"darkroom": 0.5, "darkroom bare": 0.25}
    assert rows[2] == report.Row("numpy", 3, 20, 22, 40, 44, 140, ratios)
    assert rows[0].ratios == {"darkroom": 1, "darkroom bare": 0.5}
    table, single = report.write_tables(tmp_path / "bench", "small-96", rows, runs)
    darkroom, _, numpy = csv.DictReader(table.read_text().splitlines())
    assert (darkroom["median_s"], numpy["median_s"], numpy["darkroom_ratio"]) == ("11", "22", "0.5")
    assert numpy["darkroom bare_ratio"] == "0.25"
    runs = [(run["competitor"], run["round"]) for run in csv.DictReader(single.read_text().splitlines())]
    assert runs[2:5] == [("darkroom", "3"), ("darkroom bare", "1"), ("numpy", "1")]
    assert "numpy" in report.format_table(rows).splitlines()[-1]


def test_plot_is_drawn_to_scale(tmp_path):
    names = ["darkroom", "darkroom bare", "numpy", "floor"]
    rows = report.summarise_runs({name: [timed.Measurement(10.0 + 5 * k, 1, 1)] for k, name in enumerate(names)})
    report.draw_plot(tmp_path / "plot.png", "a night", rows)
    image = plt.imread(tmp_path / "plot.png")[..., :3]
    assert image.std() > 0.05
    red, blue = (np.array([int(code[k : k + 2], 16) for k in (1, 3, 5)]) / 255 for code in ("#c0392b", "#8fa8bd"))
    lengths = [(abs(image - colour).max(axis=2) < 0.02).sum(axis=1).max() for colour in (red, blue)]
    assert lengths[1] / lengths[0] == pytest.approx(2.0, rel=0.02)  # of 20 s and of 10 s


def test_siril_joins_in_where_it_is_installed(raw, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert competitors.choose_competitors(SMALL, raw)[1] == ["siril-cli"]
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/{name}")
    chosen, absent = competitors.choose_competitors(SMALL, raw, overlays=[Path("bare.yaml")])
    scripts = ["numpy", "ccdproc", "ccdproc-memory", "floor"]
    assert [entry.name for entry in chosen] == ["darkroom", "darkroom bare", *scripts, "siril-cli"]
    assert absent == []


def test_lights_of_siril_are_found_by_raw_frame_and_brought_to_the_median_of_the_flat(raw, tmp_path):
    siril = competitors.enter_siril("siril-cli", SMALL, raw, 2)
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    flat = (1 - 0.2 * (x**2 + y**2)).astype(np.float32)
    siril.prepare(tmp_path)
    for name in SMALL.filters:
        fits.writeto(tmp_path / "process" / f"pp_flat_{name}_stacked.fit", 0.4 * flat)
        for number in (1, 2, 3):  # a sky of 600 ADU, 700 and 800, divided by the flat over the mean of its middle
            light = np.full_like(flat, (500 + 100 * number) / 65535 * flat[32:64, 32:64].mean() / np.median(flat))
            fits.writeto(tmp_path / "process" / f"pp_light_{name}_{number:05d}.fit", light)
    lights = agreement.read_sample(SMALL, siril, tmp_path)
    assert {stem: np.median(light) for stem, light in lights.items()} == {
        f"light_{name}_{number:03d}": pytest.approx(500 + 100 * number, rel=1e-5)
        for name in SMALL.filters
        for number in (1, 2, 3)
    }


def test_rounds_alternate_and_begin_with_another_each(monkeypatch, raw, tmp_path):
    order = []

    def pretend(command, folder, log):
        order.append(log.stem)
        return timed.Measurement(1.0, 1.0, 1.0)

    monkeypatch.setattr(bench, "measure", pretend)
    monkeypatch.setattr(bench, "read_sample", lambda night, competitor, folder: {"light": np.ones((2, 2))})
    chosen, _ = competitors.choose_competitors(SMALL, raw, ["numpy", "floor"])
    runs = bench.run_rounds(SMALL, chosen, tmp_path, rounds=3)
    assert order == ["darkroom", "numpy", "floor", "numpy", "floor", "darkroom", "floor", "darkroom", "numpy"]
    assert {name: len(runs[name]) for name in runs} == {"darkroom": 3, "numpy": 3, "floor": 3}


def test_full_disk_is_told_before_anything_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**6))
    with pytest.raises(SystemExit, match=r"3\.\d GB needed in .*, 0\.0 GB free"):
        bench.check_space(NIGHTS["standard"], tmp_path)
    with pytest.raises(SystemExit, match=r"1\d\.\d GB needed"):  # with darks, flats and lights of float64
        bench.check_space(NIGHTS["standard"], tmp_path, ["ccdproc"])


def test_command_line_refuses_what_makes_no_night():
    command = [sys.executable, "-m", "tests.bench", "--size", "0"]
    result = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "--size: 0 is less than 1" in result.stderr


def test_budget_of_a_run_adds_up_to_its_wall_time():
    spans = [
        tables.Span("bias", 2.0, 5.0),
        tables.Span("dark", 2.5, 4.0),
        tables.Span("light", 5.5, 9.0),
    ]
    parts = tables.account_for_run(10.0, spans, {"Python": 0.5, "index and plan": 1.0}, 0.25)
    assert sum(parts.values()) == pytest.approx(10)
    assert (parts["jobs"], parts["summary"]) == (7.0, 0.25)
    assert parts["unexplained, before the first job"] == pytest.approx(0.5)
    assert parts["unexplained, at the end"] == pytest.approx(0.75)
    assert tables.tabulate_run(parts)[-1] == "| all | 10.00 | 100 |"


def test_budget_of_the_jobs_has_their_sums_and_the_idle_cores():
    spans = {
        "a": tables.Span("bias", 1.0, 4.0),
        "b": tables.Span("bias", 1.0, 2.0),
        "c": tables.Span("light", 5.0, 7.0),
    }
    sampled = {name: {"imports": 0.5, "reading": 0.25, "all": 1.0} for name in spans}
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in tables.tabulate_jobs(spans, sampled, cores=2)]
    assert [row[:6] for row in rows[2:]] == [
        ["bias", "2", "4.00", "2.00", "0.00", "1.00"],
        ["light", "1", "2.00", "1.00", "0.00", "0.50"],
        ["all", "3", "6.00", "3.00", "0.00", "1.50"],
        ["no job on one of 2 cores", "", "6.00", "", "", ""],
    ]
    assert rows[2][-1] == "0.50"  # 1 s, less imports and reading, of two jobs
    assert {len(row) for row in rows} == {10}


def test_budget_is_kept_between_its_marks(tmp_path):
    document = tmp_path / "speed.md"
    document.write_text("# Speed\n\n{}\nold\n{}\n\nThe end\n".format(*tables.MARKS))
    for _ in range(2):
        tables.keep_tables(document, ["| new |"])
        assert document.read_text() == "# Speed\n\n{}\n\n| new |\n\n{}\n\nThe end\n".format(*tables.MARKS)
    document.write_text("# Speed\n")
    with pytest.raises(RuntimeError, match=r"speed\.md: no place for the tables"):
        tables.keep_tables(document, ["| new |"])
    assert document.read_text() == "# Speed\n"
    assert all(mark in (REPOSITORY / "docs" / "speed.md").read_text() for mark in tables.MARKS)


def test_budget_tells_reading_and_calculating_threads_apart(monkeypatch):
    def make(*calls):
        """Return a stack of functions, the innermost first, of files in the library unless they have a folder."""
        frame = None
        for call in reversed(calls):
            path, name = call.split(":")
            code = SimpleNamespace(co_filename=path if "/" in path or "<" in path else f"/x/workflow/darkroom/{path}")
            code.co_name = name
            frame = SimpleNamespace(f_code=code, f_back=frame)
        return frame

    assert one_job.find_role(make("raw.py:digest_file", "products.py:read_raw", "stacks.py:f"))[0] == "reading"
    assert one_job.find_role(make("stamps.py:digest_recipe", "products.py:write_product"))[0] == "writing"
    assert one_job.find_role(make("<frozen importlib._bootstrap>:_load", "products.py:read_raw"))[0] == "imports"
    assert one_job.find_role(make("/lib/threading.py:wait", "stacks.py:f"))[0] == "waiting"
    calculating = make("/lib/numpy/x.py:median", "combine.py:combine_images", "/x/scripts/make.py:make")
    assert one_job.find_role(calculating) == ("arithmetic", "combine.py: combine_images")

    sampler = one_job.Sampler()
    clock = iter([1.0, 2.0])
    monkeypatch.setattr(one_job.time, "perf_counter", lambda: next(clock))
    sampler.last = 0.0
    sampler.look({1: calculating, 2: make("products.py:read_raw"), 3: make("/lib/threading.py:wait")})
    sampler.look({3: make("/lib/threading.py:wait")})
    assert sampler.shares == {"arithmetic": 0.5, "reading": 0.5, "waiting": 1.0}
    assert sampler.functions == {"combine.py: combine_images": 0.5}


def test_budget_runs_a_job_again_by_itself(raw, tmp_path):
    nights = prepare({"raw": str(raw), "results": str(tmp_path / "results")})
    job = next(job for job in nights.jobs.values() if not job.needs)
    shares = budget.sample_job(nights, job, tmp_path)["shares"]
    assert (tmp_path / "results" / job.products[0]).exists()
    assert 0 < shares["imports"] < shares["all"]
    assert 0.5 * shares["all"] < sum(seconds for role, seconds in shares.items() if role != "all") <= shares["all"]
    with pytest.raises(RuntimeError, match="no time in its log"):
        budget.read_spans(nights, 0.0)


def test_rules_tell_threads_and_memory_of_every_job(raw, tmp_path):
    told = rules.ask_rules(raw, tmp_path / "results")
    nights = prepare({"raw": str(raw), "results": str(tmp_path / "results")})
    assert set(told) == {job.products[0] for job in nights.jobs.values()}
    assert all(given["threads"] >= 1 and given["mem_mb"] > 50 for given in told.values())


def test_copies_of_flats_are_frames_of_their_own(tmp_path):
    write_night(Night(1, 1, memory.NIGHT.flats, 0, size=32), tmp_path)
    memory.copy_flats(tmp_path / "flat_V", 10)
    paths = sorted((tmp_path / "flat_V").glob("*.fits"))
    assert len(paths) == 10
    assert len({fits.getval(path, "DATE-OBS") for path in paths}) == 10
    assert len({path.read_bytes() for path in paths}) == 10
    np.testing.assert_array_equal(fits.getdata(paths[9]), fits.getdata(paths[1]))
    with fits.open(paths[9]) as hdus:
        hdus.verify("exception")
