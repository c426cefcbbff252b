"""Pictures inside a page: data URIs with their sizes, made smaller where they would weigh too much."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup
from PIL import Image

CARD_SIZE = 384  # pixels of the longer side of a master's picture on its card, which is shown at half of that
HEAVY = 400_000  # bytes of a picture from which it is kept as JPEG


@dataclass(frozen=True)
class Picture:
    """An encoded picture as a data URI, and its size in pixels."""

    uri: Markup
    width: int
    height: int


def embed_picture(content: bytes, longest: int = 0, heavy: int = HEAVY) -> Picture | None:
    """Return a picture for a page; None of what is none (the page then shows no picture, and says so).

    It is scaled down to ``longest`` pixels (0: never), and becomes a JPEG if it has more than ``heavy`` bytes.
    """
    if not content:
        return None
    try:
        with Image.open(io.BytesIO(content), formats=["PNG", "JPEG"]) as image:
            kind, (width, height) = str(image.format).lower(), image.size
            if (longest and max(width, height) > longest) or len(content) > heavy:
                image.load()
                if longest:
                    image.thumbnail((longest, longest))
                content, kind = _encode(image, heavy)
                width, height = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return Picture(Markup(f"data:image/{kind};base64,{base64.b64encode(content).decode()}"), width, height)


def _encode(image: Image.Image, heavy: int) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    if buffer.tell() <= heavy:
        return buffer.getvalue(), "png"
    buffer = io.BytesIO()
    image.convert("RGB" if image.mode not in ("L", "RGB") else image.mode).save(buffer, "JPEG", quality=85)
    return buffer.getvalue(), "jpeg"


def link_file(path: str) -> str:
    """Return a relative link to a file beside the page, whatever its name is made of."""
    return "./" + quote(path, safe="/", errors="surrogateescape") if path else ""
