"""Overlap: while one item is worked on, the next is read and the last one written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Any, TextIO

from darkroom.problems import JobProblem


def overlap(
    items: Iterable[Any],
    read: Callable[[Any], Any],
    work: Callable[[Any, Any], Any],
    write: Callable[[Any, Any], None],
) -> Iterator[tuple[Any, JobProblem | None]]:
    """Yield each item once it is read, worked on and written, in their order, with what kept it from that.

    ``read(item)`` and ``write(item, result)`` run in a thread each, ``work(item, content)`` in the caller's. At most
    two items that were read, and two results, are held.
    """
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        pending: list[tuple[Any, Future[None]]] = []
        previous: tuple[Any, Future[Any]] | None = None
        for item in chain(items, [None]):
            following = None if item is None else (item, reader.submit(read, item))
            if previous is not None:
                item, content = previous
                failure = None
                try:
                    result = work(item, content.result())
                except JobProblem as problem:
                    failure = problem
                yield from map(_finish, pending)  # one result waits for the disk: of more, the memory would run away
                pending = []
                if failure:
                    yield item, failure
                else:
                    pending.append((item, writer.submit(write, item, result)))
                    del result
            previous = following
        yield from map(_finish, pending)


def _finish(written: tuple[Any, Future[None]]) -> tuple[Any, JobProblem | None]:
    item, future = written
    try:
        future.result()
    except JobProblem as problem:
        return item, problem
    return item, None


def make_all(
    items: Sequence[Any],
    read: Callable[[Any], Any],
    work: Callable[[Any, Any], Any],
    write: Callable[[Any, Any], None],
    log: TextIO,
) -> None:
    """Make each item, which has the path of its ``product``, as `overlap` does; one that fails keeps no other from it.

    Raises
    ------
    JobProblem
        At the end, with all that was in the way, a line each.
    """
    problems = []
    for item, problem in overlap(items, read, work, write):
        if problem:
            problems.append(str(problem))
        else:
            print(f"{item.product}: made", file=log)
    if problems:
        raise JobProblem("\n".join(dict.fromkeys(problems)))
