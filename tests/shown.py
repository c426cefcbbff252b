"""Nights that never were, as the page of a night is given them: believable, large, empty, unmeasured and hostile."""

import io
from datetime import datetime, timedelta

import numpy as np
from PIL import Image

from darkroom.report_model import LightShown, MasterShown, Night, Pair, Problem, RawShown
from tests.shown_stacks import add_solutions, make_stacks, spoil_stacks

NIGHT, BEFORE, SETUP = "2024-03-10", "2024-03-09", "Simulated_CCD-1x1-512x512-81e89e"
EVENING = datetime(2024, 3, 11, 1, 30)  # UTC, an hour after sunset at the site
FILTERS = {"B": (120.0, 300.0), "V": (60.0, 450.0), "R": (60.0, 800.0)}  # exposure in s, sky in electrons
NASTY = [
    '<script>alert("name")</script>',
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    'it\'s "quoted" & <b>bold</b>; a\\b `c` ${d} {{ e }} {% f %}',
    "two\nlines\tand\x07a bell\u2028\u202eturned",
    "x" * 300,
    "'; DROP TABLE lights; --",
    "javascript:alert(1)",
]


def make_picture(seed: int, size: int = 96, name: str = "PNG", scale: float = 1.0) -> bytes:
    """Return an encoded picture of stars on noise, ``size`` pixels wide."""
    random = np.random.default_rng(seed)
    image = random.normal(60, 9 * scale, (size, size))
    y, x = np.mgrid[:size, :size]
    for x0, y0, flux in random.uniform(0, 1, (12, 3)) * [size, size, 300]:
        image += flux * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (size / 30) ** 2)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(buffer, name)
    return buffer.getvalue()


def make_night(lights: int = 24, measured: bool = True, seed: int = 1) -> Night:
    """Return a night of lights in three filters over seven hours, with what can go wrong in one.

    Of 8 lights and more, one is cloudy and two lack their masters, and stacks are made of them; ``measured`` is false
    for a night without previews, solutions and stacks.
    """
    masters = _make_masters(measured)
    random = np.random.default_rng(seed)
    shown = [_make_light(number, lights, masters, random, measured) for number in range(lights)]
    if lights >= 8:
        _cloud_over(shown[lights // 2], measured)
        for light in (shown[2], shown[-1]):
            _skip(light)
    if measured:
        add_solutions(shown)
    raws = [_make_raw(name, master, random) for master in masters for name in master.frames if master.night == NIGHT]
    raws += [_make_raw_light(light, random) for light in shown]
    raws.append(RawShown("flat_R_broken.fits", "flat", SETUP, "R", "2024-03-11T01:04:00.000", 4.0, -10.0, 31000.0,
                         problem="truncated: 212 of 512 rows are there"))  # fmt: skip
    raws.append(RawShown("notes.fits", "", problem="no image: it holds a table"))
    pairs = [_make_pair(f"{name}, {exposure:g} s", at) for at, (name, (exposure, _)) in enumerate(FILTERS.items())]
    pairs.append(Pair("bias_001.fits, and the mean of 15", make_picture(70, 512), make_picture(70, 512, scale=0.3),
                      "a single bias", "the master bias"))  # fmt: skip
    return Night(
        night=NIGHT,
        title="Darkroom",
        lights=shown,
        masters=masters if lights else [],
        raws=raws if lights else [],
        pairs=pairs if measured and lights else [],
        stacks=make_stacks(shown, make_picture(90, 700)) if measured and lights >= 8 else [],
        problems=_list_problems() if lights >= 8 else [],
        notes=["bias_003.fits: its clock says 12:19, while the sun is up"] if lights else [],
        setups=[f"{SETUP}: Simulated CCD, binning 1x1, 512 x 512 pixels, read-out Normal, gain 1.5 e-/ADU"],
        detectors=[
            {"night": NIGHT, "setup": SETUP, "quantity": "read_noise", "unit": "e-", "measured": 8.01389,
             "error": 0.01558, "pairs": 7, "header": "", "config": ""},
            {"night": NIGHT, "setup": SETUP, "quantity": "gain", "unit": "e-/ADU", "measured": 1.50157,
             "error": 0.0027, "pairs": 6, "header": 1.5, "config": ""},
        ],
        settings={"raw": "raw", "nights": None, "bias": {"use": True, "combine": {"method": "mean", "sigma": 5.0}},
                  "flat": {"use": True, "min_counts": 500}, "exclude": ["cloudy/*"]},
        version="darkroom 0.1.0 (9f5a431)",
    )  # fmt: skip


def make_hostile() -> Night:
    """Return a night whose headers and file names are made to break a page."""
    night = make_night(16)
    paths = [light.path for light in night.lights]
    for at, light in enumerate(night.lights):
        text = NASTY[at % len(NASTY)]
        light.raw = f"{at} {text}.fits"
        light.object, light.filter, light.notes = text, text, text
        light.path = light.path and f"{NIGHT}/{SETUP}/lights/{at} {text}.fits"
        light.preview = light.preview and f"{SETUP}/lights/{at} {text}.png"
        light.unit, light.setup = text, text
        light.odd = {text: text} if at % 3 == 0 else light.odd
        light.missing = light.missing and [Problem(text, text)]
    names = {}
    for at, master in enumerate(night.masters):
        text = NASTY[at % len(NASTY)]
        names[master.path] = master.path = f"{master.path}{text}"
        master.filter, master.setup, master.unit, master.failures = text, text, text, [text]
        master.frames = [f"{number} {text}" for number in range(3)]
        master.figures[text], master.statistics[text] = 1.0, 2.0
        master.masters = [night.masters[0].path] if at else []
    for light in night.lights:
        light.masters = {"bias": night.masters[0].path, NASTY[0]: night.masters[-1].path, NASTY[3]: "gone"}
    for at, raw in enumerate(night.raws):
        text = NASTY[at % len(NASTY)]
        raw.name, raw.kind, raw.setup, raw.filter, raw.notes = f"{at} {text}", text, text, text, text
        raw.start, raw.problem = text, raw.problem and text
    spoil_stacks(night, paths, NASTY)
    for at, pair in enumerate(night.pairs):
        pair.title = pair.before_label = pair.after_label = NASTY[at]
    night.night = night.title = night.version = NASTY[1]
    night.problems = [Problem(text, text) for text in NASTY]
    night.notes = night.setups = list(NASTY)
    night.detectors = [{NASTY[0]: text} for text in NASTY]
    night.settings = {text: {text: [text]} for text in NASTY}
    return night


def _make_masters(measured: bool) -> list[MasterShown]:
    folder = f"{NIGHT}/{SETUP}"
    common = {"proven": True, "residual": 0.003134, "local_residual": 0.09799, "noise_excess": 0.001719,
              "noise_excess_error": 0.001736}  # fmt: skip
    bias = MasterShown(f"{folder}/master_bias.fits", "bias", NIGHT, SETUP, exposure=0.0, unit="adu", verdict="passed")
    bias.frames = [f"bias_{number:03}.fits" for number in range(1, 16)]
    bias.figures = {"frames": 15, **common, "departure": 0.01295, "level": 1000.0, "structure": 1.084,
                    "structure_read_noises": 0.2029}  # fmt: skip
    masters = [bias]
    for exposure in (60, 120, 300):
        dark = MasterShown(f"{folder}/master_dark_{exposure}s.fits", "dark", NIGHT, SETUP, exposure=float(exposure))
        dark.frames = [f"dark_{exposure}s_{number:03}.fits" for number in range(1, 10)]
        dark.masters, dark.unit, dark.verdict = [bias.path], "adu", "passed"
        dark.figures = {"frames": 9, **common, "departure": 0.0, "temperature": -9.998, "temperature_departure": 0.092,
                        "rate": 0.06815, "hot_fraction": 0.0009995}  # fmt: skip
        masters.append(dark)
    masters[3].verdict, masters[3].used = "failed", False
    masters[3].failures = ["dark_300s_004.fits was 3.1 deg C off the mean temperature of -9.6 deg C "
                           "(dark.temperature_tolerance: 2)"]  # fmt: skip
    masters[3].figures["temperature_departure"] = 3.1
    for at, name in enumerate(FILTERS):
        night = BEFORE if name == "R" else NIGHT
        flat = MasterShown(f"{night}/{SETUP}/master_flat_{name}.fits", "flat", night, SETUP, name, 4.0)
        flat.frames = [f"flat_{name}_{number:03}.fits" for number in range(1, 2 if name == "R" else 8)]
        flat.masters, flat.verdict = [bias.path, masters[2].path], "unproven" if name == "R" else "passed"
        flat.figures = {"frames": len(flat.frames), **common, "level": 29970.0 - at * 800, "illumination_change": 1e-4,
                        "gradient": 0.131, "change": 0.0021 * at or None, "pixel_change": 0.003}  # fmt: skip
        if name == "R":
            flat.figures |= {"proven": False, "residual": None, "local_residual": None, "noise_excess": None}
        masters.append(flat)
    refused = MasterShown(f"{folder}/master_flat_I.fits", "flat", NIGHT, SETUP, "I", 4.0, used=False)
    refused.frames, refused.verdict = ["flat_I_001.fits", "flat_I_002.fits"], "not made"
    refused.failures = ["no frame is good: flat_I_001.fits and flat_I_002.fits are saturated (flat.max_counts)"]
    for at, master in enumerate(masters if measured else []):
        _add_pixels(master, at)
    return [*masters, refused]


def _add_pixels(master: MasterShown, seed: int) -> None:
    """Give a master a picture, and statistics and a histogram of the same made-up pixels."""
    center, spread = {"bias": (1000.0, 2.1), "dark": (8.2, 1.4), "flat": (1.0, 0.02)}[master.kind]
    pixels = np.random.default_rng(seed).normal(center, spread, 60_000)
    counts, edges = np.histogram(pixels, 64)
    master.histogram = {"edges": edges.tolist(), "counts": counts.tolist()}
    low, high = np.percentile(pixels, [1, 99])
    master.statistics = {"min": float(pixels.min()), "max": float(pixels.max()), "median": float(np.median(pixels)),
                         "mean": float(pixels.mean()), "std": float(pixels.std()), "robust_std": spread,
                         "p01": float(low), "p99": float(high), "blank": 0.0}  # fmt: skip
    master.picture = make_picture(100 + seed, 256)


def _make_light(
    number: int, lights: int, masters: list[MasterShown], random: np.random.Generator, measured: bool
) -> LightShown:
    block = max(1, lights // 12)
    name = list(FILTERS)[number // block % len(FILTERS)]
    exposure, sky = FILTERS[name]
    hours = 7 * number / max(lights, 1)
    raw = f"light_{name}_{exposure:g}s_{number + 1:03}.fits"
    stem = raw.removesuffix(".fits")
    used = {"bias": masters[0].path, "dark": masters[1 if exposure == 60 else 2].path}
    used["flat"] = next(master.path for master in masters if master.filter == name)
    start = (EVENING + timedelta(hours=hours)).isoformat(timespec="milliseconds")
    light = LightShown(f"{NIGHT}/{SETUP}/lights/{raw}", raw, SETUP, "M67" if number % 5 else "NGC 2264", name, exposure,
                       start, float(random.normal(-10, 0.06)), used, "electron")  # fmt: skip
    if measured:
        light.sky = float(sky * (1 + 0.05 * (hours - 3.5) ** 2 / 12) * random.normal(1, 0.01))
        light.noise_expected = float(np.sqrt(light.sky + 64))
        light.noise = float(light.noise_expected * random.normal(1.004, 0.004))
        light.fwhm = float(random.normal(3.1, 0.12))
        light.elongation = float(random.normal(1.08, 0.015))
        light.stars = int(random.normal(420, 18))
        light.masked = float(random.normal(0.0012, 0.00003))
        light.thumbnail = make_picture(1000 + number, name="JPEG")
        light.preview = f"{SETUP}/lights/{stem}.png"
    return light


def _cloud_over(light: LightShown, measured: bool) -> None:
    if not measured:
        return
    light.sky, light.stars, light.fwhm = light.sky * 3.4, 23, 4.9
    light.noise_expected = float(np.sqrt(light.sky + 64))
    light.noise = light.noise_expected * 1.02
    light.odd = {
        "sky": "sky 3.4 times that of the lights around it",
        "stars": "23 stars; the lights around it have 421",
    }
    light.notes = "the header says WEATHER = 'clouds'"


def _skip(light: LightShown) -> None:
    light.path, light.preview, light.thumbnail, light.odd = "", "", b"", {}
    light.sky = light.noise = light.noise_expected = light.fwhm = light.elongation = light.stars = light.masked = None
    light.filter, light.raw = "I", light.raw.replace(f"_{light.filter}_", "_I_")
    light.masters = {name: path for name, path in light.masters.items() if name != "flat"}
    light.missing = [Problem(f"no flat of filter I on {NIGHT}; the nearest is of 2024-03-04, 6 nights away",
                             "flat.max_age_days: 6 would take it")]  # fmt: skip


def _make_raw(name: str, master: MasterShown, random: np.random.Generator) -> RawShown:
    level = {"bias": 1000.0, "dark": 1008.0, "flat": 30000.0}[master.kind]
    minute = int(name.rsplit("_", 1)[1].split(".")[0])
    hour = {"bias": 12, "dark": 13, "flat": 1}[master.kind]
    start = f"2024-03-11T{hour:02}:{minute:02}:00.000"
    return RawShown(name, master.kind, SETUP, master.filter, start, master.exposure, float(random.normal(-10, 0.05)),
                    float(level * random.normal(1, 0.002)))  # fmt: skip


def _make_raw_light(light: LightShown, random: np.random.Generator) -> RawShown:
    level = 1000 + (light.sky or 400) / 1.5
    return RawShown(light.raw, "light", SETUP, light.filter, light.start, light.exposure, light.temperature,
                    float(level * random.normal(1, 0.002)), notes=light.notes)  # fmt: skip


def _make_pair(title: str, seed: int) -> Pair:
    return Pair(f"light_{title}", make_picture(50 + seed, 512, scale=2), make_picture(50 + seed, 512), "raw",
                "calibrated")  # fmt: skip


def _list_problems() -> list[Problem]:
    return [
        Problem("2 lights of filter I are skipped: there is no flat of filter I within 0 days",
                "flat.max_age_days: 6 would take that of 2024-03-04; or take flats of filter I at dawn"),
        Problem("master_dark_300s.fits failed its certification: dark_300s_004.fits was 3.1 deg C off the mean",
                "let the sensor settle before darks; exclude: [dark_300s_004.fits] makes it of the others"),
        Problem("flat_R_broken.fits is truncated: 212 of 512 rows are there", ""),
    ]  # fmt: skip
