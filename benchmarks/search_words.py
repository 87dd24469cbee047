"""What of words finds products: sizes however they are typed, words side by side, runs of characters, an encoder.

    python benchmarks/search_words.py [--only catalogue shops] [--part validation] [--precision bf16] [--cache DIR]
        [--json FILE]

Home Depot, split by query, no label, nothing taught: BM25 with and without each of its parts, corrected for spelling or
not, and the plain fusions. nDCG@10 over the whole catalogue, of all queries and of those with a figure; differences are
paired by query, with 95 % intervals over queries. What is on by default was chosen on the validation part; the test
part is read by this benchmark alone. Then the plain fusion on ten shops made of Home Depot, as `search_safe.py` has
them: as words alone find, with sizes and pairs, with delta as well. Of three deltas the one was taken that lost on none
of these shops. With `--only` the other part of the file stays. `--cache` keeps the vectors of titles. Data:
`WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from _common import arguments, data, machine, write
from _paired import apart
from search_safe import CHOSEN, CONFIRMED, kinds, part
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.evaluation.judged_items import QueryMeasures, QueryTask, evaluate_queries
from wareloom.preparing.splits import SplitSettings, split
from wareloom.readers import read
from wareloom.shop import Shop

PLAIN: dict[str, Any] = {"sizes": False, "pairs": 0.0, "delta": 0.0}
SIZED: dict[str, Any] = {"delta": 0.0}
ENCODED = {"bi_encoder": {"tuning": "none"}}
"""The encoder as it comes"""


def fusion(words: tuple[str, ...], **of_words: Any) -> tuple[str, dict[str, Any]]:
    """A fusion of what reads words, corrected for spelling, with the encoder as it comes."""
    settings = {"bm25": of_words, **ENCODED}
    return "fusion", {
        "members": (*words, "bi_encoder"),
        "member_settings": settings,
        "spelling": True,
    }


SYSTEMS: dict[str, tuple[tuple[str, dict[str, Any]], str]] = {
    "words": (("bm25", PLAIN), ""),
    "words, sizes": (("bm25", PLAIN | {"sizes": True}), "words"),
    "words, pairs": (("bm25", PLAIN | {"pairs": 0.15}), "words"),
    "words, delta": (("bm25", PLAIN | {"delta": 1.0}), "words"),
    "words, sizes, pairs": (("bm25", SIZED), "words"),
    "words, sizes, pairs, delta": (("bm25", {}), "words, sizes, pairs"),
    "words, spelling": (("bm25", PLAIN | {"spelling": True}), "words"),
    "words, sizes, pairs, spelling": (("bm25", SIZED | {"spelling": True}), "words, spelling"),
    "words, sizes, pairs, delta, spelling": (
        ("bm25", {"spelling": True}),
        "words, sizes, pairs, spelling",
    ),
    "runs of characters": (("bm25_runs", {}), "words"),
    "the encoder as it comes": (("bi_encoder", {"tuning": "none"}), "words"),
    "words and encoder": (fusion(("bm25",), **PLAIN), "words, spelling"),
    "words, sizes, pairs, delta and encoder": (fusion(("bm25",)), "words and encoder"),
    "words, runs and encoder": (fusion(("bm25", "bm25_runs"), **PLAIN), "words and encoder"),
    "words, sizes, pairs, runs and encoder": (
        fusion(("bm25", "bm25_runs"), **SIZED),
        "words, runs and encoder",
    ),
    "words, sizes, pairs, delta, runs and encoder": (
        fusion(("bm25", "bm25_runs")),
        "words, sizes, pairs, runs and encoder",
    ),
}
"""What is compared, and beside what; fusions are corrected for spelling"""
MEASURES = QueryMeasures(metrics=("ndcg@10",), catalogue_metrics=("ndcg@10", "judged@10"))
PRODUCTS = 2_000
"""Of each shop"""
WHOLE, CONDENSED, JUDGED = "ndcg@10, all items/all", "ndcg@10/all", "judged@10/all"


def catalogue(shop: Shop, which: str, run: Run) -> dict[str, Any]:
    """Every system on the whole catalogue."""
    parts = split(shop, SplitSettings(by="query"), None, run)
    bare = parts.train.in_memory().with_tables(judgments=None)
    asked = getattr(parts, which).in_memory()
    task = QueryTask.of(asked, which, 2.0, single_grade=True, gain="exponential")
    figured = np.array([any(c.isdigit() for c in query) for query in task.queries])
    rows, values = list[dict[str, Any]](), dict[str, np.ndarray]()
    for name, ((ranker, settings), beside) in SYSTEMS.items():
        made = RANKERS.make(ranker, **settings).fit(bare, run)
        found = evaluate_queries(made, task, MEASURES, run).per_request
        values[name] = whole = found[WHOLE]
        row = {
            "name": name,
            "beside": beside,
            "whole": float(whole.mean()),
            "condensed": float(found[CONDENSED].mean()),
            "judged": float(found[JUDGED].mean()),
            "figured": float(whole[figured].mean()),
        }
        if beside:
            row |= apart(whole, values[beside])
            row["of_figured"] = apart(whole[figured], values[beside][figured])
        rows.append(row)
        print(name, {k: round(v, 4) for k, v in row.items() if isinstance(v, float)}, flush=True)
    return {"part": which, "queries": len(task), "figured": int(figured.sum()), "rows": rows}


def shops(shop: Shop, run: Run) -> dict[str, Any]:
    """The plain fusion without sizes, pairs and delta, with the first two, and with all, on each of ten shops."""
    kind, rows = kinds(shop.table("items"), run), []
    for name in (*CHOSEN, *CONFIRMED):
        own = part(shop, name, kind, PRODUCTS, run.with_(seed=run.seed_for("shop", name)))
        task = QueryTask.of(own, "test", 2.0, single_grade=True, gain="exponential")
        found = []
        for settings in (PLAIN, SIZED, {}):
            ranker, how = fusion(("bm25", "bm25_runs"), **settings)
            made = RANKERS.make(ranker, **how).fit(own.with_tables(judgments=None), run)
            found.append(evaluate_queries(made, task, MEASURES, run).per_request)
        without, sized, with_ = found
        rows.append(
            {
                "shop": name,
                "queries": len(task),
                "without": float(without[WHOLE].mean()),
                "sized": float(sized[WHOLE].mean()),
                "with": float(with_[WHOLE].mean()),
                "whole": apart(with_[WHOLE], without[WHOLE]),
                "condensed": apart(with_[CONDENSED], without[CONDENSED]),
                "of_delta": apart(with_[WHOLE], sized[WHOLE]),
                "of_sizes": apart(sized[WHOLE], without[WHOLE]),
            }
        )
        print(name, rows[-1]["whole"], flush=True)
    return {"shops": rows}


def main() -> None:
    parser = arguments(__doc__)
    asked = ["catalogue", "shops"]
    parser.add_argument("--only", nargs="+", default=asked, choices=asked)
    parser.add_argument("--part", default="test", choices=["validation", "test"])
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--cache", type=Path)
    chosen = parser.parse_args()
    cache = None if chosen.cache is None else str(chosen.cache)
    run = Run(seed=1, threads=1, precision=chosen.precision, cache=cache, quiet=True)
    figures: dict[str, Any] = {}
    if chosen.json is not None and chosen.json.exists():
        figures = json.loads(chosen.json.read_text(encoding="utf-8"))
        figures = {k: v for k, v in figures.items() if k not in ("benchmark", "about")}
    with tempfile.TemporaryDirectory() as folder:
        shop = read(data("homedepot_search"), to=Path(folder) / "shop", as_="homedepot", run=run)
        shop = shop.in_memory()
    for what in chosen.only:
        figures |= catalogue(shop, chosen.part, run) if what == "catalogue" else shops(shop, run)
        write(chosen.json, "search_words", machine(chosen.note), **figures)


if __name__ == "__main__":
    main()
