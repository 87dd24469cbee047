"""Whether synthetic utterances teach intents of which a shop has a few real ones: arms, paired intervals, a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from wareloom.classifiers.words import Seen, TextClassifier
from wareloom.core.run import Run
from wareloom.core.settings import Positive, Settings, Size
from wareloom.errors import InputError
from wareloom.shop import Shop
from wareloom.shop.schema import CUSTOMER, REAL
from wareloom.stats.bootstrap import combine
from wareloom.synthesis.dialogues.utterances import Utterance, edited_utterances, made_utterances

REAL_ONLY, REPEATED, EDITED, MADE, MADE_ONLY = (
    "real",
    "real + repeat",
    "real + edits",
    "real + synthetic",
    "synthetic only",
)
FEATURES, FEATURES_EDITED, FEATURES_MADE = (
    "MiniLM, real",
    "MiniLM, real + edits",
    "MiniLM, real + synthetic",
)
ARMS = (REAL_ONLY, REPEATED, EDITED, MADE, MADE_ONLY)
MEASURES = ("accuracy", "macro_f1")
GOALS = {5: 0.05, 10: 0.02}
"""What synthetic utterances have to bring over the best control, by real utterances an intent"""
REPLICATES = 400
TUNED_ON = 2
"""Draws that the penalty is chosen on"""


@dataclass(frozen=True, kw_only=True)
class IntentSettings(Settings):
    """What is proved of intents, and how hard."""

    shots: tuple[int, ...] = (5, 10)
    """Real utterances of each intent that an arm is shown."""
    times: Size = 4
    """New utterances for each real one, in every arm that adds some."""
    draws: Size = 10
    """Draws of the real utterances."""
    unlabelled: bool = True
    """Whether synthetic utterances take beginnings from the texts that an arm's utterances are drawn from, whose
    intents they are not told."""
    fewest: Size = 40
    """Different utterances below which an intent is left out."""
    most: Size = 2_000
    """Utterances of the test part, and half as many of the validation part, at most."""
    penalties: tuple[Positive, ...] = (1.0, 10.0, 100.0)
    """Weights of the loss that are tried; each arm takes its best on the validation part."""
    features: bool = True
    """Whether a frozen sentence encoder stands beside, which needs the extra `text`."""

    def _owner(self) -> str:
        return "IntentSettings"


@dataclass(frozen=True)
class IntentProof:
    """What was found, by number of real utterances."""

    rows: tuple[dict[str, Any], ...]
    """shots, arm, measure, mean over draws"""
    differences: tuple[dict[str, Any], ...]
    """shots, of, against, measure, mean, low, high: an arm with synthetic utterances less another arm, paired"""
    verdicts: Mapping[int, str]
    """helps, embedding suffices, helps the embedding, or no evidence"""
    about: Mapping[str, Any]

    def __str__(self) -> str:
        return "; ".join(f"at {shots} an intent: {said}" for shots, said in self.verdicts.items())

    @property
    def data(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "about": dict(self.about),
            "arms": list(self.rows),
            "differences": list(self.differences),
            "verdicts": {str(k): v for k, v in self.verdicts.items()},
        }


@dataclass(frozen=True)
class _Parts:
    pool: dict[str, list[Utterance]]
    validation: list[Utterance]
    test: list[Utterance]
    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    """What the encoder gave"""


def prove_intents(
    shop: Shop, settings: IntentSettings | None = None, run: Run | None = None
) -> IntentProof:
    """Train one classifier on every arm's utterances, and judge all on the same held-out real ones.

    Texts are taken once, and divided intent by intent: 40 % test, 20 % validation, the rest to draw from. An arm's
    weights sum to those of the others that add rows: repeated ones weigh as much as edited ones. Intervals hold over
    draws and test utterances. Raises `InputError` where fewer than two intents have enough utterances.
    """
    settings, run = settings or IntentSettings(), run or Run()
    parts = _parted(shop, settings, run)
    seen: list[tuple[str, str, Seen]] = [(arm, arm, "tfidf") for arm in ARMS]
    if settings.features:
        arms = {FEATURES: REAL_ONLY, FEATURES_EDITED: EDITED, FEATURES_MADE: MADE}
        seen += [(label, arm, "minilm") for label, arm in arms.items()]
    rows, differences, verdicts = list[dict[str, Any]](), list[dict[str, Any]](), dict[int, str]()
    chosen: dict[str, dict[str, float]] = {}
    for shots in settings.shots:
        drawn = [_draw(parts, shots, settings, run, draw) for draw in range(settings.draws)]
        said: dict[str, list[list[str]]] = {}
        with run.task(f"{shots} an intent", len(seen)) as advance:
            for label, arm, kind in seen:
                c = _penalty([one[arm] for one in drawn[:TUNED_ON]], kind, parts, settings, run)
                chosen.setdefault(str(shots), {})[label] = c
                said[label] = [_said(one[arm], kind, c, parts, parts.test, run) for one in drawn]
                advance()
        found = _Measured(said, [one.intent for one in parts.test], run.rng("intents", shots))
        for label, means in found.mean.items():
            rows += [
                {"shots": shots, "arm": label, "measure": m, "mean": float(v)}
                for m, v in zip(MEASURES, means.mean(axis=0), strict=True)
            ]
        pairs = [(MADE, label) for label in said if label != MADE]
        if settings.features:
            pairs += [(FEATURES_MADE, FEATURES), (FEATURES_MADE, FEATURES_EDITED)]
        own = [d | {"shots": shots} for of, less in pairs for d in found.less(less, of)]
        differences += own
        verdicts[shots] = verdict_of(rows, own, shots)
    about = {
        "intents": len(parts.pool),
        "pool": sum(map(len, parts.pool.values())),
        "validation": len(parts.validation),
        "test": len(parts.test),
        "draws": settings.draws,
        "times": settings.times,
        "penalties": chosen,
    }
    return IntentProof(tuple(rows), tuple(differences), verdicts, about)


def verdict_of(
    rows: Sequence[Mapping[str, Any]], differences: Sequence[Mapping[str, Any]], shots: int
) -> str:
    """Say what macro-F1 says: "helps" by the goal over the better control, and over the encoder where there is one.

    Where the encoder is ahead, synthetic utterances may still help what it gives: over it alone, and with edits.
    """
    beside = [d for d in differences if d.get("of", MADE) == FEATURES_MADE]
    differences = [d for d in differences if d.get("of", MADE) == MADE]
    mean = {r["arm"]: r["mean"] for r in rows if r["shots"] == shots and r["measure"] == "macro_f1"}
    by = {d["against"]: d for d in differences if d["measure"] == "macro_f1"}
    best = max((REPEATED, EDITED), key=lambda arm: mean[arm])
    less = by[best]
    if FEATURES in by and (by[FEATURES]["low"] is None or by[FEATURES]["low"] <= 0):
        added = [d["low"] for d in beside if d["measure"] == "macro_f1"]
        if added and all(low is not None and low > 0 for low in added):
            return "helps the embedding"
        return (
            "embedding suffices"
            if less["low"] and less["low"] > 0
            else "no evidence, and an embedding is as good"
        )
    if less["low"] is None or less["low"] <= 0:
        return "no evidence"
    short = less["mean"] < GOALS.get(shots, 0.0)
    return "helps, less than the goal" if short else "helps"


def _parted(shop: Shop, settings: IntentSettings, run: Run) -> _Parts:
    """Different texts by intent, divided; a text that stands for several intents has the one it stands for most."""
    if not shop.has("dialogues", "intent"):
        raise InputError(
            "A proof of intents needs dialogues with intents (wareloom read SOURCE --as bitext)."
        )
    table = shop.table("dialogues").filter(
        (pl.col("role") == CUSTOMER) & pl.col("text").is_not_null() & pl.col("intent").is_not_null()
    )
    if "origin" in table.columns:
        table = table.filter(pl.col("origin") == REAL)
    slots = table["slots"].to_list() if "slots" in table.columns else [None] * len(table)
    counts: dict[str, Counter[str]] = {}
    first: dict[str, Utterance] = {}
    for text, intent, own in zip(table["text"], table["intent"], slots, strict=True):
        key = " ".join(text.lower().split())
        counts.setdefault(key, Counter())[intent] += 1
        first.setdefault(key, Utterance(text, intent, tuple(own or ())))
    groups: dict[str, list[Utterance]] = {}
    for key, one in first.items():
        intent = max(sorted(counts[key]), key=lambda name: counts[key][name])
        groups.setdefault(intent, []).append(replace(one, intent=intent))
    kept = {n: own for n, own in sorted(groups.items()) if len(own) >= settings.fewest}
    if len(kept) < 2:
        raise InputError(
            f"A proof of intents needs two intents of {settings.fewest} different utterances or more; of {len(groups)} "
            f"there are {len(kept)}. Lower fewest, or read more."
        )
    rng, parts = run.rng("intents", "parts"), _Parts({}, [], [])
    for name, own in kept.items():
        mixed = [own[i] for i in rng.permutation(len(own))]
        test, validation = round(0.4 * len(own)), round(0.6 * len(own))
        parts.test.extend(mixed[:test])
        parts.validation.extend(mixed[test:validation])
        parts.pool[name] = mixed[validation:]
    if short := [n for n, own in parts.pool.items() if len(own) < max(settings.shots)]:
        raise InputError(
            f"The intent {short[0]!r} has {len(parts.pool[short[0]])} utterances to draw from, fewer than the "
            f"{max(settings.shots)} of shots: raise fewest or lower shots."
        )
    for own, most in ((parts.test, settings.most), (parts.validation, settings.most // 2)):
        if len(own) > most:
            own[:] = [own[i] for i in np.sort(rng.permutation(len(own))[:most])]
    return parts


Rows = tuple[list[Utterance], np.ndarray]


def _draw(
    parts: _Parts, shots: int, settings: IntentSettings, run: Run, draw: int
) -> dict[str, Rows]:
    """Every arm's utterances and weights of one draw."""
    rng = run.rng("intents", "draw", shots, draw)
    real = [own[i] for own in parts.pool.values() for i in rng.permutation(len(own))[:shots]]
    beside = [one.text for own in parts.pool.values() for one in own] if settings.unlabelled else []
    made = made_utterances(real, settings.times, run.rng("intents", "made", shots, draw), beside)
    edited = edited_utterances(real, settings.times, run.rng("intents", "edits", shots, draw))

    def even(rows: list[Utterance], weight: float = 1.0) -> Rows:
        return rows, np.full(len(rows), weight)

    return {
        REAL_ONLY: even(real),
        REPEATED: even(real, 1.0 + settings.times),
        EDITED: even([*real, *edited]),
        MADE: even([*real, *made]),
        MADE_ONLY: even(made, (1.0 + settings.times) / settings.times),
    }


def _said(
    rows: Rows, kind: Seen, c: float, parts: _Parts, asked: Sequence[Utterance], run: Run
) -> list[str]:
    texts, labels = [one.text for one in rows[0]], [one.intent for one in rows[0]]
    model = TextClassifier(kind, c, parts.vectors).fit(texts, labels, rows[1], run)
    return model.predict([one.text for one in asked], run)


def _penalty(
    drawn: Sequence[Rows], kind: Seen, parts: _Parts, settings: IntentSettings, run: Run
) -> float:
    """The weight of the loss with the best accuracy on the validation part."""
    truth = [one.intent for one in parts.validation]

    def reached(c: float) -> float:
        right = [
            np.mean(
                [
                    a == b
                    for a, b in zip(
                        _said(one, kind, c, parts, parts.validation, run), truth, strict=True
                    )
                ]
            )
            for one in drawn
        ]
        return float(np.mean(right))

    if len(settings.penalties) == 1:
        return settings.penalties[0]
    return max(settings.penalties, key=reached)


class _Measured:
    """Accuracy and macro-F1 of every arm and draw, on all test utterances and on bootstrap draws of them."""

    def __init__(
        self,
        said: Mapping[str, Sequence[Sequence[str]]],
        truth: Sequence[str],
        rng: np.random.Generator,
    ) -> None:
        self.classes = sorted(set(truth))
        self.size = len(truth)
        known = np.array(truth)
        self.of = np.stack([known == name for name in self.classes], axis=1).astype(np.float32)
        ones = np.ones((1, len(truth)), dtype=np.float32)
        counts = rng.poisson(1.0, (REPLICATES, len(truth))).astype(np.float32)
        self.mean = {label: self._values(own, known, ones)[:, 0] for label, own in said.items()}
        """By arm: float [draws, measures]"""
        self.drawn = {
            label: self._values(own, known, counts).mean(axis=0) for label, own in said.items()
        }
        """By arm: float [replicates, measures]"""

    def _values(
        self, draws: Sequence[Sequence[str]], truth: np.ndarray, counts: np.ndarray
    ) -> np.ndarray:
        found = []
        for own in draws:
            called = np.array(own)
            said = np.stack([called == name for name in self.classes], axis=1).astype(np.float32)
            right = counts @ (said * self.of)
            both = counts @ (said + self.of)
            f1 = np.where(both > 0, 2 * right / np.maximum(both, 1e-9), 0.0).mean(axis=1)
            accuracy = right.sum(axis=1) / counts.sum(axis=1)
            found.append(np.stack([accuracy, f1], axis=1))
        return np.stack(found).astype(np.float64)

    def less(self, label: str, of: str = MADE) -> list[dict[str, Any]]:
        """What an arm reaches less what another one does, draw by draw on the same utterances."""
        own = self.mean[of] - self.mean[label]
        drawn = self.drawn[of] - self.drawn[label]
        found = []
        for place, measure in enumerate(MEASURES):
            mean = float(own[:, place].mean())
            one = combine(mean, drawn[:, place], own[:, place], requests=self.size)
            found.append(
                {
                    "of": of,
                    "against": label,
                    "measure": measure,
                    "mean": one.mean,
                    "low": one.low,
                    "high": one.high,
                }
            )
        return found
