"""Do photos find photos of their class, and themselves altered, by what the frozen encoder sees?

    python benchmarks/pictures_search.py [--threads N] [--json FILE]

Photos of clothing_images, ten classes. Each test photo asks among those of training and validation: the share of its
nearest, and of its ten nearest, that are of its class, by the encoder as it is and by a map learned from the classes of
what is asked (whitening and discriminant analysis, in closed form; settings chosen with validation photos asking). And
every photo, altered once by all operations of `image_augment`, asks among all photos as they are: the share whose
nearest is itself. Beside stand colours and edges, and chance. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.core.run import Run
from wareloom.neural import vision
from wareloom.neural.vision import picture_vectors
from wareloom.preparing.splits import SplitSettings
from wareloom.preparing.splits_pictures import split_pictures
from wareloom.rankers.content.picture_vectors import described, opened
from wareloom.readers import read
from wareloom.shop import Shop
from wareloom.shop.pictures import encode, labelled
from wareloom.stats.metric_head import fit_metric_head
from wareloom.synthesis.images.image_augment import ImageAugment

NEAREST = 10
GOALS = {"p1": 0.70, "p10": 0.62, "same": 0.95, "photos_s": 60}


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


def altered(shop: Shop) -> Shop:
    """Each photo altered once, by the operations that are drawn for it."""
    made, files = ImageAugment(mixed=0.0), []
    for row, data_ in enumerate(shop.table("images")["image"]):
        pixels = np.asarray(opened(data_, "the benchmark"))
        rng = np.random.default_rng(row)
        files.append(encode(made.altered(pixels, "", rng), "JPEG"))
    images = shop.table("images").with_columns(image=pl.Series(files, dtype=pl.Binary))
    return shop.with_tables(images=images)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shop = read(data("clothing_images") / "images.tar.gz", to=Path(folder) / "shop").in_memory()
        run = Run(threads=chosen.threads, quiet=True)
        start, cpu = time.perf_counter(), time.process_time()
        _, vectors = picture_vectors(shop, run)
        speed = {
            "photos_s": len(vectors) / (time.perf_counter() - start),
            "photos_cpu_s": len(vectors) / (time.process_time() - cpu),
        }
        kinds = labelled(shop).collect()["class"].rank("dense").cast(pl.Int64).to_numpy() - 1
        ids = shop.table("images")["image_id"]
        parts = split_pictures(shop, SplitSettings())
        at = [np.flatnonzero(ids.is_in(p.table("images")["image_id"].implode())) for p in parts]
        gallery, test = np.concatenate(at[:2]), at[2]
        head = fit_metric_head(vectors[gallery], kinds[gallery])
        colours = np.stack([described(opened(one, "")) for one in shop.table("images")["image"]])
        mean, spread = vectors[gallery].mean(axis=0), vectors[gallery].std(axis=0) + 1e-3
        ways: dict[str, np.ndarray] = {
            "colours and edges": colours - colours[gallery].mean(axis=0),
            "lite0": (vectors - mean) / spread,
            "lite0, learned": head.apply(vectors),
        }
        shares = np.bincount(kinds[gallery]) / len(gallery)
        rows: list[dict[str, Any]] = [
            {
                "way": "chance",
                "p1": float(shares[kinds[test]].mean()),
                "p10": float(shares[kinds[test]].mean()),
            }
        ]
        for way, own in ways.items():
            told = found(own[test], own[gallery], (kinds[test], kinds[gallery]))
            rows.append({"way": way, **told})
        vision._held.clear()
        _, moved = picture_vectors(altered(shop), run)
        for row, own in zip(rows[2:], ((moved - mean) / spread, head.apply(moved)), strict=True):
            near = unit(own) @ unit(ways[row["way"]]).T
            row["same"] = float((near.argmax(axis=1) == np.arange(len(near))).mean())
    for row in rows:
        print(row)
    print(speed)
    write(
        chosen.json,
        "pictures_search",
        machine(chosen.note),
        rows=rows,
        speed=speed,
        goals=GOALS,
        photos={"asked": len(test), "among": len(gallery), "altered": len(ids)},
    )


if __name__ == "__main__":
    main()
