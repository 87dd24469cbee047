"""What of synthetic queries teaches an encoder: which synthesizer, how many, screened or not, with what labels?

    python benchmarks/search_ablation.py [--rows NAME ...] [--items N] [--updates N] [--seeds N] [--device cuda]
        [--precision bf16] [--cache DIR] [--json FILE]

Home Depot, split by query. `bi_encoder` is taught on each row's judgments by equally many updates, and ranks a
catalogue of the products that people judged for the test queries, and of others up to N. No query of the test part is
seen; "people" is taught on the real queries of the training part, the limit. Finished cells are kept with `--cache`.
Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.evaluation.judged_items import QueryTask, evaluate_queries
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.proof.search import QueryProofSettings
from wareloom.readers import read
from wareloom.sampling.judgments import real_rows
from wareloom.shop import Shop

QUERIES = 5_000
METRICS = QueryProofSettings(catalogue_metrics=("ndcg@10",), gain="exponential", single_grade=True)
LABELLED = {"round_trip": 50, "graded": 4}


def written(
    name: str, queries: int = QUERIES, **settings: Any
) -> Callable[[Shop, Run], pl.DataFrame]:
    """Judgments of a synthesizer."""
    return lambda shop, run: real_rows(
        SYNTHESIZERS.make(name, **settings).fit(shop, run).sample(queries, run)
    )


ROWS: dict[str, tuple[Callable[[Shop, Run], pl.DataFrame], dict[str, Any]]] = {
    "spans (the control)": (written("spans"), {}),
    "attributes": (written("attributes"), {}),
    "attributes, 1,250 queries": (written("attributes", 1_250), {}),
    "attributes, 20,000 queries": (written("attributes", 20_000), {}),
    "attributes, no slips or variants": (written("attributes", typos=0.0, variants=0.0), {}),
    "attributes, edited": (written("edits"), {}),
    "attributes, round-trip screen": (
        written("lexical", round_trip=50, graded=0),
        {"relevant": 0.01},
    ),
    "lexical labels": (written("lexical", **LABELLED), {}),
    "lexical labels, no hard negatives": (written("lexical", **LABELLED), {"negatives": 0}),
    "lexical labels, no screen": (written("lexical", **(LABELLED | {"round_trip": 0})), {}),
}
"""How judgments are made from the bare catalogue, and settings of the encoder where they are not the defaults"""
LIMITS = ("untaught", "people")


def small(parts: Split, items: int, run: Run) -> tuple[Shop, Shop]:
    """The catalogue with the real training judgments, and the test part, on what was judged there and some others."""
    judged = parts.test.table("judgments")["item_id"].unique().sort()
    every = parts.train.table("items")["item_id"]
    others = every.filter(~every.is_in(judged.implode()))
    more = others.gather(
        np.sort(run.rng("catalogue").permutation(len(others))[: max(0, items - len(judged))])
    )
    kept = pl.col("item_id").is_in(pl.concat([judged, more]).implode())
    table = parts.train.table("items").filter(kept)
    rows = parts.train.table("judgments").filter(kept)
    return Shop({"items": table, "judgments": rows}), parts.test


def cell(row: str, train: Shop, task: QueryTask, updates: int, run: Run) -> dict[str, Any]:
    """Make judgments, teach the encoder, and rank for the test queries."""
    start = time.perf_counter()
    settings: dict[str, Any] = {"batch_size": 128, "validation": 0.0, "epochs": 1, "strength": 1.0}
    bare = train.with_tables(judgments=None)
    if row in LIMITS:
        shop = train if row == "people" else bare
    else:
        make, more = ROWS[row]
        settings |= more
        shop = bare.with_tables(judgments=make(bare, run))
    model = RANKERS.make("bi_encoder", **settings)
    if row == "untaught":
        model = model.untaught()
    model.fit(shop, run.with_(updates=updates))
    found = evaluate_queries(model, task, METRICS, run)
    values = found.per_request["ndcg@10, all items/all"]
    return {
        "row": row,
        "judgments": shop.rows("judgments"),
        "queries": shop.table("judgments")["query"].n_unique() if shop.rows("judgments") else 0,
        "catalogue": float(found.overall["ndcg@10, all items"]),
        "judged": float(found.overall["ndcg@10"]),
        "values": [round(float(v), 5) for v in values],
        "seconds": time.perf_counter() - start,
    }


def kept(chosen: Any, key: list[Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Find a finished cell, or work and keep it."""
    if chosen.cache is None:
        return work()
    path = chosen.cache / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]}.json"
    if not path.exists():
        chosen.cache.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(work()), encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def told(row: str, cells: list[dict[str, Any]], beside: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds, and the difference to `attributes`, paired by query, with a 95 % interval over queries."""
    lacks = np.mean(
        [np.array(c["values"]) - np.array(b["values"]) for c, b in zip(cells, beside, strict=True)],
        axis=0,
    )
    half = 1.96 * lacks.std(ddof=1) / np.sqrt(len(lacks))
    return {
        "row": row,
        "seeds": len(cells),
        **{name: cells[0][name] for name in ("queries", "judgments")},
        **{
            name: float(np.mean([c[name] for c in cells]))
            for name in ("catalogue", "judged", "seconds")
        },
        "difference": float(lacks.mean()),
        "low": float(lacks.mean() - half),
        "high": float(lacks.mean() + half),
    }


def main() -> None:
    parser = arguments(__doc__)
    names = [*LIMITS, *ROWS]
    parser.add_argument("--rows", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--items", type=int, default=20_000, help="products of the catalogue")
    parser.add_argument("--updates", type=int, default=40, help="of 128 pairs each")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    chosen = parser.parse_args()
    base = Run(
        seed=1, device=chosen.device, precision=chosen.precision, threads=chosen.threads, quiet=True
    )
    with tempfile.TemporaryDirectory() as folder:
        shop = read(data("homedepot_search"), to=Path(folder) / "shop", as_="homedepot", run=base)
        parts = split(shop, SplitSettings(by="query"), None, base)
        train, test = small(
            Split(*(part.in_memory() for part in parts), parts.how), chosen.items, base
        )
    task = QueryTask.of(test, "test", METRICS.relevant, single_grade=True, gain=METRICS.gain)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in dict.fromkeys(["attributes", *chosen.rows]):
        for seed in range(chosen.seeds):
            run = base.with_(seed=base.seed_for("ablation", seed))
            key = [row, seed, chosen.items, chosen.updates, run.arithmetic]
            one = kept(
                chosen, key, lambda row=row, run=run: cell(row, train, task, chosen.updates, run)
            )  # type: ignore[misc]
            found.setdefault(row, []).append(one)
            print(
                f"{row:<36} {one['catalogue']:.4f} {one['judged']:.4f}  {one['seconds']:.0f} s",
                flush=True,
            )
    rows = [told(row, found[row], found["attributes"]) for row in chosen.rows]
    about = {"items": train.rows("items"), "test_queries": len(task), "updates": chosen.updates}
    write(chosen.json, "search_ablation", machine(chosen.note), rows=rows, **about)


if __name__ == "__main__":
    main()
