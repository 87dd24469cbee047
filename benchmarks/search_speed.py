"""How fast the parts of search and of the language layer are, each beside its peer or limit in the same run.

    python benchmarks/search_speed.py [--only embedders bm25 exact texts endpoint] [--threads N] [--json FILE]

Titles and queries of Home Depot (`WARELOOM_DATA`, else `../shared/data`).

- embedders: MiniLM in torch with 32 and 16 bits, by ONNX Runtime with 32 and 8, beside sentence-transformers; titles a
  second, and the mean cosine with the vectors of 32 bits.
- bm25: indexing all titles and the ten best for each query, beside bm25s (`pip install bm25s`).
- exact: the ten best of all titles' vectors for each query's, vectors given, beside the bare product.
- texts: tokens a second that the embedded model writes at one batch in 32 bits and bf16, beside `generate` of
  transformers and, where it is installed (`pip install llama-cpp-python`), llama.cpp with as many sequences.
- endpoint: 64 calls under way at once to a server that takes 0.3 to 0.7 s for each, beside a bare client and beside
  what these waits come to without any.
"""

from __future__ import annotations

import asyncio
import heapq
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from _llama import tokens_a_second
from _slow_server import waits
from wareloom.core.family import EMBEDDERS, RANKERS, TEXT_MODELS
from wareloom.core.run import Run
from wareloom.language.embedders import normalised
from wareloom.language.models import Sampling
from wareloom.language.models.embedded import packed
from wareloom.rankers.search.base import without_history
from wareloom.readers import read
from wareloom.shop import Shop

TITLES, QUERIES, CALLS, AT_ONCE, TOKENS, BATCH = 2_000, 1_000, 1_024, 64, 32, 16
LEAST, MOST = 0.3, 0.7
OVERHEAD = 0.05
"""What the client may add to the server's own time"""

Row = dict[str, Any]


@cache
def shop() -> Shop:
    with tempfile.TemporaryDirectory() as folder:
        whole = read(data("homedepot_search"), to=f"{folder}/shop").in_memory()
    return Shop({"items": whole.table("items"), "judgments": whole.table("judgments")})


def titles() -> list[str]:
    found: list[str] = shop().table("items")["title"].to_list()
    return found


def queries() -> list[str]:
    found: list[str] = (
        shop().table("judgments")["query"].unique(maintain_order=True)[:QUERIES].to_list()
    )
    return found


def seconds(work: Callable[[], Any], turns: int = 3) -> float:
    """Median of some turns after one that warms up."""
    found = []
    for _ in range(turns + 1):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return statistics.median(found[1:])


def embedders(run: Run) -> list[Row]:
    texts = titles()[:TITLES]
    made: dict[str, tuple[dict[str, str], Run]] = {
        "MiniLM, torch, 32 bits": ({}, run),
        "MiniLM, torch, bf16": ({}, run.with_(precision="bf16")),
        "MiniLM, ONNX Runtime, 32 bits": ({"runtime": "onnx"}, run),
        "MiniLM, ONNX Runtime, int8": ({"runtime": "int8"}, run),
    }
    rows, plain = [], EMBEDDERS.make("minilm").embed(texts, run)
    with tempfile.TemporaryDirectory() as folder:
        for name, (settings, how) in made.items():
            embedder = EMBEDDERS.make("minilm", **settings)
            if settings:
                # What is exported is kept in a cache, the vectors must not be.
                embedder.embed(texts[:1], how.with_(cache=Path(folder)))
            cosine = float((embedder.embed(texts, how) * plain).sum(1).mean())
            found = seconds(lambda embedder=embedder, how=how: embedder.embed(texts, how))
            rows.append(
                {
                    "part": "embedders",
                    "name": name,
                    "rate": TITLES / found,
                    "unit": "titles/s",
                    "cosine": cosine,
                }
            )
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError:
        return rows
    from wareloom.language.encoder import encoder_folder

    peer = SentenceTransformer(str(encoder_folder("", "benchmark")), device="cpu")
    with run.limits():
        found = seconds(lambda: peer.encode(texts, batch_size=64, show_progress_bar=False))
    rows.append(
        {"part": "embedders", "name": "sentence-transformers, 32 bits", "rate": TITLES / found}
    )
    return rows


def bm25(run: Run) -> list[Row]:
    ranker, asked = RANKERS.make("bm25", spelling=False), without_history(queries())
    index = seconds(lambda: ranker.fit(shop(), run))

    def ours() -> None:
        with run.limits():
            ranker.rank(asked, 10)

    spent = seconds(ours)
    rows = [
        {
            "part": "bm25",
            "name": "bm25",
            "index_s": index,
            "rate": len(asked) / spent,
            "unit": "queries/s",
        }
    ]
    try:
        import bm25s
    except ModuleNotFoundError:
        return rows
    texts = titles()
    cut = {"stopwords": None, "show_progress": False}

    def indexed() -> Any:
        made = bm25s.BM25(k1=1.2, b=0.75)
        made.index(bm25s.tokenize(texts, **cut), show_progress=False)
        return made

    peer = indexed()
    index = seconds(indexed)
    spent = seconds(
        lambda: peer.retrieve(
            bm25s.tokenize(queries(), **cut), k=10, show_progress=False, n_threads=run.cores
        )
    )
    return [*rows, {"part": "bm25", "name": "bm25s", "index_s": index, "rate": len(asked) / spent}]


def exact(run: Run) -> list[Row]:
    """Vectors of one's own making: what is timed does not read texts."""
    rng = run.rng("exact")
    items, asked = (
        normalised(rng.standard_normal((n, 384), dtype=np.float32))
        for n in (len(titles()), QUERIES)
    )
    from wareloom.rankers import Ranker
    from wareloom.shop import Requests

    class Given(Ranker):
        """Scores by given vectors."""

        def _fit(self, *_: Any) -> None: ...

        def _score(self, requests: Requests) -> np.ndarray:
            first = int(requests.queries[0])
            return asked[first : first + len(requests)] @ items.T

    ranker = Given()
    ranker.items_ = pl.Series([str(i) for i in range(len(items))])
    wanted = without_history([str(k) for k in range(QUERIES)])

    def ours() -> None:
        with run.limits():
            ranker.rank(wanted, 10)

    def bare() -> None:
        with run.limits():
            for first in range(0, QUERIES, 256):
                np.matmul(asked[first : first + 256], items.T)

    spent, limit = seconds(ours), seconds(bare)
    return [
        {
            "part": "exact",
            "name": "ten best by vectors",
            "rate": QUERIES / spent,
            "unit": "queries/s",
            "ratio": spent / limit,
        },
        {"part": "exact", "name": "bare product", "rate": QUERIES / limit, "unit": "queries/s"},
    ]


def texts(run: Run) -> list[Row]:
    prompts = [f"Write a search query for this product: {title}" for title in titles()[:BATCH]]
    how = Sampling(max_tokens=TOKENS, temperature=1.0)
    rows: list[Row] = []
    for precision in ("fp32", "bf16"):
        model = TEXT_MODELS.make("embedded")
        asked = partial(model.generate, prompts, run.with_(precision=precision), settings=how)
        written = sum(each.tokens for each in asked())
        spent = seconds(asked, turns=1)
        named = f"embedded, {'32 bits' if precision == 'fp32' else precision}"
        rows.append({"part": "texts", "name": named, "rate": written / spent, "unit": "tokens/s"})
    raw, said = _transformers(model, prompts, run)
    rows.append({"part": "texts", "name": "generate of transformers, 32 bits", "rate": raw})
    if (found := tokens_a_second(packed(), said, TOKENS, run.cores)) is not None:
        rows.append({"part": "texts", "name": "llama.cpp, 4 bits", "rate": found})
    return rows


def _transformers(model: Any, prompts: list[str], run: Run) -> tuple[float, list[list[int]]]:
    """Tokens a second of `generate`, and the prompts in tokens, as the chat template puts them."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = model._folder(run)
    tokenizer, raw = (
        AutoTokenizer.from_pretrained(folder, padding_side="left"),
        AutoModelForCausalLM.from_pretrained(folder),
    )
    asked = [[{"role": "user", "content": prompt}] for prompt in prompts]
    said = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    raw = raw.float()
    words = tokenizer(said, return_tensors="pt", padding=True)
    written = 0

    def work() -> None:
        nonlocal written
        torch.manual_seed(1)
        out = raw.generate(
            **words, do_sample=True, max_new_tokens=TOKENS, pad_token_id=tokenizer.eos_token_id
        )
        fresh = out[:, words["input_ids"].shape[1] :]
        written = int((fresh != tokenizer.eos_token_id).sum())

    with run.limits(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spent = seconds(work, turns=1)
    return written / spent, [tokenizer(text)["input_ids"] for text in said]


def endpoint(run: Run) -> list[Row]:
    command = [
        sys.executable,
        str(Path(__file__).with_name("_slow_server.py")),
        str(LEAST),
        str(MOST),
    ]
    prompts = [f"prompt {k}" for k in range(CALLS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
            model = TEXT_MODELS.make("endpoint", base_url=url, model="slow", concurrency=AT_ONCE)
            spent = seconds(lambda: model.generate(prompts, run))
            bare = seconds(lambda: asyncio.run(_bare(url, prompts)))
        finally:
            server.terminate()
    ideal = _ideal(prompts)
    named = {"endpoint": spent, "bare httpx": bare, "the waits alone": ideal}
    return [
        {
            "part": "endpoint",
            "name": name,
            "rate": CALLS / found,
            "unit": "calls/s",
            "ratio": found / ideal,
        }
        for name, found in named.items()
    ]


async def _bare(url: str, prompts: list[str]) -> None:
    import httpx

    async with httpx.AsyncClient(
        limits=httpx.Limits(max_connections=AT_ONCE), timeout=60
    ) as client:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(prompt: str) -> None:
            async with gate:
                body = {"model": "slow", "messages": [{"role": "user", "content": prompt}]}
                (await client.post(f"{url}/chat/completions", json=body)).json()

        await asyncio.gather(*(one(prompt) for prompt in prompts))


def _ideal(prompts: list[str]) -> float:
    """Seconds until all is answered where each call begins as another one ends."""
    free = [0.0] * AT_ONCE
    for prompt in prompts:
        heapq.heappush(free, heapq.heappop(free) + waits(prompt, LEAST, MOST))
    return max(free)


def main() -> None:
    parts = {
        "embedders": embedders,
        "bm25": bm25,
        "exact": exact,
        "texts": texts,
        "endpoint": endpoint,
    }
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(parts), default=list(parts))
    parser.add_argument("--threads", type=int, default=0, help="0 takes the physical cores")
    chosen = parser.parse_args()
    run, rows = Run(seed=1, threads=chosen.threads), []
    for name in chosen.only:
        for row in parts[name](run):
            rows.append(row)
            print(row, flush=True)
    about = machine(chosen.note) | {"threads": run.cores}
    write(chosen.json, "search_speed", about, rows=rows, overhead=OVERHEAD)


if __name__ == "__main__":
    main()
