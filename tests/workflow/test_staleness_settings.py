"""One setting changes: exactly what looks at it is made anew, and the plan says what has changed."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.workflow.reduced import ALL, BAD_PIXELS, BIAS, DARKS, FLATS, LIGHTS, LIGHTS_V, MEASURED, alter

pytestmark = pytest.mark.slow

OF_DARKS = DARKS | FLATS | BAD_PIXELS | LIGHTS
OF_FLATS = FLATS | BAD_PIXELS | LIGHTS


def test_settings_that_change_no_product(night):
    """They say how to run, what is allowed, or what is not used here."""
    night.configure("{lights_per_job: 1, missing: stop, dark: {max_age_days: 7}, flat: {max_age_days: 1}}")
    assert night.foresee() == set()
    for text in (
        "{overscan: {order: 5}, certification: {residual: 2.0, failed: stop}}",
        "{exclude: [cloudy/*], bias: {combine: {low: 2}, max_age_days: 2}, lights: {cosmic_rays: {sigma: 6.0}}}",
    ):
        night.configure(text)
        assert night.plan() == set()


@pytest.mark.parametrize(
    ("text", "remade", "reason"),
    [
        ("bias: {combine: {sigma: 4.0}}", ALL - MEASURED, "settings.combine.sigma: 5.0 -> 4.0"),
        ("flat: {combine: {method: median}}", OF_FLATS, 'settings.combine.method: "mean" -> "median"'),
        ("flat: {min_counts: 400}", OF_FLATS | {"gain"}, "settings.min_counts: 500.0 -> 400.0"),
        ("flat: {use: false}", BAD_PIXELS | LIGHTS, "master_flat_B.fits is gone"),
        ("dark: {combine: {reject: none}}", OF_DARKS, 'settings.combine.reject: "sigma" -> "none"'),
        ("dark: {hot_sigma: 6.0}", OF_DARKS, "settings.hot_sigma: 7.0 -> 6.0"),
        ("dark: {scale: false, exposure_tolerance: 60}", OF_FLATS, ""),
        ("detector: {gain: 1.4}", ALL - MEASURED - BIAS, "detector.gain.value: 1.5 -> 1.4"),
        ("detector: {read_noise: 8.5}", ALL - MEASURED, "detector.read_noise.value: null -> 8.5"),
        ("detector: {saturation: 60000}", ALL - {"read_noise"}, "saturation: null -> 60000.0"),
        ("lights: {unit: adu}", LIGHTS, 'holds.unit: "electron" -> "adu"'),
        ("lights: {cosmic_rays: {use: true}}", LIGHTS, "settings.cosmic_rays"),
    ],
)
def test_changed_setting(night, text, remade, reason):
    night.configure(text)
    assert night.plan() == remade
    assert any(reason in text for text in night.explain().values())
    night.make(remade)


def test_setting_changed_and_changed_back(night):
    """Looked at only, it leaves no trace; used, it costs the lights once there and once back, to the same bytes."""
    first = night.look()
    night.configure("flat: {minimum: 0.5}")
    assert night.foresee() == LIGHTS
    night.configure()
    assert "Nothing to be done" in night.run().stderr
    assert night.look() == first
    content = night.read_content()
    night.configure("flat: {minimum: 0.5}")
    night.make(LIGHTS)
    assert night.read_content() != content
    night.configure()
    night.make(LIGHTS)
    assert night.read_content() == content


def test_setting_changed_while_a_run_goes_on(night):
    """Other recipes and other batches: whatever becomes of that run, the next one leaves all as if undisturbed."""
    text, remade = "{exclude: ['*_003.fits'], lights_per_job: 1}", ALL - {"light_V_60s_003"}
    undisturbed = night.read_content()
    for name in {"master_flat_V"} | LIGHTS_V:
        night.product(name).unlink()
    with ThreadPoolExecutor() as pool:
        run = pool.submit(night.run, expect=None)
        while not (list(night.results.glob("*/*/master_flat_V.fits")) or run.done()):
            time.sleep(0.02)
        night.configure(text)
        night.run("-n")
    assert "Traceback" not in run.result().stderr
    night.configure()
    night.run()
    assert night.read_content() == undisturbed
    night.configure(text)
    assert night.plan() == remade


def test_plan_says_what_has_changed(night):
    alter(night.raw / "dark_60s_003.fits")
    night.configure("flat: {minimum: 0.5, combine: {sigma: 4.0}}")
    plan = night.run("plan").stdout
    reasons = night.explain()
    assert reasons.keys() == {"master_dark_60s"} | OF_FLATS
    assert reasons["master_dark_60s"] == "frames: dark_60s_003.fits has changed"
    assert reasons["master_flat_B"] == "settings.combine.sigma: 5.0 -> 4.0"
    assert "settings.flat_minimum: 0.05 -> 0.5" in reasons["light_B_30s_001"]
    for master in ("master_dark_60s", "master_flat_B", "master_flat_V"):
        assert f"{master}.fits has changed" in reasons["bad_pixels"]
    for reason in reasons.values():
        assert reason in plan
