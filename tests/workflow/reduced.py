"""A small reduced night to be copied for each test, and what is made anew once something about it changes."""

import hashlib
import re
import shutil
from functools import cache
from pathlib import Path, PurePosixPath
from subprocess import CompletedProcess
from typing import Any

import yaml
from astropy.io import fits

from darkroom.prepare import prepare
from tests.camera import Camera
from tests.running import REPOSITORY, UNSEEN, run_snakemake
from tests.simulator import simulate_night
from tests.workflow.engine import run_due

# Products by name. The lights in B have no dark of their exposure: that of 20 s is scaled, for the flats as well.
# The headers tell the gain; the read noise, which they do not tell, is measured, and all error bars hold it.
MEASURED = {"gain", "read_noise"}
BIAS = {"master_bias"}
DARKS = {"master_dark_20s", "master_dark_60s"}
FLATS = {"master_flat_B", "master_flat_V"}
BAD_PIXELS = {"bad_pixels"}  # of the darks and flats
LIGHTS_B = {"light_B_30s_001", "light_B_30s_002"}
LIGHTS_V = {"light_V_60s_001", "light_V_60s_002", "light_V_60s_003"}
LIGHTS = LIGHTS_B | LIGHTS_V
ALL = MEASURED | BIAS | DARKS | FLATS | BAD_PIXELS | LIGHTS

UNCERTIFIED = "certification: {use: false}"  # a job less for each master
NAME = r"((?:certificates/)?[^\s/,]+)\.(?:fits|json)"

Look = dict[str, tuple[str, int, int]]


class Night:
    """A night in a folder of its own: `raw`, `results`, and `code`, the workflow that reduces it.

    `base` are settings that hold for all its runs, as YAML.
    """

    def __init__(self, folder: Path, code: Path, base: str = UNCERTIFIED):
        self.folder = folder
        self.code = code
        self.base = base
        self.raw = folder / "raw"
        self.results = folder / "results"
        folder.mkdir(parents=True, exist_ok=True)
        self.configure()

    def configure(self, text: str = "") -> None:
        """Overlay config.yaml and the base with these settings, such as 'bias: {combine: {sigma: 4}}'."""
        self.settings = merge(UNSEEN | yaml.safe_load(self.base or "{}"), yaml.safe_load(text or "{}"))
        (self.folder / "settings.yaml").write_text(yaml.safe_dump(self.settings))

    def run(self, *args: str | Path, **how: Any) -> CompletedProcess[str]:
        """Run Snakemake in the night's folder, as `run_snakemake` does."""
        how["config"] = {"results": self.results.relative_to(self.folder)} | how.get("config", {})
        how["configfile"] = self.folder / "settings.yaml"
        return run_snakemake(how.pop("folder", self.folder), "-s", self.code / "Snakefile", *args, **how)

    def foresee(self, *args: str | Path, **how: Any) -> set[str]:
        """Return what a dry run would make, by its messages; plan.txt has to name the same."""
        named = self.hear(self.run("-n", *args, **how))
        assert self.explain().keys() == named, "plan.txt and the dry run disagree"
        return named

    def hear(self, run: CompletedProcess[str]) -> set[str]:
        """Return what the messages of a run name."""
        messages = re.findall(r"^Job \d+: (.*)$", run.stdout + run.stderr, re.MULTILINE)
        named = [name for line in messages for name in re.findall(NAME, line)]
        assert len(named) == len(set(named)), "a product of two jobs"
        assert ("Nothing to be done" in run.stdout + run.stderr) == (not named)
        return set(named)

    def plan(self) -> set[str]:
        """Return what is to be made by a plan without Snakemake; plan.txt has to name the same."""
        planned = prepare(self.settings | self.paths)
        due = {name_product(path) for job in planned.jobs.values() if job.due for path in job.products}
        assert self.explain().keys() == due, "plan.txt and the jobs disagree"
        return due

    @property
    def paths(self) -> dict[str, str]:
        """The settings that say where the night is."""
        return {"raw": str(self.raw), "results": str(self.results)}

    def explain(self) -> dict[str, str]:
        """Return what plan.txt says is to be made, and why."""
        _, _, text = (self.results / "plan.txt").read_text().partition("TO BE MADE")
        return dict(re.findall(rf"^  \S*?{NAME}: (.*)$", text, re.MULTILINE))

    def look(self) -> Look:
        """Return the products as they are: digest of the bytes, time of change and inode, by name."""
        found = {}
        for path in self.find_products():
            status = path.stat()
            digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
            found[name_product(path.relative_to(self.results))] = (digest, status.st_mtime_ns, status.st_ino)
        return found

    def read_content(self) -> dict[str, str]:
        """Return digests of the products' bytes by name."""
        return {name: content for name, (content, _, _) in self.look().items()}

    def see_changed(self, before: Look) -> set[str]:
        """Return the products that are not as `look` found them before; none may be gone."""
        after = self.look()
        assert before.keys() <= after.keys()
        return {name for name in after if after[name] != before.get(name)}

    def expect(self, expected: set[str]) -> None:
        """Demand that Snakemake makes exactly these products, as its dry run foretells."""
        before = self.look()
        assert self.foresee() == expected
        assert self.look() == before, "a dry run has touched products"
        self.run_for(expected)

    def run_for(self, expected: set[str]) -> None:
        """Demand that Snakemake makes exactly these products and names them, and that nothing is left to be made."""
        before = self.look()
        assert self.hear(self.run()) == expected
        assert self.see_changed(before) == expected
        assert self.plan() == set()

    def make(self, expected: set[str]) -> None:
        """Demand the same of a plan and its jobs in this process, which takes a fraction of Snakemake's time."""
        before = self.look()
        assert self.plan() == expected
        assert self.look() == before, "a plan has touched products"
        _, made, failed = run_due(self.folder, **self.settings | self.paths)
        assert failed == set()
        assert set(map(name_product, made)) == expected
        assert self.see_changed(before) == expected
        assert self.plan() == set()

    def product(self, name: str) -> Path:
        """Return the path of a product by its name."""
        [path] = (path for path in self.find_products() if name_product(path.relative_to(self.results)) == name)
        return path

    def find_products(self) -> list[Path]:
        """Return the paths of all products."""
        return [path for end in ("fits", "json") for path in self.results.glob(f"????-??-??/**/*.{end}")]

    def copy_code(self) -> Path:
        """Give the night a copy of the workflow that a test may edit."""
        self.code = copy_workflow(self.folder / "code")
        return self.code


def name_product(path: str | PurePosixPath) -> str:
    """Return what a product is called: its file stem, or certificates/master_bias."""
    path = PurePosixPath(path)
    return f"certificates/{path.stem}" if path.parent.name == "certificates" else path.stem


def merge(base: dict[str, Any], overlay: dict[str, Any]) -> dict[str, Any]:
    """Return settings with others laid over them, key by key."""
    merged = dict(base)
    for key, value in overlay.items():
        merged[key] = merge(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return merged


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
    night.run(cores=2)
    assert night.look().keys() == ALL
    assert night.plan() == set()
    return night


def copy_reduced(shared: Path, folder: Path) -> Night:
    """Return a copy, with all its times of change, of the reduced night that is kept below `shared`."""
    return copy_night(reduce_night(shared), folder)


def copy_night(original: Night, folder: Path) -> Night:
    """Return a copy of a night with all its times of change."""
    shutil.copytree(original.folder, folder / "night", symlinks=True)
    return Night(folder / "night", original.code, original.base)


def alter(path: Path) -> None:
    """Change one pixel of a raw frame."""
    with fits.open(path, mode="update") as hdus:
        hdus[0].data[20, 30] += 1
