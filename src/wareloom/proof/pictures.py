"""The proof of pictures: one classifier trained on every arm's photos, all judged on the same held-out photos."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import polars as pl

from wareloom.classifiers import PictureClassifier
from wareloom.core.family import CLASSIFIERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.settings import Positive, Share
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.ranking import Evaluation
from wareloom.evaluation.shown_classes import DEFAULT_METRICS, ShownClasses, class_metric
from wareloom.experiment.plan import (
    CONTROLS,
    FEATURES,
    MIXED,
    NAIVE,
    REAL,
    REPEATED,
    SYNTHETIC,
    Plan,
)
from wareloom.experiment.settings import ExperimentSettings
from wareloom.experiment.study import Cell, Study, Words
from wareloom.preparing.splits import Split
from wareloom.preparing.splits_pictures import split_pictures
from wareloom.rankers.held import Held
from wareloom.sampling.generator import Generator
from wareloom.sampling.picture_pools import (
    AUGMENT,
    PicturePool,
    first_pictures,
    joined_pictures,
    make_picture_pool,
)
from wareloom.shop import Shop
from wareloom.shop.pictures import labelled
from wareloom.synthesis.images.label_safety import LabelSafety, label_safety

AUGMENTED, BOTH = "real + augmented", "real + synthetic, augmented"
"""Altered copies, which synthesis from scratch has to beat; and half of the rows of each"""
ENCODER = "lite0"
"""The classifier that stands for what was learned of other photos"""


@dataclass(frozen=True, kw_only=True)
class PictureProofSettings(ExperimentSettings):
    """What is proved of pictures, and how hard."""

    generator: Generator = field(default_factory=lambda: Generator(synthesizer=AUGMENT, screens=()))
    """How synthetic pictures are made and screened."""
    ranker: str = "cnn"
    """The classifier that every arm trains: cnn from scratch, or lite0, a linear layer on a frozen encoder."""
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Other classifiers, with their settings, that stand beside on the same real photos."""
    augment: dict[str, Any] = field(default_factory=dict)
    """Settings of the altered copies that pictures from scratch have to beat."""
    labelled: Share = 1.0
    """Share of the training photos, class by class, that generator and classifier are shown; each seed draws its own.
    At least one of a class is kept."""
    safe: bool = False
    """Whether it is measured on the validation photos which operations leave each class as it is, and the others are
    left out for that class. Takes a pass of the encoder over the validation photos for each operation."""
    ratios: tuple[Positive, ...] = (1.0, 4.0)
    """Synthetic photos for each real one; the best on the validation part is taken."""
    metrics: tuple[str, ...] = DEFAULT_METRICS
    """The first is the one that decides."""

    def _check(self) -> None:
        super()._check()
        if self.labelled <= 0:
            raise SettingError("PictureProofSettings: labelled is 0; give a share above 0.")

    def check(self) -> None:
        """Raise `SettingError` or `UnknownNameError` for names that mean nothing here."""
        self.generator.check()
        for one in self.generator.made():
            if one.of != "pictures":
                raise SettingError(
                    f"The synthesizer {one.name!r} makes {one.of}, not pictures: choose {AUGMENT} or image_diffusion."
                )
        if self.generator.mixer != "ratio" or self.generator.mixer_settings:
            raise SettingError(
                f"Pictures are mixed by their ratio alone; the mixer {self.generator.mixer!r} blends users' events."
            )
        SYNTHESIZERS.make(AUGMENT, **self.augment)
        for label, values in {**self.baselines, self.ranker: self.ranker_settings}.items():
            classifier(label, values)
        for name in self.metrics:
            class_metric(name)


def classifier(label: str, values: Mapping[str, Any]) -> PictureClassifier:
    """Make the classifier that a label such as "cnn (wide)" names."""
    made: PictureClassifier = CLASSIFIERS.make(label.partition(" (")[0], **values)
    return made


class Pictures(Study):
    """Whether synthetic photos make a classifier tell real held-out photos apart better; its requests are photos."""

    kind: ClassVar[str] = "pictures"
    settings_of: ClassVar[type[ExperimentSettings]] = PictureProofSettings
    rows: ClassVar[str] = "images"
    random = True
    settings: PictureProofSettings
    _safety: LabelSafety | None = None

    def check(self) -> None:
        """Raise `InputError` where there is no photo whose class is known."""
        known = (
            labelled(self.shop).select(pl.col("class").count())
            if self.shop.rows("images")
            else None
        )
        if known is None or not known.collect().item():
            raise InputError(
                "A proof of pictures needs photos of items with a category (wareloom read FOLDER --as clothing)."
            )

    @property
    def words(self) -> Words:
        """Photos are what is asked."""
        return Words(
            askers="photos",
            purpose=" to tell photos apart",
            arms={
                REAL: "real photos alone",
                REPEATED: "the real photos repeated",
                NAIVE: "noisy copies of the real photos",
                AUGMENTED: "altered copies of the real photos",
                FEATURES: "a linear layer on a pretrained encoder",
                BOTH: "synthetic photos and altered copies",
            },
        )

    def plan(self) -> Plan:
        """Pictures from scratch have to beat altered copies, too; what a pretrained encoder gives stands beside."""
        of = self.settings
        scratch = of.generator.synthesizer != AUGMENT
        beside = () if of.ranker.partition(" (")[0] == ENCODER else (FEATURES,)
        return Plan(
            controls=(*CONTROLS, AUGMENTED) if scratch else CONTROLS,
            references=(BOTH, *beside) if scratch else beside,
            further=((BOTH, AUGMENTED),) if scratch else (),
        )

    def prepare(self, mode: str) -> Split:
        """Split the photos, all photos of an item together."""
        parts = self.parts or split_pictures(self.shop, self.settings.split)
        train, validation, test = (part.in_memory() for part in parts)
        return Split(train, validation, test, parts.how)

    @cached_property
    def gradient(self) -> bool:
        """Whether the classifier is taught by gradient updates."""
        return classifier(self.settings.ranker, self.settings.ranker_settings).gradient

    def share_of(self, train: Shop, share: float, run: Run) -> Shop:
        """Photos of a share of those that are `labelled`, class by class; those of a smaller share among a larger's."""
        share *= self.settings.labelled
        if share >= 1.0:
            return train
        classes = labelled(train).collect()["class"]
        rng, kept = run.rng("draw"), list[np.ndarray]()
        for name in classes.drop_nulls().unique().sort():
            rows = rng.permutation(np.flatnonzero((classes == name).fill_null(False)))
            kept.append(rows[: max(1, round(share * len(rows)))])
        return train.with_tables(images=train.table("images")[np.sort(np.concatenate(kept))])

    def task(self, parts: Split, part: str) -> ShownClasses:
        """The photos of the part whose class is known."""
        return ShownClasses(getattr(parts, part), part)

    def pool(self, parts: Split, train: Shop, cell: Cell, run: Run) -> PicturePool:
        """Synthetic photos of one seed, enough for the largest ratio."""
        size, of = int(np.ceil(max(self.settings.ratios) * train.rows("images"))), self.settings
        generator, augment = of.generator, dict(of.augment)
        if of.safe:
            off = {"off": self.safety(parts).off}
            augment |= off
            if generator.synthesizer == AUGMENT:
                generator = replace(generator, settings=generator.settings | off)
        return make_picture_pool(generator, parts, train, size, run, augment)

    def safety(self, parts: Split) -> LabelSafety:
        """Which operations leave each class as it is, by a classifier of all training photos on those of validation."""
        if self._safety is None:
            run = self.run.with_(seed=self.run.seed_for("label safety"))
            self._safety = label_safety(parts.train, parts.validation, run)
        return self._safety

    def training(self, cell: Cell, train: Shop, pool: Callable[[], PicturePool], run: Run) -> Shop:
        """The real photos with those that the arm adds; all arms with added photos have as many."""
        made, count = pool(), round(cell.ratio * train.rows("images"))
        if cell.arm == BOTH:
            half = count // 2
            more = [first_pictures(made.kept, count - half), first_pictures(made.augmented, half)]
            return joined_pictures([train, *more])
        added = {REPEATED: "repeated", NAIVE: "naive", AUGMENTED: "augmented"}
        rows = first_pictures(getattr(made, added.get(cell.arm, "kept")), max(1, count))
        return rows if cell.arm == SYNTHETIC else joined_pictures([train, rows])

    def ranker(self, cell: Cell) -> Any:
        """The classifier; of the arm of features, the linear layer on the encoder."""
        of = self.settings
        return (
            classifier(ENCODER, {})
            if cell.arm == FEATURES
            else classifier(of.ranker, of.ranker_settings)
        )

    def fit(self, cell: Cell, data: Shop, held: Held | None, run: Run) -> Any:
        """Train what `ranker` makes."""
        return self.ranker(cell).fit(data, run)

    def steps_of(self, ranker: Any) -> int | None:
        """None stops early."""
        return self.updates_of(ranker)

    def evaluate(self, ranker: Any, task: ShownClasses, run: Run) -> Evaluation:
        """Ask it of every photo of the part."""
        return task.evaluate(ranker, self.settings.metrics, run)

    def baseline(
        self, name: str, train: Shop, task: ShownClasses, held: Held | None, run: Run
    ) -> Evaluation:
        """Train a classifier on the real photos of the first seed."""
        made = classifier(name, self.beside[name]).fit(self.share_of(train, 1.0, run), run)
        return self.evaluate(made, task, run)

    def told(self, parts: Split, pool: Callable[[], PicturePool]) -> dict[str, Any]:
        """What was made, and what the screens took of it."""
        safety = {"label_safety": list(self.safety(parts).rows)} if self.settings.safe else {}
        return {"synthetic": pool().about() | safety}


__all__ = ["AUGMENTED", "BOTH", "MIXED", "PictureProofSettings", "Pictures", "classifier"]
