"""Every real frame against what its header and its pixels say to an astronomer: `frames.csv`, kept by hand.

The table's setups are labels: frames of one label share a setup, others do not; '?' where nobody could know. ``told``
is where the kind is said (header, file name), or pixels, where it can only be guessed; ``problem`` why a frame takes no
part. A bias or a dark has no filter, whatever was in front of the closed shutter, and a bias no exposure; 'None' and
'Free' are what cards say of a light without a filter.
"""

import csv
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from darkroom.raw_images import read_raw
from tests.real.test_real_nights import DATA
from tests.unit.builders import index

TRUTH: dict[str, dict[str, dict[str, str]]] = {}
with Path(__file__).with_name("frames.csv").open(newline="") as file:
    for row in csv.DictReader(file):
        TRUTH.setdefault(row.pop("set"), {})[row.pop("name")] = row

FIELDS = ("kind", "filter", "exposure", "mosaic")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real frames are not on this machine"),
]


def test_table_has_every_file():
    on_disk = {str(path.relative_to(DATA)) for path in DATA.glob("*/**/*") if path.is_file()}
    assert {f"{name}/{frame.partition('[')[0]}" for name, frames in TRUTH.items() for frame in frames} == on_disk


@pytest.fixture(scope="module", params=TRUTH)
def indexed(request, tmp_path_factory):
    """One data set: what is true of its frames, and what the index says of them."""
    return TRUTH[request.param], index(DATA / request.param, results=tmp_path_factory.mktemp("results"))


def test_every_frame_is_told(indexed):
    """Kind, filter, exposure and mosaic of all frames are the true ones."""
    truth, frames = indexed
    told = {
        name: {
            "kind": frame.kind,
            "filter": frame.filter or "",
            "exposure": "" if frame.exposure is None else f"{frame.exposure:.10g}",
            "mosaic": frame.mosaic or "",
        }
        for name, frame in frames.items()
    }
    assert told == {name: {field: row[field] for field in FIELDS} for name, row in truth.items()}


def test_every_frame_takes_part_or_says_why_not(indexed):
    """What takes no part says why, nothing else is left out, and a kind that is a guess is called one."""
    truth, frames = indexed
    for name, row in truth.items():
        frame = frames[name]
        assert row["problem"] in frame.problem
        assert bool(row["problem"]) == bool(frame.problem), f"{name}: {frame.problem}"
        assert frame.kind_from.startswith(row["told"])
        assert ("is a guess from its pixels" in frame.notes) == (row["told"] == "pixels")


def test_setups_are_those_of_the_cameras(indexed):
    """Frames share a setup if, and only if, they are of one camera in one state."""
    truth, frames = indexed
    setups, labels = {}, {}
    for name, row in truth.items():
        if row["setup"] not in ("", "?"):
            setups.setdefault(row["setup"], set()).add(frames[name].setup)
            labels.setdefault(frames[name].setup, set()).add(row["setup"])
    assert {label: found for label, found in setups.items() if len(found) > 1} == {}, "one setup in several"
    assert {found: label for found, label in labels.items() if len(label) > 1} == {}, "several setups in one"


def test_chips_of_one_file_are_no_copies(tmp_path):
    """Three chips whose pixels are all 1 are three flats, once the settings tell the exposure that no header does."""
    rule = {"match": {"file": "flat*"}, "set": {"EXPTIME": 1}}
    frames = index(DATA / "odd/saao-mef", results=tmp_path, headers__fix=[rule], health__empty="warn")
    assert {name: frame.problem for name, frame in frames.items()} == dict.fromkeys(frames, "")


def test_rice_compressed_frame(tmp_path):
    """A frame that fpack made holds what astropy finds in it, whichever rows are asked for."""
    path = DATA / "odd/dslr/solved.fits.fz"
    frame = index(DATA / "odd/dslr", results=tmp_path)[path.name]
    with fits.open(path) as hdus:
        expected = hdus[1].data.astype(np.float32)
    raw = read_raw(frame.path, frame.digest, frame.image)
    assert raw.shape == expected.shape == (700, 700)
    np.testing.assert_array_equal(raw[:, :], expected)
    np.testing.assert_array_equal(raw[331:402, 17:640], expected[331:402, 17:640])
    assert raw.header["CAMSN"] == "012070048413"
