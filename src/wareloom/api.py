"""The public functions: each job in one call, with settings by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wareloom.core.family import MIXERS, RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.evaluation.agreement import Agreement, AgreementSettings
from wareloom.evaluation.agreement import agree as agree_with_people
from wareloom.evaluation.compare import CompareSettings, Comparison
from wareloom.evaluation.compare import compare as compare_shops
from wareloom.evaluation.evaluate import Judged, judge
from wareloom.experiment.result import Proof
from wareloom.mixing import Mixer
from wareloom.preparing.cleaning import CleanSettings
from wareloom.preparing.cleaning import clean as clean_shop
from wareloom.preparing.segments import SegmentSettings
from wareloom.preparing.segments import segment as segment_shop
from wareloom.preparing.splits import Split, SplitSettings
from wareloom.preparing.splits import split as split_shop
from wareloom.proof.leaderboard import Leaderboard
from wareloom.proof.leaderboard import leaderboard as compare_rankers
from wareloom.proof.prove import prove as prove_by
from wareloom.rankers import Ranker
from wareloom.recipe.load import Recipe, tables_of
from wareloom.sampling.generator import Generator
from wareloom.sampling.rejection import sample_screened
from wareloom.screening import Screened, screen_all
from wareloom.screening import made as made_screens
from wareloom.shop import Shop
from wareloom.synthesis import Condition, Synthesizer

SCREENS = Generator().screens


def synthesizer(name: str, **settings: Any) -> Synthesizer:
    """Return the synthesizer called `name`, not fitted yet; `settings` by name, checked."""
    made: Synthesizer = SYNTHESIZERS.make(name, **settings)
    return made


def ranker(name: str, **settings: Any) -> Ranker:
    """Return the ranker called `name`, not fitted yet; `settings` by name, checked."""
    made: Ranker = RANKERS.make(name, **settings)
    return made


def clean(shop: Shop, to: str | Path, run: Run | None = None, **settings: Any) -> Shop:
    """Clean `shop` into the folder `to`; `settings` are those of `CleanSettings`."""
    return clean_shop(shop, configure(CleanSettings, settings), Path(to), run or Run())


def split(shop: Shop, to: str | Path | None = None, **settings: Any) -> Split:
    """Split `shop` into train, validation and test; `settings` are `SplitSettings`', for example `last="14d"`."""
    return split_shop(shop, configure(SplitSettings, settings), to)


def segment(shop: Shop, **settings: Any) -> Shop:
    """Return some of a shop's users and events; `settings` are `SegmentSettings`', such as where={"age": "35-44"}."""
    return segment_shop(shop, configure(SegmentSettings, settings))


def pretrain(shop: Shop, to: str | Path, run: Run | None = None, **settings: Any) -> dict[str, Any]:
    """Let a text encoder learn a shop's words and write it to `to`; `settings` are `PretrainSettings`'."""
    from wareloom.rankers.learned.pretraining import PretrainSettings
    from wareloom.rankers.learned.pretraining import pretrain as learn

    return learn(shop, configure(PretrainSettings, settings), Path(to), run or Run())


def screen(
    synthetic: Shop,
    train: Shop,
    holdout: Shop | None = None,
    *,
    screens: Sequence[str] = SCREENS,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    run: Run | None = None,
) -> Screened:
    """Apply `screens` one after the other; raises `LeakError` where `synthetic` knows the held-out part.

    `settings` are those of the screens, by the screen's name: settings={"rules": {"file": "rules.toml"}}.
    """
    return screen_all(made_screens(screens, settings), synthetic, train, holdout, run)


def sample(
    fitted: Synthesizer,
    users: int,
    train: Shop,
    holdout: Shop | None = None,
    *,
    screens: Sequence[str] = SCREENS,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    given: Condition | None = None,
    run: Run | None = None,
) -> Screened:
    """Sample `users` users that pass the screens: draw, screen, and draw again until there are as many.

    `train` is what `fitted` was fitted on; `settings` as for `screen`. The result's `sampling` says how many were drawn
    and the share that passed. Raises `LeakError` as `screen` does, and `RefusedError` where nobody passes.
    """
    return sample_screened(
        fitted, users, made_screens(screens, settings), (train, holdout), run or Run(), given
    )


def mix(
    real: Shop,
    synthetic: Shop | Screened,
    mixer: str = "ratio",
    run: Run | None = None,
    **settings: Any,
) -> Shop:
    """Blend real and synthetic rows; `settings` are the mixer's, for example `ratio=0.5`."""
    made: Mixer = MIXERS.make(mixer, **settings)
    return made.mix(real, synthetic.kept if isinstance(synthetic, Screened) else synthetic, run)


def compare(
    real: Shop,
    synthetic: Shop,
    holdout: Shop | None = None,
    *,
    run: Run | None = None,
    **settings: Any,
) -> Comparison:
    """Measure how like real behaviour synthetic behaviour is, each figure beside its floor between real users.

    `real` is what the synthesizer was fitted on, `holdout` real users that it never saw. `settings` are those of
    `CompareSettings`, such as measures=("popularity", "gaps") or gru=True.
    """
    return compare_shops(
        real, synthetic, holdout, configure(CompareSettings, settings), run=run or Run()
    )


def evaluate(
    model: Ranker,
    parts: Split,
    part: str = "test",
    metrics: Sequence[str] = (),
    run: Run | None = None,
) -> Judged:
    """Measure a ranker on a held-out part; `table` has the columns metric, slice, mean, low, high, requests.

    A click model predicts impressions and a ranker of search answers judged queries where the part has such; every
    other ranks all items for each held-out request. `metrics`: the kind's own where none are named.
    """
    return judge(model, parts, part, metrics, run)


def prove(
    shop: Shop,
    *,
    of: str = "recommendation",
    synthesizer: str | None = None,
    ranker: str | None = None,
    split: str | None = None,
    run: Run | None = None,
    **settings: Any,
) -> Proof:
    """Find out whether synthetic data lifts a ranker on real held-out data.

    `of`: recommendation, system, clicks, search or transfer. `settings` are those of `ProofSettings`,
    `SystemProofSettings`, `ClickProofSettings`, `QueryProofSettings` or `TransferProofSettings`, such as
    others=["shops/other"]; what is not named takes the kind's own: markov and transitions by time, exposures and
    logistic by time, lambdamart by query, markov and stack by time.
    """
    named = {"of": of, "synthesizer": synthesizer, "ranker": ranker, "split": split}
    recipe = Recipe.of(
        tables_of({name: v for name, v in named.items() if v is not None} | settings)
    )
    return prove_by(shop, recipe.settings, run)


def agree(
    shop: Shop, labels: str = "lexical", *, run: Run | None = None, **settings: Any
) -> Agreement:
    """Compare the labels of a synthesizer with those of people, on queries that it never saw.

    `settings` are those of `AgreementSettings`, such as labelled=200 or settings={"least": 0.5}.
    """
    return agree_with_people(
        shop, configure(AgreementSettings, {"labels": labels, **settings}), run
    )


def leaderboard(
    shop: Shop,
    rankers: Sequence[str] | dict[str, dict[str, Any]],
    *,
    split: str = "time",
    run: Run | None = None,
    **settings: Any,
) -> Leaderboard:
    """Train rankers, by name or with settings by label, on real data alone and judge them on the held-out part."""
    asked = rankers if isinstance(rankers, dict) else {name: {} for name in rankers}
    raw = {"leaderboard": {"rankers": asked, **settings}, "split": {"by": split}}
    return compare_rankers(shop, Recipe.of(raw | {"stages": ("leaderboard",)}).contest(), run)
