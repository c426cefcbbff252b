"""One setting changes: exactly what looks at it is made anew, and the plan says what has changed."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.workflow.reduced import ALL, BIAS, FLATS, LIGHTS, alter

pytestmark = pytest.mark.slow


def test_settings_that_change_no_product(night):
    """They say how to run, what is allowed, or what is not used here."""
    for text in (
        "{lights_per_job: 1, missing: stop, dark: {max_age_days: 7}, flat: {max_age_days: 1}, overscan: {order: 5}}",
        "{exclude: [cloudy/*], bias: {combine: {low: 2}, max_age_days: 2}, lights: {cosmic_rays: {sigma: 6.0}}}",
    ):
        night.configure(text)
        assert night.foresee() == set()


@pytest.mark.parametrize(
    ("text", "remade", "reason"),
    [
        ("bias: {combine: {sigma: 4.0}}", ALL, "settings.combine.sigma: 5.0 -> 4.0"),
        ("flat: {combine: {method: median}}", FLATS | LIGHTS, 'settings.combine.method: "mean" -> "median"'),
        ("dark: {combine: {reject: none}}", ALL - BIAS, 'settings.combine.reject: "sigma" -> "none"'),
        ("dark: {scale: false, exposure_tolerance: 60}", FLATS | LIGHTS, ""),
        ("flat: {use: false}", LIGHTS, ""),
        ("lights: {cosmic_rays: {use: true, gain: 1.5, read_noise: 8}}", LIGHTS, ""),
    ],
)
def test_changed_setting(night, text, remade, reason):
    night.configure(text)
    assert night.foresee() == remade
    assert any(reason in text for text in night.explain().values())
    night.run_for(remade)


def test_setting_changed_and_changed_back(night):
    """Looked at only, it leaves no trace; used, it costs the lights once there and once back, to the same bytes."""
    first = night.look()
    night.configure("flat: {minimum: 0.5}")
    assert night.foresee() == LIGHTS
    night.configure()
    night.run()
    assert night.look() == first
    night.configure("flat: {minimum: 0.5}")
    night.run()
    assert night.see_changed(first) == LIGHTS
    night.configure()
    night.expect(LIGHTS)
    assert read_content(night) == {name: content for name, (content, _, _) in first.items()}


@pytest.mark.parametrize(
    ("text", "remade"),
    [
        ("flat: {combine: {sigma: 4.0}}", FLATS | LIGHTS),
        ("{exclude: ['*_003.fits'], lights_per_job: 1}", ALL - {"light_V_60s_003"}),
    ],
)
def test_setting_changed_while_a_run_goes_on(night, text, remade):
    """Whatever becomes of that run, the next one leaves everything as if undisturbed."""
    undisturbed = read_content(night)
    for name in FLATS | LIGHTS:
        night.product(name).unlink()
    with ThreadPoolExecutor() as pool:
        run = pool.submit(night.run, expect=None)
        while not (night.look().keys() & FLATS or run.done()):
            time.sleep(0.02)
        night.configure(text)
        night.run("-n")
    assert "Traceback" not in run.result().stderr
    night.configure()
    night.run()
    assert read_content(night) == undisturbed
    night.configure(text)
    assert night.foresee() == remade


def test_plan_says_what_has_changed(night):
    alter(night.raw / "dark_60s_003.fits")
    night.configure("flat: {minimum: 0.5, combine: {sigma: 4.0}}")
    plan = night.run("plan").stdout
    reasons = night.explain()
    assert reasons.keys() == {"master_dark_60s"} | FLATS | LIGHTS
    assert reasons["master_dark_60s"] == "frames: dark_60s_003.fits has changed"
    assert reasons["master_flat_B"] == "settings.combine.sigma: 5.0 -> 4.0"
    assert "settings.flat_minimum: 0.05 -> 0.5" in reasons["light_B_30s_001"]
    for reason in reasons.values():
        assert reason in plan


def read_content(night):
    return {name: content for name, (content, _, _) in night.look().items()}
