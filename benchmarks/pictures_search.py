"""Does a photo find photos of its class, and itself altered, by what the frozen encoder sees?

    python benchmarks/pictures_search.py [--threads N] [--json FILE]

Photos of clothing_images, ten classes, in the source's own parts. Heads are taught by the photos of training and
validation; the 372 test photos ask. First among those others: the share of the nearest, and of the ten nearest, that
are of the asked one's class. Then, altered once by all operations of `image_augment`, among all 3,781 as they are: the
share whose nearest is itself. So do all photos, each by a head that was taught without it and without its copies: in
two halves. Adversaries: a photo altered by what no head was taught (seen aslant, saved as JPEG at quality 10, in a
frame, without colour, at 40 pixels, with a strip of writing).

Ways: colours and edges; the encoder as it is; a map learned from classes; `PictureSearch`, which learns from altered
copies of the photos that teach (settings chosen with validation photos asking). Data: `WARELOOM_DATA`, else
`../shared/data`.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image, ImageDraw, ImageOps

from _common import arguments, data, machine, write
from wareloom.core.run import Run
from wareloom.neural import vision
from wareloom.neural.vision import SIZE, picture_vectors, vectors_of
from wareloom.preparing.picture_operations import altered
from wareloom.preparing.splits import SplitSettings
from wareloom.preparing.splits_pictures import split_pictures
from wareloom.rankers.content.picture_search import altered_copies, taught_head
from wareloom.rankers.content.picture_vectors import described, opened
from wareloom.readers import read
from wareloom.shop.pictures import encode, labelled
from wareloom.stats.metric_head import fit_metric_head

NEAREST = 10
GOALS = {"p1": 0.70, "p10": 0.62, "same": 0.95, "photos_s": 60}
Z = 1.96


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def found(
    asked: np.ndarray, among: np.ndarray, kinds: tuple[np.ndarray, np.ndarray]
) -> dict[str, float]:
    """P@1 and P@10 with standard errors over those who ask."""
    nearest = np.argsort(-(unit(asked) @ unit(among).T), axis=1)[:, :NEAREST]
    right = kinds[1][nearest] == kinds[0][:, None]
    first, ten = right[:, 0].astype(float), right.mean(axis=1)
    return {
        "p1": float(first.mean()),
        "p1_se": float(first.std() / len(first) ** 0.5),
        "p10": float(ten.mean()),
        "p10_se": float(ten.std() / len(ten) ** 0.5),
    }


def itself(asked: np.ndarray, among: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Whether each one's nearest is the row it was made of: bool [asked]."""
    return (unit(asked) @ unit(among).T).argmax(axis=1) == rows


# What no head is taught.
def aslant(picture: Any, rng: np.random.Generator) -> Any:
    """Seen from the side: corners moved by up to an eighth."""
    w, h = picture.size
    moved = rng.uniform(0, 0.125, (4, 2)) * (w, h)
    corners = np.array([(0, 0), (0, h), (w, h), (w, 0)]) + moved * [
        (1, 1),
        (1, -1),
        (-1, -1),
        (-1, 1),
    ]
    return picture.transform(picture.size, Image.Transform.QUAD, tuple(corners.ravel()), 2)


def saved_badly(picture: Any, rng: np.random.Generator) -> Any:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=10)
    return Image.open(file).convert("RGB")


def framed(picture: Any, rng: np.random.Generator) -> Any:
    colour = tuple(int(c) for c in rng.integers(0, 256, 3))
    return ImageOps.expand(picture, max(picture.size) // 6, colour)


def grey(picture: Any, rng: np.random.Generator) -> Any:
    return picture.convert("L").convert("RGB")


def small(picture: Any, rng: np.random.Generator) -> Any:
    made = picture.copy()
    made.thumbnail((40, 40))
    return made


def written_on(picture: Any, rng: np.random.Generator) -> Any:
    made, (w, h) = picture.copy(), picture.size
    draw, top = ImageDraw.Draw(made), int(rng.uniform(0.1, 0.7) * h)
    draw.rectangle((0, top, w, top + h // 6), fill="white")
    draw.text((w // 8, top + h // 40), "NEW - 50 % OFF", fill="red")
    return made


UNTAUGHT: dict[str, Callable[[Any, np.random.Generator], Any]] = {
    "seen aslant": aslant,
    "JPEG at quality 10": saved_badly,
    "in a frame": framed,
    "without colour": grey,
    "at 40 pixels": small,
    "written on": written_on,
}


def moved(files: list[bytes], rows: np.ndarray, how: str) -> list[bytes]:
    """Some photos altered: by all operations, or by what no head was taught."""
    made = []
    for row in rows.tolist():
        picture, rng = opened(files[row], "the benchmark"), np.random.default_rng((7, row))
        if how in UNTAUGHT:
            picture = UNTAUGHT[how](picture, rng)
        pixels = np.asarray(picture)
        made.append(encode(pixels if how in UNTAUGHT else altered(pixels, rng), "JPEG"))
    return made


def looked(files: list[bytes], run: Run) -> np.ndarray:
    """Wide vectors of pictures that can all be read."""
    return np.stack([one for one in vectors_of(files, run, wide=True) if one is not None])


def halved(
    vectors: np.ndarray, kinds: np.ndarray, copies: tuple[np.ndarray, np.ndarray], asked: np.ndarray
) -> dict[str, float]:
    """All photos, each asking by a head that was taught by the other half alone, without it and its copies."""
    half = np.random.default_rng(0).permutation(len(vectors)) % 2
    right = np.zeros(len(vectors))
    for side in (0, 1):
        own, other = np.flatnonzero(half == side), np.flatnonzero(half != side)
        head = head_of(vectors, kinds, copies, other)
        right[own] = itself(head.apply(asked[own]), head.apply(vectors), own)
    se = float(right.std() / len(right) ** 0.5)
    return {"same": float(right.mean()), "se": se, "photos": len(right)}


def head_of(
    vectors: np.ndarray, kinds: np.ndarray, copies: tuple[np.ndarray, np.ndarray], rows: np.ndarray
) -> Any:
    """The head of `PictureSearch` over some photos, taught by their copies."""
    place = np.full(len(vectors), -1)
    place[rows] = np.arange(len(rows))
    mine = np.isin(copies[1], rows)
    return taught_head(vectors[rows], kinds[rows], copies[0][mine], place[copies[1][mine]])


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    run = Run(threads=chosen.threads, quiet=True)
    with tempfile.TemporaryDirectory() as folder:
        shop = read(data("clothing_images") / "images.tar.gz", to=Path(folder) / "shop").in_memory()
    vision.network(run)
    start, cpu = time.perf_counter(), time.process_time()
    _, vectors = picture_vectors(shop, run, wide=True)
    speed = {
        "photos_s": len(vectors) / (time.perf_counter() - start),
        "photos_cpu_s": len(vectors) / (time.process_time() - cpu),
    }
    kinds = labelled(shop).collect()["class"].rank("dense").cast(pl.Int64).to_numpy() - 1
    images = shop.table("images")
    ids, files = images["image_id"], images["image"].to_list()
    parts = split_pictures(shop, SplitSettings())
    at = [np.flatnonzero(ids.is_in(p.table("images")["image_id"].implode())) for p in parts]
    gallery, test = np.concatenate(at[:2]), at[2]
    cpu = time.process_time()
    copies = altered_copies(images["image"], np.arange(len(ids)), np.random.default_rng(3), run)
    searched = head_of(vectors, kinds, copies, gallery)
    speed["taught_cpu_s"] = time.process_time() - cpu
    plain = vectors[:, :SIZE]
    head = fit_metric_head(plain[gallery], kinds[gallery])
    mean, spread = plain[gallery].mean(axis=0), plain[gallery].std(axis=0) + 1e-3
    centre = np.mean([described(opened(files[row], "")) for row in gallery], axis=0)
    seen: dict[str, Callable[[np.ndarray, list[bytes]], np.ndarray]] = {
        "colours and edges": lambda _, own: (
            np.stack([described(opened(one, "")) for one in own]) - centre
        ),
        "lite0": lambda v, _: (v[:, :SIZE] - mean) / spread,
        "lite0, learned from classes": lambda v, _: head.apply(v[:, :SIZE]),
        "PictureSearch": lambda v, _: searched.apply(v),
    }
    whole = {way: look(vectors, files) for way, look in seen.items()}
    shares = np.bincount(kinds[gallery]) / len(gallery)
    luck = float(shares[kinds[test]].mean())
    rows: list[dict[str, Any]] = [{"way": "chance", "p1": luck, "p10": luck, "same": 1 / len(ids)}]
    for way, own in whole.items():
        told = found(own[test], own[gallery], (kinds[test], kinds[gallery]))
        rows.append({"way": way, **told})
    hard = []
    for how in ("all", *UNTAUGHT):
        asked = moved(files, test, how)
        given = looked(asked, run)
        row = {"how": how, "taught": how not in UNTAUGHT}
        for way, look in seen.items():
            right = itself(look(given, asked), whole[way], test)
            row[way] = float(right.mean())
            if how == "all":
                own_row = next(r for r in rows if r["way"] == way)
                own_row["same"] = float(right.mean())
                own_row["same_se"] = float(right.std() / len(right) ** 0.5)
        hard.append(row)
        print(row, flush=True)
    asked_all = looked(moved(files, np.arange(len(files)), "all"), run)
    crossed = halved(vectors, kinds, copies, asked_all)
    for row in [*rows, crossed, speed]:
        print(row)
    write(
        chosen.json,
        "pictures_search",
        machine(chosen.note),
        rows=rows,
        hard=hard,
        crossed=crossed,
        speed=speed,
        goals=GOALS,
        photos={"asked": len(test), "among": len(gallery), "altered": len(ids)},
    )


if __name__ == "__main__":
    main()
