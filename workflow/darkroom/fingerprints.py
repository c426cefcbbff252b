"""Fingerprints: digests of the code that something depends on, blind to comments, docstrings and layout."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

WORKFLOW = Path(__file__).parents[1]
PARTS = {".html", ".css", ".js"}  # of a page


@cache
def fingerprint_script(script: str) -> dict[str, str]:
    """Return a digest for a script and for every module of the library that it reaches; comments do not count."""
    return _fingerprint(WORKFLOW.parent / "scripts" / script)


@cache
def fingerprint_module(module: str) -> dict[str, str]:
    """Return a digest for a module of the library and for every other that it reaches; comments do not count."""
    return _fingerprint(WORKFLOW / "darkroom" / f"{module}.py")


@cache
def fingerprint_templates() -> str:
    """Return a digest for all that pages are made of beside code: templates, style and what runs in the browser.

    Not the captions of Snakemake's own report, which lie beside them.
    """
    files = sorted(path for path in (WORKFLOW / "report").rglob("*.*") if path.suffix in PARTS)
    content = [(str(path.relative_to(WORKFLOW)), path.read_bytes()) for path in files]
    return hashlib.blake2b(repr(content).encode(), digest_size=8).hexdigest()


def _fingerprint(start: Path) -> dict[str, str]:
    waiting = [start]
    found: dict[str, str] = {}
    while waiting:
        path = waiting.pop()
        name = _name_module(path)
        if name not in found:
            found[name], imported = _look_at(path.read_bytes())
            waiting += [WORKFLOW / "darkroom" / f"{module.replace('.', '/')}.py" for module in imported]
    return dict(sorted(found.items()))


def _name_module(path: Path) -> str:
    """Return scripts.make_report, darkroom.stamps or darkroom.solving.hints."""
    start = WORKFLOW if path.is_relative_to(WORKFLOW) else WORKFLOW.parent
    return ".".join(path.relative_to(start).with_suffix("").parts)


@cache
def _look_at(source: bytes) -> tuple[str, list[str]]:
    """Return a source file's digest, and the modules of the library that it imports."""
    tree = ast.parse(source)
    return hashlib.blake2b(_canonical(tree).encode(), digest_size=8).hexdigest(), list(_imported_modules(tree))


def _imported_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("darkroom"):
            _, _, module = (node.module or "").partition(".")
            yield from ([module] if module else [alias.name for alias in node.names if alias.name != "__version__"])


def _canonical(node: Any) -> str:
    """Return a syntax tree as text that is the same under every Python: no docstrings, positions or empty fields."""
    if isinstance(node, list):
        return f"[{','.join(map(_canonical, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            value = value[1:]
        if isinstance(node, ast.Constant) or (value is not None and value != []):
            parts.append(f"{name}={_canonical(value)}")
    return f"{type(node).__name__}({','.join(parts)})"
