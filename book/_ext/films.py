"""The frames of an animated PNG as the tiles of one picture, for the widget ``film``: what does not change is kept once."""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TILE = 20  # pixels: smaller ones cost more in the list of tiles than they save in the picture


def frames(path: Path) -> list[np.ndarray]:
    """The frames (height, width, 4) in their order; the default image, which is not one of them, left out."""
    found = []
    with Image.open(path) as picture:
        for index in range(int(bool(picture.info.get("default_image"))), picture.n_frames):
            picture.seek(index)
            frame = np.array(picture.convert("RGBA"))
            frame[frame[..., 3] == 0] = 0  # the colour of what is not seen makes no difference
            found.append(frame)
    return found


def plainer(shot: np.ndarray) -> np.ndarray:
    """The frame in six steps of opacity, and what is grey and opaque in eight greys: a small part of the bytes, hardly seen."""
    shot = shot.copy()
    shot[..., 3] = (shot[..., 3] / 51).round() * 51
    shot[shot[..., 3] == 0] = 0
    grey = (shot[..., 0] == shot[..., 1]) & (shot[..., 1] == shot[..., 2]) & (shot[..., 3] == 255)
    shot[grey, :3] = ((shot[grey, :3] * (7 / 255)).round() * (255 / 7)).round()
    return shot


def reel(shots: list[np.ndarray]) -> tuple[np.ndarray, str]:
    """The tiles of all frames in one picture, and the list that puts them together (read by ``widgets/src/tiles.ts``)."""
    height, width = shots[0].shape[:2]
    down, across = -(-height // TILE), -(-width // TILE)
    known: dict[bytes, int] = {}
    tiles, before, lines = [], [-1] * (down * across), []
    for shot in shots:
        sheet = np.zeros((down * TILE, across * TILE, 4), np.uint8)
        sheet[:height, :width] = shot
        words: list[tuple[str, int]] = []
        now = []
        for place, tile in enumerate(sheet.reshape(down, TILE, across, TILE, 4).swapaxes(1, 2).reshape(-1, TILE, TILE, 4)):
            number = known.setdefault(tile.tobytes(), len(known))
            kind = "n" if number == len(tiles) else "s" if number == before[place] else "i"
            if kind == "n":
                tiles.append(tile)
            if kind != "i" and words and words[-1][0] == kind:
                words[-1] = kind, words[-1][1] + 1
            else:
                words.append((kind, number if kind == "i" else 1))
            now.append(number)
        lines.append("".join(f"{kind}{count}" for kind, count in words))
        before = now
    rows = -(-len(tiles) // across)
    atlas = np.zeros((rows * across, TILE, TILE, 4), np.uint8)
    atlas[: len(tiles)] = tiles
    return atlas.reshape(rows, across, TILE, TILE, 4).swapaxes(1, 2).reshape(rows * TILE, across * TILE, 4), ",".join(lines)


def film(path: Path, folder: Path, address: str, about: dict[str, Any]) -> dict[str, Any]:
    """Writes the picture of tiles into a folder and returns the widget's data; ``address`` leads from the page there."""
    shots = [plainer(shot) for shot in frames(path)]
    atlas, lines = reel(shots)
    out = io.BytesIO()
    Image.fromarray(atlas).save(out, format="WEBP", lossless=True, method=6, quality=100)
    name = f"film-{hashlib.sha256(out.getvalue()).hexdigest()[:12]}.webp"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(out.getvalue())
    height, width = shots[0].shape[:2]
    if len(about["labels"]) != len(shots):
        raise ValueError(f"{path.name} has {len(shots)} frames and {len(about['labels'])} labels.")
    return {
        "atlas": f"{address}/{name}", "map": lines, "labels": "\n".join(about["labels"]), "seconds": about["seconds"],
        "width": width, "height": height, "tile": TILE, "at": len(shots) - 1,
    }  # fmt: skip
