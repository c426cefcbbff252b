"""What unit tests and properties build on: settings with an overlay, frames of the plan, small FITS files."""

from copy import deepcopy
from datetime import datetime
from pathlib import Path

import numpy as np

from darkroom.frames import Frame
from darkroom.index import index_frames
from darkroom.settings import check_settings
from darkroom.sources import digest_source, open_source
from tests.camera import write_frame
from tests.running import UNSEEN

# The least that a header says of a light.
LIGHT_CARDS = {
    "IMAGETYP": "Light Frame",
    "EXPTIME": 60.0,
    "FILTER": "V",
    "DATE-OBS": "2024-03-11T02:00:00",
    "INSTRUME": "cam",
}
EXPOSURES = {"bias": 0.0, "dark": 60.0, "flat": 4.0, "light": 60.0}


def overlay(**parts):
    """The default settings with keys laid over them; a nested key is written with two underscores.

    Nothing is made to be looked at unless they say so.
    """
    config = deepcopy(UNSEEN)
    for name, value in parts.items():
        *sections, key = name.split("__")
        section = config
        for part in sections:
            section = section.setdefault(part, {})
        section[key] = value
    return check_settings(deepcopy(config))


def make_frame(kind, name, start="2024-03-11T02:00:00.000", night="2024-03-10", setup="ccd", **fields):
    """A frame as the index would give it to the plan."""
    fields.setdefault("exposure", EXPOSURES[kind])
    if kind in ("flat", "light"):
        fields.setdefault("filter", "V")
    fields.setdefault("digest", f"digest of {night} {setup} {name}")
    return Frame(f"/raw/{name}", name, kind=kind, start=start, night=night, setup=setup, **fields)


def make_night(night="2024-03-10", setup="ccd", darks=(60.0,), flats=("V",), lights=(("V", 60.0),)):
    """Two frames of each calibration and two lights a filter and exposure."""
    frames = [make_frame("bias", f"{night}/{setup}/bias_{n}.fits", night=night, setup=setup) for n in (1, 2)]
    for n in (1, 2):
        frames += [
            make_frame("dark", f"{night}/{setup}/dark_{t:g}_{n}.fits", night=night, setup=setup, exposure=t)
            for t in darks
        ]
        frames += [
            make_frame("flat", f"{night}/{setup}/flat_{f}_{n}.fits", night=night, setup=setup, filter=f) for f in flats
        ]
        frames += [
            make_frame(
                "light", f"{night}/{setup}/light_{f}_{t:g}_{n}.fits", night=night, setup=setup, filter=f, exposure=t
            )
            for f, t in lights
        ]
    return frames


def write_raw(path, kind="light", exposure=None, data=None, time="2024-03-11T02:00:00", **cards):
    """A raw frame on disk, unlike any other by its path; a card with '_' for '-' is given as a keyword."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is None:
        data = np.full((6, 8), sum(map(ord, str(path))) % 60000, np.uint16)
    exposure = EXPOSURES[kind] if exposure is None else exposure
    cards = {name.replace("_", "-"): value for name, value in cards.items()}
    write_frame(path, data, kind=kind, exposure=exposure, time=datetime.fromisoformat(time), cards=cards)
    return path


def index(raw, cache=None, results=None, **parts):
    """The frame table of one raw folder or of several, by name."""
    folders = [raw] if isinstance(raw, Path) else list(raw)
    results = results or folders[0].parent / "results"
    frames = index_frames(overlay(**parts), folders, results, {} if cache is None else cache)
    return {frame.name: frame for frame in frames}


def digest_of(path):
    """The digest of a raw file as the index has it, whether or not it is compressed."""
    path = Path(path)
    return digest_source(open_source(str(path), path.stat()))
