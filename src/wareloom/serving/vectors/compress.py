"""Compression: what an encoder of queries, and the items' vectors, cost in fewer bits, heads, neurons and layers.

    found = compress(Path("bundle"), Path("small"), judged=shop, run=Run())

writes a folder for each variant, which `wareloom publish --encoder` takes, and `compression.json`, the table.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from annotated_types import Ge

from wareloom.bundle import Bundle
from wareloom.core.files import replacing
from wareloom.core.run import Run
from wareloom.core.settings import Count, Settings, ShareBelowOne, Size
from wareloom.core.state import write_json
from wareloom.errors import InputError, SettingError, needed
from wareloom.serving.files.arrays import Arrays
from wareloom.serving.forms.base import NO_ONE, NOTHING
from wareloom.serving.vectors.encode import MODEL, Encoder
from wareloom.serving.vectors.judge import Judge, Read, cuts
from wareloom.serving.vectors.near import Near, write_near
from wareloom.shop import Shop

TABLE = "compression.json"
VARIANTS = ("int8", "pruned", "distilled", "magnitude")
TURNS, TIMED = 5, 100
"""Turns, and texts of each, by which an encoder is timed: the least turn counts"""
HISTORIES, TITLES = 0.1, 0.2
"""Shares of what students read that are histories, and whole titles; the rest are parts of titles"""


@dataclass(frozen=True, kw_only=True)
class Compression(Settings):
    """What is tried, and how far it goes."""

    only: tuple[str, ...] = VARIANTS
    """Which are made: int8, pruned, distilled, magnitude."""
    heads: ShareBelowOne = 0.25
    """Share of each layer's heads that is pruned."""
    feed_forward: ShareBelowOne = 0.5
    """Share of the neurons of each layer's perceptron that is pruned."""
    zeros: ShareBelowOne = 0.5
    """Share of the weights that magnitude pruning sets to 0."""
    layers: Size = 3
    """Layers that are left of the encoder where it is distilled."""
    updates: Count = 400
    """Updates by which what is pruned or distilled learns from the whole encoder."""
    texts: Annotated[int, Ge(64)] = 8_000
    """Texts of the shop that they learn from."""

    def _owner(self) -> str:
        return "compress"

    def _check(self) -> None:
        odd = [name for name in self.only if name not in VARIANTS]
        if odd or not self.only:
            raise SettingError(
                f"compress: only names {odd[0] if odd else 'nothing'!r}: give some of {', '.join(VARIANTS)}."
            )


class Row(NamedTuple):
    """A line of the table."""

    name: str
    mebibytes: float
    ms: float
    """Processor milliseconds of one text"""
    verdict: dict[str, Any]
    note: str = ""


@dataclass
class _Bench:
    """What variants are measured by."""

    judge: Judge
    folder: Path
    before: np.ndarray = field(default_factory=lambda: np.zeros(0))
    opened: dict[str, Encoder] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)

    def add(self, name: str, encoder: Encoder, size: int, note: str = "") -> None:
        """Measure what a variant answers; its time is taken later, beside the others'."""
        best = self.judge.best(encoder.read)
        if not len(self.before):
            self.before = best
        told = self.judge.verdict(self.before, best).told()
        self.opened[name] = encoder
        self.rows[name] = Row(name, size / 2**20, 0.0, told, note)

    def timed(self) -> list[Row]:
        """All rows, each with the least processor time of its turns; turns of all variants alternate."""
        texts, spent = self.judge.queries[:TIMED], dict.fromkeys(self.opened, np.inf)
        for _ in range(TURNS):
            for name, encoder in self.opened.items():
                spent[name] = min(spent[name], _seconds(encoder.read, texts))
        return [row._replace(ms=spent[name] * 1e3) for name, row in self.rows.items()]


def _seconds(read: Read, texts: Sequence[str]) -> float:
    begun = time.process_time()
    for text in texts:
        read(text)
    return (time.process_time() - begun) / max(1, len(texts))


def compress(
    model: Path,
    to: Path,
    *,
    judged: Shop | None = None,
    how: Compression | None = None,
    run: Run | None = None,
    allow_code: Sequence[str] = (),
) -> dict[str, Any]:
    """Write smaller encoders of a bundle's queries to the folder `to`, and the table of what each costs and loses.

    `judged`: a shop with judged queries that were not learned from; without it agreement with the whole encoder is
    measured on parts of titles. Raises `InputError` for a bundle whose ranker is not bi_encoder, `SettingError` for an
    encoder that cannot be pruned, `MissingExtraError` without the extra "onnx".
    """
    how, run = how or Compression(), run or Run()
    needed("onnx", "onnx", "Compressing")
    needed("onnxruntime", "onnx", "Compressing")
    bundle = Bundle.open(model, allow_code=tuple(allow_code))
    ranker: Any = bundle.ranker
    if ranker.name != "bi_encoder":
        raise InputError(
            f"{model} is served by {ranker.name!r}, which reads no query by an encoder: compress a bundle of "
            "bi_encoder."
        )
    titles = _titles(bundle)
    judge = Judge.of(ranker.items_, ranker.vectors_, judged, titles)
    with replacing(to, marker=TABLE) as partial:
        bench = _Bench(judge, partial)
        _variants(ranker, titles, bench, how, run)
        rows = bench.timed()
        vectors = _vectors(judge, bench.opened["f32"].read)
        told = {
            "bundle": bundle.id,
            "items": len(ranker.items_),
            "settings": {**how.__dict__, "only": list(how.only)},
            "measure": rows[0].verdict["measure"],
            "queries": rows[0].verdict["queries"],
            "encoders": [row._asdict() for row in rows],
            "vectors": vectors,
        }
        write_json(partial / TABLE, told)
    return told


def _variants(ranker: Any, titles: list[str], bench: _Bench, how: Compression, run: Run) -> None:
    """Make each variant that is wanted, as it is and in 8 bits."""
    from wareloom.serving.vectors import export, shrink

    network, tokenizer = ranker.reader()
    whole = export.merged(network)
    pieces = shrink.cutter(tokenizer, ranker.longest)

    def keep(name: str, made: Any, *, note: str = "", small: bool = True) -> None:
        folder = bench.folder / name
        encoder = export.write_encoder(made, tokenizer, ranker.longest, folder)
        bench.add(name, encoder, (folder / MODEL).stat().st_size, note)
        if small:
            less = bench.folder / ("int8" if name == "f32" else f"{name}-int8")
            encoder = export.write_small(folder, less)
            bench.add(less.name, encoder, (less / MODEL).stat().st_size)

    keep("f32", whole, small="int8" in how.only)
    if set(how.only) == {"int8"}:
        return
    count = min(how.texts, max(64, how.updates * shrink.BATCH))
    texts = readings(titles, count, run.rng("compress", "texts"))
    taught = bool(how.updates) and {"pruned", "distilled"} & set(how.only)
    told = shrink.places(whole, texts, pieces) if taught else np.zeros((0, 0))
    if "pruned" in how.only:
        made = shrink.pruned(whole, texts[:256], pieces, how.heads, how.feed_forward)
        shrink.taught(made, told, texts, pieces, how.updates, run, "pruned")
        keep(
            "pruned",
            made,
            note=f"without {how.heads:.0%} of the heads, {how.feed_forward:.0%} of the neurons",
        )
    if "distilled" in how.only:
        made = shrink.shallow(whole, how.layers)
        shrink.taught(made, told, texts, pieces, how.updates, run, "distilled")
        keep("distilled", made, note=f"{how.layers} layers")
    if "magnitude" in how.only:
        note = f"{how.zeros:.0%} of the weights are 0: zeros are multiplied as well, and no time is saved"
        keep("magnitude", shrink.zeroed(whole, how.zeros), note=note, small=False)
        # A control, and nothing to publish.
        shutil.rmtree(bench.folder / "magnitude")


def readings(titles: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """What students read: parts of titles as queries, some titles whole, some histories of titles."""
    from wareloom.language.histories import HISTORY

    named = [title for title in titles if title.strip()]
    if not named:
        raise InputError(
            "No item has a text: there is nothing that a smaller encoder could learn from."
        )
    found = cuts(named, int(count * (1 - HISTORIES - TITLES)), rng)
    found += [named[int(n)] for n in rng.integers(0, len(named), int(count * TITLES))]
    while len(found) < count:
        some = rng.integers(0, len(named), rng.integers(1, 4))
        found.append(HISTORY + "; ".join(named[int(n)][:120] for n in some))
    return [found[int(n)] for n in rng.permutation(len(found))]


def _titles(bundle: Bundle) -> list[str]:
    items = bundle.items
    name = "title" if "title" in items.columns else None
    return items[name].fill_null("").to_list() if name else list(bundle.ranker.names_)  # type: ignore[attr-defined]


def _vectors(judge: Judge, read: Read) -> list[dict[str, Any]]:
    """What the items' vectors cost in 32 bits, in 8, and in 8 with the best scored again in 32."""
    asked = np.stack([read(query) for query in judge.queries[:TIMED]])
    with tempfile.TemporaryDirectory() as scratch:
        write_near(Arrays(Path(scratch)), "", judge.vectors, None)
        near = Near.open(Arrays(Path(scratch)), "", None)
        small, scale, _ = near.table
        rough = small.astype(np.float32) * scale[:, None]

        def best_of(scores: np.ndarray) -> np.ndarray:
            found: np.ndarray = np.argpartition(-scores, min(10, len(scores) - 1))[:10]
            return found

        exact = [best_of(judge.vectors @ query) for query in asked]
        ways: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
            "f32": (near.vectors.nbytes, lambda query: best_of(near.vectors @ query)),
            "int8 alone": (small.nbytes + scale.nbytes, lambda query: best_of(rough @ query)),
            "int8, the best again in f32": (
                small.nbytes + 2 * scale.nbytes,
                lambda query: near.exact(query, 10, NOTHING, NO_ONE)[0],
            ),
        }
        rows = []
        for name, (size, search) in ways.items():
            search(asked[0])
            kept = [
                np.isin(search(query), right).mean()
                for query, right in zip(asked, exact, strict=True)
            ]
            begun = time.process_time()
            for query in asked:
                search(query)
            ms = (time.process_time() - begun) / len(asked) * 1e3
            rows.append(
                {"name": name, "mebibytes": size / 2**20, "ms": ms, "recall": float(np.mean(kept))}
            )
        # The product of numbers that were widened before says nothing of the time.
        rows[1]["ms"] = None
    return rows
