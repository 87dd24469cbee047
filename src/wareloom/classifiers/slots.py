"""Slots: which words of a customer's turn say what, by a window of words or by a frozen encoder's vectors of them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Literal, Self

import numpy as np

from wareloom.classifiers.talks import Asks
from wareloom.classifiers.taught import TaughtLearner
from wareloom.classifiers.turns import OUTSIDE, Turns, codes
from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.errors import InputError
from wareloom.language.encoder import States, encoder_folder, load_encoder
from wareloom.neural import torch
from wareloom.neural.training import seeded
from wareloom.shop import Shop

F = torch.nn.functional
WINDOW = (-2, -1, 0, 1, 2)
BUCKETS = 1 << 15
"""Rows of the table of hashed features"""
SIGNS = 4
"""Features of one token: itself, its shape, its beginning, its end"""
HELD = 400
"""Held-back turns that say when to stop, at most"""
WHO = "tagger of slots"


@dataclass(kw_only=True, eq=False)
class SlotTagger(TaughtLearner):
    """Tell the slot of each token: hashed words, shapes and ends of a window of five, in one hidden layer.

    With `seen` minilm a linear layer on what all-MiniLM-L6-v2 (extra `text`) makes of each token in its sentence.
    Training keeps the weights with the best F1 on held-back turns.
    """

    asks: ClassVar[Asks] = "slots"

    seen: Literal["windows", "minilm"] = "windows"
    """What it sees of a token: windows, or minilm."""
    width: Size = 48
    """Numbers that stand for one feature."""
    epochs: Size = 60
    """Passes over the tokens; as often the held-back turns are asked."""
    batch_size: Size = 64
    """Tokens of one update."""
    vectors: dict[str, np.ndarray] = field(default_factory=dict, init=False)
    """What the encoder gave, by text; whoever fits several shares it"""

    def fit(self, shop: Shop, run: Run, held: Shop) -> Self:
        """Learn from customers' turns; raises `InputError` where none has a slot."""
        turns, beside = Turns.of(shop), Turns.of(held, HELD, run)
        labels = turns.flat
        self.classes = [OUTSIDE, *sorted(set(labels) - {OUTSIDE})]
        if len(self.classes) < 2:
            raise InputError("No customer's turn has a slot: there is nothing to learn.")
        place = {name: code for code, name in enumerate(self.classes)}
        x, y = self._seen(turns, run), torch.tensor([place[label] for label in labels])
        asked, truth = self._seen(beside, run), codes(beside.flat, self.classes)
        with seeded(run, "slots", "training"):
            self._net = Network(self.seen, x.shape[1], self.width, len(self.classes), self.dropout)
            self._teach(
                self._net,
                len(y),
                lambda epoch: self._batches(x, y, epoch, run),
                lambda batch: F.cross_entropy(self._net(batch[0]), batch[1]),
                lambda: f1_of(self._told(asked), truth),
                run,
            )
        self.rows_ = len(turns)
        return self

    def _batches(self, x: Any, y: Any, epoch: int, run: Run) -> Iterator[Any]:
        for rows in self._orders(len(y), epoch, run):
            at = torch.from_numpy(rows)
            yield x[at], y[at]

    def _told(self, x: Any) -> np.ndarray:
        found: np.ndarray = self._net(x).numpy()
        return found

    def scores(self, turns: Turns, run: Run) -> np.ndarray:
        """Return what speaks for each of `classes`, the first of which is no slot: float32 [tokens, classes]."""
        with torch.inference_mode():
            return self._told(self._seen(turns, run))

    def _seen(self, turns: Turns, run: Run) -> Any:
        if self.seen == "windows":
            return torch.from_numpy(windows(turns))
        new = [text for text in dict.fromkeys(turns.texts) if text not in self.vectors]
        spans = dict(zip(turns.texts, turns.spans, strict=True))
        for text, states in encoded(new, [spans[text] for text in new], run):
            self.vectors[text] = states
        return torch.from_numpy(np.concatenate([self.vectors[text] for text in turns.texts]))


class Network(torch.nn.Module):  # type: ignore[misc]
    """Sums of features and one hidden layer; on an encoder's vectors one linear layer."""

    def __init__(self, seen: str, inputs: int, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.bag = torch.nn.EmbeddingBag(BUCKETS, width, mode="mean") if seen == "windows" else None
        last = torch.nn.Linear(width if seen == "windows" else inputs, classes)
        between = [torch.nn.ReLU()] if seen == "windows" else []
        self.layers = torch.nn.Sequential(*between, torch.nn.Dropout(dropout), last)

    def forward(self, x: Any) -> Any:
        """Features [tokens, any] → scores [tokens, classes]."""
        return self.layers(x if self.bag is None else self.bag(x) * WINDOW_SCALE)


WINDOW_SCALE = float(np.sqrt(len(WINDOW) * SIGNS))
"""A mean of so many independent features times this has the spread of one"""


def f1_of(told: np.ndarray, truth: np.ndarray) -> float:
    """F1 over tokens of slots; 0 where there is none."""
    said = told.argmax(axis=1)
    right = float(((said == truth) & (truth > 0)).sum())
    whole = float((said > 0).sum() + (truth > 0).sum())
    return 2 * right / whole if whole else 0.0


def windows(turns: Turns) -> np.ndarray:
    """Hashed features of each token and its neighbours: int64 [tokens, window × signs]."""
    rows = []
    for text, spans in zip(turns.texts, turns.spans, strict=True):
        words = [text[start:end] for start, end in spans]
        for at in range(len(words)):
            row = list[int]()
            for offset in WINDOW:
                near = at + offset
                row += _signs(words[near] if 0 <= near < len(words) else "\0", offset)
            rows.append(row)
    return np.array(rows, dtype=np.int64).reshape(-1, len(WINDOW) * SIGNS)


@cache
def _signs(word: str, offset: int) -> list[int]:
    low = word.lower()
    shape = re.sub(r"(.)\1{2,}", r"\1\1", _shape(word))
    return [
        zlib.crc32(f"{offset} {kind} {sign}".encode()) % BUCKETS
        for kind, sign in (("w", low), ("s", shape), ("b", low[:3]), ("e", low[-3:]))
    ]


def _shape(word: str) -> str:
    """ "Ann2" as "Xxx9": capitals, small letters, figures, others."""
    return "".join(
        "9" if sign.isdigit() else "X" if sign.isupper() else "x" if sign.isalpha() else sign
        for sign in word
    )


def encoded(
    texts: Sequence[str], spans: Sequence[Sequence[tuple[int, int]]], run: Run
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each text with vectors of its tokens by all-MiniLM-L6-v2, float32 [tokens, size]: means of their pieces."""
    if not texts:
        return
    _, tokenizer, model = load_encoder(encoder_folder("", WHO), run, WHO)
    states = States.by_torch(model, run)
    order = sorted(range(len(texts)), key=lambda at: len(spans[at]))
    with run.limits():
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            words = [[texts[at][a:b] for a, b in spans[at]] for at in batch]
            given = tokenizer(
                words, is_split_into_words=True, padding=True, truncation=True, max_length=256,
                return_token_type_ids=False, return_tensors="pt",
            )  # fmt: skip
            found = states.of(dict(given)).cpu().numpy()
            for row, at in enumerate(batch):
                made = np.zeros((len(spans[at]), states.size), dtype=np.float32)
                number = np.zeros(len(made))
                for piece, word in enumerate(given.word_ids(row)):
                    if word is not None:
                        made[word] += found[row, piece]
                        number[word] += 1
                yield texts[at], made / np.maximum(number, 1)[:, None].astype(np.float32)
