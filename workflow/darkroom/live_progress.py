"""Progress as a live block at the bottom of a terminal: a bar over all work, and a line for each job that runs."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from typing import TYPE_CHECKING, TextIO

from darkroom.standing import Standing, say_time
from darkroom.terminal import Diversion, write_whole

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

PERIOD = 0.25  # s between two looks at what is written and how far the run is
PATIENCE = 10.0  # s for the display to end, which a terminal may delay (Ctrl-S)
PARTING = 0.5  # s for the last words of jobs when the run has ended
WIDEST = 60  # columns of the bar
MOST_JOBS = 10
PERCENT = 6  # columns of the bar's line: " 100 %"


class LiveProgress:
    """The block, drawn by a thread of its own, which writes above it what else goes to the terminal meanwhile.

    The cursor is never hidden and rests on an empty line below the block, so a run that is killed leaves a terminal as
    it found it. Where drawing fails, ``failed`` says so, and all is written to the terminal by itself again.
    """

    def __init__(self, standing: Standing, colour: bool = True) -> None:
        self.standing = standing
        self.failed = False
        self._diversion = Diversion()
        self._file = open_terminal(self._diversion.terminal)
        self._console = make_console(self._file, colour)
        self._restored = threading.Event()
        self._thread = threading.Thread(target=self._show, name="progress", daemon=True)

    def begin(self) -> None:
        """Show the block until ``end``."""
        atexit.register(self._part)
        self._thread.start()  # which does all the rest, so that nothing can come in between

    def end(self) -> None:
        """Remove the block, leave the terminal as it was; what was written before stands above what comes now."""
        if self._restored.is_set() or not self._thread.is_alive():
            return
        self._diversion.wake()
        if not self._restored.wait(PATIENCE):
            self._diversion.end()

    def _part(self) -> None:
        self.end()
        if self._thread.is_alive():
            self._thread.join(PARTING)

    def _show(self) -> None:
        text, problem = b"", None
        try:
            from rich.live import Live

            self._diversion.begin()
            live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,  # more is written than by way of these two
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            with live:
                shown: list[object] = []
                ending = False
                while not ending:
                    ending = self._diversion.is_woken
                    text += self._diversion.read(0 if ending else PERIOD)
                    whole, end, rest = text.rpartition(b"\n")
                    if ending and rest:
                        whole, end, rest = text, b"\n", b""
                    if end:
                        self._print_above(live, whole + end)
                        text = rest
                    shown = self._draw(live, shown)
        except Exception as error:  # whatever it is, the run goes on
            self.failed, problem = True, error
        finally:
            self._diversion.end()
            if problem:
                text += f"darkroom: no progress display any more ({type(problem).__name__}: {problem})\n".encode()
            with contextlib.suppress(OSError):  # it is the terminal that is gone
                write_whole(self._diversion.terminal, text)
            self._restored.set()
        self._diversion.pass_on()

    def _print_above(self, live: Live, text: bytes) -> None:
        """Write a text to the terminal as it is, above the block."""
        from rich.segment import Segment, Segments

        whole = text.decode("utf-8", "surrogateescape")
        self._fit()
        live.console.print(Segments([Segment(whole)]), crop=False, end="")

    def _fit(self) -> tuple[int, int]:
        """Fit the block to the terminal, which may have been resized; return its columns and rows."""
        columns, rows = os.get_terminal_size(self._diversion.terminal)
        self._console.size = size = columns or 80, rows or 24  # a terminal that was given no size says 0
        return size

    def _draw(self, live: Live, shown: list[object]) -> list[object]:
        """Draw the block, if it is not as it was shown last."""
        columns, rows = self._fit()
        lines = describe(self.standing, columns, rows)
        now = [columns, rows, self.standing.share, *lines]
        if now != shown:
            live.update(draw_block(self.standing.share, lines, columns), refresh=True)
        return now


def open_terminal(number: int) -> TextIO:
    """Return a terminal as a file that takes bytes of any kind as they are."""
    return open(number, "w", encoding="utf-8", errors="surrogateescape", closefd=False)


def make_console(file: TextIO, colour: bool) -> Console:
    """Return rich's view of a terminal; colours are of its own sixteen."""
    from rich.console import Console

    class Terminal(Console):
        def show_cursor(self, show: bool = True) -> bool:
            """Leave it: a run that is killed could not show it again."""
            return False

    return Terminal(
        file=file,
        force_terminal=True,
        force_interactive=True,
        force_jupyter=False,
        no_color=True if not colour else None,
        color_system="standard",
        highlight=False,
        markup=False,
        emoji=False,
    )


def describe(standing: Standing, columns: int, rows: int) -> list[str]:
    """Return the lines below the bar, none wider than the terminal and no more than fit: how far, and what runs."""
    elapsed = standing.elapsed
    jobs = f"{standing.done} of {standing.total} jobs"
    failed = f", {len(standing.failed)} failed" if standing.failed else ""
    so_far = say_time(elapsed)
    left = standing.guess_left()
    if standing.ending:
        versions = [f"{jobs} done{failed}, ending with those that run", f"{jobs}, ending"]
    else:
        about = f", about {say_time(left)} left" if left is not None else ""
        versions = [f"{jobs} done{failed}, {so_far} so far{about}", f"{jobs}{failed}, {so_far}{about}"]
        versions += [f"{jobs}{failed}{about or ', ' + so_far}", f"{jobs}{about or ', ' + so_far}", jobs]
    lines = [next((version for version in versions if len(version) <= columns), versions[-1])]
    running = list(standing.running.values())
    room = max(0, min(MOST_JOBS, rows - 5))  # the bar, the line above, one for those without room, an empty one
    now = standing.started + elapsed
    lines += [_say_job(name, now - since, columns) for name, since in running[:room]]
    if room and len(running) > room:
        lines.append(f"  and {len(running) - room} more")
    return lines


def _say_job(name: str, seconds: float, columns: int) -> str:
    """Return the line of a job, its name shortened to what there is room for."""
    from rich.text import Text

    taken = f"  {say_time(seconds)}"
    text = Text(f"  {name}")
    text.truncate(max(columns - len(taken), 4), overflow="ellipsis")
    return text.plain + taken


def draw_block(share: float, lines: list[str], columns: int) -> RenderableType:
    """Return the block: the bar, lines below it, and an empty one for the cursor."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bar = Table.grid()
    drawn = ProgressBar(
        total=1.0,
        completed=share,
        width=max(min(columns, WIDEST) - PERCENT, 4),
        complete_style="cyan",
        finished_style="green",
        style="bright_black",
    )
    bar.add_row(drawn, Text(f"{int(100 * share):>4} %"))
    texts = [Text(line, no_wrap=True, overflow="ellipsis") for line in lines]
    return Group(bar, *texts, Text(""))
