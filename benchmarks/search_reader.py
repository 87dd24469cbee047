"""How many of the best should a cross-encoder read, and what does it add? Home Depot, no query labelled.

    python benchmarks/search_reader.py [--queries attributes spans] [--reads 20 50 100] [--cache DIR] [--json FILE]
        [--precision bf16]

The two stages of `recipes/search-homedepot-reader.toml`, taught once on each synthesizer's queries (`spans`: runs of
words cut out of titles, the control by the same loss), with the best of each test query read by the cross-encoder:
none, or so many. Beside them the plain fusion untaught. nDCG@10 over the whole catalogue and of condensed lists; 95 %
intervals over queries. What is on by default was chosen on validation queries. One seed; rows of the file that
are not run again stay; `--cache` keeps vectors of titles. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from _common import arguments, data, machine, write
from _paired import apart
from search_words import CONDENSED, JUDGED, MEASURES, WHOLE
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.evaluation.judged_items import QueryTask, evaluate_queries
from wareloom.preparing.splits import SplitSettings, split
from wareloom.rankers.search.two_stage import TwoStage
from wareloom.readers import read
from wareloom.sampling.judgments import real_rows

QUERIES = 10_000
ENCODER = {"batch_size": 256, "epochs": 1, "validation": 0.0}
"""As the recipes have it"""
UNTAUGHT = "fusion, untaught"


def main() -> None:
    parser = arguments(__doc__)
    names = ("attributes", "spans")
    parser.add_argument("--queries", nargs="+", default=list(names), choices=names)
    parser.add_argument("--reads", nargs="+", type=int, default=[20, 50, 100])
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--cache", type=Path)
    chosen = parser.parse_args()
    cache = None if chosen.cache is None else str(chosen.cache)
    run = Run(seed=1, threads=1, precision=chosen.precision, cache=cache, quiet=True)
    with tempfile.TemporaryDirectory() as folder:
        shop = read(data("homedepot_search"), to=Path(folder) / "shop", as_="homedepot", run=run)
        parts = split(shop.in_memory(), SplitSettings(by="query"), None, run)
        bare = parts.train.in_memory().with_tables(judgments=None)
        task = QueryTask.of(
            parts.test.in_memory(), "test", 2.0, single_grade=True, gain="exponential"
        )
    values: dict[str, np.ndarray] = {}
    rows: list[dict[str, Any]] = []
    before = list[dict[str, Any]]()
    if chosen.json is not None and chosen.json.exists():
        before = json.loads(chosen.json.read_text(encoding="utf-8"))["rows"]

    def measured(name: str, ranker: Any, beside: str, **about: Any) -> None:
        """Keep a system's figures, and write what there is, so that nothing is lost with a later one."""
        start = time.process_time()
        found = evaluate_queries(ranker, task, MEASURES, run).per_request
        values[name] = found[WHOLE]
        row = {
            "name": name,
            "beside": beside,
            "whole": float(found[WHOLE].mean()),
            "condensed": float(found[CONDENSED].mean()),
            "judged": float(found[JUDGED].mean()),
            "ms_a_query": 1e3 * (time.process_time() - start) / len(task),
            **about,
        }
        for key, other in (("over", beside), ("over_untaught", UNTAUGHT)):
            if other in values and other != name:
                row[key] = apart(values[name], values[other])
        rows.append(row)
        print(json.dumps(row), flush=True)
        again = {row["name"] for row in rows}
        shown = [row for row in before if row["name"] not in again] + rows
        # The plain fusion first, and the synthesizers one after the other.
        shown.sort(key=lambda row: (row["name"] != UNTAUGHT, "spans" in row["name"]))
        write(chosen.json, "search_reader", machine(chosen.note), queries=len(task), rows=shown)

    measured(UNTAUGHT, RANKERS.make("fusion", spelling=True).untaught().fit(bare, run), "")
    for queries in chosen.queries:
        made = real_rows(SYNTHESIZERS.make(queries).fit(bare, run).sample(QUERIES, run))
        start = time.process_time()
        ranker = RANKERS.make(
            "two_stage", reads=max(chosen.reads), member_settings={"bi_encoder": ENCODER}
        ).fit(bare.with_tables(judgments=made), run)
        assert isinstance(ranker, TwoStage)
        taught, readers = time.process_time() - start, ranker.readers_
        for reads in (0, *chosen.reads):
            ranker.reads, ranker.readers_ = reads, readers if reads else {}
            name = f"two stages on {queries}, {reads or 'none'} read"
            beside = f"two stages on {queries}, none read" if reads else ""
            measured(name, ranker, beside, taught_cpu_s=round(taught))


if __name__ == "__main__":
    main()
