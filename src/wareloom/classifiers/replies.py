"""Replies: which of several an agent gave, by two small towers over runs of signs."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np

from wareloom.classifiers.talks import Asks
from wareloom.classifiers.taught import TaughtLearner
from wareloom.classifiers.turns import Exchange, exchanges
from wareloom.core.run import Run
from wareloom.core.settings import Positive, Size
from wareloom.errors import InputError
from wareloom.neural import torch
from wareloom.neural.training import seeded
from wareloom.shop import Shop

F = torch.nn.functional
BUCKETS = 1 << 15
"""Rows of the table of hashed runs of signs"""
LONGEST = 120
"""Signs of a side that are read: the last of what came before, the first of a reply"""
EARLIER_COUNTS = 0.5
"""What messages before the last count beside it, untaught"""
FEWEST = 20
"""Pairs below which nothing is learned"""
HELD = 1_000
"""Held-back pairs that say when to stop, at most"""


@dataclass(kw_only=True, eq=False)
class DualEncoder(TaughtLearner):
    """Two towers over runs of one to three signs: what was said before, and a reply; their product is the score.

    Each batch's other replies are what a reply is told from (Henderson et al. 2017). Training keeps the weights with
    which most held-back replies stand first among 32. Few pairs leave much to where a training begins, so that several
    pairs of towers are taught alike and their scores added up (Lakshminarayanan et al. 2017).
    """

    asks: ClassVar[Asks] = "replies"

    epochs: Size = 4
    """Passes over what is learned; as often the held-back ones are asked."""
    members: Size = 3
    """Pairs of towers, each from a beginning of its own."""
    width: Size = 192
    """Numbers of a side's vector."""
    temperature: Positive = 0.05
    """What scores are divided by."""

    def fit(self, shop: Shop, run: Run, held: Shop) -> Self:
        """Learn from all replies that follow a message; raises `InputError` where there are too few."""
        pairs = exchanges(shop)
        if len(pairs) < FEWEST:
            raise InputError(
                f"There are {len(pairs)} replies of agents after a message: {FEWEST} are the fewest that teach."
            )
        asked = [one for one in exchanges(held) if one.final]
        order = run.rng("replies", "held").permutation(len(asked))[:HELD]
        beside = bags([asked[i] for i in order])
        seen = bags(pairs)
        rarity = rarity_of([seen[0], seen[2]])
        self._nets = [
            self._member(number, seen, beside, rarity, run) for number in range(self.members)
        ]
        self.rows_ = len(pairs)
        return self

    def _member(
        self, number: int, seen: list[Bags], beside: list[Bags], rarity: np.ndarray, run: Run
    ) -> Towers:
        """One pair of towers; each takes all updates."""
        run = run.with_(seed=run.seed_for("replies", "member", number)) if number else run
        with seeded(run, "replies", "training"):
            net = Towers(self.width, self.dropout, rarity)
            self._teach(
                net,
                len(seen[0]),
                lambda epoch: self._batches(seen, epoch, run),
                lambda batch: self._loss(net, batch),
                lambda: _first(net, beside),
                run,
            )
        return net

    def _batches(self, seen: list[Bags], epoch: int, run: Run) -> Iterator[Any]:
        for rows in self._orders(len(seen[0]), epoch, run):
            same = seen[2].ids[rows]
            yield *(one.of(rows) for one in seen), torch.from_numpy(same[:, None] == same)

    def _loss(self, net: Towers, batch: Any) -> Any:
        last, before, reply, same = batch
        score = net.asked(last, before) @ net.said(reply).T / self.temperature
        # The same reply elsewhere in a batch is no wrong one.
        score = score.masked_fill(same & ~torch.eye(len(score), dtype=torch.bool), -1e4)
        return F.cross_entropy(score, torch.arange(len(score)))

    def scores(self, asked: Sequence[Exchange], offered: Sequence[Sequence[str]]) -> np.ndarray:
        """Return how well each offered reply fits what was said: float32 [asked, offered], as many for each."""
        found = []
        with torch.inference_mode():
            for start in range(0, len(asked), 256):
                rows = list(range(start, min(start + 256, len(asked))))
                last, before, _ = (
                    one.of(np.arange(len(rows))) for one in bags([asked[i] for i in rows])
                )
                texts = [text for i in rows for text in offered[i]]
                offer = Bags.read(texts, tail=False).of(np.arange(len(texts)))
                total = torch.zeros(())
                for net in self._nets:
                    said = net.said(offer).reshape(len(rows), -1, self.width)
                    total = total + (said @ net.asked(last, before)[:, :, None])[:, :, 0]
                found.append(total.numpy())
        return np.concatenate(found)


def _first(net: Towers, beside: list[Bags], among: int = 32) -> float:
    """Share of held-back replies that stand first among their neighbours' in a row."""
    right = number = 0
    for start in range(0, len(beside[0]) - 1, among):
        rows = np.arange(start, min(start + among, len(beside[0])))
        last, before, reply = (one.of(rows) for one in beside)
        score = net.asked(last, before) @ net.said(reply).T
        right += int((score.argmax(dim=1) == torch.arange(len(rows))).sum())
        number += len(rows)
    return right / max(1, number)


@dataclass(frozen=True)
class Bags:
    """Texts as hashed runs of signs, one behind the other."""

    flat: np.ndarray
    offsets: np.ndarray
    """int64 [texts + 1]"""
    ids: np.ndarray
    """int64 [texts], alike for texts that are the same"""

    @classmethod
    def read(cls, texts: Sequence[str], *, tail: bool) -> Bags:
        """Hash texts, of long ones their last signs or their first."""
        cut = [text[-LONGEST:] if tail else text[:LONGEST] for text in texts]
        runs = [runs_of(text) for text in cut]
        offsets = np.concatenate([[0], np.cumsum([len(one) for one in runs])]).astype(np.int64)
        ids = np.array([zlib.crc32(text.encode()) for text in cut], dtype=np.int64)
        return cls(np.concatenate(runs) if runs else np.zeros(0, np.int64), offsets, ids)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, rows: np.ndarray) -> tuple[Any, Any]:
        """The runs of some texts, and where each begins."""
        parts = [self.flat[self.offsets[i] : self.offsets[i + 1]] for i in rows.tolist()]
        starts = np.concatenate([[0], np.cumsum([len(one) for one in parts])[:-1]])
        return torch.from_numpy(np.concatenate(parts)), torch.from_numpy(starts.astype(np.int64))


def bags(pairs: Sequence[Exchange]) -> list[Bags]:
    """Last messages, those before, and replies."""
    return [
        Bags.read([one.last for one in pairs], tail=True),
        Bags.read([one.before for one in pairs], tail=True),
        Bags.read([one.reply for one in pairs], tail=False),
    ]


@lru_cache(maxsize=200_000)
def runs_of(text: str) -> np.ndarray:
    """Hashes of the runs of one to three signs of a text, one at least: int64."""
    plain = f"\x02{' '.join(text.lower().split())}\x03"
    found = [
        zlib.crc32(plain[i : i + size].encode()) % BUCKETS
        for size in (1, 2, 3)
        for i in range(len(plain) - size + 1)
    ]
    return np.array(found, dtype=np.int64)


class Towers(torch.nn.Module):  # type: ignore[misc]
    """One table of runs, a layer for each side. Untaught, a score is the overlap of runs, as rare as they are."""

    def __init__(self, width: int, dropout: float, rarity: np.ndarray) -> None:
        """`rarity`: float32 [buckets], what a run counts."""
        super().__init__()
        self.bag = torch.nn.EmbeddingBag(BUCKETS, width, mode="sum")
        self.register_buffer("rarity", torch.from_numpy(rarity))
        self.drop = torch.nn.Dropout(dropout)
        self.context = torch.nn.Linear(2 * width, width)
        self.reply = torch.nn.Linear(width, width)
        # Random vectors of runs are nearly at right angles: sums of them agree as far as the runs do.
        same = torch.eye(width)
        with torch.no_grad():
            self.context.weight.copy_(torch.cat([same, EARLIER_COUNTS * same], dim=1))
            self.reply.weight.copy_(same)
            self.context.bias.zero_()
            self.reply.bias.zero_()

    def asked(self, last: Any, before: Any) -> Any:
        """Vectors of length 1 of what was said before [texts, width]."""
        both = torch.cat([self._of(last), self._of(before)], dim=1)
        return F.normalize(self.context(both), dim=1)

    def said(self, reply: Any) -> Any:
        """Vectors of length 1 of replies [texts, width]."""
        return F.normalize(self.reply(self._of(reply)), dim=1)

    def _of(self, bag: Any) -> Any:
        runs, starts = bag
        return self.drop(
            F.normalize(self.bag(runs, starts, per_sample_weights=self.rarity[runs]), dim=1)
        )


def rarity_of(sides: Sequence[Bags]) -> np.ndarray:
    """What each hashed run counts, float32 [buckets]: the fewer texts have it, the more."""
    texts, held = 0, np.zeros(BUCKETS)
    for side in sides:
        texts += len(side)
        owner = np.repeat(np.arange(len(side)), np.diff(side.offsets))
        pairs = np.unique(owner * BUCKETS + side.flat)
        held += np.bincount(pairs % BUCKETS, minlength=BUCKETS)
    return np.log1p((texts - held + 0.5) / (held + 0.5)).clip(0).astype(np.float32)
