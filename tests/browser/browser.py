"""A headless Chromium that opens pages from the disk, and tells what a person would see there.

Debian's packages chromium and chromium-driver; nothing is ever fetched. Screenshots of whole pages go to the folder
that DARKROOM_SCREENSHOTS names, where it is set, to be looked at.
"""

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
LOOKS = (Path(__file__).parent / "looks.js").read_text()
PHONE, DESK = 360, 1440  # CSS pixels
QUIET = (
    "--headless",
    "--no-sandbox",  # root has no other way
    "--disable-gpu",
    "--disable-dev-shm-usage",  # a container's is small
    "--no-first-run",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--force-device-scale-factor=1",
    "--lang=en",
)

# What went wrong in the page itself, and whether a name of the night came to run as a program.
WATCH = """{
window.seen = [];
const note = (what, why) => seen.push(what + ': ' + why);
addEventListener('error', e => note('error', e.message || (e.target.outerHTML || '').slice(0, 200)), true);
addEventListener('unhandledrejection', e => note('rejected', e.reason));
addEventListener('securitypolicyviolation', e => note('policy', e.violatedDirective + ' ' + e.blockedURI));
for (const name of ['alert', 'confirm', 'prompt', 'open']) window[name] = text => note(name, text);
}"""


class Browser:
    """One Chromium with a profile of its own; `open` shows a page in it."""

    def __init__(self) -> None:
        self.profile = tempfile.mkdtemp(prefix="chromium-")
        options = Options()
        options.binary_location = CHROMIUM or ""
        for argument in (*QUIET, f"--user-data-dir={self.profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # With the driver's path given, Selenium does not look for one to download.
        self.driver = webdriver.Chrome(options=options, service=Service(executable_path=DRIVER))
        self.driver.set_page_load_timeout(60)
        self.driver.set_script_timeout(30)
        self.command("Page.addScriptToEvaluateOnNewDocument", source=WATCH)

    def command(self, name: str, **parameters: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def open(
        self, path: str | Path, width: int = DESK, *, scheme: str = "light", fragment: str = "", scripts: bool = True
    ) -> "Page":
        """Open a file as a person would, in a window of this width, light or dark; forget what was before.

        Without `scripts` none of the page's own runs.
        """
        self.command("Emulation.setScriptExecutionDisabled", value=False)
        self.driver.get("about:blank")
        page = Page(self, Path(path))
        page.resize(width)
        page.prefer(scheme)
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.command("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.driver.get(page.url + fragment)
        return page

    def close(self) -> None:
        """End the browser and remove its profile."""
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    """A page that is open: what it shows, what it asked for, and hands and eyes to use it."""

    def __init__(self, browser: Browser, path: Path):
        self.browser = browser
        self.driver = browser.driver
        self.command = browser.command
        self.path = path
        self.url = path.resolve().as_uri()
        self.said: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def run(self, script: str, *args: Any) -> Any:
        """Return what a script returns, in the page."""
        return self.driver.execute_script(script, *args)

    def find(self, selector: str) -> WebElement:
        """Return the first element of this CSS selector."""
        return self.driver.find_element("css selector", selector)

    def find_all(self, selector: str) -> list[WebElement]:
        """Return all elements of this CSS selector."""
        return self.driver.find_elements("css selector", selector)

    def wait(self, script: str, *args: Any, timeout: float = 20) -> Any:
        """Wait until a script returns something that is true, and return that."""
        return WebDriverWait(self.driver, timeout, poll_frequency=0.03).until(lambda _: self.run(script, *args), script)

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        for key in keys:
            ActionChains(self.driver, duration=0).send_keys(key).perform()

    def focused(self) -> WebElement:
        """Return the element that has the focus."""
        return self.driver.switch_to.active_element

    def look(self, name: str, *args: Any) -> list[str]:
        """Call a function of looks.js."""
        return self.run(f"if (!window.looks) {{ {LOOKS} }}\nreturn looks.{name}(...arguments)", *args)

    # The window

    def resize(self, width: int, height: int = 900) -> None:
        """Give the page a width in CSS pixels; below 600 as on a phone, where the page itself has to ask for it."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def prefer(self, scheme: str = "light", media: str = "") -> None:
        """Have the system prefer light or dark, and show the page as on the screen or in print."""
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.command("Emulation.setEmulatedMedia", media=media, features=features)

    @contextmanager
    def printed(self) -> Iterator[None]:
        """Show the page as it is printed, on A4 across: a printer gives it another width without a word."""
        self.prefer(media="print")
        self.run("dispatchEvent(new Event('beforeprint')); document.documentElement.style.width = '1032px'")
        yield
        self.run("dispatchEvent(new Event('afterprint')); document.documentElement.style.width = ''")
        self.prefer()

    def print(self) -> bytes:
        """Return the page as a PDF file, on the paper that it asks for."""
        answer = self.command("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        return base64.b64decode(answer["data"])

    def capture(self, name: str) -> None:
        """Write a picture of the whole page to the folder of screenshots, if there is one."""
        folder = os.environ.get("DARKROOM_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            answer = self.command("Page.captureScreenshot", captureBeyondViewport=True)
            (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(answer["data"]))

    # What there is to see

    def find_overlaps(self, tolerance: float = 1.0) -> list[str]:
        """Return pairs of texts (or controls) that lie over each other by more than this many pixels."""
        return self.look("overlaps", tolerance)

    def find_cut_texts(self, tolerance: float = 2.0) -> list[str]:
        """Return texts that end where a box that does not scroll ends."""
        return self.look("cut", tolerance)

    def find_covered_texts(self) -> list[str]:
        """Return texts that lie below something else; the window is as high as the page meanwhile."""
        width, height = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        self.resize(width, max(900, height))
        found = self.look("covered")
        self.resize(width)
        return found

    def find_sideways(self) -> list[str]:
        """Return what makes the page wider than its window; nothing if it is not."""
        return self.look("sideways")

    def find_stuck(self) -> list[str]:
        """Return what scrolls, but not by keys."""
        return self.look("stuck")

    def find_faint_texts(self) -> list[str]:
        """Return texts on plain backgrounds whose contrast is below WCAG's AA (4.5, or 3 for large ones)."""
        return self.look("faint")

    # What happened

    def errors(self) -> list[str]:
        """Return what the page complained about since it was opened: errors and warnings."""
        self.said += self.driver.get_log("browser")
        return [entry["message"] for entry in self.said if entry["level"] in ("SEVERE", "WARNING")] + self.run(
            "return window.seen || []"
        )

    def requests(self) -> list[str]:
        """Return the addresses that the page asked for since it was opened, but for its own and what it holds."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                self.asked.append(message["params"].get("request", message["params"])["url"])
        own = (self.url, self.path.as_uri())
        return [
            url[:200]
            for url in self.asked
            if urlsplit(url).scheme not in ("data", "blob", "about") and url.partition("#")[0] not in own
        ]

    def verify_quiet(self) -> None:
        """Demand that nothing went wrong and nothing was asked for."""
        assert self.errors() == []
        assert self.requests() == []
