"""Fixtures of the tests of faults: a night that is reduced again and again, and disks that fail."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import bad_sectors, mounts
from tests.faults.kills import Subject
from tests.faults.mounts import Disk

SMALL = (150, 200)  # rows and columns of a frame


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=50, help="number of kills")
    parser.addoption("--seed", type=int, default=1, help="seed of their moments")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("extra")


@pytest.fixture(scope="session")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """A small night, and what is made of it when nothing happens."""
    return Subject.make(tmp_path_factory.mktemp("subject"), SMALL)


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[Path, str], Disk]]:
    """A function that mounts a disk, with options of tmpfs(5); all are unmounted after the test."""
    if obstacle := mounts.find_obstacle():
        pytest.skip(obstacle)
    mounted: list[Disk] = []

    def add(folder: Path, options: str) -> Disk:
        mounted.append(Disk.mount(folder, options))
        return mounted[-1]

    yield add
    for disk in reversed(mounted):
        disk.unmount()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes sectors bad."""
    if obstacle := bad_sectors.find_obstacle():
        pytest.skip(obstacle)
    return bad_sectors.build(tmp_path_factory.mktemp("library"))
