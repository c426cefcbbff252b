"""The code or a library changes: exactly what is made by it is made anew."""

import re

import pytest

from darkroom import fingerprints, recipe_parts
from tests.workflow.reduced import ALL, BAD_PIXELS, BIAS, DARKS, FLATS, LIGHTS, MEASURED

pytestmark = pytest.mark.slow


@pytest.fixture
def forget():
    """Fingerprints and versions are looked up once a process."""
    caches = (fingerprints.fingerprint_script, fingerprints.fingerprint_module, recipe_parts.find_versions)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize(
    ("file", "remade"),
    [
        ("workflow/darkroom/overscan.py", ALL),
        ("workflow/darkroom/photon_transfer.py", ALL),  # it measures the read noise, which all error bars hold
        ("workflow/darkroom/bad_pixels.py", DARKS | FLATS | BAD_PIXELS | LIGHTS),
        ("workflow/darkroom/lights.py", LIGHTS),
        ("workflow/darkroom/solving/solutions.py", LIGHTS),  # writes what is known of the sky into them
        ("workflow/darkroom/stacking/register.py", set()),  # not used here
        ("scripts/make_master_flat.py", FLATS | BAD_PIXELS | LIGHTS),
        ("scripts/collect_bad_pixels.py", BAD_PIXELS),
        ("scripts/certify_master.py", set()),  # not used here
    ],
)
def test_changed_code(night, monkeypatch, forget, file, remade):
    edit(night.copy_code() / file)
    monkeypatch.setattr(fingerprints, "WORKFLOW", night.code / "workflow")
    assert night.plan() == remade
    if remade:
        module = file.removeprefix("workflow/").removesuffix(".py").replace("/", ".")
        assert f"code.{module}: has changed" in {part for text in night.explain().values() for part in text.split("; ")}


def test_changed_script(night):
    """The copy of the workflow runs its own library, though another one is installed: what it makes fits its plan."""
    edit(night.copy_code() / "scripts" / "calibrate_lights.py")
    edit(night.code / "workflow" / "darkroom" / "plan_text.py")
    before = night.look()
    assert night.hear(night.run()) == LIGHTS
    assert night.see_changed(before) == LIGHTS
    assert night.foresee() == set()


def test_installed_library_of_another_checkout_is_not_run(night):
    """It must not make what this one plans."""
    path = night.copy_code() / "workflow" / "darkroom" / "quality.py"
    path.write_text(path.read_text() + "\nraise SystemExit('this very library')\n")
    night.product("bad_pixels").unlink()
    assert "this very library" in night.run(expect=1).stderr


def test_code_that_makes_no_pixels_remakes_nothing(night):
    night.copy_code()
    planning = ("matching", "plan", "plan_masters", "plan_text", "misses", "contracts", "measurements", "certificates")
    for module in (*planning, "progress", "frames", "headers", "nights", "prepare", "staleness", "findings", "jobs"):
        edit(night.code / "workflow" / "darkroom" / f"{module}.py")
    for path in ("workflow/common.smk", "workflow/rules/masters.smk", "Snakefile"):
        edit(night.code / path)
    assert night.foresee() == set()


def test_comments_and_docstrings_remake_nothing(night, monkeypatch, forget):
    code = night.copy_code()
    for path in [*code.glob("scripts/*.py"), *code.glob("workflow/darkroom/*.py")]:
        text = path.read_text()
        assert text.startswith('"""')
        text = text.replace('"""', '"""Or: ', 1).replace("\n\n", "\n\n# why not\n\n", 1)
        path.write_text(re.sub(r'^(    """)(?=\w)', r"\1Well. ", text, flags=re.MULTILINE))
    monkeypatch.setattr(fingerprints, "WORKFLOW", night.code / "workflow")
    assert night.plan() == set()


@pytest.mark.parametrize(
    ("library", "remade"),
    # the filter that finds bad pixels in darks and flats is astroscrappy's, and what is made of them follows
    [("ccdproc", ALL), ("numpy", ALL), ("scipy", ALL), ("astroscrappy", ALL - BIAS - MEASURED)],
)
def test_version_of_a_library(night, tmp_path, monkeypatch, forget, library, remade):
    install(tmp_path, monkeypatch, library)
    assert night.plan() == remade
    reasons = night.explain()
    if library == "astroscrappy":  # all else knows of it through these masters only
        reasons = {name: reasons[name] for name in DARKS | FLATS}
    for reason in reasons.values():
        assert re.search(rf'versions\.{library}: "[\d.]+" -> "9\.9\.9"', reason)


def pretend(folder, library):
    """A folder in which another version of a library seems to be installed."""
    path = folder / "site" / f"{library}-9.9.9.dist-info"
    path.mkdir(parents=True)
    (path / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: 9.9.9\n")
    return path.parent


def install(folder, monkeypatch, library):
    monkeypatch.syspath_prepend(pretend(folder, library))


def edit(path):
    path.write_text(path.read_text() + "\nNOTHING = 0\n")
