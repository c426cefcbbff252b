"""Kills at random moments of a night: as many recoveries, by the very same command, and the same bytes."""

from pathlib import Path

import pytest

from tests.faults.kills import Subject, count_phases, play


def test_killed_at_random_moments(
    tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    subject = Subject.make(tmp_path)
    number, seed = request.config.getoption("--rounds"), request.config.getoption("--seed")
    products = len(subject.undisturbed)
    with capsys.disabled():
        print(f"\n{number} kills of a run of {subject.seconds:.1f} s with {products} files, seed {seed}")
        rounds = []
        for each in range(number):
            rounds.append(play(subject, each, seed))
            print(rounds[-1], flush=True)
        recovered = sum(not one.problem for one in rounds)
        print(f"{recovered} of {number} recovered, the same bytes; killed {count_phases(rounds)}")
    assert not [str(one) for one in rounds if one.problem]
