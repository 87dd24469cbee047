"""A trained language model reads query and item together and says how well they go with one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
from annotated_types import Ge

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Size
from wareloom.core.top import top_k
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.language.encoder import encoder_folder, fingerprint, load_encoder, pooled
from wareloom.neural import torch
from wareloom.neural.checkpoint import kept_at
from wareloom.neural.training import Training, seeded, train
from wareloom.neural.tuning import put_weights, tuned, tuned_weights
from wareloom.rankers.search.base import SearchRanker, lifted
from wareloom.rankers.search.judged import RIGHT, Mining, judged, with_lower
from wareloom.shop import Log, Shop, Vocabulary

WHO = "ranker 'cross_encoder'"
EVALUATIONS = 10
RATES = {"lora": 1e-3, "adapter": 1e-3, "full": 5e-5}
"""Learning rates that suit each tuning"""
READ = 64
"""Pairs that are read at once"""


@dataclass(kw_only=True, eq=False)
class CrossEncoder(SearchRanker):
    """Order the `candidates` best items of another ranker by an encoder that reads query and item as one text.

    The score is a linear map of the mean of the last layer's vectors. It is taught on judgments, query by query: the
    softmax over up to `listed` of its items is to be that of their gains 2^grade - 1 (ListNet: Cao et al. 2007). Where
    only right items were judged, others that the retriever finds are taken for wrong; where fewer were judged, items
    drawn at random count as grade 0. Without judgments the order is the other ranker's. Reading all candidates takes
    its time, some 100 to 300 a second on one core. Nogueira and Cho (2019). Needs the extra `text`."""

    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "weighted users"}
    )
    quick: ClassVar[Mapping[str, Any]] = {"model": "<encoder>", "tuning": "full"}
    gradient: ClassVar[bool] = True

    renamed: ClassVar[Mapping[str, str]] = {"lessons": "training_queries"}

    model: str = ""
    """A folder with another encoder: config.json, tokenizer and weights; empty for all-MiniLM-L6-v2, of English."""
    tuning: Literal["lora", "adapter", "full"] = "full"
    """Which weights are learned beside those of the map."""
    tuning_size: Size = 16
    """Rank of LoRA, width of an adapter."""
    retriever: str = "bm25"
    """The ranker of search whose best items are read."""
    retriever_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""
    candidates: Size = 50
    """Items of each query that are read."""
    listed: Annotated[int, Ge(2)] = 8
    """Items of a query that are compared with each other in training."""
    training_queries: Size = 3_000
    """Queries, at most, that are learned from."""
    longest: Annotated[int, Ge(8)] = 96
    """Pieces of words that query and item are cut to, the item's end first."""
    epochs: Size = 1
    """Passes over the queries."""
    batch_size: Size = 8
    """Queries a batch."""
    learning_rate: NonNegative = 0.0
    """Highest step size; 0 takes one that suits the tuning."""
    weight_decay: NonNegative = 0.01
    """Decoupled decay of the weights."""

    def _check(self) -> None:
        super()._check()
        kind = RANKERS.load(self.retriever)
        if not issubclass(kind, SearchRanker) or kind is type(self):
            raise SettingError(
                f"{self.name}: the retriever {self.retriever!r} reads no queries: take bm25, say."
            )

    def untaught(self) -> Self:
        """Return the same with a retriever that needs no judgments; without them it orders nothing anew."""
        other: SearchRanker = RANKERS.make(self.retriever, **self.retriever_settings).untaught()
        return replace(self, retriever_settings=other.settings())

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        assert shop is not None
        self.retrievers_ = {
            "retriever": RANKERS.make(self.retriever, **self.retriever_settings).fit(
                shop, run, log=log
            )
        }
        super()._fit(log, shop, run)

    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        rows = judged(shop, Vocabulary(self.items_))
        if len(rows):
            mining = Mining(self._found, self.listed - 1, self.training_queries)
            rows = with_lower(rows, mining, run.rng(self.name, "mined"))
            if not len(rows):
                raise InputError(
                    f"The {WHO} has nothing to learn from: no query has items of different grades, or one of grade "
                    f"{RIGHT:g} or more."
                )
        self.teach(texts, rows, run)

    def teach(self, texts: dict[str, list[str]], rows: pl.DataFrame, run: Run) -> None:
        """Learn to read the items' texts, in the order of the catalogue, from `rows` as `judged` gives them."""
        self.texts_ = pl.Series(
            ["\n".join(p for p in parts if p) for parts in zip(*texts.values(), strict=True)]
        )
        folder = encoder_folder(self.model, WHO)
        self.base_ = {"model": self.model or "all-MiniLM-L6-v2", "fingerprint": fingerprint(folder)}
        self.training_: list[dict[str, float]] = []
        self.arithmetic_ = run.arithmetic if run.device == "cpu" else "fp32"
        self.updates_, self.weights_ = 0, dict[str, np.ndarray]()
        if len(rows):
            with seeded(run, self.name):
                self._net = self._build(folder, run)
                self._train(rows, run)
            self.weights_ = tuned_weights(self._net)
            self._net = self._net.eval().cpu()

    def _found(self, queries: list[str]) -> Iterator[np.ndarray]:
        """The retriever's best items of each query."""
        retriever: SearchRanker = self.retrievers_["retriever"]
        for start, stop in self._blocks(len(queries)):
            scores = retriever.match_all(queries[start:stop])
            yield from top_k(scores, min(self.candidates, scores.shape[1]))

    def _build(self, folder: Any, run: Run) -> Any:
        _, self._tokenizer, encoder = load_encoder(folder, run, WHO)
        size = encoder.config.hidden_size
        return PairNetwork(tuned(encoder, self.tuning, self.tuning_size, WHO), size).to(run.device)

    def _train(self, rows: pl.DataFrame, run: Run) -> None:
        """Teach the encoder and the map; rows as `judged` gives them."""
        rows = rows.group_by("query", "item", maintain_order=True).agg(
            pl.col("said").first(), pl.col("grade").mean()
        )
        lists = (
            rows.group_by("query", maintain_order=True)
            .agg("said", "item", "grade")
            .filter(pl.col("grade").list.max() > 0)
        )
        if not len(lists):
            raise InputError(f"The {WHO} has nothing to learn from: no judgment is above grade 0.")
        lists = lists[
            np.sort(run.rng(self.name, "lessons").permutation(len(lists))[: self.training_queries])
        ]
        self.updates_ = run.updates or self.epochs * -(-len(lists) // self.batch_size)
        said = [each[0] for each in lists["said"].to_list()]
        items, grades = lists["item"].to_list(), lists["grade"].to_list()

        def batches(epoch: int) -> Iterator[dict[str, Any]]:
            rng = run.rng(self.name, "epoch", epoch)
            order = rng.permutation(len(said))
            for start in range(0, len(order), self.batch_size):
                yield self._batch(
                    [
                        (said[q], items[q], grades[q])
                        for q in order[start : start + self.batch_size]
                    ],
                    rng,
                )

        how = Training(
            learning_rate=self.learning_rate or RATES[self.tuning],
            epochs=EVALUATIONS,
            updates=self.updates_,
            weight_decay=self.weight_decay,
            warmup=min(100, 1 + self.updates_ // 10),
        )
        told = (said, items, grades, self.texts_.to_list()) if run.cache else ()
        kept = kept_at(run, [self.name, self.settings(), self.base_, *told])
        self.training_ = train(self._net, batches, self._net.loss, how, run, None, checkpoint=kept)

    def _batch(
        self, lists: list[tuple[str, list[int], list[float]]], rng: np.random.Generator
    ) -> dict[str, Any]:
        """Lay queries out with `listed` items each: words [queries × listed, pieces] and gains [queries, listed]."""
        queries, texts, gains = [], [], np.zeros((len(lists), self.listed), dtype=np.float32)
        for row, (said, items, grades) in enumerate(lists):
            best = int(np.argmax(grades))
            others = rng.permutation([place for place in range(len(items)) if place != best])[
                : self.listed - 1
            ]
            chosen = [items[best], *(items[place] for place in others)]
            worth = [grades[best], *(grades[place] for place in others)]
            more = self.listed - len(chosen)
            chosen += rng.integers(len(self.texts_), size=more).tolist()
            gains[row] = 2.0 ** np.array(worth + [0.0] * more) - 1
            queries += [said] * self.listed
            texts += self.texts_.gather(chosen).to_list()
        return {"words": self._words(queries, texts), "gains": torch.from_numpy(gains)}

    def _words(self, queries: list[str], texts: list[str]) -> dict[str, Any]:
        how = {"truncation": "longest_first", "max_length": self.longest, "return_tensors": "pt"}
        return dict(
            self._tokenizer(queries, texts, padding=True, return_attention_mask=True, **how)
        )

    @cached_property
    def _net(self) -> Any:
        """The network, built anew from encoder and saved weights where this was restored."""
        folder = encoder_folder(self.model, WHO)
        if fingerprint(folder) != self.base_["fingerprint"]:
            raise SourceError(
                f"The {WHO} was fitted on the encoder {self.base_['model']!r}, but that at {folder} is another: "
                "put the one it knew back, or fit it again."
            )
        with seeded(Run(), self.name):
            net = self._build(folder, Run())
        put_weights(net, self.weights_, f"the {WHO}")
        return net.eval()

    def _match_pairs(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        if not self.weights_:
            retriever: SearchRanker = self.retrievers_["retriever"]
            return retriever._match_pairs(retriever._read(queries), query, item)
        net, found = self._net, np.zeros(len(query))
        texts = self.texts_.gather(item).to_list()
        order = np.argsort([-len(text) for text in texts], kind="stable")
        half = self.arithmetic_ == "bf16"
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            for start in range(0, len(order), READ):
                part = order[start : start + READ]
                words = self._words([queries[q] for q in query[part]], [texts[i] for i in part])
                found[part] = net(words).float().numpy()
        return found

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        scores: np.ndarray = self.retrievers_["retriever"].match_all(queries)
        if not self.weights_:
            return scores
        best = top_k(scores, min(self.candidates, scores.shape[1]))
        row, item = np.repeat(np.arange(len(best)), best.shape[1]), best.ravel()
        return lifted(scores, row, item, self._match_pairs(queries, row, item))


class PairNetwork(torch.nn.Module):  # type: ignore[misc]
    """An encoder and a map of the mean of its last layer to one number."""

    def __init__(self, encoder: Any, size: int) -> None:
        super().__init__()
        self.encoder, self.head = encoder, torch.nn.Linear(size, 1)

    def forward(self, words: dict[str, Any]) -> Any:
        """Scores of texts: words [texts, pieces] → [texts]."""
        states = self.encoder(**words).last_hidden_state
        return self.head(pooled(states, words["attention_mask"]))[:, 0]

    def loss(self, batch: dict[str, Any]) -> Any:
        """Cross-entropy between the softmax of the scores and the shares of the gains, list by list."""
        gains = batch["gains"]
        scores = self(batch["words"]).view(gains.shape)
        target = gains / gains.sum(dim=1, keepdim=True)
        return -(target * torch.log_softmax(scores.float(), dim=1)).sum(dim=1).mean()
