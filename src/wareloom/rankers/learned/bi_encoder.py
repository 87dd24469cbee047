"""A trained language model reads what is asked and what an item is; near texts go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
from annotated_types import Ge

from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor, NonNegative, ShareBelowOne, Size
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.language.embedders import normalised
from wareloom.language.embedders.minilm import MiniLM
from wareloom.language.encoder import (
    States,
    encode,
    encoder_folder,
    fingerprint,
    load_encoder,
    words_of,
)
from wareloom.language.histories import history_text
from wareloom.neural import torch
from wareloom.neural.checkpoint import kept_at
from wareloom.neural.training import Training, seeded, taken, train
from wareloom.neural.tuning import draw_back, put_weights, tuned, tuned_weights
from wareloom.rankers import BLOCK_BYTES
from wareloom.rankers.learned._agreement import ENOUGH, agreed, own_queries
from wareloom.rankers.learned._network import TextNetwork
from wareloom.rankers.learned._order import teach_order
from wareloom.rankers.learned._pairs import EVALUATIONS, Layout, PairData, Reading
from wareloom.rankers.search.base import SearchRanker
from wareloom.rankers.search.judged import UNCHECKED
from wareloom.rankers.search.lists import Lists
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.texts import field_texts, parse_fields, present

WHO = "ranker 'bi_encoder'"
RATES = {"none": 0.0, "lora": 1e-3, "adapter": 1e-3, "prefix": 1e-2, "full": 3e-5}
"""Learning rates that suit each tuning"""
READ = 64
"""Texts that are read at once"""
NAME = 120
"""Characters of an item's name in the text of a history"""


@dataclass(kw_only=True, eq=False)
class BiEncoder(SearchRanker):
    """Score items by the inner product of a trained encoder's unit vectors of the request and of the item's text.

    A request is its query, else the names of the last items of its history, the latest first; without either the
    popular come first. The encoder (all-MiniLM-L6-v2, or one in a folder) stays as it is, or is tuned on judgments and
    on what came next in histories, by a softmax over the items of the batch. The items' vectors are kept, so that
    ranking reads the requests alone. Only what was tuned is saved: a ranker restored needs the same encoder. Needs the
    extra `text`. Reimers and Gurevych (2019); Yi et al. (2019); weights between both ends: Wortsman et al. (2022).
    """

    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "moved by history"}
    )
    quick: ClassVar[Mapping[str, Any]] = {
        "model": "<encoder>",
        "tuning": "full",
        "fields": "title",
        "history": 1,
        "epochs": 4,
        "learning_rate": 0.02,
        "temperature": 0.1,
    }
    gradient: ClassVar[bool] = True

    model: str = ""
    """A folder with another encoder: config.json, tokenizer and weights; empty for all-MiniLM-L6-v2, of English."""
    tuning: Literal["none", "lora", "adapter", "prefix", "full"] = "lora"
    """Which weights are learned: none, those of LoRA, of bottleneck adapters or of a prefix, or all of the encoder."""
    tuning_size: Size = 16
    """Rank of LoRA, width of an adapter, length of a prefix."""
    learn_from: Literal["both", "judgments", "events"] = "both"
    """What is learned from where a shop has it."""
    relevant: float = 2.0
    """The grade, of 0 to 3, from which a judged item is right; lower ones of its query are what it is told from."""
    negatives: Count = 1
    """Items judged lower that each judged item is compared with, drawn anew in each pass."""
    history: Size = 5
    """Latest items of a history that are read."""
    longest: Annotated[int, Ge(3)] = 64
    """Pieces of words that a text is cut to."""
    correct: bool = True
    """Whether other requests' items count less the likelier they are to be in a batch (logQ correction)."""
    temperature: Annotated[float, Ge(0.01)] = 0.05
    """What inner products are divided by at first; it is learned where the encoder is tuned."""
    dropout: ShareBelowOne = 0.0
    """Share of activations dropped in training."""
    epochs: Size = 2
    """Passes over the pairs, at most."""
    batch_size: Size = 64
    """Pairs a batch."""
    learning_rate: NonNegative = 0.0
    """Highest step size; 0 takes one that suits the tuning."""
    weight_decay: NonNegative = 0.0
    """Decoupled decay of the weights."""
    patience: Count = 4
    """Evaluations, of ten in all, without a better value after which training stops; 0 never stops early."""
    validation: ShareBelowOne = 0.05
    """Share of queries and users that stop the training early; none where it comes to fewer than 20."""
    anchor: NonNegative = 0.0
    """Weight, in training, of how far the order of a batch's items moves from that of the encoder as it comes."""
    strength: Factor | Literal["auto", "agreed"] = "auto"
    """Share of the way from the encoder as it comes to the tuned one, in its weights. auto goes all of it where any
    judgment or event is real, three tenths where none is: the whole way loses on a shop that the encoder knows well
    already. agreed goes as far as its first ten agree best with those by words on the queries of the shop's searches;
    as auto where it has no fifty of them."""

    def _check(self) -> None:
        super()._check()
        weights = parse_fields(self.fields, self.name)
        odd = [name for name, weight in weights.items() if weight != 1]
        if odd:
            raise SettingError(
                f"{self.name}: fields is {self.fields!r}, but a text has no weights: write {odd[0]!r} alone."
            )

    def untaught(self) -> Self:
        """Return the encoder as it is, for a shop with nothing to tune it on."""
        return replace(self, tuning="none")

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        assert shop is not None
        folder = encoder_folder(self.model, WHO)
        self.base_ = {"model": self.model or "all-MiniLM-L6-v2", "fingerprint": fingerprint(folder)}
        columns = self._columns(shop)
        self._texts = whole(columns)
        self._names = [
            next((p[:NAME] for p in parts if p.strip()), "") for parts in zip(*columns, strict=True)
        ]
        with seeded(run, self.name):
            self._net = self._build(folder, run)
            self.training_: list[dict[str, float]] = []
            self.updates_, self.steps_, self.strength_ = 0, 0, 0.0
            if self.tuning != "none":
                self._train(log, shop, run)
        self.weights_ = tuned_weights(self._net)
        self.temperature_ = 1 / float(self._net.scale().detach())
        super()._fit(log, shop, run)
        del self._texts

    def _columns(self, shop: Shop) -> list[list[str]]:
        """The fields of the items that are read."""
        wanted = present(shop, parse_fields(self.fields, self.name))
        return [field_texts(shop, name) for name in wanted]

    def learn_order(self, shop: Shop, lists: Lists, updates: int, run: Run) -> None:
        """Learn the order that another ranker gives lists of items of the shop it was fitted on, from where it stands.

        It goes as far as it went before: all of the way, or a share. An encoder that is not tuned learns nothing.
        """
        if self.tuning == "none" or not len(lists.queries) or not updates:
            return
        texts, net = whole(self._columns(shop)), self._net.to(run.device)
        how = Training(
            learning_rate=self.learning_rate or RATES[self.tuning],
            epochs=EVALUATIONS,
            updates=updates,
            weight_decay=self.weight_decay,
            warmup=min(100, 1 + updates // 10),
        )
        start = tuned_weights(net)
        with seeded(run, self.name, "order"):

            def words(read: list[str]) -> dict[str, Any]:
                return words_of(read, self._tokenizer, self.longest)

            self.training_ += teach_order(net, lists, words, texts, how, run)
            draw_back(net, start, self.strength_)
            self.weights_ = tuned_weights(net)
            self.temperature_ = 1 / float(net.scale().detach())
            self.updates_, self.steps_ = self.updates_ + updates, self.steps_ + updates
            self.vectors_ = self._vectors(texts, run)
        self._net = net.cpu()

    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        """Keep the vectors of all items, and the names by which histories are read."""
        with seeded(run, self.name, "items"):
            if self.tuning == "none":
                # As it comes, the encoder is an embedder, whose vectors the run's cache keeps.
                kept = MiniLM(folder=self.model, longest=self.longest)
                self.vectors_ = kept.embed(self._texts, run)
            else:
                self.vectors_ = self._vectors(self._texts, run)
        self.names_ = pl.Series(self._names, dtype=pl.String)
        self._net = self._net.cpu()

    def _build(self, folder: Path, run: Run) -> TextNetwork:
        """Load the encoder, and hang on it what is learned."""
        _, self._tokenizer, encoder = load_encoder(folder, run, WHO)
        for module in encoder.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = self.dropout
        if (
            most := getattr(encoder.config, "max_position_embeddings", self.longest)
        ) < self.longest:
            raise SettingError(
                f"{self.name}: longest is {self.longest}, but the encoder reads at most {most}."
            )
        encoder = tuned(encoder, self.tuning, self.tuning_size, WHO)
        return (
            TextNetwork(encoder, self.temperature, learned=self.tuning != "none")
            .eval()
            .to(run.device)
        )

    def _as_it_comes(self, run: Run) -> TextNetwork:
        """The network before anything is learned."""
        _, _, encoder = load_encoder(encoder_folder(self.model, WHO), run, WHO)
        return TextNetwork(encoder, self.temperature, learned=False).eval().to(run.device)

    def _reading(self) -> Reading:
        return Reading(
            texts=self._texts,
            names=self._names,
            tokenizer=self._tokenizer,
            longest=self.longest,
            history=self.history,
        )

    def layout(self) -> Layout:
        """How pairs are laid out for its training."""
        return Layout(
            learn_from=self.learn_from,
            relevant=self.relevant,
            negatives=self.negatives,
            correct=self.correct,
            epochs=self.epochs,
            batch_size=self.batch_size,
            validation=self.validation,
        )

    def _train(self, log: Log, shop: Shop, run: Run) -> None:
        data = PairData(log, shop, self._reading(), self.layout(), run)
        self._check_there_is_something(data, log)
        self.updates_, self.steps_ = data.updates, 0
        if not data.updates:
            return
        held = data.held_batches()
        how = Training(
            learning_rate=self.learning_rate or RATES[self.tuning],
            epochs=EVALUATIONS,
            updates=data.updates,
            weight_decay=self.weight_decay,
            warmup=min(100, 1 + data.updates // 10),
            patience=self.patience if held else 0,
        )
        net = self._net
        loss = net.anchored(self._as_it_comes(run), self.anchor) if self.anchor else net.loss

        def check() -> float:
            sizes = [len(batch["own"]) for batch in held]
            losses = [
                float(loss({k: _moved(v, run.device) for k, v in batch.items()})) for batch in held
            ]
            return -float(np.average(losses, weights=sizes))

        kept, start = self._checkpoint(data, run), tuned_weights(net)
        self.training_ = train(
            net, data.batches, loss, how, run, check if held else None, checkpoint=kept
        )
        self.steps_ = taken(self.training_)
        self.strength_ = self._strength(data, start, shop, run)
        draw_back(net, start, self.strength_)

    def _strength(
        self, data: PairData, start: dict[str, np.ndarray], shop: Shop, run: Run
    ) -> float:
        """The share of the way that is gone."""
        if self.strength not in ("auto", "agreed"):
            return float(self.strength)
        queries = own_queries(shop) if self.strength == "agreed" else []
        if len(queries) < ENOUGH:
            return 1.0 if data.all.real.any() else UNCHECKED
        return agreed(
            self._net, start, lambda read: self._vectors(read, run), data.texts, queries, run
        )

    def _check_there_is_something(self, data: PairData, log: Log) -> None:
        """Refuse to tune on nothing, rather than to leave the encoder as it is without a word."""
        events = self.learn_from != "judgments" and len(log) > 0
        if not data.queries and not events:
            wanted = "judgments or events" if self.learn_from == "both" else self.learn_from
            raise InputError(
                f"The {WHO} has nothing to learn from: the shop has no {wanted} on known items. Give it some, or take "
                "the encoder as it is with tuning='none'."
            )
        if data.queries and not events and not len(data.all):
            raise InputError(
                f"The {WHO} has nothing to learn from: no judgment reaches the grade relevant={self.relevant}. Lower "
                "it, or take the encoder as it is with tuning='none'."
            )

    def _checkpoint(self, data: PairData, run: Run) -> Path | None:
        """Where this very training keeps its state: by settings, encoder, data, seed and version."""
        pairs = data.all
        spans = () if data.log.span is None else (data.log.span,)
        columns = (
            pairs.request,
            pairs.item,
            pairs.weight,
            pairs.real,
            data.low,
            data.log.item,
            *spans,
        )
        return kept_at(
            run, [self.name, self.settings(), self.base_, data.queries, data.texts], columns
        )

    @cached_property
    def _net(self) -> TextNetwork:
        """The network, built anew from encoder and saved weights where this was restored; sets `_tokenizer`, too."""
        folder = encoder_folder(self.model, WHO)
        if (found := fingerprint(folder)) != self.base_["fingerprint"]:
            raise SourceError(
                f"The {WHO} was fitted on the encoder {self.base_['model']!r} with the fingerprint "
                f"{self.base_['fingerprint']}, but that at {folder} has {found}: put the one it knew back, or fit "
                "it again."
            )
        with seeded(Run(), self.name):
            net = self._build(folder, Run())
        put_weights(net, self.weights_, f"the {WHO}")
        return net

    @cached_property
    def _names(self) -> list[str]:
        """What each item is called in a history."""
        return self.names_.to_list()

    def reader(self) -> tuple[TextNetwork, Any]:
        """What it reads texts with: the network, and what cuts them into pieces."""
        return self._net, self._tokenizer

    def _vectors(self, texts: Sequence[str], run: Run | None = None) -> np.ndarray:
        """Unit vectors of texts, float32 [texts, size]; zeros where there is no word."""
        net, run = self._net, run or Run()
        states = States.by_torch(net.encoder, run)
        return normalised(
            encode(texts, self._tokenizer, states, run, longest=self.longest, batch_size=READ)
        )

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        asked = self._vectors(queries) / np.float32(self.temperature_)
        return np.asarray(asked @ self.vectors_.T, dtype=np.float32)

    def _match_pairs(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        asked, scores = self._vectors(queries) / np.float32(self.temperature_), np.zeros(len(query))
        rows = max(1, BLOCK_BYTES // (8 * asked.shape[1]))
        for start in range(0, len(query), rows):
            part = slice(start, start + rows)
            scores[part] = np.einsum("ij,ij->i", asked[query[part]], self.vectors_[item[part]])
        return scores

    def _texts_of(self, requests: Requests) -> list[str]:
        assert requests.histories is not None
        log, names, said = requests.histories, self._names, super()._texts_of(requests)
        for row, (start, stop) in enumerate(zip(log.offsets[:-1], log.offsets[1:], strict=True)):
            said[row] = said[row] or history_text(log.item[start:stop], names, self.history)
        return said


def _moved(value: Any, device: str) -> Any:
    return (
        {k: v.to(device) for k, v in value.items()} if isinstance(value, dict) else value.to(device)
    )


def whole(columns: Sequence[Sequence[str]]) -> list[str]:
    """What is read of each item: its fields one below the other."""
    return ["\n".join(part for part in parts if part) for parts in zip(*columns, strict=True)]
