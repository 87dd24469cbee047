"""Make: synthesise, screen, mix and train by what a proof chose, and put what came out into one bundle."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wareloom.bundle import Bundle, ProofNote, write_bundle
from wareloom.core.family import MIXERS, RERANKERS
from wareloom.core.foreign import check_code, module_of, outsiders
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.experiment.plan import MIXED, REAL
from wareloom.experiment.result import Choice, Proof
from wareloom.experiment.settings import ExperimentSettings
from wareloom.experiment.study import Cell, Study
from wareloom.preparing.splits import Split
from wareloom.proof.kinds import study_of
from wareloom.recipe.steps import MakeStep
from wareloom.sampling.generator import Generator, Pool
from wareloom.sampling.judgments import JudgmentPool
from wareloom.screening import save_screened
from wareloom.shop import Shop


@dataclass(frozen=True)
class Made:
    """What came of a choice."""

    bundle: Bundle
    synthetic: bool
    """Whether synthetic data was mixed in"""


def make(
    shop: Shop,
    proof: Proof,
    step: MakeStep,
    recipe: dict[str, Any],
    run: Run,
    to: Path,
    parts: Split | None = None,
) -> Made:
    """Make a model of `shop` by what `proof` chose, in the folder `to`: `synthetic`, `mixed` and `bundle`.

    Synthesizer, ratio, mixer, ranker, their settings and the number of gradient updates are those of the choice. Real
    data is the training part, with the validation part unless `step` says otherwise: updates grow by as much. The test
    part is shown to the leak screen alone. `recipe`: every value of the job, for the bundle.
    """
    # The proof is a file by now: it names no algorithm that the recipe did not.
    allowed = [module_of(name) for name in outsiders(recipe)]
    check_code(
        to / "proof" / "proof.json", outsiders([proof.choice, proof.data["settings"]]), allowed
    )
    own = run.with_(seed=run.seed_for("make"))
    study = study_by(shop, proof, run, parts)
    parts = study.prepare(study.modes[0])
    held = parts if step.data == "train" else study.enlarged(parts)
    mixing = mixes(proof, step)
    cell = Cell(
        arm=MIXED if mixing else REAL, seed=0, ratio=proof.choice["ratio"] if mixing else 0.0
    )
    data = held.train
    shutil.rmtree(to / "synthetic", ignore_errors=True)
    if mixing and MIXERS.load(proof.choice["mixer"]).draws:
        pool = study.pool(held, held.train, cell, own)
        save_pool(pool, held.train, to / "synthetic")
        data = study.training(cell, held.train, lambda: pool, own)
    elif mixing:
        data = study.training(cell, held.train, lambda: None, own)
    data = data.save(to / "mixed")
    ranker = study.ranker(cell)
    updates = proof.choice["updates"]
    with own.task(f"{study.settings.ranker}: fit"):
        before = parts.train.rows(study.rows)
        grown = held.train.rows(study.rows) / before if before else 1.0
        stop = study.held(parts) if step.data == "train" else None
        told = own.with_(updates=round(updates * grown)) if updates else own
        ranker.fit(data, told, held=stop)
    reranker = RERANKERS.make(step.rerank, **step.rerank_settings) if step.rerank else None
    bundle = write_bundle(
        to / "bundle",
        ranker=ranker,
        shop=held.train,
        reranker=reranker,
        recipe=recipe,
        choice={**proof.choice, "mixed": mixing, "data": step.data, "kind": study.kind},
        proof=noted(proof),
        seed=run.seed,
    )
    return Made(bundle, mixing)


def study_by(shop: Shop, proof: Proof, run: Run, parts: Split | None) -> Study:
    """The study of a proof with its choice as its settings: one ratio, the one that was taken."""
    cls = study_of(proof.data["kind"])
    settings: ExperimentSettings = configure(cls.settings_of, proof.data["settings"])
    choice: Choice = proof.choice
    mixed = {"mixer": choice["mixer"], "mixer_settings": choice["mixer_settings"]}
    generator: Generator = configure(Generator, choice["generator"] | mixed)
    chosen = replace(
        settings,
        generator=generator,
        ranker=choice["ranker"],
        ranker_settings=choice["ranker_settings"],
        ratios=(choice["ratio"],),
    )
    return cls(shop, chosen, run, parts)


def save_pool(pool: Any, train: Shop, folder: Path) -> None:
    """Write synthetic data: screened shoppers with their report, or judgments."""
    if isinstance(pool, Pool):
        fitted = pool.fitted[0] if len(pool.fitted) == 1 else None
        save_screened(pool.screened, folder, fitted)
    elif isinstance(pool, JudgmentPool):
        train.with_tables(judgments=pool.kept).save(folder)


def noted(proof: Proof) -> ProofNote:
    """What a bundle says of the proof that it was made by."""
    decisive = proof.data["decisive"]
    row = next(
        row
        for row in proof.data["comparisons"]
        if (row["ties"], row["metric"], row["slice"], row["arm"], row["against"])
        == (decisive["ties"], decisive["metric"], "all", MIXED, decisive["against"])
    )
    return ProofNote(
        id=proof.id,
        verdict=proof.verdict,
        sentence=str(proof),
        metric=decisive["metric"],
        lift=row["lift"],
        low=row["lift_low"],
        high=row["lift_high"],
    )


def mixes(proof: Proof, step: MakeStep) -> bool:
    """Whether synthetic data is mixed in."""
    return step.mix == "always" or proof.verdict in ("helps", "helps, but")


def note_of(proof: Proof, step: MakeStep) -> str:
    """What a person should know where model and verdict do not say the same; nothing where they do."""
    if proof.verdict in ("helps", "helps, but"):
        return ""
    if mixes(proof, step):
        return (
            f"The verdict is {proof.verdict!r}, and the model was still trained with synthetic data: "
            'set [make] mix = "helps" to train on real data alone unless synthetic data helps.'
        )
    return f"The verdict is {proof.verdict!r}: the model was trained on real data alone."
