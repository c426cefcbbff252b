"""Fixtures of the tests that run the workflow."""

import pytest

from tests.workflow.reduced import copy_reduced


@pytest.fixture
def night(tmp_path, tmp_path_factory):
    """A small reduced night, for the test alone."""
    return copy_reduced(tmp_path_factory.getbasetemp() / "reduced", tmp_path)
