"""Nights for a cluster: of small frames, so that what is seen is what jobs cost by themselves."""

from datetime import date, timedelta
from pathlib import Path

from tests.camera import Camera
from tests.simulator import simulate_night

CAMERA = Camera(shape=(48, 56))
FIRST = date(2024, 3, 10)


def write_night(raw: Path) -> int:
    """Write one night whose lights are in two filters; return how many lights there are."""
    lights = {("V", 60.0): 4, ("B", 60.0): 2}
    simulate_night(raw, camera=CAMERA, biases=3, darks={60.0: 3}, flats={"B": 3, "V": 3}, lights=lights)
    return sum(lights.values())


def write_nights(raw: Path, nights: int = 10) -> int:
    """Write several nights of 40 frames, each in a folder of its own; return how many frames there are."""
    own = {"biases": 5, "darks": {60.0: 5}, "flats": {"B": 5, "V": 5}, "lights": {("V", 60.0): 10, ("B", 60.0): 10}}
    for number in range(nights):
        day = (FIRST + timedelta(days=number)).isoformat()
        simulate_night(raw / day, camera=CAMERA, seed=number + 1, date=day, **own)
    return len(list(raw.glob("*/*.fits")))
