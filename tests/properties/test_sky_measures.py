"""Whatever the pixels are, there are figures, none of them NaN, and no warning."""

import json
import warnings

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from darkroom.pixel_statistics import describe_pixels
from darkroom.sky_measures import measure_light

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=45)
IMAGES = SHAPES.flatmap(
    lambda shape: st.tuples(
        hnp.arrays(st.sampled_from(["<f4", ">f4", ">f8", ">i2"]), shape),
        st.none() | hnp.arrays(">f4", shape, elements=st.floats(width=32)),
        st.none() | hnp.arrays(np.uint8, shape),
    )
)


@given(IMAGES, st.sampled_from([1, 2]), st.tuples(st.integers(0, 1), st.integers(0, 1)))
def test_any_light_has_figures(planes, step, first):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = measure_light(*planes, step=step, first=first)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert all(figures[name] is None or figures[name] >= 0 for name in ("noise", "fwhm", "stars", "masked"))
    assert figures["elongation"] is None or figures["elongation"] >= 1
    assert (figures["masked"] is None) == (planes[2] is None)


@given(SHAPES.flatmap(lambda shape: hnp.arrays(st.sampled_from(["<f4", ">f4", ">f8", ">i2", "u1"]), shape)))
def test_any_image_has_statistics(image):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = describe_pixels(image)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    if told["statistics"]:
        numbers, histogram = told["statistics"], told["histogram"]
        assert numbers["min"] <= numbers["p01"] <= numbers["median"] <= numbers["p99"] <= numbers["max"]
        assert len(histogram["edges"]) == len(histogram["counts"]) + 1
        assert np.all(np.diff(histogram["edges"]) > 0)
        with np.errstate(invalid="ignore"):
            known = np.count_nonzero(np.abs(image.astype(np.float64)) < 1e30)
        assert sum(histogram["counts"]) + sum(histogram["beyond"]) == known
