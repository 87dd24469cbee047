"""Do pictures of one kind of product look alike to `image_knn`, and how fast are they read?

    python benchmarks/pictures.py [--model FOLDER] [--json FILE]

Photos of clothing_images in ten classes, which are not told: the share of each photo's ten nearest that are of its
class, beside what drawing them at random would give. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import tarfile
import time
from pathlib import PurePosixPath

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.core.run import Run
from wareloom.rankers.content.image_knn import ImageKNN
from wareloom.shop import Shop, Vocabulary

NEAREST = 10


def photos() -> pl.DataFrame:
    """item_id, kind, image."""
    rows = []
    with tarfile.open(data("clothing_images") / "images.tar.gz") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if member.isfile() and path.suffix == ".jpg":
                rows.append((path.stem, path.parent.name, archive.extractfile(member).read()))  # type: ignore[union-attr]
    return pl.DataFrame(rows, schema=["item_id", "kind", "image"], orient="row").unique(
        "item_id", maintain_order=True
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--model",
        default="",
        help="a folder with a vision model; colours and edges where not given",
    )
    chosen = parser.parse_args()
    found = photos()
    events = pl.DataFrame(
        {"user_id": ["u"], "item_id": [found["item_id"][0]], "event": ["purchase"]}
    )
    shop = Shop(
        {
            "items": found.select("item_id"),
            "events": events,
            "images": found.select("item_id", "image"),
        }
    )
    start = time.perf_counter()
    ranker = ImageKNN(model=chosen.model, neighbours=NEAREST).fit(shop, Run(threads=1))
    seconds = time.perf_counter() - start
    kind = found["kind"].gather(Vocabulary(found["item_id"]).encode(ranker.items_)).to_numpy()
    near = ranker.table_.tocoo()
    shares = np.unique(kind, return_counts=True)[1] / len(kind)
    told = {
        "photos": len(found),
        "alike": float((kind[near.row] == kind[near.col]).mean()),
        "chance": float((shares**2).sum()),
        "photos_s": len(found) / seconds,
        "model": chosen.model and "a vision model",
    }
    print(told)
    write(chosen.json, "pictures", machine(chosen.note), rows=[told])


if __name__ == "__main__":
    main()
