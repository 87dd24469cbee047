"""The public functions: each job in one call, with settings by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from wareloom.advising import Advice, AdviceSettings
from wareloom.advising import advise as advise_on
from wareloom.core.asked import a_count, a_path, a_run, asks, names, of_class
from wareloom.core.family import Algorithm
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import SettingError
from wareloom.evaluation.agreement import Agreement, AgreementSettings
from wareloom.evaluation.agreement import agree as agree_with_people
from wareloom.evaluation.compare import CompareSettings, Comparison
from wareloom.evaluation.compare import compare as compare_shops
from wareloom.evaluation.evaluate import Judged, judge
from wareloom.experiment.result import Proof
from wareloom.makers import mixer as named_mixer
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
from wareloom.shop.asked import a_shop
from wareloom.synthesis import Condition, Synthesizer

if TYPE_CHECKING:
    from wareloom.makers import (
        AdviseOptions,
        AgreeOptions,
        CleanOptions,
        CompareOptions,
        LeaderboardOptions,
        PretrainOptions,
        ProveOptions,
        SegmentOptions,
        SplitOptions,
    )

SCREENS = Generator().screens
SCREEN_NAMES = names("schema")
NAME = of_class("a name, as wl.list has them", str)
MIXER = of_class("a name, or what wl.mixer makes", str, Mixer)
RANKER_OR_NAME = of_class("a name, or what wl.ranker makes", str, Ranker)
SYNTHESIZER_OR_NAME = of_class("a name, or what wl.synthesizer makes", str, Synthesizer)
SYNTHESIZER = of_class("a fitted synthesizer: wl.synthesizer(NAME).fit(train)", Synthesizer)
RANKER = of_class("a fitted ranker: wl.ranker(NAME).fit(parts.train), or wl.open(FOLDER)", Ranker)
SPLIT = of_class("the whole split, as wl.split(shop) returns it or wl.open(FOLDER)", Split)


def sampled(value: object) -> str:
    """A sample: a shop, or what screens made of one."""
    return "" if isinstance(value, Screened) else a_shop(value)


def contestants(value: object) -> str:
    """Rankers: names, or settings by label."""
    return "" if isinstance(value, Mapping) else names("ease")(value)


@asks(shop=a_shop, to=a_path, run=a_run)
def clean(
    shop: Shop, to: str | Path, run: Run | None = None, **settings: Unpack[CleanOptions]
) -> Shop:
    """Clean `shop` into the folder `to`; `settings` are those of `CleanSettings`."""
    return clean_shop(shop, configure(CleanSettings, settings), Path(to), run or Run())


@asks(shop=a_shop, to=a_path)
def split(shop: Shop, to: str | Path | None = None, **settings: Unpack[SplitOptions]) -> Split:
    """Split `shop` into train, validation and test; `settings` are `SplitSettings`', for example `last="14d"`."""
    return split_shop(shop, configure(SplitSettings, settings), to)


@asks(shop=a_shop)
def segment(shop: Shop, **settings: Unpack[SegmentOptions]) -> Shop:
    """Return some of a shop's users and events; `settings` are `SegmentSettings`', such as where={"age": "35-44"}."""
    return segment_shop(shop, configure(SegmentSettings, settings))


@asks(shop=a_shop, to=a_path, run=a_run)
def pretrain(
    shop: Shop, to: str | Path, run: Run | None = None, **settings: Unpack[PretrainOptions]
) -> dict[str, Any]:
    """Let a text encoder learn a shop's words and write it to `to`; `settings` are `PretrainSettings`'."""
    from wareloom.rankers.learned.pretraining import PretrainSettings
    from wareloom.rankers.learned.pretraining import pretrain as learn

    return learn(shop, configure(PretrainSettings, settings), Path(to), run or Run())


@asks(synthetic=a_shop, train=a_shop, holdout=a_shop, screens=SCREEN_NAMES, run=a_run)
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


@asks(
    fitted=SYNTHESIZER,
    users=a_count,
    train=a_shop,
    holdout=a_shop,
    screens=SCREEN_NAMES,
    run=a_run,
)
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


@asks(real=a_shop, synthetic=sampled, mixer=MIXER, run=a_run)
def mix(
    real: Shop,
    synthetic: Shop | Screened,
    mixer: str | Mixer = "ratio",
    run: Run | None = None,
    **settings: Any,
) -> Shop:
    """Blend real and synthetic rows; `settings` are the mixer's, for example `ratio=0.5`.

    `mixer`: a name, or what `wl.mixer` made, which has its settings.
    """
    if isinstance(mixer, Mixer) and settings:
        raise SettingError(
            f"mix: the mixer {mixer!r} has its settings; give {', '.join(settings)} where it is made: wl.mixer(…)."
        )
    made = mixer if isinstance(mixer, Mixer) else named_mixer(mixer, **settings)
    return made.mix(real, synthetic.kept if isinstance(synthetic, Screened) else synthetic, run)


@asks(real=a_shop, synthetic=a_shop, holdout=a_shop, run=a_run)
def compare(
    real: Shop,
    synthetic: Shop,
    holdout: Shop | None = None,
    *,
    run: Run | None = None,
    **settings: Unpack[CompareOptions],
) -> Comparison:
    """Measure how like real behaviour synthetic behaviour is, each figure beside its floor between real users.

    `real` is what the synthesizer was fitted on, `holdout` real users that it never saw. `settings` are those of
    `CompareSettings`, such as measures=("popularity", "gaps") or gru=True.
    """
    return compare_shops(
        real, synthetic, holdout, configure(CompareSettings, settings), run=run or Run()
    )


@asks(model=RANKER, parts=SPLIT, metrics=names("ndcg@10"), run=a_run)
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
    model.check_fitted()
    return judge(model, parts, part, metrics, run)


@asks(
    shop=a_shop,
    synthesizer=SYNTHESIZER_OR_NAME,
    ranker=RANKER_OR_NAME,
    mixer=MIXER,
    screens=SCREEN_NAMES,
    run=a_run,
)
def prove(
    shop: Shop,
    *,
    of: str = "recommendation",
    synthesizer: str | Synthesizer | None = None,
    ranker: str | Ranker | None = None,
    mixer: str | Mixer | None = None,
    screens: Sequence[str] | None = None,
    split: str | Mapping[str, Any] | SplitSettings | None = None,
    run: Run | None = None,
    **settings: Unpack[ProveOptions],
) -> Proof:
    """Find out whether synthetic data lifts a ranker on real held-out data.

    `of`: recommendation, system, clicks, search, transfer, pictures or dialogues. Synthesizer, ranker and mixer are
    named, or as `wl.synthesizer`, `wl.ranker` and `wl.mixer` make them, with their settings; `screens=()` screens
    nothing.
    `settings` are those of `ProofSettings`, `SystemProofSettings`, `ClickProofSettings`, `QueryProofSettings`,
    `TransferProofSettings`, `PictureProofSettings` or `DialogueProofSettings`, such as others=["shops/other"] or
    asks="slots"; what is not named takes the kind's own: markov and transitions by time, exposures and logistic by
    time, lambdamart by query, markov and stack by time, image_augment and cnn by class, utterances and words.
    """
    named: dict[str, Any] = {"of": of, "split": split, "screens": screens}
    parts: dict[str, Any] = {"synthesizer": synthesizer, "ranker": ranker, "mixer": mixer}
    for part, value in parts.items():
        if isinstance(value, Algorithm):
            named |= {part: value.name, f"{part}_settings": value.changed()}
        else:
            named[part] = value
    given = {name: value for name, value in named.items() if value is not None}
    if twice := next((name for name in given if name in settings), None):
        raise SettingError(
            f"prove: {twice} is given, and the {twice.partition('_')[0]} has its settings already."
        )
    return prove_by(shop, Recipe.of(tables_of(given | dict(settings))).settings, run)


@asks(shop=a_shop, to=a_path, run=a_run)
def advise(
    shop: Shop,
    to: str | Path,
    *,
    minutes: float = 30.0,
    for_: str = "recommendation",
    run: Run | None = None,
    resume: bool = False,
    force: bool = False,
    **settings: Unpack[AdviseOptions],
) -> Advice:
    """Find the best system of a shop in the minutes given, and prove what synthesis adds to it.

    `for_`: recommendation, search or both. Writes page, recipe and model to `to`. `settings` are those of
    `AdviceSettings`, such as other_shops=["shops/other"]. `resume` goes on with a call that was stopped.
    """
    asked = configure(AdviceSettings, {"minutes": minutes, "job": for_, **settings})
    return advise_on(shop, asked, to, run, resume=resume, force=force)


@asks(shop=a_shop, labels=NAME, run=a_run)
def agree(
    shop: Shop, labels: str = "lexical", *, run: Run | None = None, **settings: Unpack[AgreeOptions]
) -> Agreement:
    """Compare the labels of a synthesizer with those of people, on queries that it never saw.

    `settings` are those of `AgreementSettings`, such as labelled=200 or settings={"least": 0.5}.
    """
    return agree_with_people(
        shop, configure(AgreementSettings, {"labels": labels, **settings}), run
    )


@asks(shop=a_shop, rankers=contestants, run=a_run)
def leaderboard(
    shop: Shop,
    rankers: Sequence[str | Ranker] | dict[str, dict[str, Any]],
    *,
    split: str = "time",
    run: Run | None = None,
    **settings: Unpack[LeaderboardOptions],
) -> Leaderboard:
    """Train rankers on real data alone and judge them on the held-out part.

    `rankers`: names, rankers as `wl.ranker` makes them, or settings by label; a label is a ranker's name, unless the
    settings name another `ranker`.
    """
    asked = rankers if isinstance(rankers, dict) else dict(map(_labelled, rankers))
    raw = {"leaderboard": {"rankers": asked, **settings}, "split": {"by": split}}
    return compare_rankers(shop, Recipe.of(raw | {"stages": ("leaderboard",)}).contest(), run)


def _labelled(ranker: str | Ranker) -> tuple[str, dict[str, Any]]:
    """A ranker of a leaderboard: its label and its settings."""
    return (ranker.name, ranker.changed()) if isinstance(ranker, Ranker) else (ranker, {})
