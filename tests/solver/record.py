"""Record what the real solve-field and query-starkd write for a simulated field: ``python -m tests.solver.record``.

The tests without them replay it; made anew only if what the solvers write changes.
"""

import csv
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits

from darkroom.solving.field_stars import find_field_stars
from darkroom.solving.hints import Hints
from darkroom.solving.solvers import run_solver
from darkroom.solving.star_indexes import find_indexes, read_index_stars
from darkroom.solving.tools import find_solver
from tests.solver.fields import Camera, draw_field, make_heights

RECORDED = Path(__file__).with_name("recorded")
WCS_CARDS = RECORDED / "field_wcs.txt"
CATALOGUE = RECORDED / "catalogue.csv"
RADIUS = 1.6  # degrees


def read_catalogue() -> np.ndarray:
    """Right ascension and declination of the recorded stars."""
    with CATALOGUE.open(newline="") as file:
        return np.array([[float(row["ra"]), float(row["dec"])] for row in csv.DictReader(file)])


def main() -> None:
    RECORDED.mkdir(exist_ok=True)
    camera = Camera()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        indexes = find_indexes()
        stars = read_index_stars(indexes[0], camera.ra, camera.dec, RADIUS, folder)
        image = draw_field(camera, stars, make_heights(len(stars), 5))
        hints = Hints(scale=(5.0, 7.0), position=(camera.ra, camera.dec))
        found = run_solver(find_solver(), find_field_stars(image), camera.shape, hints, indexes, folder, 60)
        assert found.wcs is not None, found.reason
        header = fits.getheader(folder / "field.wcs")
    header.remove("DATE")
    lines = [str(card).rstrip() for card in header.cards if not str(card).startswith("COMMENT")]
    WCS_CARDS.write_text("\n".join(lines) + "\n")
    with CATALOGUE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["ra", "dec"])
        writer.writerows([f"{ra:.7f}", f"{dec:.7f}"] for ra, dec in stars)


if __name__ == "__main__":
    main()
