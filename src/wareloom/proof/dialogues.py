"""The proof of dialogues: what each arm's turns teach of intents, of slots or of replies, judged on held-out ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import polars as pl

from wareloom.classifiers.talks import ENCODER, Asks, learner
from wareloom.core.run import Run
from wareloom.core.settings import Positive, Repeats, Size
from wareloom.errors import InputError, MissingExtraError, SettingError
from wareloom.evaluation.ranking import Evaluation
from wareloom.evaluation.shown_classes import class_metric
from wareloom.evaluation.shown_dialogues import (
    INTENT_METRICS,
    SLOT_METRICS,
    ShownIntents,
    ShownSlots,
)
from wareloom.evaluation.shown_replies import RANDOM, REPLY_METRICS, ShownReplies, reply_metric
from wareloom.experiment.plan import (
    FEATURES,
    FEATURES_MIXED,
    FEATURES_NAIVE,
    NAIVE,
    REAL,
    REPEATED,
    SYNTHETIC,
    WITHOUT_POOL,
    Plan,
)
from wareloom.experiment.settings import ExperimentSettings
from wareloom.experiment.study import Cell, Study, Words
from wareloom.language.encoder import encoder_folder
from wareloom.preparing.splits import Split
from wareloom.preparing.splits_dialogues import (
    real_turns,
    split_dialogues,
    split_utterances,
    without_labels,
)
from wareloom.rankers.held import Held
from wareloom.sampling.dialogue_pools import DialoguePool, make_dialogue_pool
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop
from wareloom.shop.languages import language_of
from wareloom.shop.schema import AGENT, CUSTOMER

AUTO = "auto"
"""What is asked says it itself"""
OWN: dict[Asks, tuple[str, int, tuple[str, ...]]] = {
    "intents": ("words", 5, INTENT_METRICS),
    "slots": ("tagger", 50, SLOT_METRICS),
    "replies": ("dual_encoder", 0, REPLY_METRICS),
}
"""Of each that can be asked: what is trained, real ones shown, and metrics, where nobody names them"""
ENCODED = (FEATURES, FEATURES_NAIVE, FEATURES_MIXED)
BM25 = "bm25"
UTTERANCES = "utterances"
"""The synthesizer that tells texts which nobody labelled from those without a label"""
LIKE = {FEATURES_NAIVE: NAIVE, FEATURES_MIXED: "real + synthetic"}
"""Arms of the encoder, and those whose turns they are shown"""


@dataclass(frozen=True, kw_only=True)
class DialogueProofSettings(ExperimentSettings):
    """What is proved of dialogues, and how hard."""

    asks: Asks = "intents"
    """What is learned: intents of customers' turns, slots in them, or which reply an agent gave."""
    generator: Generator = field(
        default_factory=lambda: Generator(synthesizer=UTTERANCES, screens=())
    )
    """How synthetic dialogues are made. They are checked as they are made, so that no screen is applied."""
    ranker: str = AUTO
    """What every arm trains: words or minilm for intents, tagger or minilm for slots, dual_encoder or neighbours
    for replies; auto takes the first."""
    shots: int = -1
    """Real ones that all arms and the synthesizer are shown, drawn anew with each seed: utterances of each intent, or
    whole dialogues. 0 shows all; -1 shows 5 of an intent, 50 dialogues for slots, all for replies."""
    unlabelled: bool = True
    """Intents and slots: whether the synthesizer is shown the training part's other turns, without their labels."""
    fewest: Size = 40
    """Intents: different utterances below which an intent is left out."""
    most: Size = 1_500
    """Requests of a part, at most."""
    features: bool = True
    """Whether all-MiniLM-L6-v2 stands beside (English alone; extra `text`)."""
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Other learners, on the real ones of the first seed, such as neighbours; and for replies bm25 of the context."""
    ratios: tuple[Positive, ...] = (4.0,)
    """Synthetic turns for each real one; the best on the validation part is taken."""
    seeds: Repeats = 5
    """Draws of the real ones, and of all else that is random."""
    metrics: tuple[str, ...] = (AUTO,)
    """The first is the one that decides; auto takes macro_f1 and accuracy, token_f1, or recall@1 and mrr."""

    def _check(self) -> None:
        if self.shots < -1:
            raise SettingError(f"DialogueProofSettings: shots is {self.shots}; give -1, 0 or more.")
        learner, shots, metrics = OWN[self.asks]
        for name, value, asked in (
            ("ranker", learner, self.ranker == AUTO),
            ("shots", shots, self.shots == -1),
            ("metrics", metrics, self.metrics == (AUTO,)),
        ):
            if asked:
                object.__setattr__(self, name, value)
        super()._check()

    def check(self) -> None:
        """Raise `SettingError` or `UnknownNameError` for names that mean nothing here."""
        self.generator.check()
        for one in self.generator.made():
            if one.of != "dialogues":
                raise SettingError(
                    f"The synthesizer {one.name!r} makes {one.of}, not dialogues: choose utterances or flow."
                )
            if self.asks == "replies" and one.name == UTTERANCES:
                raise SettingError(
                    "The synthesizer 'utterances' says what customers say and has no reply: choose flow "
                    "(--with flow)."
                )
        if (
            self.asks == "intents"
            and self.generator.settings.get("pseudo_labels", "none") != "none"
        ):
            raise SettingError(
                "pseudo_labels marks slots and gives no intent: leave it none where intents are asked."
            )
        if self.generator.screens:
            raise SettingError(
                "A proof of dialogues applies no screens, as dialogues are checked where they are made: "
                "leave screens empty (--screens off)."
            )
        if self.generator.mixer != "ratio" or self.generator.mixer_settings:
            raise SettingError(
                f"Dialogues are mixed by their ratio alone; the mixer {self.generator.mixer!r} blends users' events."
            )
        learner(self.asks, self.ranker, self.ranker_settings)
        for name in self.baselines:
            if self.asks != "replies" or name != BM25:
                learner(self.asks, name, self.baselines[name])
        for name in self.metrics:
            if self.asks == "replies":
                reply_metric(name)
            else:
                class_metric(name, "classes" if self.asks == "intents" else "slots")


class Dialogues(Study):
    """Whether synthetic dialogues teach what customers want, which words say what, or which reply is right."""

    kind: ClassVar[str] = "dialogues"
    settings_of: ClassVar[type[ExperimentSettings]] = DialogueProofSettings
    rows: ClassVar[str] = "dialogues"
    random = True
    settings: DialogueProofSettings

    def check(self) -> None:
        """Raise `InputError` where nothing of what is asked is known."""
        lacks = {
            "intents": ("intent", "intents (wareloom read SOURCE --as bitext)"),
            "slots": ("slots", "slots (wareloom read SOURCE --as multidogo)"),
            "replies": ("text", "texts of agents (wareloom read SOURCE --as jddc)"),
        }
        column, what = lacks[self.settings.asks]
        known = self.shop.rows("dialogues") and self.shop.has("dialogues", column)
        if known and self.settings.asks == "replies":
            rows = real_turns(self.shop).filter(pl.col("role") == AGENT)
            known = rows["text"].count() > 0
        if not known:
            raise InputError(f"A proof of {self.settings.asks} needs dialogues with {what}.")

    @property
    def words(self) -> Words:
        """What is asked."""
        askers, purpose = {
            "intents": ("utterances", " to tell intents apart"),
            "slots": ("turns", " to find slots"),
            "replies": ("contexts", " to choose replies"),
        }[self.settings.asks]
        return Words(
            askers=askers,
            purpose=purpose,
            arms={
                REAL: "real turns alone",
                REPEATED: "the real turns repeated",
                NAIVE: "edited copies of the real turns",
                FEATURES: "vectors of a pretrained encoder",
                FEATURES_NAIVE: "these vectors of real turns and edited copies",
                FEATURES_MIXED: "these vectors of real and synthetic turns",
            },
        )

    def plan(self) -> Plan:
        """The arms of every proof; what a pretrained encoder gives stands beside, alone and with what is added."""
        if why := self._no_encoder:
            return Plan(left_out=dict.fromkeys(ENCODED, why))
        return Plan(
            instead=FEATURES,
            references=ENCODED,
            further=((FEATURES_MIXED, FEATURES), (FEATURES_MIXED, FEATURES_NAIVE)),
        )

    @cached_property
    def _no_encoder(self) -> str:
        """Why no encoder stands beside; nothing where one does."""
        if not self.settings.features:
            return "it was not asked for"
        if self.settings.asks == "replies":
            return "the encoder knows no Chinese, and was taught no replies"
        if self.settings.ranker.partition(" (")[0] == ENCODER:
            return "the encoder is what all arms train"
        texts = real_turns(self.shop).head(1_000)["text"].drop_nulls().to_list()
        if language_of(texts) != "en":
            return "the encoder knows English alone"
        try:
            encoder_folder("", "encoder beside the arms")
        except MissingExtraError:
            return "the encoder needs the extra text"
        return ""

    def prepare(self, mode: str) -> Split:
        """Split utterances intent by intent, or whole dialogues."""
        of = self.settings
        if self.parts:
            train, validation, test = (part.in_memory() for part in self.parts)
            return Split(train, validation, test, self.parts.how)
        if of.asks == "intents":
            return split_utterances(self.shop, of.split, of.fewest)
        return split_dialogues(self.shop, of.split)

    @cached_property
    def _held(self) -> Shop:
        """What learners choose and stop by."""
        return self.prepare(self.modes[0]).validation

    @cached_property
    def gradient(self) -> bool:
        """Whether what is trained is taught by gradient updates."""
        return learner(self.settings.asks, self.settings.ranker, {}).gradient

    def share_of(self, train: Shop, share: float, run: Run) -> Shop:
        """A share of the real ones that are shown; those of a smaller share are among those of a larger one."""
        rows, of, rng = train.table("dialogues"), self.settings, run.rng("draw")
        if of.asks == "intents":
            return train.with_tables(dialogues=self._drawn_utterances(rows, share, rng))
        if of.asks == "slots":
            rows = rows.filter((pl.col("role") == CUSTOMER) & pl.col("text").is_not_null())
            # Whoever labelled a dialogue said of each turn which slots it has, if any.
            empty = pl.lit([], dtype=rows.schema["slots"])
            rows = rows.with_columns(pl.col("slots").fill_null(empty))
        else:
            rows = rows.filter(pl.col("text").is_not_null())
        ids = rows["dialogue_id"].unique(maintain_order=True)
        shown = of.shots or len(ids)
        if shown > len(ids):
            raise InputError(
                f"The training part has {len(ids)} dialogues, fewer than the {shown} of shots: lower shots."
            )
        kept = ids.gather(np.sort(rng.permutation(len(ids))[: max(1, round(share * shown))]))
        drawn = rows["dialogue_id"].is_in(kept.implode())
        beside = of.asks == "slots" and of.unlabelled
        return train.with_tables(
            dialogues=without_labels(rows, drawn) if beside else rows.filter(drawn)
        )

    def _drawn_utterances(
        self, rows: pl.DataFrame, share: float, rng: np.random.Generator
    ) -> pl.DataFrame:
        """Some utterances of each intent; the others without their intents, where the synthesizer may see them."""
        of, drawn = self.settings, np.zeros(len(rows), dtype=bool)
        names = rows["intent"].to_numpy()
        for name in rows["intent"].unique().sort():
            places = rng.permutation(np.flatnonzero(names == name))
            if of.shots > len(places):
                raise InputError(
                    f"The intent {name!r} has {len(places)} utterances to draw from, fewer than the {of.shots} of "
                    "shots: raise fewest or lower shots."
                )
            drawn[places[: max(1, round(share * (of.shots or len(places))))]] = True
        shown = pl.Series(drawn)
        return without_labels(rows, shown) if of.unlabelled else rows.filter(shown)

    def _labelled(self, train: Shop) -> pl.DataFrame:
        rows = train.table("dialogues")
        column = {"intents": "intent", "slots": "slots", "replies": "text"}[self.settings.asks]
        return rows.filter(pl.col(column).is_not_null())

    def task(self, parts: Split, part: str) -> Any:
        """What the part asks."""
        kinds: dict[Asks, Any] = {
            "intents": ShownIntents,
            "slots": ShownSlots,
            "replies": ShownReplies,
        }
        return kinds[self.settings.asks](getattr(parts, part), part, self.settings.most, self.run)

    def pool(self, parts: Split, train: Shop, cell: Cell, run: Run) -> DialoguePool:
        """Synthetic dialogues of one seed, enough for the largest ratio."""
        real = self._labelled(train)
        rows = int(np.ceil(max(self.settings.ratios) * len(real)))
        of = self.settings
        whole = of.asks == "replies"
        if of.asks == "slots" and of.generator.synthesizer != UTTERANCES:
            # Others take a turn without labels for one without slots.
            train = train.with_tables(dialogues=real)
        return make_dialogue_pool(of.generator, train, real, rows, run, whole=whole)

    def training(self, cell: Cell, train: Shop, pool: Callable[[], DialoguePool], run: Run) -> Shop:
        """The labelled turns with those that the arm adds; all arms with added turns have as many."""
        made, real = pool(), self._labelled(train)
        arm = LIKE.get(cell.arm, cell.arm)
        rows = {REPEATED: "repeated", NAIVE: "naive"}.get(arm, "kept")
        more = getattr(made, rows).head(max(1, round(cell.ratio * len(real))))
        both = [more] if arm == SYNTHETIC else [real, more]
        return train.with_tables(dialogues=pl.concat(both, how="diagonal_relaxed"))

    def ranker(self, cell: Cell) -> Any:
        """The learner; in arms of features that on the encoder."""
        of = self.settings
        label, values = (ENCODER, {}) if cell.arm in ENCODED else (of.ranker, of.ranker_settings)
        made = learner(of.asks, label, values)
        if hasattr(made, "vectors"):
            # No text is encoded twice.
            made.vectors = self._vectors
        return made

    @cached_property
    def _vectors(self) -> dict[str, np.ndarray]:
        return {}

    def fit(self, cell: Cell, data: Shop, held: Held | None, run: Run) -> Any:
        """Train what `ranker` makes, chosen and stopped by the validation part."""
        if cell.arm in WITHOUT_POOL:
            # No learner takes a turn that nobody labelled for one without slots.
            data = data.with_tables(dialogues=self._labelled(data))
        return self.ranker(cell).fit(data, run, self._held)

    def of_training(self, ranker: Any) -> dict[str, Any]:
        """Labelled turns, or pairs of context and reply, that it learned from."""
        return {self.rows: ranker.rows}

    def evaluate(self, ranker: Any, task: Any, run: Run) -> Evaluation:
        """Ask it of every request of the part."""
        found: Evaluation = task.evaluate(ranker, self.settings.metrics, run)
        return found

    def better(self) -> dict[str, str]:
        """All of them rise."""
        names = self.settings.metrics
        if self.settings.asks == "replies":
            names += tuple(f"{name}, {RANDOM}" for name in names)
        return dict.fromkeys(names, "higher")

    def baseline(
        self, name: str, train: Shop, task: Any, held: Held | None, run: Run
    ) -> Evaluation:
        """BM25 of the context, which learns nothing; or another learner on the real ones of the first seed."""
        of = self.settings
        if of.asks == "replies" and name == BM25:
            found: Evaluation = task.by_words(of.metrics, run)
            return found
        made = learner(of.asks, name, of.baselines[name])
        shown = self.share_of(train, 1.0, run)
        made.fit(shown.with_tables(dialogues=self._labelled(shown)), run, self._held)
        return self.evaluate(made, task, run)

    def told(self, parts: Split, pool: Callable[[], DialoguePool]) -> dict[str, Any]:
        """What was made."""
        return {"synthetic": pool().about()}


__all__ = ["DialogueProofSettings", "Dialogues", "learner"]
