"""What vectors cost when they are served, each figure beside its limit in the same run, in processor time.

    python benchmarks/serve_vectors.py [--json FILE] [--only search,encoder,route,open] [--items 12101,1000000]

Titles of Amazon Beauty, read by all-MiniLM-L6-v2 in 32 bits; larger catalogues are drawn round these vectors (a mean of
three of them with noise). Queries are two to four words of titles. `search`: exact search that reads eight bits first
beside the bare product and top ten of numpy, and beside the graph of usearch called bare; recall@10 under filters,
beside what the bare graph fetches, filtered afterwards. `encoder`: a published encoder beside a bare session of ONNX
Runtime and beside torch. `route`: one uncached search of a published version beside its parts called bare. `open`:
seconds until a version answers, and what two processes share. What is not measured again stays in FILE.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, peak, told, write_rows
from serve import NOTE, _pss, cpu, posted, serving
from wareloom.bundle import Bundle, write_bundle
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.top import top_k
from wareloom.readers import read
from wareloom.serving.forms.base import NO_ONE, NOTHING
from wareloom.serving.vectors.export import merged, write_encoder
from wareloom.serving.vectors.judge import cuts
from wareloom.serving.vectors.near import FETCHED, Graph
from wareloom.serving.versions.measured import LEAST, filters, recalled
from wareloom.serving.versions.publish import How, write_version
from wareloom.serving.versions.published import Served
from wareloom.serving.versions.store import Store
from wareloom.serving.versions.version import Version
from wareloom.shop import Shop

PARTS = ("search", "encoder", "route", "open")
QUERIES, TIMED = 48, 24
NOISE = 0.35
Row = dict[str, Any]


class Beauty:
    """The catalogue, read once: real vectors, and encoder and queries that are at home there."""

    def __init__(self, folder: Path, cache: Path, most: int) -> None:
        shop = read(data("amazon_beauty"), to=folder / "shop", run=Run(quiet=True)).in_memory()
        items = shop.table("items").head(most)
        events = shop.table("events").join(items.select("item_id"), on="item_id", how="semi")
        self.shop = Shop({"items": items, "events": events})
        run = Run(seed=0, threads=1, quiet=True, cache=cache)
        self.ranker: Any = RANKERS.make("bi_encoder", tuning="none", fields="title").fit(
            self.shop, run
        )
        self.titles = self.shop.table("items")["title"].fill_null("").to_list()
        network, tokenizer = self.ranker.reader()
        self.encoder = write_encoder(network, tokenizer, self.ranker.longest, folder / "encoder")
        self.texts = cuts(self.titles, QUERIES, np.random.default_rng(0))
        self.asked = np.stack([self.encoder.read(text) for text in self.texts])

    def vectors(self, items: int) -> np.ndarray:
        """Vectors of so many items: the real ones, or as many as are wanted drawn round them."""
        real = self.ranker.vectors_
        if items <= len(real):
            return real[:items]
        rng, made = np.random.default_rng(1), np.empty((items, real.shape[1]), dtype=np.float32)
        made[: len(real)] = real
        for start in range(len(real), items, 1 << 14):
            rows = min(1 << 14, items - start)
            middle = real[rng.integers(0, len(real), (rows, 3))].mean(axis=1)
            noise = rng.standard_normal((rows, real.shape[1]), dtype=np.float32)
            block = middle + NOISE * real.shape[1] ** -0.5 * noise
            made[start : start + rows] = block / np.linalg.norm(block, axis=1, keepdims=True)
        return made


def each(work: Callable[[np.ndarray], object], asked: np.ndarray) -> float:
    """Least processor milliseconds of a search, over turns through some queries."""

    def turn() -> None:
        for query in asked[:TIMED]:
            work(query)

    turn()
    return cpu(turn, 1) / len(asked[:TIMED]) * 1e3


def published(told: dict[str, Any]) -> Row:
    """How publishing decided that the vectors are searched."""
    refused = told.get("refused")
    return {
        "part": "search",
        "name": f"{told['items']:,} items, as published: {told['search']}",
        "refused": refused,
        "recall": min(told["recall"].values()),
        "bar": LEAST,
        "held": min(told["recall"].values()) >= LEAST,
    }


def search(beauty: Beauty, items: int, served: Served) -> list[Row]:
    """Exact search beside its limit; where publishing took the graph, that too, and what filters leave of it."""
    asked = beauty.asked
    near = served.form.near  # type: ignore[attr-defined]
    whole = np.array(near.vectors) if items < 100_000 else near.vectors
    limit = each(lambda query: top_k((whole @ query)[None], 10), asked)
    exact = each(lambda query: near.exact(query, 10, NOTHING, NO_ONE), asked)
    right = [near.exact(query, 10, NOTHING, NO_ONE)[0] for query in asked]
    plain = [top_k((whole @ query)[None], 10)[0] for query in asked]
    same = float(np.mean([np.isin(a, b).mean() for a, b in zip(right, plain, strict=True)]))
    rows: list[Row] = [
        {
            "part": "search",
            "name": f"{items:,} items, exact",
            "ms": exact,
            "limit": "numpy",
            "limit_ms": limit,
            "recall": same,
            "bar": 1.0,
            "ratio": exact / limit,
            "held": exact <= limit and same >= 0.9999,
        }
    ]
    if (graph := near.graph) is None:
        return rows
    bare = each(lambda query: graph.nearest(query, FETCHED), asked)
    own = each(lambda query: near.best(query, 10, NOTHING, NO_ONE), asked)
    # Of queries that publishing did not see: what it measured of its own sample may flatter.
    found = recalled(near, [(query, NO_ONE) for query in asked], right)
    rows.append(
        {
            "part": "search",
            "name": f"{items:,} items, graph",
            "ms": own,
            "limit": "usearch",
            "limit_ms": bare,
            "recall": found,
            "bar": 1.25,
            "ratio": own / bare,
            "held": own <= 1.25 * bare and found >= LEAST,
            "least": LEAST,
            "break_even": graph.break_even,
            "width": graph.width,
        }
    )
    for name, cases in filters(near, asked):
        if name == "all":
            continue
        truth = [near.exact(query, 10, NOTHING, barred)[0] for query, barred in cases]
        found = recalled(near, cases, truth)
        naive = [_filtered(graph, query, barred) for query, barred in cases]
        barred = cases[0][1]

        def one(query: np.ndarray, barred: np.ndarray = barred) -> None:
            near.best(query, 10, NOTHING, barred)

        rows.append(
            {
                "part": "search",
                "name": f"{items:,} items, {name} pass",
                "ms": each(one, asked),
                "recall": found,
                "control": float(
                    np.mean([np.isin(t, n).mean() for n, t in zip(naive, truth, strict=True)])
                ),
                "bar": 0.98,
                "held": found >= 0.98,
            }
        )
    return rows


def _filtered(graph: Graph, query: np.ndarray, barred: np.ndarray) -> np.ndarray:
    """The control: what the bare graph fetches, filtered afterwards."""
    found = graph.nearest(query, FETCHED)
    assert found is not None
    return found[barred[found] == 0][:10]


def encoder(beauty: Beauty) -> list[Row]:
    """A published encoder of queries beside the bare session, and beside torch."""
    import torch

    network, tokenizer = beauty.ranker.reader()
    plain, own = merged(network), beauty.encoder
    pieces = [np.array([own._pieces.encode(text).ids]) for text in beauty.texts]

    def bare() -> None:
        for words in pieces:
            own._session.run(None, {"input_ids": words, "attention_mask": np.ones_like(words)})

    def ours() -> None:
        for text in beauty.texts:
            own.read(text)

    def by_torch() -> None:
        with torch.inference_mode():
            for text in beauty.texts:
                words = tokenizer([text], return_tensors="pt", return_token_type_ids=False)
                plain(dict(words))

    def again() -> None:
        for text in beauty.texts:
            own.vector(text)

    torch.set_num_threads(1)
    for warm in (bare, ours, by_torch, again):
        warm()
    count = len(beauty.texts)
    limit, mine, slow, kept = (cpu(w, 1) / count * 1e3 for w in (bare, ours, by_torch, again))
    wanted = beauty.ranker._vectors(beauty.texts)
    apart = float(np.abs(np.stack([own.read(t) for t in beauty.texts]) - wanted).max())
    return [
        {
            "part": "encoder",
            "name": "a query, read",
            "ms": mine,
            "limit": "ONNX Runtime",
            "limit_ms": limit,
            "torch_ms": slow,
            "ratio": mine / limit,
            "bar": 1.25,
            "held": mine <= 1.25 * limit,
        },
        {
            "part": "encoder",
            "name": "a query, read before",
            "ms": kept,
            "held": kept <= limit / 20,
        },
        {
            "part": "encoder",
            "name": "largest difference from torch in a number of a vector",
            "apart": apart,
            "bar": 1e-4,
            "held": apart <= 1e-4,
        },
    ]


def route(beauty: Beauty, served: Served) -> Row:
    """One uncached search beside the encoder and the search of vectors called bare."""
    form: Any = served.form
    turn = iter(range(10**9))

    def text() -> str:
        return f"{beauty.texts[next(turn) % QUERIES]} {next(turn) % 977}"

    def own() -> None:
        served.top(NOTHING, text(), 10)

    def bare() -> None:
        form.near.best(form.asker.encoder.read(text()), 10, NOTHING, NO_ONE)

    for warm in (own, bare):
        warm()
    mine, limit = cpu(own, QUERIES) * 1e3, cpu(bare, QUERIES) * 1e3
    return {
        "part": "route",
        "name": f"search among {len(served):,} items, uncached",
        "ms": mine,
        "limit": "encoder + vectors",
        "limit_ms": limit,
        "ratio": mine / limit,
        "bar": 1.25,
        "held": mine <= 1.25 * limit,
    }


def large(beauty: Beauty, items: int, folder: Path) -> Path:
    """A store whose one version has so many items."""
    small = folder / "bundle"
    made = write_bundle(
        small, ranker=beauty.ranker, shop=beauty.shop, recipe={}, choice={}, proof=NOTE, seed=0
    )
    store = Store.made(folder / f"store-{items}")
    ids = pl.Series("item_id", [f"B{n:09d}" for n in range(items)])
    ranker = Bundle.open(small).ranker
    own: Any = ranker
    names = (beauty.titles * (items // len(beauty.titles) + 1))[:items]
    own.items_, own.vectors_ = ids, beauty.vectors(items)
    own.names_ = pl.Series(names, dtype=pl.String)
    own.popularity_ = np.arange(items, 0, -1, dtype=np.float64)
    vars(own).pop("_names", None)
    frame = pl.DataFrame({"item_id": ids, "events": np.arange(items, 0, -1, dtype=np.float64)})
    bundle = dataclasses.replace(made, ranker=ranker, items=frame)
    version = store.versions / "making"
    write_version(bundle, version, False, ({}, None), [], How())
    own.vectors_ = own.vectors_[:0]
    told = json.loads((version / "version.json").read_text())
    version.rename(store.versions / told["id"])
    store.set_live("home", told["id"])
    return store.root


def opening(store: Path, items: int) -> list[Row]:
    """Seconds until a version answers its first search, and what two processes take beside one."""
    opened = Store.open(store)
    place = opened.folder(opened.history("home")[-1].live)
    turns, walls = [], []
    for _ in range(3):
        begun, wall = time.process_time(), time.perf_counter()
        version = Version.open(place, packed=opened.packed)
        served = version.searcher()
        assert served is not None
        served.top(NOTHING, "red nail polish", 10)
        turns.append(time.process_time() - begun)
        walls.append(time.perf_counter() - wall)
    shares = {}
    for workers in (1, 2):
        with serving(store, workers) as (port, processes):
            _ask(port, 200)
            parent = int(
                Path(f"/proc/{processes[0]}/stat").read_text().rpartition(")")[2].split()[1]
            )
            shares[workers] = sum(_pss(process) for process in [parent, *processes])
    bar = 1.0 if items <= 20_000 else 5.0
    every = [path for path in place.rglob("*") if path.is_file()]
    reading = sum(path.stat().st_size for path in every if "encoders" in path.parts)
    mapped = sum(path.stat().st_size for path in every) - reading
    return [
        {
            "part": "open",
            "name": f"{items:,} items: bytes of an item, encoder of {reading / 1e6:.0f} MB apart",
            "bytes": mapped / items,
            "held": True,
        },
        {
            "part": "open",
            "name": f"{items:,} items: open, and one search",
            "s": min(turns),
            "wall_s": min(walls),
            "bar": bar,
            "held": min(turns) <= bar,
        },
        {
            "part": "open",
            "name": f"{items:,} items: PSS with two processes beside one",
            "mb": [shares[1], shares[2]],
            "ratio": shares[2] / shares[1],
            "bar": 1.3,
            "held": shares[2] <= 1.3 * shares[1],
        },
    ]


def _ask(port: int, count: int) -> None:
    """Search over sixteen connections, so that every process has answered some."""
    import asyncio

    from serve import _clients

    words = ["red nail polish", "hair oil", "body lotion", "shampoo"]
    asyncio.run(
        _clients(port, 16, lambda n: posted("/search", {"query": words[n % 4], "k": 10}), count)
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--items", default="12101,1000000")
    parser.add_argument("--cache", type=Path, help="keep the vectors of titles in this folder")
    chosen = parser.parse_args()
    wanted = chosen.only.split(",")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sizes = [int(size) for size in chosen.items.split(",")]
        beauty = Beauty(folder, chosen.cache or folder / "cache", max(sizes))
        for items in sizes:
            begun = time.process_time()
            store = large(beauty, items, folder)
            made = {
                "part": "open",
                "name": f"{items:,} items: published, most memory of the process {peak():.1f} GiB",
                "s": time.process_time() - begun,
                "held": True,
            }
            opened = Store.open(store)
            place = opened.folder(opened.history("home")[-1].live)
            version = Version.open(place, packed=opened.packed)
            found: list[Row] = []
            if "search" in wanted:
                found += [
                    published(version.told["vectors"]),
                    *search(beauty, items, version.served),
                ]
            if "route" in wanted:
                found.append(route(beauty, version.served))
            del version
            if "open" in wanted:
                found += [made, *opening(store, items)]
            for row in found:
                told(row)
            rows += found
        if "encoder" in wanted:
            rows += encoder(beauty)
            for row in rows[-3:]:
                told(row)
    about = machine(chosen.note)
    about["versions"] |= {"usearch": _version("usearch"), "onnxruntime": _version("onnxruntime")}
    # Each size is run by itself: its rows stay until a part of it was run again.
    write_rows(
        chosen.json,
        "serve_vectors",
        about,
        rows,
        PARTS,
        lambda row: (row["part"], row["name"].partition(" items")[0]),
    )


def _version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


if __name__ == "__main__":
    main()
