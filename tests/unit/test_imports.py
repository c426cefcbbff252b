"""What is imported when: a dry run stays quick, and a change of the planner makes no product stale."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from darkroom.fingerprints import fingerprint_script
from darkroom.picture_recipes import SCRIPTS as SHOWING
from darkroom.recipe_parts import SCRIPTS
from tests.unit.builders import write_raw

ROOT = Path(__file__).parents[2]
HEAVY = {"ccdproc", "scipy", "matplotlib", "astropy.nddata", "astroscrappy", "pandas"}
OF_HEADERS = {"patterns", "quantities", "values"}  # solving reads what headers tell of the sky
PACKAGES = {"solving", "stacking"}  # within the library, of nothing but modules
PLANNER = {"settings", "folders", "headers", "readings", "frames", "nights", "setups", "matching", "plan", "plan_text"}
PLANNER |= {
    "recipes",
    "staleness",
    "prepare",
    "progress",
    "jobs",
    "contracts",
    "certificates",
    "measurements",
    "findings",
}
PLANNER |= {
    "dialects",
    "patterns",
    "values",
    "times",
    "regions",
    "kinds",
    "bayer",
    "fixes",
    "kind_sources",
    "index",
    "placing",
}
PLANNER |= {"health", "clocks", "pixel_kinds"}
PLANNER |= {"plan_previews", "picture_recipes", "night_story", "standing", "live_progress", "terminal", "steering"}
PLANNER |= {
    "surroundings",
    "resources",
    "plan_masters",
    "plan_lights",
    "plan_nights",
    "misses",
    "recipe_changes",
    "temperatures",
    "quantities",
    "processed",
    "asked",
    "hold",
    "prepared",
    "runs",
}


def imports_of(text):
    """The darkroom modules that a text in Python or Snakemake imports, whatever the condition."""
    lines = [
        line for line in map(str.strip, text.splitlines()) if line.startswith(("import darkroom", "from darkroom"))
    ]
    tree = ast.parse("\n".join(lines))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from [node.module] if node.module != "darkroom" else [f"darkroom.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def run_fresh(code):
    """The modules that a fresh interpreter has loaded once it has run some code."""
    code += "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_planning_loads_no_heavy_library(tmp_path):
    for kind in ("bias", "dark", "light"):
        write_raw(tmp_path / "raw" / f"{kind}.fits", kind)
    workflow = [ROOT / "Snakefile", *(ROOT / "workflow").rglob("*.smk")]
    modules = sorted({module for path in workflow for module in imports_of(path.read_text())})
    assert {"darkroom.prepare", "darkroom.progress"} <= set(modules)
    code = f"import {', '.join(modules)}\n"
    # and so does a whole plan: what functions import when they are called counts as well
    config = {"raw": str(tmp_path / "raw"), "results": str(tmp_path / "results"), "flat": {"use": False}}
    code += f"prepared = darkroom.prepare.prepare({config!r})\nassert len(prepared.lights) == 1, prepared"
    loaded = run_fresh(code)
    assert {"darkroom.plan", "astropy.io.fits"} <= loaded
    assert loaded & HEAVY == set()


def load_scripts(names):
    """All modules that the scripts of these names import."""
    texts = [(ROOT / "scripts" / name).read_text() for name in names]
    modules = sorted({module for text in texts for module in imports_of(text)})
    return run_fresh(f"import {', '.join(modules)}")


def test_every_script_makes_products_or_what_shows_them():
    scripts = {path.name for path in (ROOT / "scripts").glob("*.py")}
    assert scripts == {*SCRIPTS.values(), *SHOWING.values(), "share_light.py", "stack_raws.py", "write_head.py"}


@pytest.mark.parametrize("scripts", [SCRIPTS, SHOWING], ids=["products", "pictures"])
def test_scripts_load_nothing_of_the_planner_and_nothing_their_fingerprint_does_not_cover(scripts):
    modules = load_scripts(scripts.values())
    loaded = {name.removeprefix("darkroom.") for name in modules if name.startswith("darkroom.")} - PACKAGES
    assert {"products", "stamps", "job"} <= loaded
    assert loaded & PLANNER <= (OF_HEADERS if scripts is SCRIPTS else set())
    covered = {name for script in scripts.values() for name in fingerprint_script(script)}
    assert {f"darkroom.{name}" for name in loaded} - {"darkroom.__init__"} <= covered


def test_scripts_that_make_products_load_no_heavy_library():
    """What few jobs need is imported where it is needed."""
    usual = {script for kind, script in SCRIPTS.items() if kind not in ("solution", "stack")}
    assert load_scripts(usual) & (HEAVY | {"PIL", "sep", "altair"}) == set()


def reach(path, seen):
    """Every library module that a file imports, at whatever depth and in whatever place."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            module = ROOT / "workflow" / (name.replace(".", "/") + ".py")
            if name.startswith("darkroom.") and module.exists() and name not in seen:
                seen.add(name)
                reach(module, seen)
    return seen


@pytest.mark.parametrize("script", sorted({*SCRIPTS.values(), *SHOWING.values()}))
def test_fingerprint_covers_a_script_and_all_that_it_reaches(script):
    expected = reach(ROOT / "scripts" / script, set()) | {f"scripts.{script.removesuffix('.py')}"}
    assert set(fingerprint_script(script)) - {"darkroom.__init__"} == expected
    own = PLANNER - (OF_HEADERS if script == SCRIPTS["solution"] else set())
    assert expected.isdisjoint(f"darkroom.{name}" for name in own)


def test_every_module_of_the_library_is_reached_by_the_workflow_or_a_script():
    seen = set()
    for path in [ROOT / "Snakefile", *(ROOT / "workflow").rglob("*.smk"), *(ROOT / "scripts").glob("*.py")]:
        for module in imports_of(path.read_text()):
            seen.add(module)
            reach(ROOT / "workflow" / (module.replace(".", "/") + ".py"), seen)
    files = [path.relative_to(ROOT / "workflow") for path in (ROOT / "workflow" / "darkroom").rglob("*.py")]
    assert {".".join(path.with_suffix("").parts) for path in files if path.stem != "__init__"} == seen


def test_job_on_a_cluster_does_not_load_what_plans():
    """It parses the rules twice, and only looks up what the run planned that submitted it."""
    lines = (ROOT / "workflow" / "common.smk").read_text().splitlines()
    modules = {module for line in lines if not line.startswith(" ") for module in imports_of(line)}
    assert "darkroom.prepared" in modules
    loaded = {name.removeprefix("darkroom.") for name in run_fresh(f"import {', '.join(modules)}")}
    assert loaded & PLANNER == {"settings", "surroundings", "resources", "asked", "prepared"}
