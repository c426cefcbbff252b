"""What the tests of faults demand of a run: one line that says what is wrong, nothing by half, and the same bytes."""

from pathlib import Path

from tests.faults.kills import TABLES, Run, Subject, list_leftovers, read_products


def expect_lines(run: Run, status: int = 1) -> list[str]:
    """Demand that a run ends with this status and without a traceback; return what Darkroom said, a line each."""
    assert run.finish() == status, run.printed
    assert "Traceback" not in run.printed, run.printed
    return [line.removeprefix("darkroom: ") for line in run.printed.splitlines() if line.startswith("darkroom: ")]


def expect_whole(subject: Subject, results: Path) -> int:
    """Demand that each product which is there is what an undisturbed run makes; return how many there are."""
    found = {path: content for path, content in read_products(results).items() if path not in TABLES}
    odd = [path for path, content in found.items() if content != subject.undisturbed.get(path)]
    assert not odd, f"not whole: {odd}"
    return len(found)


def expect_recovery(
    subject: Subject, folder: Path, *args: str, raw: Path | None = None, results: str = "results"
) -> Run:
    """Demand that the same command makes the rest, and that all is as in an undisturbed run; return that run."""
    run = subject.start(folder, *args, raw=raw, results=results)
    assert run.finish() == 0, run.printed
    assert "Traceback" not in run.printed, run.printed
    found, expected = read_products(folder / results), subject.undisturbed
    odd = [path for path in found.keys() | expected.keys() if found.get(path) != expected.get(path)]
    assert not odd, f"other bytes: {sorted(odd)}"
    assert not list_leftovers(folder / results)
    return run
