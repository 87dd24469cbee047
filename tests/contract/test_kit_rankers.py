"""The contract kit itself: it passes a class of somebody's own, and names the law that a broken one breaks."""

from __future__ import annotations

import importlib
import itertools
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from wareloom.core.family import FAMILIES
from wareloom.testing import check, laws_of
from wareloom.testing import laws as kit

Load = Callable[[str], ModuleType]
NUMBER = itertools.count()

RANKER = '''
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from wareloom.core.run import Run
from wareloom.rankers import Ranker
from wareloom.rankers.history import popularity, recency, tail
from wareloom.rankers.neighbourhood import sum_rows


@dataclass(kw_only=True, eq=False)
class Follows(Ranker):
    """Count what follows what, and add the counts up over the latest events."""

    laws: ClassVar[frozenset[str]] = frozenset(
        {"moved by history", "strangers get the popular", "weighted users"}
    )
    random: ClassVar[bool] = False

    last: int = 5
    """Events of the history that count."""

    def _fit(self, log, shop, run):
        self.popularity_ = popularity(log)
        self.follows_ = self._counts(log, run)

    def _counts(self, log, run):
        found = np.zeros((len(log.items), len(log.items)), dtype=np.float32)
        pair = np.flatnonzero(np.diff(log.user) == 0)
        weight = np.sqrt(log.weight[pair] * log.weight[pair + 1])
        np.add.at(found, (log.item[pair], log.item[pair + 1]), weight)
        return found

    def _score(self, requests):
        found = sum_rows(recency(requests.histories, 0.5, self.last), self.follows_)
        return np.where(found > 0, found, tail(self.popularity_))
'''
RANKER_MUTANTS = {
    "the same seed": """
        def _counts(self, log, run):
            noise = np.random.default_rng().random((len(log.items), 1))
            return super()._counts(log, run) + noise.astype(np.float32)
    """,
    "saved and restored": """
        def _fit(self, log, shop, run):
            super()._fit(log, shop, run)
            self._hidden, self.follows_ = self.follows_, self.follows_ * 0

        def _score(self, requests):
            table = getattr(self, "_hidden", self.follows_)
            found = sum_rows(recency(requests.histories, 0.5, self.last), table)
            return np.where(found > 0, found, tail(self.popularity_))
    """,
    "fitted anew": """
        def _counts(self, log, run):
            return super()._counts(log, run) + getattr(self, "follows_", 0)
    """,
    "any number of threads": """
        def _counts(self, log, run):
            return super()._counts(log, run) * np.float32(run.cores)
    """,
    "its input stays": """
        def _fit(self, log, shop, run):
            super()._fit(log, shop, run)
            next(v for v in vars(log).values() if isinstance(v, np.ndarray) and v.flags.writeable)[:] = 0
    """,
    "scores are new": """
        def _score(self, requests):
            self._kept = getattr(self, "_kept", {})
            key = requests.histories.item.tobytes()
            return self._kept.setdefault(key, super()._score(requests))
    """,
    "a batch scores as each alone": """
        def _score(self, requests):
            found = super()._score(requests)
            return found - found.mean(axis=0)
    """,
    "strangers are served": """
        def _score(self, requests):
            found = super()._score(requests)
            found[requests.histories.lengths() == 0] = np.nan
            return found
    """,
    "strangers get the popular": """
        def _score(self, requests):
            found = super()._score(requests)
            found[requests.histories.lengths() == 0] *= -1
            return found
    """,
    "moved by history": """
        def _score(self, requests):
            return np.tile(tail(self.popularity_), (len(requests), 1))
    """,
    "weighted users": """
        def _counts(self, log, run):
            return super()._counts(replace(log, weight=np.sign(log.weight)), run)
    """,
    "an empty log is refused": """
        def fit(self, shop, run=None, *, log=None):
            try:
                return super().fit(shop, run, log=log)
            except ValueError:
                return self
    """,
    "asks for fit first": """
        def check_fitted(self):
            pass
    """,
    "events of no weight do no harm": """
        def _counts(self, log, run):
            found = super()._counts(log, run)
            return found / np.float32(0 if (log.weight == 0).any() else 1)
    """,
    "small logs": """
        def _score(self, requests):
            found = super()._score(requests)
            return found if self.popularity_.sum() > 1 else found * np.nan
    """,
    "ranks without the seen": """
        def rank(self, requests, k=10, *, exclude_seen=True):
            return super().rank(requests, k, exclude_seen=False)
    """,
    "candidates are columns": """
        def score(self, requests, items=None):
            found = super().score(requests, items)
            return found if items is None else found[:, ::-1]
    """,
    "unknown items are passed over": """
        def score(self, requests, items=None):
            found = super().score(requests, items)
            known = requests.histories is None or requests.histories.items.ids.is_in(self.items_.to_list()).all()
            return found if known else found + 1
    """,
    "every setting is documented": """
        silent: int = 1
    """,
    "settings go round": """
        def settings(self):
            return {**super().settings(), "last": self.last + 1}
    """,
}
METRIC = '''
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import ClickMetric, Predicted, Ranked, RequestMetric, share, weighted_mean


@dataclass(kw_only=True, eq=False)
class AmongFive(RequestMetric):
    """Share of requests with a relevant item among the first five."""

    def per_request(self, ranked):
        return share(ranked.hits(5) > 0, ranked.relevant > 0)


@dataclass(kw_only=True, eq=False)
class Distance(ClickMetric):
    """Mean distance between the probability and what happened."""

    laws: ClassVar[frozenset[str]] = frozenset({"refuses what is no click"})

    def per_row(self, predicted):
        return np.abs(predicted.clicks().value - predicted.label)

    def measure(self, predicted):
        return weighted_mean(self.per_row(predicted), predicted.weight)
'''
METRIC_MUTANTS = [
    ("AmongFive", "a mean is that of its requests", """
        def measure(self, ranked):
            return float(np.nanmedian(self.per_request(ranked))) if len(ranked) else 0.0
    """),
    ("AmongFive", "the order of requests does not matter", """
        def per_request(self, ranked):
            return super().per_request(ranked) * np.arange(len(ranked))
    """),
    ("AmongFive", "nothing ranked raises nothing", """
        def measure(self, ranked):
            return super().measure(ranked) + 1 / len(ranked) * 0
    """),
    ("AmongFive", "its input stays", """
        def per_request(self, ranked):
            found = super().per_request(ranked)
            ranked.grade[:] = 1.5
            return found
    """),
    ("Distance", "weighted rows", """
        def measure(self, predicted):
            found = self.per_row(predicted)
            return float(found.mean()) if len(found) else float("nan")
    """),
    ("Distance", "a mean is that of its rows", """
        def per_row(self, predicted):
            return super().per_row(predicted) + 1

        def measure(self, predicted):
            return super().measure(predicted) - 1.5
    """),
    ("Distance", "the truth is better than its opposite", """
        higher_is_better: ClassVar[bool] = True
    """),
    ("Distance", "nothing predicted is not defined", """
        def measure(self, predicted):
            return super().measure(predicted) if len(predicted) else 0.0
    """),
    ("Distance", "refuses what is no click", """
        def per_row(self, predicted):
            return np.abs(predicted.value - predicted.label)
    """),
]  # fmt: skip
RERANKER = '''
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.core.settings import NonNegative
from wareloom.reranking import Reranker, greedy


@dataclass(kw_only=True, eq=False)
class CheapFirst(Reranker):
    """Take next the item with the highest score less `weight` times its price."""

    faithful: ClassVar[Mapping[str, Any]] = {"weight": 0.0}

    weight: NonNegative = 0.01
    """What a unit of money costs of the scores."""

    def _rerank(self, lists, catalogue, k):
        price = np.nan_to_num(catalogue.number("price"))[np.maximum(lists.item, 0)]
        worth = lists.relevance() - self.weight * price
        return greedy(lists, k, lambda place: worth, lambda place, chosen: None)
'''
RERANKER_MUTANTS = {
    "an order names each place once": """
        def _rerank(self, lists, catalogue, k):
            return np.where(lists.item[:, :k] >= 0, 0, -1).astype(np.int64)
    """,
    "where scores alone count the order stays": """
        faithful: ClassVar[Mapping[str, Any]] = {"weight": 1.0}
    """,
    "it moves something": """
        weight: NonNegative = 0.0
        \"\"\"Nothing.\"\"\"
    """,
    "its input stays": """
        def rerank(self, lists, catalogue, k=10):
            found = super().rerank(lists, catalogue, k)
            lists.score[:] -= 1
            return found
    """,
    "a batch is ordered as each alone": """
        def _rerank(self, lists, catalogue, k):
            found = super()._rerank(lists, catalogue, k)
            return found if self.weight == 0 or len(lists) == 1 else found[:, ::-1]
    """,
    "the unit of the scores does not matter": """
        def _rerank(self, lists, catalogue, k):
            price = np.nan_to_num(catalogue.number("price"))[np.maximum(lists.item, 0)]
            worth = lists.score - self.weight * price
            return greedy(lists, k, lambda place: worth, lambda place, chosen: None)
    """,
    "short and empty lists": """
        def _rerank(self, lists, catalogue, k):
            return np.abs(super()._rerank(lists, catalogue, k))
    """,
    "a wrong call is answered": """
        def rerank(self, lists, catalogue, k=10):
            return super().rerank(lists, catalogue, max(k, 1))
    """,
}


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Write a module of somebody's own where Python finds it, and import it."""
    monkeypatch.syspath_prepend(tmp_path)

    def written(source: str) -> ModuleType:
        name = f"somebody_{next(NUMBER)}"
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return written


def mutant(source: str, of: str, change: str) -> str:
    """The module with a class `Broken`, which is class `of` but for a change."""
    head = f'@dataclass(kw_only=True, eq=False)\nclass Broken({of}):\n    """As above, but for one thing."""\n'
    return f"{source}\n\n{head}{textwrap.indent(textwrap.dedent(change), '    ')}"


@pytest.mark.parametrize(
    ("source", "name"),
    [(RANKER, "Follows"), (METRIC, "AmongFive"), (METRIC, "Distance"), (RERANKER, "CheapFirst")],
)
def test_a_class_of_somebodys_own_passes(source: str, name: str, load: Load) -> None:
    check(getattr(load(source), name))


BROKEN = [
    *[(RANKER, "Follows", law, change) for law, change in RANKER_MUTANTS.items()],
    *[(METRIC, of, law, change) for of, law, change in METRIC_MUTANTS],
    *[(RERANKER, "CheapFirst", law, change) for law, change in RERANKER_MUTANTS.items()],
]


@pytest.mark.parametrize(
    ("source", "of", "law", "change"), BROKEN, ids=[f"{of}: {law}" for _, of, law, _ in BROKEN]
)
def test_a_broken_class_is_told_which_law_it_breaks(
    source: str, of: str, law: str, change: str, load: Load
) -> None:
    broken = load(mutant(source, of, change)).Broken
    with pytest.raises(AssertionError, match=f"Broken breaks the law '{law}'"):
        check(broken)


HEADER = """
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import NonNegative
from wareloom.metrics import Ranked, RequestMetric, share
from wareloom.metrics.likeness.measure import Counted, Counts, fixed
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.neural import torch
from wareloom.rankers import Ranker
from wareloom.rankers.clicks.base import ClickRanker
from wareloom.rankers.clicks.network import ClickNetwork, Fields
from wareloom.rankers.search.base import SearchRanker, scaled
from wareloom.rankers.search.members import Members
from wareloom.rankers.sequence.base import SequenceRanker
from wareloom.reranking import Catalogue, Lists, Reranker, greedy
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.schema import EVENTS
"""


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("wareloom.rankers:Ranker", "Reach"),
        ("wareloom.rankers.clicks.base:ClickRanker", "ByItem"),
        ("wareloom.rankers.clicks.network:ClickNetwork", "Linear"),
        ("wareloom.rankers.search.base:SearchRanker", "Mentions"),
        ("wareloom.rankers.search.members:Members", "Highest"),
        ("wareloom.rankers.sequence.base:SequenceRanker", "MeanOfHistory"),
        ("wareloom.metrics:Metric", "FirstIsRight"),
        ("wareloom.metrics.likeness.measure:Measure", "Kinds"),
        ("wareloom.reranking:Reranker", "CheapFirst"),
    ],
)
def test_the_example_of_a_base_keeps_the_contract(base: str, name: str, load: Load) -> None:
    """As it stands in the docstring, with public names alone."""
    module, _, cls = base.partition(":")
    lines = (getattr(importlib.import_module(module), cls).__doc__ or "").splitlines()[1:]
    code = [line for line in lines if line.startswith(" " * 8) or not line.strip()]
    example = textwrap.dedent("\n".join(code)).replace("'''", '"""')
    check(getattr(load(f"{HEADER}\n\n{example}\n"), name))


def test_a_law_that_there_is_not_is_named(load: Load) -> None:
    change = 'laws: ClassVar[frozenset[str]] = frozenset({"moved by hisotry"})'
    with pytest.raises(AssertionError, match=r"names \['moved by hisotry'\]; the further laws are"):
        check(load(mutant(RANKER, "Follows", change)).Broken)


def test_a_metric_says_what_it_judges(load: Load) -> None:
    change = 'judges: ClassVar[str] = "everything"'
    with pytest.raises(AssertionError, match="judges is 'everything'; give one of rankings"):
        check(load(mutant(METRIC, "Distance", change)).Broken)


@pytest.mark.parametrize("kind", ["ranker", "metric", "reranker"])
def test_every_law_says_what_it_asks_for(kind: str) -> None:
    family = FAMILIES[kind]
    for name in family.names():
        cls = family.load(name)
        for law in laws_of(cls).values():
            assert (law.__doc__ or "").strip().endswith("."), law


def test_what_quick_settings_name_is_made() -> None:
    class Quick(FAMILIES["ranker"].load("popularity")):  # type: ignore[misc]
        quick = {"model": "<encoder>", "last": 3}  # noqa: RUF012

    made = kit.quick(Quick)
    assert (Path(made["model"]) / "config.json").exists()
    assert made["last"] == 3
