"""The budget in tables of Markdown: of a run, and of its jobs."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROLES = ("start", "imports", "reading", "arithmetic", "writing")
MARKS = "<!-- budget -->", "<!-- end of budget -->"  # in docs/speed.md


@dataclass(frozen=True)
class Span:
    """When a job ran, in s after the start of the run."""

    kind: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


def account_for_run(wall: float, spans: Sequence[Span], first: Mapping[str, float], last: float) -> dict[str, float]:
    """Return where the wall time of a run went, in s, in the order of time; the sum is the whole of it.

    Parameters
    ----------
    wall
        From start to end.
    spans
        Of the jobs.
    first
        What goes before the first job, by name.
    last
        What the planning for the summary takes.
    """
    start, end = min(span.start for span in spans), max(span.end for span in spans)
    rest = {"unexplained, before the first job": start - sum(first.values())}
    return {**first, **rest, "jobs": end - start, "summary": last, "unexplained, at the end": wall - end - last}


def tabulate_run(parts: Mapping[str, float]) -> list[str]:
    """Return the table of a run in Markdown."""
    wall = sum(parts.values())
    lines = ["| the run | s | % |", "|---|---:|---:|"]
    lines += [f"| {name} | {seconds:.2f} | {100 * seconds / wall:.0f} |" for name, seconds in parts.items()]
    return [*lines, f"| all | {wall:.2f} | 100 |"]


def tabulate_jobs(spans: Mapping[str, Span], sampled: Mapping[str, dict[str, float]], cores: int) -> list[str]:
    """Return the table of the jobs in Markdown, a row for each kind: seconds in the run, and of each by itself."""
    names = defaultdict(list)
    for name, span in spans.items():
        names[span.kind].append(name)
    lines = [f"| jobs | number | in the run | alone | {' | '.join(ROLES)} | end |", "|---|" + "---:|" * 9]
    total: Counter[str] = Counter()
    for kind, members in names.items():
        row = Counter(number=len(members), run=sum(spans[name].seconds for name in members))
        for name in members:
            row.update(sampled[name])
        total.update(row)
        lines.append(_write_row(kind, row))
    span = max(each.end for each in spans.values()) - min(each.start for each in spans.values())
    idle = cores * span - total["run"]
    lines.append(_write_row("all", total))
    lines.append(f"| no job on one of {cores} cores | | {idle:.2f} |" + " |" * 7)
    return lines


def _write_row(name: str, row: Mapping[str, float]) -> str:
    known = [row.get(role, 0.0) for role in ROLES]
    cells = [row["run"], row["all"], *known, row["all"] - sum(known)]
    return f"| {name} | {row['number']:.0f} | {' | '.join(f'{cell:.2f}' for cell in cells)} |"


def keep_tables(document: Path, lines: Sequence[str]) -> None:
    """Put the tables in the place of those that a document has had between its two marks."""
    before, _, rest = document.read_text(encoding="utf-8").partition(MARKS[0])
    _, mark, after = rest.partition(MARKS[1])
    if not mark:
        raise RuntimeError(f"{document}: no place for the tables, between {MARKS[0]} and {MARKS[1]}")
    text = "\n".join([MARKS[0], "", *lines, "", MARKS[1]])
    document.write_text(before + text + after, encoding="utf-8")
