"""One night for all tools."""

import pytest

from tests.tools.night import make_night


@pytest.fixture(scope="session")
def night(tmp_path_factory):
    return make_night(tmp_path_factory.mktemp("night"))
