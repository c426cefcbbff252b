"""A small reduced night to be copied for each test, and what Snakemake makes anew once something about it changes."""

import hashlib
import re
import shutil
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import yaml
from astropy.io import fits

from tests.camera import Camera
from tests.running import REPOSITORY, run_snakemake
from tests.simulator import simulate_night

# Products by file stem. The lights in B have no dark of their exposure: that of 20 s is scaled, for the flats as well.
BIAS = {"master_bias"}
DARKS = {"master_dark_20s", "master_dark_60s"}
FLATS = {"master_flat_B", "master_flat_V"}
LIGHTS_B = {"light_B_30s_001", "light_B_30s_002"}
LIGHTS_V = {"light_V_60s_001", "light_V_60s_002", "light_V_60s_003"}
LIGHTS = LIGHTS_B | LIGHTS_V
ALL = BIAS | DARKS | FLATS | LIGHTS
PRODUCTS = "????-??-??/**/*.fits"  # below results


class Night:
    """A night in a folder of its own: `raw`, `results`, and `code`, the workflow that reduces it."""

    def __init__(self, folder: Path, code: Path):
        self.folder = folder
        self.code = code
        self.raw = folder / "raw"
        self.results = folder / "results"

    def configure(self, text: str = "") -> None:
        """Overlay config.yaml with these settings, such as 'bias: {combine: {sigma: 4}}'; without any, none."""
        assert isinstance(yaml.safe_load(text or "{}"), dict)
        (self.folder / "settings.yaml").write_text(text or "{}")

    def run(self, *args: str | Path, **how: Any) -> CompletedProcess[str]:
        """Run Snakemake in the night's folder, as `run_snakemake` does."""
        overlay = self.folder / "settings.yaml"
        if overlay.exists():
            how["configfile"] = overlay
        how["config"] = {"results": self.results.relative_to(self.folder)} | how.get("config", {})
        return run_snakemake(how.pop("folder", self.folder), "-s", self.code / "Snakefile", *args, **how)

    def foresee(self, *args: str | Path, **how: Any) -> set[str]:
        """Return what a dry run would make, by its messages; plan.txt has to name the same."""
        dry = self.run("-n", *args, **how)
        messages = re.findall(r"^Job \d+: (.*)$", dry.stdout + dry.stderr, re.MULTILINE)
        named = [name for line in messages for name in re.findall(r"([^\s/,]+)\.fits", line)]
        assert len(named) == len(set(named)), "a product of two jobs"
        assert ("Nothing to be done" in dry.stdout + dry.stderr) == (not named)
        assert set(self.explain()) == set(named), "plan.txt and the dry run disagree"
        return set(named)

    def explain(self) -> dict[str, str]:
        """Return what plan.txt says is to be made, and why."""
        _, _, text = (self.results / "plan.txt").read_text().partition("TO BE MADE")
        return dict(re.findall(r"^  \S*?([^/\s]+)\.fits: (.*)$", text, re.MULTILINE))

    def look(self) -> dict[str, tuple[str, int, int]]:
        """Return the products as they are: digest of the bytes, time of change and inode, by file stem."""
        found = {}
        for path in self.results.glob(PRODUCTS):
            status = path.stat()
            digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
            found[path.stem] = (digest, status.st_mtime_ns, status.st_ino)
        return found

    def see_changed(self, before: dict[str, tuple[str, int, int]]) -> set[str]:
        """Return the products that are not as `look` found them before; none may be gone."""
        after = self.look()
        assert before.keys() <= after.keys()
        return {name for name in after if after[name] != before.get(name)}

    def expect(self, expected: set[str], *args: str | Path) -> None:
        """Demand that a run makes exactly these products, as a dry run foretells."""
        before = self.look()
        assert self.foresee(*args) == expected
        assert self.look() == before, "a dry run has touched products"
        self.run_for(expected, *args)

    def run_for(self, expected: set[str], *args: str | Path) -> None:
        """Demand that a run makes exactly these products."""
        before = self.look()
        self.run(*args)
        assert self.see_changed(before) == expected

    def product(self, name: str) -> Path:
        """Return the path of a product by its stem."""
        [path] = (path for path in self.results.glob(PRODUCTS) if path.stem == name)
        return path

    def copy_code(self) -> Path:
        """Give the night a copy of the workflow that a test may edit."""
        self.code = copy_workflow(self.folder / "code")
        return self.code


def copy_workflow(folder: Path) -> Path:
    """Copy what runs the workflow, so that tests may edit it, and others edit the original."""
    for name in ("workflow", "scripts", "profiles", "envs"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(REPOSITORY / name, folder)
    return folder


@cache
def reduce_night(folder: Path) -> Night:
    """Simulate a night and reduce it; once a process, for it takes as long as several dry runs."""
    shutil.rmtree(folder, ignore_errors=True)
    night = Night(folder / "night", copy_workflow(folder / "code"))
    simulate_night(
        night.raw,
        camera=Camera(shape=(48, 56)),
        biases=3,
        darks={60.0: 3, 20.0: 3},
        flats={"B": 3, "V": 3},
        lights={("V", 60.0): 3, ("B", 30.0): 2},
    )
    night.run()
    assert night.look().keys() == ALL
    return night


def copy_reduced(shared: Path, folder: Path) -> Night:
    """Return a copy, with all its times of change, of the reduced night that is kept below `shared`."""
    original = reduce_night(shared)
    shutil.copytree(original.folder, folder / "night", symlinks=True)
    return Night(folder / "night", original.code)


def alter(path: Path) -> None:
    """Change one pixel of a raw frame."""
    with fits.open(path, mode="update") as hdus:
        hdus[0].data[20, 30] += 1
