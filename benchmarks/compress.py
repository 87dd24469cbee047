"""What an encoder of queries costs and loses in fewer bits, heads, neurons and layers: Home Depot, judged queries.

    python benchmarks/compress.py [--json FILE] [--queries N] [--products N] [--updates N] [--texts N]

all-MiniLM-L6-v2 as it comes, split by query with seed 0; the validation part's queries measure, none is learned from.
The catalogue: all products judged for them, and others drawn up to `--products`. Students learn on parts of titles.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from serve import NOTE
from wareloom.bundle import write_bundle
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.preparing.splits import SplitSettings, split
from wareloom.readers import read
from wareloom.serving.vectors.compress import Compression, compress
from wareloom.shop import Shop

TIME, SIZE = 0.55, 0.3
"""What int8 may take of the time, and of the size"""


def catalogue(queries: int, products: int, folder: Path) -> tuple[Shop, Shop]:
    """The products, and judged queries of the validation part."""
    whole = read(data("homedepot_search"), to=folder / "shop", run=Run(quiet=True)).in_memory()
    validation = split(whole, SplitSettings(by="query")).validation
    rng = np.random.default_rng(0)
    judgments = validation.table("judgments")
    every = judgments["query"].unique(maintain_order=True)
    chosen = every.gather(np.sort(rng.permutation(len(every))[:queries]))
    judgments = judgments.filter(pl.col("query").is_in(chosen.implode()))
    items = whole.table("items")
    wanted = items["item_id"].is_in(judgments["item_id"].unique().implode()).to_numpy()
    others = rng.permutation(np.flatnonzero(~wanted))[: max(0, products - int(wanted.sum()))]
    kept = items[np.sort(np.concatenate([np.flatnonzero(wanted), others]))]
    return Shop({"items": kept}), Shop({"items": kept, "judgments": judgments})


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--products", type=int, default=12_000)
    parser.add_argument("--updates", type=int, default=400)
    parser.add_argument("--texts", type=int, default=8_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shop, judged = catalogue(chosen.queries, chosen.products, folder)
        run, begun = Run(seed=0, threads=1, quiet=True), time.process_time()
        ranker = RANKERS.make("bi_encoder", tuning="none", fields="title").fit(shop, run)
        print(
            f"read {len(shop.table('items')):,} titles: {time.process_time() - begun:.0f} s",
            flush=True,
        )
        write_bundle(
            folder / "bundle", ranker=ranker, shop=shop, recipe={}, choice={}, proof=NOTE, seed=0
        )
        begun = time.process_time()
        how = Compression(updates=chosen.updates, texts=chosen.texts)
        told = compress(folder / "bundle", folder / "small", judged=judged, how=how, run=run)
        seconds = time.process_time() - begun
    whole, *others = told["encoders"]
    small = next(row for row in others if row["name"] == "int8")
    bars = {
        "time": (small["ms"] / whole["ms"], TIME),
        "size": (small["mebibytes"] / whole["mebibytes"], SIZE),
    }
    for row in told["encoders"]:
        print({k: v for k, v in row.items() if k != "note"})
    for row in told["vectors"]:
        print(row)
    figures = {
        **{k: told[k] for k in ("items", "queries", "measure", "settings", "encoders", "vectors")},
        "seconds": seconds,
        "bars": {
            name: {"value": value, "bar": bar, "held": value <= bar}
            for name, (value, bar) in bars.items()
        },
        "holds": small["verdict"]["holds"],
        "held": all(value <= bar for value, bar in bars.values()) and small["verdict"]["holds"],
    }
    write(chosen.json, "compress", machine(chosen.note), **figures)


if __name__ == "__main__":
    main()
