"""Fingerprints reach the modules of packages within the library as well."""

from darkroom.fingerprints import fingerprint_module, fingerprint_script


def test_modules_of_packages_are_found():
    found = fingerprint_module("solving/solve_light")
    assert {"darkroom.solving.solve_light", "darkroom.solving.hints", "darkroom.values"} <= set(found)


def test_scripts_have_names_of_their_own():
    found = fingerprint_script("calibrate_lights.py")
    assert {"scripts.calibrate_lights", "darkroom.lights"} <= set(found)
