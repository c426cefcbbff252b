"""The masters and measurements that a job uses, each read once and held to the recipe that the plan names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from darkroom.problems import JobProblem
from darkroom.stamps import STAMP, read_stamp


@dataclass(frozen=True)
class Master:
    """A master frame: its image in ADU, ADU/s or relative to its level, and what is known of each pixel.

    ``variance`` in the image's unit squared, None where the noise is not known; ``mask`` the bits of
    `darkroom.quality`; arrays of shape (rows, columns). ``digest`` is that of its recipe, ``bias_id`` that of the bias
    that was taken off a dark, and ``bias_share`` the factor that it was taken off with. ``frame_variance`` is that of
    one frame without signal, in ADU^2.
    """

    image: NDArray[np.float32]
    variance: NDArray[np.float32] | None
    mask: NDArray[np.uint8]
    digest: str
    bias_id: str | None
    bias_share: float
    holds_bias: bool
    frame_variance: float | None

    @cached_property
    def uneven_signal(self) -> NDArray[np.float32]:
        """What a dark that holds its bias has above its even level, in ADU: the electrons that can be told from it.

        Those that are even over the frame are part of `frame_variance`.
        """
        return np.maximum(self.image - np.nanmedian(self.image), 0)


class MasterShelf:
    """The masters and measurements below the results folder."""

    def __init__(self, results: str):
        self.results = Path(results)
        self._read: dict[str, Master] = {}

    @classmethod
    def beside(cls, product: str, recipe: dict[str, Any]) -> MasterShelf:
        """Return the shelf of the results folder that a product belongs to, by the path that its recipe names."""
        return cls(product.removesuffix(recipe["product"]))

    def read(self, wanted: dict[str, Any] | None, with_noise: bool = True) -> Master | None:
        """Return the master with this ``path`` and recipe ``digest``, maybe without its variance; None for None.

        Raises
        ------
        JobProblem
            If it is gone, damaged or made by another recipe.
        """
        if wanted is None:
            return None
        path = self.results / wanted["path"]
        if wanted["path"] not in self._read:
            try:
                if read_stamp(path) != wanted["digest"]:
                    raise JobProblem(f"{path}: made by another recipe than the plan's; run snakemake again")
                self._read[wanted["path"]] = _read_master(path, wanted["digest"], with_noise)
            except (OSError, TypeError, ValueError, KeyError) as error:
                raise JobProblem(f"{path}: the master cannot be read ({error}); delete it and run again") from None
        return self._read[wanted["path"]]

    def forget(self) -> None:
        """Hold no master any longer."""
        self._read.clear()

    def read_mask(self, wanted: dict[str, Any]) -> NDArray[np.uint8]:
        """Return the quality plane of a master, and forget the rest of it."""
        master = self.read(wanted, with_noise=False)
        assert master is not None, "a master is wanted"
        self.forget()
        return master.mask

    def read_figures(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Return what was measured: the JSON file with this ``path`` and recipe ``digest``.

        Raises
        ------
        JobProblem
            If it is gone, damaged or made by another recipe.
        """
        path = self.results / wanted["path"]
        try:
            figures = json.loads(path.read_text(encoding="utf-8"))
            if figures[STAMP] != wanted["digest"]:
                raise JobProblem(f"{path}: made by another recipe than the plan's; run snakemake again")
        except (OSError, TypeError, ValueError, KeyError) as error:
            raise JobProblem(f"{path}: cannot be read ({error}); delete it and run again") from None
        return figures


def _read_master(path: Path, digest: str, with_noise: bool) -> Master:
    with fits.open(path, memmap=False) as hdus:
        header = hdus[0].header
        sigma = np.asarray(hdus["UNCERT"].data, dtype=np.float32) if with_noise and "UNCERT" in hdus else None
        return Master(
            image=np.asarray(hdus[0].data, dtype=np.float32),
            variance=None if sigma is None else sigma**2,
            mask=np.asarray(hdus["MASK"].data, dtype=np.uint8),
            digest=digest,
            bias_id=header.get("BIASID"),
            bias_share=header.get("BIASCOEF", 0.0),
            holds_bias=header.get("HOLDBIAS", False),
            frame_variance=header.get("FRAMEVAR"),
        )
