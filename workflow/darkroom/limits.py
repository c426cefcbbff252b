"""Limits: a figure against what is allowed of it, and both in words."""

from __future__ import annotations

import math
from typing import Any

Limits = dict[str, Any]


def exceeds(value: float, limit: float | None) -> bool:
    """Return whether there is a limit and a figure, and that is above it."""
    return limit is not None and math.isfinite(value) and value > limit


def rank(value: float) -> float:
    """Return a figure to compare others with: what is not known comes last."""
    return value if math.isfinite(value) else -math.inf


def name_limit(limits: Limits, key: str) -> str:
    """Return a limit as the key of config.yaml that sets it."""
    limit = limits.get(key)
    return f"certification.{key}: {'none' if limit is None else f'{limit:g}'}"


def say_percent(figure: float) -> str:
    """Return a figure in per cent."""
    return f"{100 * figure:.3g} %"
