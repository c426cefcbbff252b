"""Files as Darkroom makes them, for other tools to read: solved lights of a simulated night, and a stack of them.

The sky is told by plain trigonometry: a camera that is turned, with a barrel of two pixels in the corners. Lights are
dithered, and the barrel goes along with the stars, so that one place on the sky fits each star in all of them.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from darkroom.product_files import read_product
from darkroom.products import write_product
from darkroom.solving.solution_check import Solution
from darkroom.solving.wcs_cards import write_sky_cards
from darkroom.solving.wcs_fit import SkyFit, fit_sky
from darkroom.stacking.stack_lights import Canvas, PlacedLight, Stack, choose_canvas, stack_lights
from darkroom.stacking.stack_products import write_stack
from darkroom.stacking.transforms import Transform
from tests import camera
from tests.running import find_lights, run_snakemake
from tests.simulator import Truth, simulate_night
from tests.solver.fields import Camera

SHAPE = 480, 512
COUNT = 5  # lights
EDGE = 20  # pixels of the stack all around that no light has, as where lights are turned
BARREL = 2.0  # pixels in the corners
SKY = Camera(ra=132.846, dec=11.814, scale=1.5, angle=37, shape=SHAPE, barrel=BARREL / math.hypot(*SHAPE) ** 3 * 8)


@dataclass(frozen=True)
class Star:
    """Where a star lies on the sky (degrees) and on each light (x, y from 0), how bright it is there (electrons)."""

    ra: float
    dec: float
    flux: float
    places: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Night:
    """Solved lights by stem, one of them with NaN where it is masked, a stack; the stars, and the camera of the sky."""

    lights: dict[str, Path]
    holed: Path
    stack: Path
    stars: list[Star]
    sky: Camera


def make_night(folder: Path, sky: Camera = SKY) -> Night:
    """Simulate a night, calibrate it by the command, write into its lights where they lie on the sky, stack them."""
    truth = simulate_night(
        folder / "raw",
        camera=camera.Camera(shape=SHAPE, seed=3),
        seed=5,
        biases=7,
        darks={60.0: 7},
        flats={"V": 5},
        lights={("V", 60.0): COUNT},
        star_count=120,
    )
    run_snakemake(folder)
    settings = folder / "holed.yaml"
    settings.write_text("lights: {masked: nan}\n")
    run_snakemake(folder, config={"results": "holed"}, configfile=settings)
    moves, fit, lights = find_dithers(truth), fit_camera(sky), {}
    for stem, path in find_lights(folder / "results").items():
        lights[stem] = folder / path.name
        write_solved(path, lights[stem], move_fit(fit, moves[stem]))
    first = next(iter(lights))
    holed = folder / "holed.fits"
    write_solved(find_lights(folder / "holed")[first], holed, fit)
    stack = folder / "stack.fits"
    stack_solved(list(lights.values()), list(moves.values()), fit, stack)
    return Night(lights, holed, stack, list_stars(truth, sky), sky)


def find_dithers(truth: Truth) -> dict[str, np.ndarray]:
    """Return how far (x, y, pixels) each light's stars are from where they are in the first."""
    stars = {stem: light.stars[0] for stem, light in truth.lights.items()}
    first = next(iter(stars.values()))
    return {stem: np.array([star["x"] - first["x"], star["y"] - first["y"]]) for stem, star in stars.items()}


def list_stars(truth: Truth, sky: Camera) -> list[Star]:
    """Return the stars; their places on the sky are those that the first light's pixels show."""
    first = next(iter(truth.lights.values())).stars
    places = look_up(sky, np.array([[star["x"], star["y"]] for star in first]))
    own = [
        {stem: (light.stars[n]["x"], light.stars[n]["y"]) for stem, light in truth.lights.items()}
        for n in range(len(first))
    ]
    gain = truth.camera.gain
    return [Star(*map(float, p), s["flux"] * gain, o) for p, s, o in zip(places, first, own, strict=True)]


def look_up(sky: Camera, pixels: np.ndarray) -> np.ndarray:
    """Return right ascension and declination of pixels (x, y from 0), shape (n, 2): the way back of its project."""
    x, y = (pixels - (np.array(sky.shape[::-1]) - 1) / 2).T
    bent = np.hypot(x, y)
    radius = bent.copy()
    for _ in range(50):  # a radius shrinks by barrel times its cube
        radius = bent + sky.barrel * radius**3
    right, up = (each * radius / np.where(bent, bent, 1) * math.radians(sky.scale / 3600) for each in (x, y))
    right = -right if sky.mirrored else right
    turn, a, d = (math.radians(angle) for angle in (sky.angle, sky.ra, sky.dec))
    north = up * math.cos(turn) + right * math.sin(turn)
    east = up * math.sin(turn) - right * math.cos(turn)
    dec = np.arctan2(math.sin(d) + north * math.cos(d), np.hypot(east, math.cos(d) - north * math.sin(d)))
    ra = a + np.arctan2(east, math.cos(d) - north * math.sin(d))
    return np.degrees(np.column_stack([ra, dec]))


def fit_camera(sky: Camera) -> SkyFit:
    """Return the TAN-SIP fit of a grid of places all over the camera."""
    rows, columns = sky.shape
    grid = np.array([[x, y] for x in np.linspace(-5, columns + 4, 25) for y in np.linspace(-5, rows + 4, 25)])
    return fit_sky(grid, look_up(sky, grid), sky.shape, 3)


def move_fit(fit: SkyFit, shift: np.ndarray) -> SkyFit:
    """Return a fit that lies by so much (x, y, pixels) farther, its distortion with it."""
    return replace(fit, crpix=(fit.crpix[0] + float(shift[0]), fit.crpix[1] + float(shift[1])))


def write_solved(path: Path, target: Path, fit: SkyFit) -> None:
    """Write a light anew with a WCS, as it is when it was solved."""
    light = read_product(str(path))
    tell_sky(light.header, fit)
    variance = np.square(light.uncertainty, dtype=np.float32)
    write_product(str(target), light.data, light.header, light.recipe, variance, light.mask)


def tell_sky(header: fits.Header, fit: SkyFit) -> None:
    """Write the cards of a solution; what it says of its quality is made up."""
    figures = {"rms": 0.1, "rms_pixels": 0.07, "matches": 90, "catalogue": 110, "by_chance": 0.5, "scale": SKY.scale}
    place = {"rotation": SKY.angle, "mirrored": False, "centre": fit.crval, "size": (0.21, 0.2)}
    write_sky_cards(
        header, Solution(fit, shape=SHAPE, **figures, **place, solver="astrometry.net 0.93", reference="Tycho-2")
    )


def stack_solved(lights: list[Path], moves: list[np.ndarray], fit: SkyFit, target: Path) -> None:
    """Stack lights on all the pixels that any of them has, and write it with its coverage and a table of the lights."""
    placed, products = [], [read_product(str(path)) for path in lights]
    for product, move in zip(products, moves, strict=True):
        placed.append(place_light(product, Transform(np.eye(2), -np.asarray(move))))
    inner = choose_canvas(placed, SHAPE, whole=True)
    canvas = Canvas(
        (inner.shape[0] + 2 * EDGE, inner.shape[1] + 2 * EDGE), (inner.origin[0] - EDGE, inner.origin[1] - EDGE)
    )
    stack = stack_lights(placed, canvas)
    header = products[0].header.copy()
    header["EXPTIME"] = (stack.exposure, "[s] of all lights together")
    tell_sky(header, move_fit(fit, -np.array(canvas.origin)))
    write_stack(str(target), stack, header, products[0].recipe, tabulate(lights, stack))


def place_light(product, transform: Transform) -> PlacedLight:
    """Return a light as stacking takes it: sky and its noise by plain medians."""
    image, mask = np.asarray(product.data, np.float32), product.mask
    variance = np.square(product.uncertainty, dtype=np.float32)

    def read(rows, columns):
        return image[rows, columns], variance[rows, columns], mask[rows, columns]

    level = float(np.median(image))
    noise = float(np.sqrt(np.median(variance)))
    return PlacedLight(read, image.shape, transform, level, noise, seconds=60.0, fwhm=3.0)


def tabulate(lights: list[Path], stack: Stack) -> fits.BinTableHDU:
    """Return a table of the lights, shorter than that of a real stack."""
    columns = [
        fits.Column("light", "32A", array=[each.stem for each in lights]),
        fits.Column("used", "L", array=np.ones(len(lights), bool)),
        fits.Column("weight", "D", array=stack.weights),
    ]
    return fits.BinTableHDU.from_columns(columns, name="LIGHTS")
