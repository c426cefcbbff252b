"""Fixtures of the tests on a real Slurm: clusters that many tests share, and nights reduced on this machine."""

import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster
from tests.slurm.configuration import Knobs
from tests.slurm.install import find_obstacle
from tests.slurm.nights import write_night
from tests.slurm.plant import Planted, plant
from tests.slurm.runs import PROFILES, kill_started, make_eager, run_locally

LIMIT = 300  # s for a test that names no limit of its own


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "limit(seconds): a test on a cluster ends after so long")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("extra")


@pytest.fixture(autouse=True)
def limited(request: pytest.FixtureRequest) -> Iterator[None]:
    """End the test when its time is up: jobs on a cluster may be waited for, for ever."""
    marker = request.node.get_closest_marker("limit")
    seconds = marker.args[0] if marker else LIMIT

    def give_up(*_: object) -> None:
        raise TimeoutError(f"the test took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    kill_started()


def start_cluster(knobs: Knobs) -> Iterator[Cluster]:
    obstacle = find_obstacle()
    if obstacle:
        pytest.skip(obstacle)
    with Cluster(knobs) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def plain_cluster() -> Iterator[Cluster]:
    yield from start_cluster(Knobs())


@pytest.fixture(scope="session")
def accounted() -> Iterator[Cluster]:
    """A cluster with slurmdbd, which sacct asks."""
    yield from start_cluster(Knobs(accounting=True))


@pytest.fixture(scope="session")
def memory_kills() -> Iterator[Cluster]:
    """A cluster that ends jobs which take more memory than they asked for."""
    yield from start_cluster(Knobs(memory_kills=True))


@pytest.fixture
def cluster(plain_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster without accounting, its nodes idle when the test begins, whatever another test did to them."""
    yield plain_cluster
    plain_cluster.cancel_all()
    for node in plain_cluster.knobs.names:
        if plain_cluster.find_slurmd(node) is None:
            plain_cluster.start_slurmd(node)
    plain_cluster.wait_for(lambda: set(plain_cluster.list_nodes().values()) == {"idle"}, "idle nodes")


@pytest.fixture(scope="session")
def eager(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profile for Slurm, for a plugin that asks each second."""
    return make_eager(PROFILES / "slurm", tmp_path_factory.mktemp("eager"))


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `raw`, the frames of one night, and `results`, what this machine made of them."""
    folder = tmp_path_factory.mktemp("night")
    write_night(folder / "raw")
    run_locally(folder / "local", folder / "raw", folder / "results")
    return folder


@pytest.fixture(scope="session")
def planted(night: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Planted]:
    """A function for copies of the workflow with a fault in a script; one copy for each place, whoever asks."""

    @cache
    def make(script: str, before: str) -> Planted:
        return plant(tmp_path_factory.mktemp(f"planted_{script}"), night / "raw", script, before)

    return make
