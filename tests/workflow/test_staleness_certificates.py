"""Certificates go out of date by themselves: no master and no light is made anew for them, nor they for policies."""

import json

import pytest

from tests.camera import Camera
from tests.simulator import simulate_night
from tests.workflow.engine import run_due
from tests.workflow.reduced import Night, alter, copy_night, copy_workflow

pytestmark = pytest.mark.slow

LIGHT_B, LIGHT_V = "light_B_60s_001", "light_V_60s_001"
FLATS = {"master_flat_B", "master_flat_V"}
MASTERS = {"master_bias", "master_dark_60s"} | FLATS
ALL = MASTERS | {"gain", "read_noise", "bad_pixels", LIGHT_B, LIGHT_V}


def certify(masters):
    return {f"certificates/{name}" for name in masters}


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """As small a night as can be certified: of two frames each is held against the other."""
    folder = tmp_path_factory.mktemp("certified")
    night = Night(folder / "night", copy_workflow(folder / "code"), base="")
    simulate_night(
        night.raw,
        camera=Camera(shape=(48, 56)),
        biases=2,
        darks={60.0: 2},
        flats={"B": 2, "V": 2},
        lights={("V", 60.0): 1, ("B", 60.0): 1},
    )
    night.make(ALL | certify(MASTERS))
    return night


@pytest.fixture
def night(certified, tmp_path):
    return copy_night(certified, tmp_path)


def read_verdicts(night):
    return {name: json.loads(night.product(name).read_text())["verdict"] for name in certify(MASTERS)}


def test_nothing_to_be_done(night):
    assert set(read_verdicts(night).values()) == {"passed"}
    before = night.look()
    assert night.foresee() == set()
    assert night.look() == before


@pytest.mark.parametrize(
    ("text", "judged", "reason"),
    [
        ("certification: {residual: 1.5}", MASTERS, "settings.residual: 1.0 -> 1.5"),
        ("certification: {noise_excess: 0.2}", MASTERS, "settings.noise_excess: 0.05 -> 0.2"),
        ("certification: {bias_structure: null}", {"master_bias"}, "settings.bias_structure: 5.0 -> null"),
        ("dark: {temperature_tolerance: 3}", {"master_dark_60s"}, "settings.dark_temperature: 2.0 -> 3.0"),
        ("certification: {flat_gradient: 0.6}", FLATS, "settings.flat_gradient: 0.5 -> 0.6"),
    ],
)
def test_changed_limit(night, text, judged, reason):
    """Masters that it concerns are judged anew, and nothing is made anew."""
    night.configure(text)
    assert night.plan() == certify(judged)
    assert set(night.explain().values()) == {reason}
    night.make(certify(judged))


def test_changed_flat(night):
    """Darks and the flat in B are judged by the gain, in which the flats in V have a share; they stay themselves."""
    alter(night.raw / "flat_V_002.fits")
    remade = {"master_flat_V", "gain", "bad_pixels", LIGHT_V} | certify(MASTERS - {"master_bias"})
    assert night.foresee() == remade
    night.make(remade)


def test_changed_light(night):
    alter(night.raw / f"{LIGHT_B}.fits")
    night.make({LIGHT_B})


def test_changed_bias(night):
    alter(night.raw / "bias_001.fits")
    night.make(ALL | certify(MASTERS))


@pytest.mark.parametrize("masters", [{"master_bias"}, MASTERS])
def test_deleted_certificates_come_back_alone(night, masters):
    """Whatever was made with those masters is as good as before."""
    content = night.read_content()
    for name in certify(masters):
        night.product(name).unlink()
    assert night.foresee() == certify(masters)
    night.make(certify(masters))
    assert night.read_content() == content


def test_deleted_master_comes_back_to_be_certified(night):
    night.product("master_flat_V").unlink()
    assert night.plan() == set()
    night.product("certificates/master_flat_V").unlink()
    night.make({"master_flat_V", "certificates/master_flat_V"})


def test_deleted_certificate_and_a_changed_light(night):
    """The light waits for the certificate."""
    night.product("certificates/master_bias").unlink()
    alter(night.raw / f"{LIGHT_V}.fits")
    night.run_for({"certificates/master_bias", LIGHT_V})


def test_policy_remakes_nothing_where_nothing_failed(night):
    before = night.look()
    for policy in ("replace", "warn", "stop", "replace"):
        night.configure(f"certification: {{failed: {policy}}}")
        assert night.plan() == set()
    night.configure("certification: {failed: warn}")
    assert night.foresee() == set()
    assert night.look() == before


def test_certification_given_up_and_taken_up_again(night):
    """Certificates stay where they are, and are as good as before."""
    before = night.look()
    for text in ("certification: {use: false}", ""):
        night.configure(text)
        assert night.plan() == set()
    assert night.look() == before
    for name in certify(MASTERS):
        night.product(name).unlink()
    night.configure("certification: {use: false}")
    assert night.plan() == set()
    night.configure()
    night.make(certify(MASTERS))


def test_harsher_limit_that_fails_a_master(night):
    """What was made with it goes out of date in the run that finds this out, where nothing takes its place."""
    night.configure("certification: {flat_gradient: 0.001}")
    assert night.plan() == certify(FLATS)
    nights, made, failed = run_due(night.folder, **night.settings | night.paths)
    assert {name.rsplit("/", 1)[-1] for name in failed} == FLATS
    assert not {path for path in made if "/lights/" in path}
    assert nights.summary["skipped"] == 2
