"""What has changed between two recipes, in words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


def compare_recipes(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Yield what differs between two recipes, as ``settings.combine.sigma: 5.0 -> 4.0``; some of it more than once."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key == "digest" and _name(old) == _name(new):
                if old[key] != new[key]:
                    yield f"{where}: {_name(new)} has changed"
            elif key != "digest":
                yield from compare_recipes(old.get(key), new.get(key), f"{where}.{key}" if where else key)
    elif isinstance(old, list) and isinstance(new, list):
        names_old, names_new = ({_name(item): item for item in items} for items in (old, new))
        for name in [name for name in names_old if name not in names_new]:
            yield f"{where}: {name} is gone"
        for name in [name for name in names_new if name not in names_old]:
            yield f"{where}: {name} is new"
        for name in [name for name in names_old if name in names_new]:
            yield from compare_recipes(names_old[name], names_new[name], where)
    elif old != new and where.startswith("code."):
        yield f"{where}: {'is new' if old is None else 'is gone' if new is None else 'has changed'}"
    elif old != new:
        yield f"{where}: {_short(old)} -> {_short(new)}"


def _name(item: Any) -> str:
    """Return what a frame or a master of a recipe is called."""
    return str(item.get("name") or item.get("path")) if isinstance(item, dict) else str(item)


def _short(value: Any) -> str:
    if isinstance(value, dict) and {"name", "path"} & value.keys():
        return _name(value)
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
