"""The profiles: what they say alike, and that Snakemake knows every word of it."""

import importlib.util
import os
import re
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

ROOT = Path(__file__).parents[2]
DEFAULT = ROOT / "profiles" / "default"
CLUSTERS = [ROOT / "workflow" / "profiles" / name for name in ("slurm", "cluster-generic")]
SLURM_PLUGIN = "snakemake_executor_plugin_slurm"
LONGEST = 255  # bytes of a file's name: Snakemake looks for each value as a file beside the profile


def read(profile: Path) -> dict:
    return yaml.safe_load((profile / "config.yaml").read_text())


def skip_without_plugin(profile: Path) -> None:
    if read(profile).get("executor") == "slurm" and not importlib.util.find_spec(SLURM_PLUGIN):
        pytest.skip(f"{SLURM_PLUGIN} is not installed (make env-slurm)")


def test_every_profile_is_looked_at():
    found = [path.parent for path in ROOT.glob("**/profiles/*/config.yaml") if ".venv" not in path.parts]
    assert sorted(found) == sorted([DEFAULT, *CLUSTERS])


@pytest.mark.parametrize("profile", CLUSTERS, ids=lambda path: path.name)
def test_a_cluster_s_profile_says_what_the_default_one_says(profile):
    """Snakemake reads one of them; all but the number of cores has to be said again."""
    default = read(DEFAULT)
    assert default.pop("cores") == "all"
    said = read(profile)
    assert {key: said.get(key) for key in default} == default


def test_clusters_agree():
    """In all that is not the plugin's own."""
    ours = []
    for profile in CLUSTERS:
        own = re.compile(r"slurm-|cluster-generic-|executor$|jobname$|.*-status-checks")
        ours.append({key: value for key, value in read(profile).items() if not own.match(key)})
    assert ours[0] == ours[1]
    assert ours[0]["retries"] == 2
    assert ours[0]["latency-wait"] >= 30
    assert ours[0]["default-resources"]  # by which the workflow knows that jobs are submitted


@pytest.mark.parametrize("profile", [DEFAULT, *CLUSTERS], ids=lambda path: path.name)
def test_snakemake_knows_every_option(profile):
    skip_without_plugin(profile)
    options = get_argument_parser()._option_string_actions
    assert {key for key in read(profile) if f"--{key}" not in options} == set()
    args = get_argument_parser(profiles=[profile]).parse_args([])
    for key, value in read(profile).items():
        taken = getattr(args, options[f"--{key}"].dest)
        effective = taken == value == 0 or taken not in (None, [], False)
        assert effective, f"{key}: {value} has no effect"


@pytest.mark.parametrize("profile", [DEFAULT, *CLUSTERS], ids=lambda path: path.name)
def test_files_that_are_named_exist(profile):
    for key, value in read(profile).items():
        if isinstance(value, str) and re.fullmatch(r"[\w./-]+\.(sh|py|smk|ya?ml)", value):
            path = profile / value
            assert path.is_file(), f"{key}: {value}"
            assert os.access(path, os.X_OK), f"{key}: {value} cannot be executed"
    if profile.name == "cluster-generic":
        assert read(profile)["cluster-generic-status-cmd"] == "status.sh"


@pytest.mark.parametrize("profile", CLUSTERS, ids=lambda path: path.name)
def test_a_value_is_not_too_long_to_be_looked_for_as_a_file(profile):
    for key, value in read(profile).items():
        if isinstance(value, str):
            assert max(len(part) for part in value.split("/")) < LONGEST - 50, (
                f"{key}: leave room for options of a site"
            )


def test_status_command_is_found_wherever_the_profile_is_given_from():
    args = get_argument_parser(profiles=[CLUSTERS[1]]).parse_args([])
    assert args.cluster_generic_status_cmd == str(CLUSTERS[1] / "status.sh")
