"""Can synthetic queries be told from real ones? Every synthesizer of queries, every measure, beside its floor.

    python benchmarks/query_fidelity.py [--data NAME ...] [--synthesizers NAME ...] [--given N] [--queries N]
        [--seeds N]

English: half of the queries of homedepot_search, by query, stand for what the shop has, the other half is held out; a
synthesizer sees the catalogue alone, or the first half too ("given"). Chinese: queries for the titles of taobao_ner_zh
beside multicpr_zh_queries, which other products were looked for by, so that words, nouns and brands differ for that
reason, too: there the figure `query_discriminator.form`, which reads shapes and lengths alone, says most. "given" are
then half of these queries, without the products they led to, which say how long queries are and no more.
The floor: real queries beside other real ones. With `--synthesizers prompted tuned` the embedded language model writes,
hours on a processor for thousands; `--given 1500` then gives it, and the others, so many of the real queries. Data:
`WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import arguments, data, machine, write
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.evaluation.compare import compare
from wareloom.preparing.splits import SplitSettings, split
from wareloom.readers import read
from wareloom.shop import Shop

CELLS = (("spans", False), ("attributes", False), ("attributes", True), ("edits", True))
"""A synthesizer, and whether real queries are given to it"""
SLOW = (("prompted", False), ("prompted", True), ("tuned", True))
"""Those that ask the embedded language model"""
SHOWN = (
    "query_discriminator.words",
    "query_discriminator.form",
    "query_length.words",
    "query_length.characters",
)
SHOWN += (
    "word_frequency",
    "vocabulary_overlap.strange",
    "head_noun_rate",
    "brand_rate",
    "query_duplicates",
    "query_copies",
)
"""Figures of the table; the file has all"""


def english(folder: Path) -> tuple[Shop, Shop, Shop]:
    """The catalogue alone, with half of the queries, and the other half."""
    shop = read(data("homedepot_search"), to=folder / "homedepot")
    parts = split(shop, SplitSettings(by="query", parts=(5, 0, 5)))
    return (
        parts.train.with_tables(judgments=None).in_memory(),
        parts.train.in_memory(),
        parts.test.in_memory(),
    )


def chinese(folder: Path) -> tuple[Shop, Shop, Shop]:
    """Titles alone, with half of the queries of another shop, and the other half."""
    titles = read(data("taobao_ner_zh"), to=folder / "taobao").in_memory()
    queries = read(
        data("multicpr_zh_queries") / "train.query.txt.gz", to=folder / "multicpr"
    ).table("searches")
    half = [queries.gather_every(2, start) for start in (0, 1)]
    return (
        titles,
        titles.with_tables(searches=half[0]),
        Shop({"items": titles.table("items").head(0), "searches": half[1]}),
    )


SHOPS = {"homedepot_search": english, "taobao_ner_zh": chinese}


def fewer(shop: Shop, queries: int) -> Shop:
    """Judgments and searches of so many of the queries, drawn at random."""
    for table in ("judgments", "searches"):
        if shop.rows(table):
            rows = shop.table(table)
            kept = rows["query"].unique(maintain_order=True).sample(queries, seed=0)
            shop = shop.with_tables(**{table: rows.filter(rows["query"].is_in(kept.implode()))})
    return shop


def cell(
    shops: tuple[Shop, Shop, Shop], name: str, given: bool, queries: int, run: Run
) -> dict[str, Any]:
    """Fit, write, compare."""
    bare, asked, held = shops
    start = time.perf_counter()
    fitted = SYNTHESIZERS.make(name).fit(asked if given else bare, run)
    fit = time.perf_counter() - start
    start = time.perf_counter()
    made = fitted.sample(queries, run)
    rate = made.rows("judgments") / (time.perf_counter() - start)
    found = compare(asked, made, held, run=run).data
    return {
        "fit_s": fit,
        "queries_s": rate,
        "queries": found["queries"],
        "examples": made.table("judgments")["query"].head(8).to_list(),
        "left_out": found["left_out"],
        "figures": {figure["name"]: figure for figure in found["figures"]},
    }


def row(name: str, synthesizer: str, given: bool, cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds."""
    figures: dict[str, Any] = {}
    for figure in cells[0]["figures"]:
        each = [one["figures"][figure] for one in cells if figure in one["figures"]]
        figures[figure] = {
            key: statistics.fmean(e[key] for e in each) for key in ("value", "low", "high", "floor")
        }
        figures[figure] |= {
            "values": [e["value"] for e in each],
            "verdicts": [e["verdict"] for e in each],
        }
        if each[0]["real"] is not None:
            figures[figure] |= {
                key: statistics.fmean(e[key] for e in each) for key in ("real", "synthetic")
            }
    return {
        "data": name,
        "synthesizer": synthesizer,
        "given": given,
        "seeds": len(cells),
        "fit_s": statistics.median(one["fit_s"] for one in cells),
        "queries_s": statistics.median(one["queries_s"] for one in cells),
        "figures": figures,
        "examples": cells[0]["examples"],
        "left_out": cells[0]["left_out"],
        "queries": cells[0]["queries"],
    }


def shown(rows: list[dict[str, Any]]) -> str:
    """Figures by cell, and their floors."""
    heads = [f"{r['synthesizer']}{', given' if r['given'] else ''}" for r in rows]
    lines = [f"{rows[0]['data']:<28}" + "".join(f"{head:>18}" for head in [*heads, "floor"])]
    for figure in SHOWN:
        cells = [r["figures"].get(figure) for r in rows]
        floors = [c["floor"] for c in cells if c]
        if floors:
            values = ["–" if c is None else f"{c['value']:.3f}" for c in cells] + [
                f"{statistics.fmean(floors):.3f}"
            ]
            lines.append(f"{figure:<28}" + "".join(f"{value:>18}" for value in values))
    lines.append(f"{'queries a second':<28}" + "".join(f"{r['queries_s']:>18,.0f}" for r in rows))
    return "\n".join(lines)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", nargs="+", default=list(SHOPS), choices=list(SHOPS))
    every = dict.fromkeys(name for name, _ in (*CELLS, *SLOW))
    fast = list(dict.fromkeys(name for name, _ in CELLS))
    parser.add_argument("--synthesizers", nargs="+", default=fast, choices=list(every))
    parser.add_argument(
        "--given", type=int, default=0, help="real queries that are given, half of them where 0"
    )
    parser.add_argument("--device", default="cpu", help="where language models write")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=6_000, help="how many are written")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.data:
            (bare, asked, held), own = SHOPS[name](Path(folder)), []
            shops = bare, fewer(asked, chosen.given) if chosen.given else asked, held
            for synthesizer, given in (*CELLS, *SLOW):
                if synthesizer in chosen.synthesizers:
                    how = {"device": chosen.device, "precision": chosen.precision}
                    runs = [Run(seed=seed, **how) for seed in range(chosen.seeds)]
                    cells = [cell(shops, synthesizer, given, chosen.queries, run) for run in runs]
                    own.append(row(name, synthesizer, given, cells))
                    print(shown(own[-1:]), end="\n\n", flush=True)
            print(shown(own), end="\n\n", flush=True)
            rows += own
    slow = {name for name, _ in SLOW} & set(chosen.synthesizers)
    write(
        chosen.json,
        "query_fidelity_models" if slow else "query_fidelity",
        machine(chosen.note),
        rows=rows,
    )


if __name__ == "__main__":
    main()
