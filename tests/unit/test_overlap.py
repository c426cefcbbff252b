"""Overlap: every item is read, worked on and written in its order, whatever becomes of the others."""

import threading

import pytest

from darkroom.overlap import overlap
from darkroom.problems import JobProblem

NOTHING = [None] * 5


def run(items, read=lambda item: item, work=lambda item, content: content * 10, write=lambda item, result: None):
    return [(item, None if problem is None else str(problem)) for item, problem in overlap(items, read, work, write)]


def fail_for(bad, result=None):
    def act(item, *_):
        if item == bad:
            raise JobProblem(f"item {item}")
        return item if result is None else result

    return act


def test_items_go_through_all_three_in_order():
    written = []
    assert run(range(5), write=lambda item, result: written.append((item, result))) == list(enumerate(NOTHING))
    assert written == [(item, 10 * item) for item in range(5)]


def test_nothing_to_do_is_done():
    assert run([]) == []


@pytest.mark.parametrize("bad", range(4))
@pytest.mark.parametrize("stage", ["read", "work", "write"])
def test_a_problem_costs_no_other_item(stage, bad):
    written = []
    stages = {"write": lambda item, result: written.append(item)}
    if stage == "write":
        stages["write"] = lambda item, result: written.append(fail_for(bad)(item))
    else:
        stages[stage] = fail_for(bad)
    found = run(range(4), **stages)
    assert [item for item, _ in found] == [0, 1, 2, 3]
    assert [problem for _, problem in found] == [f"item {bad}" if item == bad else None for item in range(4)]
    assert [item for item in written if item != bad] == [item for item in range(4) if item != bad]


def test_a_fault_ends_it_all():
    def work(item, content):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(range(3), work=work)


def test_the_next_item_is_read_and_the_last_one_written_meanwhile():
    """Reading waits for the work on the item before to begin, writing for that on the next: one by one, for ever."""
    began, second = [threading.Event() for _ in range(3)], []

    def read(item):
        if item:
            assert began[item - 1].wait(10), "not read while the one before is worked on"
        return item

    def work(item, content):
        began[item].set()
        return content

    def write(item, result):
        if item < 2:
            second.append(began[item + 1].wait(10))

    assert run(range(3), read, work, write) == [(0, None), (1, None), (2, None)]
    assert second == [True, True]


def test_no_more_than_two_contents_and_two_results_are_held():
    held, most = set(), []

    def read(item):
        held.add(("content", item))
        most.append(len(held))
        return item

    def work(item, content):
        held.add(("result", item))
        most.append(len(held))
        held.discard(("content", item))
        return item

    run(range(9), read, work, lambda item, result: held.discard(("result", item)))
    assert max(most) <= 4
