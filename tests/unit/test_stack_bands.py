"""Bands of a stack: they cover it once, and take the memory that they may, however many lights there are."""

import numpy as np
import pytest

from darkroom.stacking.bands import MARGIN, NARROW, PER_VALUE, cut_bands, widen
from darkroom.stacking.placed_lights import Canvas, PlacedLight
from darkroom.stacking.stack_lights import MEMORY, stack_lights
from darkroom.stacking.transforms import Transform

LEAST = (NARROW + 2 * MARGIN) ** 2 * PER_VALUE  # bytes of a light in the smallest band


@pytest.mark.parametrize("number", [2, 16, 40, 100, 300, 2000])
@pytest.mark.parametrize("shape", [(4176, 6248), (100, 60), (1, 20000)], ids=str)
def test_bands_take_the_memory_that_they_may(number, shape):
    """A hundred lights of 26 megapixels took 3 GB, as bands were whole rows of them."""
    canvas = Canvas(shape)
    covered = np.zeros(shape, np.uint8)
    for box in cut_bands(canvas, number, MEMORY):
        covered[box] += 1
        (rows, columns), inner = widen(box, canvas)
        pixels = (rows.stop - rows.start) * (columns.stop - columns.start)
        assert number * pixels * PER_VALUE <= max(MEMORY, number * LEAST)
        assert np.arange(shape[0])[rows][inner[0]].tolist() == list(range(box[0].start, box[0].stop))
        assert np.arange(shape[1])[columns][inner[1]].tolist() == list(range(box[1].start, box[1].stop))
    assert (covered == 1).all()


def test_the_same_stack_from_bands_of_any_size():
    """Rotated, with stars and hits: the margins hold all that clipping looks at."""
    rng = np.random.default_rng(8)
    shape = (150, 210)
    images = [rng.normal(100, 5, shape).astype(np.float32) for _ in range(5)]
    for image in images:
        image[70:76, 60:66] += 900
        image[tuple(rng.integers(0, 150, (2, 20)))] += 500

    def place(number):
        turn = np.deg2rad(7 * number)
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

        def read(*box):
            return images[number][box], 25.0, None

        return PlacedLight(read, shape, Transform(matrix, np.array([3.3 * number, -2.7])), 100.0, 5.0, 1, 60, None, 4)

    lights = [place(number) for number in range(5)]
    stacks = [stack_lights(lights, Canvas((170, 200), (-10, 5)), memory=memory) for memory in (2**29, 2**24, 1)]
    assert stacks[0].rejected.sum() > 50
    for stack in stacks[1:]:
        for plane in ("data", "variance", "seconds", "rejected", "mask"):
            np.testing.assert_array_equal(getattr(stack, plane), getattr(stacks[0], plane))
        assert stack.noise_factor == stacks[0].noise_factor
