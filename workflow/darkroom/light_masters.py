"""Masters as lights need them: what many lights share is worked out once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkroom.calibrate import find_slope, find_unflattened
from darkroom.masters import MasterShelf
from darkroom.quality import Bit
from darkroom.uncertainty import add_pedestal_noise

Image = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LightMasters:
    """What is taken off lights of one kind; planes of shape (rows, columns).

    ``flat`` is one where it cannot serve. ``mask`` is the quality plane that a light has from its masters.
    ``pedestal_variance`` is that of bias and dark, ADU^2, and ``flat_variance`` that of the flat; None where they are
    not known, or not wanted. ``uneven_signal`` and ``frame_variance`` are those of a dark that holds its bias.
    """

    bias: Image | None
    dark: Image | None
    dark_scale: float
    uneven_signal: Image | None
    frame_variance: float | None
    flat: Image | None
    flat_variance: Image | None
    pedestal_variance: Image | None
    mask: NDArray[np.uint8]


class LightShelf:
    """Gives lights their masters; those of the light before, if they are the same."""

    def __init__(self, shelf: MasterShelf):
        self.shelf = shelf
        self._key = ""
        self._prepared: LightMasters | None = None

    def prepare(self, recipe: dict[str, Any]) -> LightMasters:
        """Return what a light's recipe says is to be taken off it.

        Raises
        ------
        JobProblem
            If a master cannot be read.
        """
        settings = recipe["settings"]
        used = [recipe["bias"], recipe["dark"], recipe["flat"], settings["flat_minimum"], settings["linearity"]]
        if self._prepared is None or self._key != json.dumps(used):
            self._prepared = None  # those before need not be held as well
            self._prepared = prepare_masters(recipe, self.shelf)
            self.shelf.forget()
            self._key = json.dumps(used)
        return self._prepared


def prepare_masters(recipe: dict[str, Any], shelf: MasterShelf) -> LightMasters:
    """Read the masters of a light's recipe and work out what all lights with the same ones share."""
    settings = recipe["settings"]
    wanted = settings["uncertainty"] or settings["cosmic_rays"]
    bias, dark, flat = (shelf.read(recipe[kind], bool(wanted)) for kind in ("bias", "dark", "flat"))
    scale = recipe["dark"]["scale"] if dark else 1.0
    masks = [master.mask for master in (bias, dark, flat) if master]
    mask = np.bitwise_or.reduce(masks) if masks else np.zeros((1, 1), np.uint8)
    quotient, pedestal = None, None
    if flat:
        unflattened = find_unflattened(flat.image, settings["flat_minimum"])
        mask = np.where(unflattened, mask | np.uint8(Bit.LOW_FLAT), mask)
        quotient = np.where(unflattened, np.float32(1), flat.image)
    if any(master and master.variance is not None for master in (bias, dark)):
        nothing, slope = np.zeros(mask.shape, np.float32), find_slope(settings["linearity"])
        pedestal = np.asarray(add_pedestal_noise(nothing, bias, [(dark, scale)] if dark else [], slope), np.float32)
    whole = dark if dark and dark.holds_bias else None
    return LightMasters(
        bias=bias.image if bias else None,
        dark=dark.image if dark else None,
        dark_scale=scale,
        uneven_signal=whole.uneven_signal if whole and wanted else None,
        frame_variance=whole.frame_variance if whole else None,
        flat=quotient,
        flat_variance=flat.variance if flat else None,
        pedestal_variance=pedestal,
        mask=mask,
    )
