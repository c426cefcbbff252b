"""Kills at random moments of a night: as many recoveries, by the very same command, and the same bytes."""

import time
from pathlib import Path

import pytest

from tests.faults.kills import Subject, count_phases, play, read_products
from tests.faults.outcomes import expect_lines


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


@pytest.mark.parametrize("tenths", [1, 4, 7])
def test_warm_process_killed(subject: Subject, tmp_path: Path, tenths: int) -> None:
    """Its jobs go on, or run by themselves: nobody notices."""
    expected = subject.undisturbed
    run = subject.start(tmp_path)
    time.sleep(subject.seconds * tenths / 10)
    while not (warm := run.find_warm()) and run.process.poll() is None:
        time.sleep(0.005)
    assert warm
    warm.kill()
    assert expect_lines(run, 0) == []
    assert read_products(tmp_path / "results") == expected
    assert not list(subject.temporary.glob("darkroom-*"))
