"""Does teaching without a label do harm? One shop's catalogue and queries as several shops unlike each other.

    python benchmarks/search_safe.py [--shops NAME ...] [--products N] [--updates N] [--cache DIR] [--json FILE]
        [--precision bf16]

Home Depot by kind of product (titles in clusters) and by the length of queries, each part a shop of its own with no
label. The encoder is taught once a shop, on queries of `attributes`, and taken at shares of the way from the encoder as
it comes, and with a term that holds it to that one (`anchor`); alone, and in the two stages. Beside them BM25 and the
plain fusions. Signs that need no label are told of every share: which of them would have chosen well?
nDCG@10 over the whole catalogue and over condensed lists, and the share of the first ten that was judged; differences
are paired by query, with 95 % intervals over queries. Finished shops are kept with `--cache`. Data: `WARELOOM_DATA`,
else `../shared/data`.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.cluster.vq import kmeans2
from scipy.sparse.linalg import svds

from _common import arguments, data, machine, write
from _paired import apart
from _taught import TAUGHT
from _unlabelled import SIGNS, Asked, chosen
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.evaluation.judged_items import QueryMeasures, QueryTask, evaluate_queries
from wareloom.language.tokenise import tokenise_all
from wareloom.rankers.learned.bi_encoder import BiEncoder
from wareloom.rankers.search.base import SearchRanker
from wareloom.rankers.search.index import counted, idf, learn_terms
from wareloom.rankers.search.judged import UNCHECKED
from wareloom.readers import read
from wareloom.sampling.judgments import real_rows
from wareloom.shop import Shop
from wareloom.shop.queries import normal_query

KINDS, TOPICS = 8, 32
"""Clusters of titles, and directions in which titles are told apart"""
MOSTLY = 0.8
"""Part of a query's judged products that has to be of a kind for the query to be that kind's"""
SHORT, LONG = 2, 5
"""Words up to which a query is short, and from which it is long"""
QUERIES = 250
SHARES = (0.0, UNCHECKED, 0.6, 1.0)
ANCHORED = "encoder held"
"""The whole way with a term that holds it to the encoder as it comes"""
CHOSEN = ("kind 0", "kind 1", "kind 2", "kind 3", "short queries")
CONFIRMED = ("kind 4", "kind 5", "kind 6", "kind 7", "long queries")
"""Settings are looked for on the former, and confirmed on the latter"""
WORDS = ("bm25", "bm25_runs")
"""What of the two stages reads words"""
PLAIN = (
    ("fusion", ("bm25",), False),
    ("fusion, spelling", ("bm25",), True),
    ("fusion with runs", WORDS, True),
)
"""The plain fusions: what they are called, what reads words in them, and whether slips are corrected"""
MEASURES = QueryMeasures(metrics=("ndcg@10",), catalogue_metrics=("ndcg@10", "judged@10"))
SHOWN = {"whole": "ndcg@10, all items/all", "condensed": "ndcg@10/all", "judged": "judged@10/all"}


def kinds(items: pl.DataFrame, run: Run) -> np.ndarray:
    """The kind of each product, int64 [items]: clusters of the words of its title, each weighed by how rare it is."""
    words = tokenise_all(items["title"].fill_null("").to_list(), stem=True)
    terms = learn_terms([words])
    there = counted(words, terms)
    there.data[:] = 1.0
    weighed = there.multiply(idf(there)[None, :]).tocsr().astype(np.float64)
    start = run.rng("kinds").standard_normal(min(weighed.shape))
    topics, _, _ = svds(weighed, k=TOPICS, v0=start)
    topics /= np.maximum(np.linalg.norm(topics, axis=1, keepdims=True), 1e-9)
    _, found = kmeans2(topics, KINDS, minit="++", seed=run.rng("kinds", "start"))
    return found.astype(np.int64)


def part(shop: Shop, name: str, kind: np.ndarray, products: int, run: Run) -> Shop:
    """One shop: queries of a kind or a length, what people judged for them, and other products up to a number."""
    items = shop.table("items").with_columns(kind=pl.Series(kind))
    rows = shop.table("judgments").with_columns(key=normal_query())
    own = pl.col("kind") == (int(name.split()[1]) if name.startswith("kind") else -1)
    length = pl.col("query").str.split(" ").list.len()
    asked = (
        rows.join(items.select("item_id", "kind"), on="item_id")
        .group_by("key")
        .agg(share=own.mean(), words=length.first(), best=pl.col("grade").max())
        .filter(pl.col("best") > 0)
        .sort("key")
    )
    which = {
        "short queries": pl.col("words") <= SHORT,
        "long queries": pl.col("words") >= LONG,
    }.get(name, pl.col("share") >= MOSTLY)
    keys = asked.filter(which)["key"]
    drawn = keys.gather(np.sort(run.rng("queries").permutation(len(keys))[:QUERIES]))
    judged = rows.filter(pl.col("key").is_in(drawn.implode())).drop("key")
    needed = pl.col("item_id").is_in(judged["item_id"].unique().implode())
    others = items.filter(~needed & (own if name.startswith("kind") else pl.lit(True)))["item_id"]
    size = max(0, products - judged["item_id"].n_unique())
    more = others.gather(np.sort(run.rng("products").permutation(len(others))[:size]))
    table = items.filter(needed | pl.col("item_id").is_in(more.implode())).drop("kind")
    return Shop({"items": table, "judgments": judged})


def at_share(whole: BiEncoder, titles: list[str], share: float, run: Run) -> BiEncoder:
    """The taught encoder drawn back to a share of its way; LoRA's change is the product of two maps, so by one."""
    other = RANKERS.make("bi_encoder", **whole.settings() | {"strength": share or 1.0})
    assert isinstance(other, BiEncoder)
    for name, value in whole.state().items():
        setattr(other, name, value)
    other.weights_ = {
        name: value * np.float32(share) if ".lora_B." in name else value
        for name, value in whole.weights_.items()
    }
    other.vectors_ = other._vectors(titles, run)
    return other


def systems(shop: Shop, updates: int, run: Run) -> dict[str, SearchRanker]:
    """What is compared on a shop, fitted without a person's label; without updates, what is not taught alone."""
    bare = shop.with_tables(judgments=None)
    untaught = RANKERS.make("bi_encoder").untaught().fit(bare, run)
    TAUGHT["0"] = untaught
    found: dict[str, SearchRanker] = {"BM25": RANKERS.make("bm25").fit(bare, run)}
    found["encoder 0"] = untaught
    for name, words, spelling in PLAIN:
        found[name] = RANKERS.make("fusion", **_of("0", words), spelling=spelling).fit(bare, run)
    if not updates:
        return found
    made = real_rows(SYNTHESIZERS.make("attributes").fit(bare, run).sample(5_000, run))
    synthetic = bare.with_tables(judgments=made)
    how: dict[str, Any] = {"batch_size": 64, "epochs": 1, "validation": 0.0, "strength": 1.0}
    whole = RANKERS.make("bi_encoder", **how).fit(synthetic, run.with_(updates=updates))
    assert isinstance(whole, BiEncoder)
    titles = shop.table("items")["title"].fill_null("").to_list()
    for share in SHARES[1:]:
        TAUGHT[f"{share:g}"] = whole if share == 1.0 else at_share(whole, titles, share, run)
        found[f"encoder {share:g}"] = TAUGHT[f"{share:g}"]
    found[ANCHORED] = RANKERS.make("bi_encoder", **how, anchor=1.0).fit(
        synthetic, run.with_(updates=updates)
    )
    for share in (0.0, UNCHECKED, 1.0):
        # The trees of made-up labels have three tenths of their weight: given back for the whole way.
        trust = 0.5 / UNCHECKED if share == 1.0 else 0.5
        own = _of(f"{share:g}", WORDS)
        found[f"two stages {share:g}"] = RANKERS.make("two_stage", **own, trust=trust).fit(
            synthetic if share else bare, run
        )
    return found


def _of(share: str, words: tuple[str, ...]) -> dict[str, Any]:
    """Settings of a ranker of rankers: of words, and of the encoder at a share of its way."""
    member = "_taught:Taught"
    return {"members": (*words, member), "member_settings": {member: {"called": share}}}


def shop_of(shop: Shop, name: str, kind: np.ndarray, chosen: Any, run: Run) -> dict[str, Any]:
    """Every system on one shop: values by query."""
    own = part(shop, name, kind, chosen.products, run)
    task = QueryTask.of(own, "test", 2.0, single_grade=True, gain="exponential")
    values: dict[str, dict[str, list[float]]] = {}
    fitted = systems(own, chosen.updates, run)
    asked = Asked(own.with_tables(judgments=None), task.queries, fitted["BM25"], run)
    encoders = {name: each for name, each in fitted.items() if name.startswith("encoder ")}
    signs = {name: asked.signs(each) for name, each in encoders.items() if name != ANCHORED}
    for system, ranker in fitted.items():
        found = evaluate_queries(ranker, task, MEASURES, run).per_request
        values[system] = {view: [round(float(v), 5) for v in found[m]] for view, m in SHOWN.items()}
    about = {
        "products": own.rows("items"),
        "judgments": own.rows("judgments"),
        "values": values,
        "signs": signs,
    }
    return {"shop": name, "queries": len(task)} | about


def against(values: Mapping[str, Any], system: str, other: str, view: str) -> dict[str, float]:
    """How far a system is above another, with a 95 % interval over queries."""
    return apart(np.array(values[system][view]), np.array(values[other][view]))


def told(found: dict[str, Any]) -> dict[str, Any]:
    """Means by system and view, and what each share of the way is beside the same untaught and the plain words."""
    values = found.pop("values")
    means = {
        system: {view: float(np.mean(each)) for view, each in views.items()}
        for system, views in values.items()
    }
    pairs = [(name, "encoder 0") for name in means if name.startswith("encoder ")]
    pairs.append(("fusion with runs", "fusion, spelling"))
    plain = max(("BM25", *(name for name, _, _ in PLAIN)), key=lambda name: means[name]["whole"])
    for share in SHARES:
        if f"two stages {share:g}" in means:
            pairs += [(f"two stages {share:g}", other) for other in ("two stages 0", plain)]
    differences = [
        {"system": ours, "against": theirs, "view": view, **against(values, ours, theirs, view)}
        for ours, theirs in pairs
        if ours != theirs
        for view in ("whole", "condensed")
    ]
    use = "chosen" if found["shop"] in CHOSEN else "confirmed"
    picks = {sign: chosen(found["signs"], sign) for sign in SIGNS}
    return {
        **found,
        "use": use,
        "plain": plain,
        "means": means,
        "differences": differences,
        "picks": picks,
    }


def main() -> None:
    parser = arguments(__doc__)
    names = [*CHOSEN, *CONFIRMED]
    parser.add_argument("--shops", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--products", type=int, default=2_000, help="of each shop")
    parser.add_argument(
        "--updates", type=int, default=40, help="of 64 pairs each; 0 teaches nothing"
    )
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cache", type=Path)
    chosen = parser.parse_args()
    base = Run(seed=1, threads=1, precision=chosen.precision, device=chosen.device, quiet=True)
    with tempfile.TemporaryDirectory() as folder:
        shop = read(data("homedepot_search"), to=Path(folder) / "shop", as_="homedepot", run=base)
        shop = shop.in_memory()
    kind = kinds(shop.table("items"), base)
    rows = []
    for name in chosen.shops:
        run = base.with_(seed=base.seed_for("shop", name))
        key = [name, chosen.products, chosen.updates, run.arithmetic, SHARES]
        path = None
        if chosen.cache is not None:
            chosen.cache.mkdir(parents=True, exist_ok=True)
            mark = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]
            path = chosen.cache / f"{mark}.json"
        if path is not None and path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
        else:
            found = shop_of(shop, name, kind, chosen, run)
            if path is not None:
                path.write_text(json.dumps(found), encoding="utf-8")
        rows.append(told(found))
        said = {system: round(views["whole"], 3) for system, views in rows[-1]["means"].items()}
        print(name, rows[-1]["products"], rows[-1]["queries"], said, flush=True)
    about = {"updates": chosen.updates, "shares": SHARES}
    write(chosen.json, "search_safe", machine(chosen.note), rows=rows, **about)


if __name__ == "__main__":
    main()
