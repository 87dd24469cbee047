"""The proof of search: one ranker trained on every arm's judgments, all judged on the same held-out queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import polars as pl
from annotated_types import Gt, Le

from wareloom.core.run import Run
from wareloom.core.settings import Count
from wareloom.errors import InputError, MissingExtraError, SettingError
from wareloom.evaluation.judged_items import (
    CATALOGUE,
    RELEVANT,
    Gain,
    QueryMeasures,
    QueryTask,
    evaluate_queries,
    single_graded,
)
from wareloom.evaluation.ranking import Evaluation, metric
from wareloom.experiment.plan import CONTROLS, MIXED, NAIVE, OWN, REAL, REPEATED, SYNTHETIC, Plan
from wareloom.experiment.settings import ExperimentSettings, make
from wareloom.experiment.study import Cell, Study, Words
from wareloom.language.encoder import encoder_folder
from wareloom.metrics import RequestMetric
from wareloom.metrics.ranking.judged import Judged
from wareloom.preparing.splits import Split, SplitSettings
from wareloom.rankers import Ranker
from wareloom.rankers.held import Held
from wareloom.rankers.search.base import SearchRanker
from wareloom.rankers.search.members import Members
from wareloom.sampling.generator import Generator
from wareloom.sampling.judgments import NOTHING, JudgmentPool, added, make_pool, real_rows
from wareloom.sampling.own_queries import best_found, logged, own_queries, pseudo_labelled
from wareloom.shop import Shop
from wareloom.shop.queries import labelled

NO_SYNTHESIZER = ""
"""There is no synthesizer of judgments that would do for every shop: it has to be named."""
UNLABELLED = Plan(
    controls=(REAL, NAIVE),
    left_out={
        REPEATED: "no query is labelled, so there is nothing to repeat",
        SYNTHETIC: "no query is labelled, so that all that is learned from is synthetic as it is",
    },
    leader=MIXED,
)
"""The arms where nobody judged anything: the ranker untaught, taught on runs of words of titles, and on what is
proved"""


@dataclass(frozen=True, kw_only=True)
class QueryProofSettings(ExperimentSettings):
    """What is proved of search, and how hard."""

    renamed: ClassVar[Mapping[str, str]] = {"decides": "primary", "untold": "single_grade"}

    generator: Generator = field(
        default_factory=lambda: Generator(synthesizer=NO_SYNTHESIZER, screens=())
    )
    """The synthesizer, whose samples have the table judgments. The screens look at events, so none is applied: rows on
    unknown items and of held-out queries are always taken."""
    ranker: str = "lambdamart"
    """The ranker of search that every arm trains."""
    baselines: dict[str, dict[str, Any]] = field(default_factory=lambda: {"bm25": {}})
    """Other rankers of search, with their settings, that stand beside on real data alone, untaught where there is none.
    One that is there twice is told apart by what follows it: "fusion", "fusion (rrf)"."""
    members: bool = False
    """Whether the members of a ranker that is made of others are measured alone, too, on the whole catalogue."""
    split: SplitSettings = field(default_factory=lambda: SplitSettings(by="query"))
    labelled: Count | None = None
    """How many queries of the training part people have judged, as far as ranker and synthesizer are told; None all of
    them. With 0 the ranker is compared with itself untaught, and with itself taught on runs of words of titles."""
    queries: Count = 0
    """Synthetic queries that are mixed in; 0 goes by `ratios`. It has to be named where no query is labelled."""
    metrics: tuple[str, ...] = ("ndcg@10",)
    """What is measured, by grade, on each query's list with all that nobody judged taken out (a condensed list)."""
    catalogue_metrics: tuple[str, ...] = CATALOGUE
    """What is measured with the whole catalogue ranked: ndcg by grade, all others by `relevant`. Items that nobody
    judged count as wrong there; "judged@10" says which share of the first ten somebody judged. A metric that `metrics`
    has too is called "ndcg@10, all items"."""
    primary: Literal["judged", "catalogue"] = "judged"
    """Whether the first of `metrics` or the first of `catalogue_metrics` decides."""
    gain: Gain = "linear"
    """What a grade is worth in ndcg: itself, or 2^grade - 1."""
    single_grade: bool | None = None
    """Whether queries count whose judged items all have one grade: among these every order is as good. None: where no
    query of the shop has two grades, as in logs of queries with what was chosen; the whole catalogue decides then."""
    relevant: Annotated[float, Gt(0), Le(3)] = RELEVANT
    """The grade, of 0 to 3, from which an item is right in the whole catalogue."""

    @property
    def measures(self) -> QueryMeasures:
        """What is measured of every ranker."""
        return QueryMeasures(
            metrics=self.metrics, catalogue_metrics=self.catalogue_metrics, members=self.members
        )

    @property
    def headline(self) -> str:
        """The metric that decides."""
        if self.primary == "judged":
            return self.metrics[0]
        return self.measures.called(self.catalogue_metrics[0])

    def _check(self) -> None:
        super()._check()
        if self.labelled == 0 and not self.queries:
            raise SettingError(
                "With no query labelled there is nothing to take a ratio of: set queries, such as 10000."
            )
        if self.primary == "catalogue" and not self.catalogue_metrics:
            raise SettingError(
                "primary='catalogue' needs a metric among catalogue_metrics, such as ndcg@10."
            )
        if self.split.by != "query":
            raise SettingError(
                f"A proof of search splits by query, not by {self.split.by}: one query's judgments must stay together."
            )

    def check(self) -> None:
        """See `ExperimentSettings.check`; the generator has to make judgments, and metrics have to be means."""
        if self.generator.members or self.generator.synthesizer == NO_SYNTHESIZER:
            raise SettingError(
                "A proof of search needs one synthesizer whose samples have the table judgments: name it "
                "(--with NAME, or --with package.module:Class for one of your own)."
            )
        if self.generator.mixer != "ratio" or self.generator.mixer_settings:
            raise SettingError(
                f"Judgments are mixed by their ratio alone; the mixer {self.generator.mixer!r} blends users' events."
            )
        for name in (*self.metrics, *self.catalogue_metrics):
            if not isinstance(metric(name), RequestMetric):
                raise SettingError(
                    f"The metric {name!r} is no mean over queries: take one such as ndcg@10."
                )
        if isinstance(metric(self.headline.partition(",")[0]), Judged):
            raise SettingError(
                f"The metric {self.headline!r} says what people looked at, not what is better: name one such as "
                "ndcg@10 first, which then decides."
            )
        super().check()

    def check_ranker(self, label: str, ranker: Any) -> None:
        """Raise `SettingError` for what reads no queries."""
        if not isinstance(ranker, SearchRanker):
            raise SettingError(
                f"The ranker {label!r} does not read queries: choose lambdamart or bm25."
            )


class Search(Study):
    """Whether synthetic judgments make a ranker answer real held-out queries better; its requests are queries."""

    kind: ClassVar[str] = "search"
    settings_of: ClassVar[type[ExperimentSettings]] = QueryProofSettings
    rows: ClassVar[str] = "judgments"
    default_split: ClassVar[str] = "query"
    settings: QueryProofSettings

    def check(self) -> None:
        """Raise `InputError` where nobody judged anything."""
        if not self.shop.rows("judgments"):
            raise InputError(
                "A proof of search needs the table 'judgments': grades that people gave items for queries."
            )
        if self.settings.primary == "judged" and self.single:
            raise InputError(
                "No query of the shop has two items of different grades, so that the order of its judged items says "
                "nothing: let the whole catalogue decide, with primary='catalogue' (--set proof.primary=catalogue)."
            )

    @cached_property
    def single(self) -> bool:
        """Whether no query of the shop has two items of different grades."""
        return single_graded(self.shop)

    @property
    def untaught(self) -> bool:
        """Whether no query is labelled, so that real data alone is the ranker untaught."""
        return self.settings.labelled == 0

    @property
    def words(self) -> Words:
        """Queries are asked, and queries are synthesised."""
        arms = dict(Words().arms)
        if self.untaught:
            arms[REAL] = "the ranker untaught"
        own = "the shop's own queries, labelled by the ranker untaught"
        return Words(
            askers="queries", arms=arms | {NAIVE: "runs of words cut out of titles", OWN: own}
        )

    def plan(self) -> Plan:
        """The arms of every proof; where nothing is labelled, those that do not need labels.

        Beside them stands the arm of the shop's own queries that nobody labelled, where there are such.
        """
        base = UNLABELLED if self.untaught else Plan()
        if lacks := self._lacks_own():
            return replace(base, left_out={**base.left_out, OWN: lacks})
        return replace(base, references=(OWN,))

    def _lacks_own(self) -> str:
        """Why there is no arm of the shop's own queries; nothing where there is one."""
        if not self.own:
            return "the shop has no query, beside those that are judged by, that nobody labelled"
        if not isinstance(self._made(), Members):
            try:
                encoder_folder("", "two stages")
            except MissingExtraError:
                return (
                    "the two stages, which would label the shop's own queries, need the extra text"
                )
        return ""

    @cached_property
    def own(self) -> list[str]:
        """The shop's own queries of the training part that nobody labelled, none of validation and test."""
        return own_queries(self._whole, self._labelled(self._whole.train))

    @cached_property
    def _found(self) -> np.ndarray:
        """What the two stages, untaught and told no label, find for these: codes of items [queries, any]."""
        made = self._made()
        stages = made if isinstance(made, Members) else make("two_stage", {})
        assert isinstance(stages, SearchRanker)
        bare = self._whole.train.with_tables(judgments=None)
        return best_found(stages.untaught().fit(bare, self.run), self.own)

    @cached_property
    def _whole(self) -> Split:
        """The parts with all that people labelled."""
        return super().prepare(self.modes[0])

    def _labelled(self, train: Shop) -> Shop:
        """The training part with so many labelled queries as were asked for."""
        return labelled(train, self.settings.labelled, self.run)

    def better(self) -> dict[str, str]:
        """All of them rise."""
        measures = self.settings.measures
        names = (*self.settings.metrics, *map(measures.called, self.settings.catalogue_metrics))
        return dict.fromkeys(names, "higher")

    def prepare(self, mode: str) -> Split:
        """The parts, with so many labelled queries in the training part as were asked for."""
        return replace(self._whole, train=self._labelled(self._whole.train))

    def enlarged(self, parts: Split) -> Split:
        """Labels that were left out of the training part stay out of a model that is kept, those of validation, too."""
        return parts if self.settings.labelled is not None else super().enlarged(parts)

    @property
    def ratios(self) -> tuple[float, ...]:
        """Nothing is chosen where the number of synthetic queries is named."""
        return () if self.settings.queries else self.settings.ratios

    @cached_property
    def gradient(self) -> bool:
        """Whether the ranker, or one that it is made of, is taught by gradient updates."""
        made = self._made()
        assert isinstance(made, SearchRanker)
        return made.by_updates()

    def updates_of(self, ranker: Ranker) -> int | None:
        """Gradient updates of the ranker, or of the member that took most."""
        assert isinstance(ranker, SearchRanker)
        return (ranker.updates or 0) if ranker.by_updates() else None

    def task(self, parts: Split, part: str) -> QueryTask:
        """The queries of the part."""
        of = self.settings
        # None lets the part say so, which a small part of a shop with several grades must not.
        single = of.single_grade if of.single_grade is not None or self.single else False
        return QueryTask.of(
            getattr(parts, part), part, of.relevant, single_grade=single, gain=of.gain
        )

    def pool(self, parts: Split, train: Shop, cell: Cell, run: Run) -> JudgmentPool:
        """Synthetic judgments of one seed, enough for the largest ratio."""
        settings = self.settings
        return make_pool(settings.generator, parts, max(settings.ratios), run, settings.queries)

    def training(self, cell: Cell, train: Shop, pool: Callable[[], JudgmentPool], run: Run) -> Shop:
        """The training part with the judgments of an arm; all arms with added judgments have as many of them."""
        made = pool()
        real = real_rows(train) if train.rows("judgments") else NOTHING
        rows = {REPEATED: made.repeated, NAIVE: made.naive}.get(cell.arm, made.kept)
        if cell.arm == OWN:
            items, rng = train.table("items")["item_id"], run.rng("judgments", "own")
            rows = pseudo_labelled(self.own, self._found, items, made.lists, rng)
        count = len(made.kept) if self.settings.queries else cell.ratio * len(real)
        more = added(rows, count, run.rng("judgments", "mix"))
        beside = cell.arm in (*CONTROLS, MIXED, OWN)
        tables: dict[str, pl.DataFrame] = {"judgments": real.vstack(more) if beside else more}
        if self.own and not train.rows("searches"):
            # Nobody labelled them, but the shop has them: what is taught without labels may look at them in every arm.
            tables["searches"] = logged(self.own)
        return train.with_tables(**tables)

    def ranker(self, cell: Cell) -> Ranker:
        """The ranker; untaught on real data alone where there are no labels."""
        made = self._made()
        assert isinstance(made, SearchRanker)
        return made.untaught() if self.untaught and cell.arm == REAL else made

    def evaluate(self, ranker: Ranker, task: QueryTask, run: Run) -> Evaluation:
        """Answer every query of the part."""
        assert isinstance(ranker, SearchRanker)
        return evaluate_queries(ranker, task, self.settings.measures, run)

    def baseline(
        self, name: str, train: Shop, task: QueryTask, held: Held | None, run: Run
    ) -> Evaluation:
        """Train a ranker on the labelled queries; untaught where there are none."""
        model: SearchRanker = make(name, self.beside[name])
        if self.untaught:
            model = model.untaught()
        model.fit(train, run)
        return self.evaluate(model, task, run)

    def told(self, parts: Split, pool: Callable[[], JudgmentPool]) -> dict[str, Any]:
        """What was made, and what was taken of it."""
        return {"synthetic": pool().about()}
