"""One Chromium for all tests of a process."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.browser.browser")

from tests.browser.browser import CHROMIUM, DRIVER, Browser  # noqa: E402


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium; the test skips where it is not there."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium and chromium-driver are not on this machine")
    browser = Browser()
    yield browser
    browser.close()
