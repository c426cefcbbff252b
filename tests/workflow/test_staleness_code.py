"""The code or a library changes: exactly what is made by it is made anew."""

import re

import pytest

from tests.workflow.reduced import ALL, BIAS, FLATS, LIGHTS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("file", "remade"),
    [
        ("workflow/darkroom/overscan.py", ALL),
        ("workflow/darkroom/calibrate.py", ALL - BIAS),
        ("scripts/make_master_flat.py", FLATS | LIGHTS),
    ],
)
def test_changed_code(night, file, remade):
    edit(night.copy_code() / file)
    assert night.foresee() == remade
    assert "code" in str(night.explain())
    night.run_for(remade)


def test_changed_script(night):
    """The copy of the workflow runs its own library, though another one is installed: what it makes fits its plan."""
    edit(night.copy_code() / "scripts" / "calibrate_lights.py")
    edit(night.code / "workflow" / "darkroom" / "plan_text.py")
    night.expect(LIGHTS)


def test_installed_library_of_another_checkout_is_not_run(night):
    """It must not make what this one plans."""
    path = night.copy_code() / "workflow" / "darkroom" / "calibrate.py"
    path.write_text(path.read_text() + "\nraise SystemExit('this very library')\n")
    assert "this very library" in night.run(expect=1).stderr


def test_code_that_makes_no_pixels_remakes_nothing(night):
    night.copy_code()
    for module in ("matching", "plan", "plan_text", "progress", "frames", "headers", "nights", "prepare", "staleness"):
        edit(night.code / "workflow" / "darkroom" / f"{module}.py")
    edit(night.code / "workflow" / "common.smk")
    edit(night.code / "Snakefile")
    assert night.foresee() == set()


def test_comments_and_docstrings_remake_nothing(night):
    code = night.copy_code()
    for path in [*code.glob("scripts/*.py"), *code.glob("workflow/darkroom/*.py")]:
        text = path.read_text()
        assert text.startswith('"""')
        text = text.replace('"""', '"""Or: ', 1).replace("\n\n", "\n\n# why not\n\n", 1)
        path.write_text(re.sub(r'^(    """)(?=\w)', r"\1Well. ", text, flags=re.MULTILINE))
    assert night.foresee() == set()


@pytest.mark.parametrize(("library", "remade"), [("ccdproc", ALL), ("numpy", ALL), ("astroscrappy", set())])
def test_version_of_a_library(night, tmp_path, monkeypatch, library, remade):
    folder = tmp_path / "site" / f"{library}-9.9.9.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: 9.9.9\n")
    monkeypatch.setenv("PYTHONPATH", str(folder.parent))
    assert night.foresee() == remade
    if remade:
        assert re.search(rf'versions\.{library}: "[\d.]+" -> "9\.9\.9"', night.explain()["master_bias"])
        night.run_for(remade)


def edit(path):
    path.write_text(path.read_text() + "\nNOTHING = 0\n")
