"""Products that bear the right stamps and hold nothing, so that a great many nights are reduced in a minute."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

from darkroom.prepared import Prepared
from darkroom.stamps import STAMP, digest_recipe

BLOCK = 2880


def write_stubs(nights: Prepared) -> int:
    """Write a stub of every product that is not up to date; return how many were written."""
    results, written = Path(nights.results), 0
    for job in nights.jobs.values():
        if not job.stale:
            continue
        content = json.loads((results / job.recipe).read_text())["recipe"]
        for recipe in content if isinstance(content, list) else [content]:
            path = results / recipe["product"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_make_stub(recipe, digest_recipe(recipe)))
            if recipe["kind"] == "night":
                path.with_name("lights.csv").touch()
            written += 1
    return written


def _make_stub(recipe: dict[str, Any], digest: str) -> bytes:
    if recipe["kind"] in ("gain", "read_noise"):
        figures = {recipe["kind"]: {"value": 1.5, "error": 0.1, "pairs": 4}}
    elif recipe["kind"] == "certificate":
        figures = {"verdict": "passed", "failures": [], "figures": {"residual": 0.1}}
    elif recipe["kind"] in ("preview", "pair"):
        return _make_picture(digest)
    elif recipe["kind"] in ("night", "trends"):
        return f'<meta name="darkroom-recipe" content="{digest}">\n</html>\n'.encode()
    else:
        cards = ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0"]
        text = "".join(card.ljust(80) for card in [*cards, f"{STAMP:8}= '{digest}'", "END"])
        return text.ljust(BLOCK).encode()
    return json.dumps({STAMP: digest, **figures}).encode()


def _make_picture(digest: str) -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), (b"tEXt", f"{STAMP}\0{digest}".encode())]
    chunks += [(b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
