"""The libraries that a page carries: Vega of vl-convert and DataTables of itables, as scripts that lie in the page."""

from __future__ import annotations

import base64
import hashlib
import re
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import vl_convert

from darkroom.whole_files import write_whole


@cache
def read_vega(kept: Path | None = None) -> str:
    """Return Vega, Vega-Lite and Vega-Embed as a script that makes ``window.vegaEmbed``.

    To bundle it takes two seconds, so that it is kept in the folder ``kept`` for the next page, if there is one.
    """
    place = kept / f"vega-{version('vl-convert-python')}.js" if kept else None
    with suppress(OSError):
        if place:
            return place.read_text("utf-8")
    script = enclose_script(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    with suppress(OSError):  # the page is made all the same
        if place:
            write_whole(place, script)
    return script


@cache
def read_tables() -> str:
    """Return DataTables as a script that makes ``window.DataTable``: what a module in a page exports cannot be had."""
    text = _read_part("js")
    exports = re.search(r"\bexport\s*\{([^}]*)\};?", text)
    name = re.search(r"([\w$]+) as default\b", exports[1]) if exports else None
    if exports is None or name is None:
        raise ValueError("itables: its bundle exports no DataTables; another version of it is needed")
    return enclose_script(f"{text[: exports.start()]}window.DataTable={name[1]};{text[exports.end() :]}")


@cache
def read_tables_style() -> str:
    """Return the style of DataTables."""
    style = _read_part("css")
    if "</style" in style.lower():
        raise ValueError("itables: its style would end the element that it stands in")
    return style


def _read_part(suffix: str) -> str:
    spec = find_spec("itables")  # to import it would import pandas where that is, for a third of a second
    assert spec is not None, "itables is installed"
    return Path(str(spec.origin)).with_name("html").joinpath(f"dt_bundle.{suffix}").read_text("utf-8")


def enclose_script(script: str) -> str:
    """Return a script as it may stand in its element, with the line ends that a browser gives it.

    Text that would end or prolong the element is written as HTML advises, which in literals of JavaScript is the same.
    """
    script = f"\n{script.replace(chr(13) + chr(10), chr(10)).strip()}\n"
    return re.sub(r"<(?=!--|/?script)", r"\\x3C", script, flags=re.IGNORECASE)


def write_policy(scripts: list[str]) -> str:
    """Return a Content-Security-Policy that lets these scripts run and no other, and nothing be loaded."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
