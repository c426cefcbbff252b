"""Whatever the pixels and the header say, there are figures, and each ailment is a line with a key of the settings."""

import json
import warnings

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from darkroom.health import find_ailments
from darkroom.pixel_kinds import guess_kinds
from darkroom.pixels import measure_pixels
from tests.unit.builders import make_frame, overlay

SETTINGS = overlay()
IMAGES = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=45), elements=st.floats(width=32))
NUMBERS = st.none() | st.floats(allow_nan=False)
FRAMES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["bias", "dark", "flat", "light"]),
        "start": st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds")),
        "exposure": st.floats(0, 1e6),
        "told_exposure": NUMBERS,
        "temperature": st.none() | st.floats(-200, 100),
        "gain": NUMBERS,
        "mtime_ns": st.integers(0, 2**61),
    }
)


@given(st.lists(st.tuples(IMAGES, NUMBERS, FRAMES), max_size=4), NUMBERS)
def test_any_frames_have_figures_and_ailments(items, mjd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames = []
        for number, (image, saturation, known) in enumerate(items):
            pixels = measure_pixels(image, saturation)
            assert json.loads(json.dumps(pixels, allow_nan=False)) == pixels
            rows, columns = image.shape
            kind = known.pop("kind")
            frames.append(make_frame(kind, f"{number}", rows=rows, columns=columns, pixels=pixels, **known))
            frames[-1].mjd = mjd
        found = find_ailments(frames, SETTINGS)
        assert set(found) <= {frame.name for frame in frames}
        for ailment in (one for some in found.values() for one in some):
            assert SETTINGS["health"][ailment.name] in ("leave_out", "warn", "stop")
            assert ailment.text.isprintable()
        for frame in frames:
            frame.kind = "unknown"
        assert {kind for kind, _ in guess_kinds(frames).values()} <= {None, "bias", "flat", "light"}
