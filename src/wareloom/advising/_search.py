"""Advice for search: the best ranker of queries, and what synthetic queries add to it, where queries are judged."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import polars as pl

from wareloom.advising._desk import Desk
from wareloom.advising._search_tries import KINDS, READS, Written, reader_queries
from wareloom.bundle import write_bundle
from wareloom.core.family import RANKERS
from wareloom.errors import MissingExtraError, WareloomError
from wareloom.evaluation.judged_items import QueryTask
from wareloom.experiment.engine import Bench, address_of
from wareloom.experiment.plan import REAL
from wareloom.experiment.result import Proof
from wareloom.experiment.study import Cell
from wareloom.preparing.splits import Split, SplitSettings, split, together
from wareloom.proof.prove import prove
from wareloom.proof.search import QueryProofSettings, Search
from wareloom.rankers.search.base import SearchRanker
from wareloom.recipe.load import Recipe
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop

METRIC = "ndcg@10, all items"
BM25, RUNS = "bm25", ("bm25", "bm25_runs")
ASKED, TIMED = 600, (64, 320)
"""Queries of the validation part that choosing asks, at most; titles by which the encoder is timed"""
FEW = 60
"""Judged queries below which nothing can be told"""
PROOF, WRITTEN = 9.0, 0.4
"""Fits that a proof with one seed takes, with what is tried before it; share of what is left that synthesizers of
queries may take"""
PART = {"encoder": 0.6, "choose": 0.8}
"""Shares of what is left that reading all titles once may take, and that all choosing may"""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A ranker of search that is tried."""

    label: str
    ranker: str
    settings: dict[str, Any]
    taught: bool = False
    """Whether it learns from judgments"""
    reader: bool = False
    """Whether a cross-encoder reads the best items"""


class SearchAdvice:
    """Search on one shop."""

    def __init__(self, shop: Shop, desk: Desk, seconds: float) -> None:
        """`seconds`: how long all of it may take."""
        keep = ("items", "judgments", "searches")
        self.shop = shop.with_tables(**{n: None for n in shop.names if n not in keep}).in_memory()
        self.desk, self.ends = desk, desk.clock.spent + seconds
        self.judged = self._queries()
        self.parts: Split | None = None
        self.generator = Generator(synthesizer=KINDS[0], screens=())
        """What writes queries in the proof"""
        self.title = 0.0
        """Seconds in which the encoder reads a title"""

    @property
    def left(self) -> float:
        """Seconds that are left for it."""
        return min(self.desk.clock.left, self.ends - self.desk.clock.spent)

    def _queries(self) -> int:
        if not self.shop.rows("judgments"):
            return 0
        return int(self.shop.scan("judgments").select(pl.col("query").n_unique()).collect().item())

    def run(self) -> dict[str, Any]:
        """Choose a ranker, prove what synthetic queries add where queries are judged, and keep the model."""
        told: dict[str, Any] = {"queries": self.judged, "trials": [], "proof": None, "test": None}
        encodes = self._encodes(told)
        every = self._every(encodes)
        if self.judged < FEW:
            best = every[-1]
            return told | self._kept(best, None) | {"judged": False}
        self.parts = split(self.shop, SplitSettings(by="query"), None, self.desk.cells)
        value: dict[str, float] = {}
        for one in every:
            name = f"search: {one.label}"
            self.desk.say(name)
            trial = self.desk.kept(
                f"search-{_called(one)}",
                partial(self._trial, one, name),
            )
            if trial:
                value[one.label] = trial["value"]
                told["trials"].append(trial)
        if not value:
            return told | self._kept(every[0], None) | {"judged": False}
        best = max((one for one in every if one.label in value), key=lambda one: value[one.label])
        took = {t["label"]: float(t["seconds"]) for t in told["trials"]}
        taught = [one for one in every if one.taught and one.label in value]
        taught.sort(key=lambda one: -value[one.label])
        # A proof of a lighter ranker that learns says more than none of the best.
        fits = [one for one in taught if PROOF * took[one.label] <= self.left]
        learner = next(iter(fits or taught), None)
        if learner is not None:
            told["written"] = self.desk.kept(
                "search-written", partial(self._written, learner, took[learner.label])
            )
            best_of = told["written"]["label"] or KINDS[0]
            self.generator = Generator(synthesizer=best_of, screens=())
        told |= self._proved(best, learner, took)
        proof = told.pop("of_proof", None)
        return told | self._kept(best, proof) | {"judged": True}

    def _encodes(self, told: dict[str, Any]) -> bool:
        """Whether the text encoder is there, and reads all titles in the time there is."""
        items = self.shop.rows("items")
        self.desk.say("search: how fast the text encoder reads titles")
        try:
            reckoned = self._reading() * items
        except MissingExtraError as error:
            self.desk.left_out["the text encoder"] = str(error)
            return False
        told["encoder_seconds"] = reckoned
        self.title = reckoned / max(1, items)
        if reckoned > PART["encoder"] * self.left:
            minutes = max(0.1, reckoned / 60)
            self.desk.left_out["the text encoder"] = (
                f"reading {items:,} titles would take about {minutes:.{1 if minutes < 10 else 0}f} min"
            )
            return False
        return True

    def _reading(self) -> float:
        """Seconds in which the encoder reads one more title: by few and by more, as loading it takes long, too."""
        run = self.desk.run.with_(quiet=True)
        took: list[float] = []
        model = RANKERS.make("bi_encoder").untaught()
        for titles in (TIMED[0], *TIMED):
            items = self.shop.table("items").head(titles)
            some = self.shop.with_tables(items=items, judgments=None, searches=None)
            start = time.perf_counter()
            model.fit(some, run)
            took.append(time.perf_counter() - start)
        more = min(TIMED[1], self.shop.rows("items")) - min(TIMED[0], self.shop.rows("items"))
        return max(1e-5, took[2] - took[1]) / max(1, more)

    def _every(self, encodes: bool) -> list[Tried]:
        """What is tried, the simplest first; the last is taken where nothing can be judged."""
        found = [Tried(label=BM25, ranker=BM25, settings={})]
        if self.judged >= FEW and _there("lambdamart"):
            found.append(Tried(label="lambdamart", ranker="lambdamart", settings={}, taught=True))
        bare = {"members": RUNS, "spelling": _installed("rapidfuzz")}
        found.append(Tried(label="words and runs", ranker="fusion", settings=bare))
        if not encodes and self.judged >= FEW and _there("two_stage"):
            label = "two stages of words and runs"
            found.append(Tried(label=label, ranker="two_stage", settings=bare, taught=True))
        if encodes:
            own = {"member_settings": {"bi_encoder": {"tuning": "none"}}}
            found.append(Tried(label="fusion", ranker="fusion", settings=own))
            if self.judged >= FEW and _there("two_stage"):
                label = "two stages, taught by judgments"
                found.append(Tried(label=label, ranker="two_stage", settings=own, taught=True))
                found += self._reader(own)
        return found

    def _reader(self, own: dict[str, Any]) -> list[Tried]:
        """Two stages with a reader, taught on as many queries as there is time for; none where they are too few."""
        left = self.left - self.title * self.shop.rows("items")
        queries, seconds = reader_queries(self.title, ASKED + self.judged // 5, left)
        if not queries:
            self.desk.left_out["the reader behind two stages"] = (
                f"it would take about {seconds:.0f} s"
            )
            return []
        settings = {**own, "reads": READS, "reader": {"training_queries": queries}}
        return [
            Tried(
                label="two stages with a reader, taught by judgments",
                ranker="two_stage",
                settings=settings,
                taught=True,
                reader=True,
            )
        ]

    def plan(self) -> list[dict[str, Any]]:
        """What would be tried, and the seconds it may take; nothing is fitted but the encoder, to a few titles."""
        every = self._every(self._encodes({}))
        labels = ", ".join(one.label for one in every)
        does = {
            "rankers of search": f"{labels} on judged queries before the test part",
            "queries": f"{', '.join(KINDS)} and the control spans, for the best ranker that learns",
            "proof of search": "the best of them, on the test part, which is read here alone",
        }
        if self.judged < FEW:
            does = {
                "rankers of search": f"{every[-1].label} is kept: {self.judged} queries are judged"
            }
        share = PART["choose"] if len(does) > 1 else 1.0
        seconds = (share, 0.5 * (1 - share), 0.5 * (1 - share))
        return [
            {"stage": name, "seconds": round(part * self.left, 1), "does": what}
            for (name, what), part in zip(does.items(), seconds, strict=False)
        ]

    def _written(self, learner: Tried, seconds: float) -> dict[str, Any]:
        """Which synthesizer of queries is worth a proof."""

        def settings(generator: Generator) -> QueryProofSettings:
            asked = max(FEW, self.judged // 4)
            return self._settings(learner, queries=asked, generator=generator)

        ends = self.desk.clock.spent + WRITTEN * self.left
        left = lambda: min(self.left, ends - self.desk.clock.spent)  # noqa: E731
        return Written(self.shop, self.desk, settings, learner.label, seconds).run(left)

    def _settings(self, one: Tried, **more: Any) -> QueryProofSettings:
        how: dict[str, Any] = {"seeds": 1, "queries": 1, "baselines": {}}
        how["generator"] = self.generator
        return QueryProofSettings(
            ranker=one.ranker,
            ranker_settings=one.settings,
            metrics=("ndcg@10",),
            catalogue_metrics=("ndcg@10", "recall@10", "recall@100", "judged@10"),
            primary="catalogue",
            gain="exponential",
            single_grade=True,
            **how | more,
        )

    def _trial(self, one: Tried, name: str) -> dict[str, Any]:
        """What a ranker reaches, and the seconds it took; nothing where it takes too long."""
        start = time.perf_counter()
        found = self.desk.tried(name, PART["choose"] * self.left, partial(self._valued, one))
        if found is None:
            return {}
        return {"label": one.label, "value": found, "seconds": time.perf_counter() - start}

    def _valued(self, one: Tried) -> float:
        """What a ranker reaches on queries of the validation part."""
        assert self.parts is not None
        study = Search(self.shop, self._settings(one), self.desk.cells)
        validation = self.parts.validation.in_memory()
        judgments = validation.table("judgments")
        queries = judgments["query"].unique(maintain_order=True)
        order = self.desk.run.rng("advice", "queries").permutation(len(queries))[:ASKED]
        some = judgments.filter(pl.col("query").is_in(queries.gather(order).implode()))
        asked = replace(self.parts, validation=validation.with_tables(judgments=some))
        task: QueryTask = study.task(asked, "validation")
        train = self.parts.train.in_memory()
        model = _made(one).fit(train, self.desk.cells)
        found = study.evaluate(model, task, self.desk.cells)
        return float(found.overall[METRIC])

    def _proved(self, best: Tried, learner: Tried | None, took: dict[str, float]) -> dict[str, Any]:
        """Prove what synthetic queries add to the best ranker that learns; say what the best reaches on the test part.

        `took`: seconds by ranker.
        """
        reserve = 2.5 * took[best.label] + 5.0
        proof = None if learner is None else self._proof(learner, took[learner.label], reserve)
        if learner is None:
            self.desk.left_out["the proof of search"] = (
                "no ranker that learns from queries was tried"
            )
        elif proof is None:
            self.desk.left_out.setdefault("the proof of search", "no way to prove it fits")
        told: dict[str, Any] = {"of_proof": proof, "learner": learner.label if learner else ""}
        if proof is not None and learner is best:
            return told | {"test": _mean(proof)}
        settings = self._settings(best)
        if not best.taught:
            # As it is untaught, it needs no judgment of the training part.
            settings = replace(settings, labelled=0)
        study = Search(self.shop, settings, self.desk.cells)
        bench = Bench(study, study.modes[0], address_of(self.desk.cells))
        work = partial(bench.get, Cell(arm=REAL, seed=0))
        found = self.desk.tried("search on the test part", self.left, work)
        return told | {"test": None if found is None else float(found.overall[METRIC])}

    def _proof(self, learner: Tried, seconds: float, reserve: float) -> Proof | None:
        """The strongest proof that fits."""
        for seeds in (3, 2, 1):
            reckoned = 1.5 * seconds * (2 + 4 * seeds)
            if reckoned > self.left - reserve:
                continue
            asked = max(FEW, self.judged // 4)
            settings = self._settings(learner, seeds=seeds, queries=asked, baselines={BM25: {}})
            self.desk.say(f"search: proof with {seeds} seeds, about {reckoned:.0f} s")
            work = partial(prove, self.shop, settings, self.desk.cells)
            try:
                found: Proof | None = self.desk.tried(
                    "the proof of search", self.left - reserve, work
                )
            except WareloomError as error:
                self.desk.left_out["the proof of search"] = str(error)
                return None
            return found
        return None

    def _kept(self, best: Tried, proof: Proof | None) -> dict[str, Any]:
        """Fit the best ranker on all but the test part, and write its bundle and its recipe."""
        parts = self.parts
        shop = self.shop if parts is None else together([parts.train, parts.validation]).in_memory()
        found = {"label": best.label, "ranker": best.ranker, "settings": best.settings}
        self.desk.say(f"search: bundle of {best.label}")
        recipe = self._recipe(best)
        fitted = self.desk.tried(
            "the bundle of search",
            max(self.desk.clock.left, 0.06 * self.desk.clock.seconds, 10.0),
            lambda: _made(best).fit(shop, self.desk.cells),
        )
        if fitted is not None:
            write_bundle(
                self.desk.folder / "bundle-search",
                ranker=fitted,
                shop=shop,
                recipe={} if recipe is None else recipe.plain(),
                choice={**found, "kind": "search", "mixed": False, "data": "train+validation"},
                proof=None,
                seed=self.desk.run.seed,
            )
        return found | {"of_proof": proof, "recipe": recipe}

    def _recipe(self, best: Tried) -> Recipe | None:
        """The proof at full strength; None where nobody judged a query."""
        if self.judged < FEW or (self.shop.path is None and not self.judged):
            return None
        ranker = best if best.taught else Tried(label=BM25, ranker="lambdamart", settings={})
        return Recipe.of(
            {
                "name": "advice-search",
                "seed": self.desk.run.seed,
                "stages": ["read", "split", "prove"],
                "read": {"source": "shop"},
                "split": {"by": "query"},
                "synthesize": {"name": self.generator.synthesizer},
                "train": {"name": ranker.ranker, "set": ranker.settings},
                "prove": {
                    "of": "search",
                    "seeds": 3,
                    "queries": max(FEW, self.judged // 2),
                    "metrics": ["ndcg@10"],
                    "catalogue_metrics": ["ndcg@10", "recall@10", "recall@100", "judged@10"],
                    "primary": "catalogue",
                    "gain": "exponential",
                    "single_grade": True,
                    "baselines": {BM25: {}},
                },
            }
        )


def _made(one: Tried) -> SearchRanker:
    made: SearchRanker = RANKERS.make(one.ranker, **one.settings)
    return made if one.taught else made.untaught()


def _called(one: Tried) -> str:
    """What the file of a trial is called."""
    return one.label.replace(",", "").replace(" ", "-")


def _there(name: str) -> bool:
    """Whether what a ranker needs is installed."""
    return name == BM25 or _installed("lightgbm")


def _installed(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None


def _mean(proof: Proof) -> float | None:
    """What the ranker reaches on real data alone on the test part."""
    told = proof.data["decisive"]
    at = (told["ties"], told["metric"], "all", REAL)
    rows = [r for r in proof.data["arms"] if (r["ties"], r["metric"], r["slice"], r["arm"]) == at]
    return rows[0]["mean"] if rows else None
