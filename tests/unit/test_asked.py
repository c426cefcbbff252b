"""What Snakemake was asked for, as its command line tells."""

import sys

import pytest

from darkroom.asked import deletes, find_lost_profile, is_dry_run


@pytest.mark.parametrize(
    ("arguments", "lost"),
    [
        ([], None),
        (["--workflow-profile", "none"], None),
        (["--workflow-profile", "mine"], None),  # a name, which Snakemake looks for in several places
        (["--workflow-profile", "profiles/slurm"], None),
        (["--workflow-profile=profiles/slurm"], None),
        (["--workflow-profile", "profiles/slrum"], "profiles/slrum"),
        (["--workflow-profile=/no/where"], "/no/where"),
        (["--workflow-profile"], None),
    ],
)
@pytest.mark.parametrize("moved", [False, True])
def test_profile_that_is_not_there_is_found_out(tmp_path, monkeypatch, arguments, lost, moved):
    (tmp_path / "profiles" / "slurm").mkdir(parents=True)
    monkeypatch.chdir("/" if moved else tmp_path)  # as by --directory
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["snakemake", "-n", *arguments])
    assert find_lost_profile() == lost


@pytest.mark.parametrize(
    ("arguments", "dry", "deleting"),
    [
        ([], False, False),
        (["-n"], True, False),
        (["--delete-all-output"], False, True),
        (["--delete-all-output", "--dry-run"], True, False),
    ],
)
def test_words_of_the_command_line(monkeypatch, arguments, dry, deleting):
    monkeypatch.setattr(sys, "argv", ["snakemake", *arguments])
    assert (is_dry_run(), deletes()) == (dry, deleting)
