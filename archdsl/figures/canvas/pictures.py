"""Pictures of the author's on figures: read with care, small, the same in every format."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path as FilePath

from archdsl.diagnostics.errors import UsageError

FORMATS = ("PNG", "JPEG")
BYTES, PIXELS = 8_000_000, 25_000_000  # of a file; of what it holds
SIDE = 1024  # pixels: a larger one is made as small
SHARP = 4.0  # pixels a point, of one that is sheared


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as PNG, and what its file is called, as the author said it."""

    name: str
    png: bytes

    @property
    def url(self) -> str:
        """Itself, to stand in a page."""
        return f"data:image/png;base64,{b64encode(self.png).decode()}"

    def sheared(self, corners: Sequence[tuple[float, float]]) -> bytes:
        """It on a parallelogram (its upper left, upper right and lower left), clear around it."""
        from PIL import Image

        (x0, y0), (x1, y1), (x2, y2) = corners
        xs, ys = (x0, x1, x2, x1 + x2 - x0), (y0, y1, y2, y1 + y2 - y0)
        left, top, wide, high = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
        source = Image.open(BytesIO(self.png)).convert("RGBA")
        across, down = (x1 - x0, y1 - y0), (x2 - x0, y2 - y0)
        area = across[0] * down[1] - across[1] * down[0]
        # from a pixel of the result to one of the source: the inverse of the two sides
        a, b = down[1] / area * source.width, -down[0] / area * source.width
        d, e = -across[1] / area * source.height, across[0] / area * source.height
        dx, dy = left - x0, top - y0
        inverse = (a / SHARP, b / SHARP, a * dx + b * dy, d / SHARP, e / SHARP, d * dx + e * dy)
        size = max(1, round(wide * SHARP)), max(1, round(high * SHARP))
        made = source.transform(
            size, Image.Transform.AFFINE, inverse, resample=Image.Resampling.BICUBIC
        )
        file = BytesIO()
        made.save(file, "PNG")
        return file.getvalue()


@cache
def read_picture(name: str) -> Picture:
    """The picture in a file; raises UsageError if it is none, or too large.

    What is taken over are its pixels alone, turned as its camera says.
    """
    from PIL import Image, ImageOps

    try:
        size = FilePath(name).stat().st_size
        data = FilePath(name).read_bytes() if size <= BYTES else b""
    except OSError as error:
        raise UsageError(f"cannot read the picture {name}: {error.strerror}") from None
    if size > BYTES:
        raise UsageError(f"the picture {name} has {size:,} bytes, more than {BYTES:,}")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as found:
            if found.width * found.height > PIXELS:
                many = f"{found.width:,} by {found.height:,} pixels"
                raise UsageError(f"the picture {name} has {many}, more than {PIXELS:,}")
            found.load()
            small = ImageOps.exif_transpose(found).convert("RGBA")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UsageError(f"the picture {name} has more than {PIXELS:,} pixels") from None
    except (OSError, SyntaxError, ValueError):
        raise UsageError(f"{name} is neither a PNG nor a JPEG, or is broken") from None
    small.thumbnail((SIDE, SIDE))
    file = BytesIO()
    plain = small.convert("RGB") if small.getchannel("A").getextrema() == (255, 255) else small
    plain.save(file, "PNG")
    return Picture(name, file.getvalue())
