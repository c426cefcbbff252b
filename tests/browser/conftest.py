"""One Chromium for all tests of a process."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.browser.browser", "tests.browser.pages")

from tests.browser.browser import CHROMIUM, DRIVER, Browser  # noqa: E402
from tests.browser.pages import Pages  # noqa: E402


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium; the test skips where it is not there."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium and chromium-driver are not on this machine")
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def pages(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Pages of made-up nights."""
    return Pages(browser, tmp_path_factory.mktemp("pages"))
