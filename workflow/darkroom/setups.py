"""Setups and file names: what must agree before frames may be combined, and names that are safe as paths."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from darkroom.frames import Frame

# What must agree, in the order in which the setup's name shows it.
FACETS = (
    "camera",
    "binning",
    "readout",
    "gain_setting",
    "offset_setting",
    "window",
    "shape",
    "regions",
    "technique",
)


def find_setup(frame: Frame) -> str:
    """Return the setup's name: the telling facets, and a short digest of all of them."""
    technique = frame.technique and frame.technique.casefold()
    return _name_setup(
        frame.camera,
        frame.binning,
        frame.readout,
        frame.gain_setting,
        frame.offset_setting,
        frame.window,
        f"{frame.columns}x{frame.rows}",
        f"{frame.overscan or ''}{frame.trim or ''}" or None,
        technique if technique and "image" not in technique else None,
    )


@cache
def _name_setup(*values: str | None) -> str:
    """Return the name of a setup whose facets are in the order of FACETS."""
    facets = dict(zip(FACETS, values, strict=True))
    shown = [_keep_safe(facets["camera"] or "") or "camera", facets["binning"], facets["shape"]]
    if facets["technique"]:
        shown.append(facets["technique"])
    digest = hashlib.blake2b(repr(values).encode(), digest_size=3).hexdigest()
    return "-".join([*(_keep_safe(str(part))[:40] for part in shown), digest])


def make_slug(text: str | None) -> str:
    """Return ``text`` as a file name: letters, digits and ``._+-:=@,()`` stay; None is ``none``.

    Where anything else had to go, or the text is long or says none itself, a short digest keeps two texts apart.
    """
    if text is None:
        return "none"
    slug = _keep_safe(text)[:80]
    if slug == text and slug not in ("", "none"):
        return slug
    digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=3).hexdigest()
    return f"{slug}-{digest}" if slug else digest


def _keep_safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+:=@,()-]+", "_", text).strip("._-")
