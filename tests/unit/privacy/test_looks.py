"""Looks that nobody pays for: each is refused in private mode before anything is spent, or costs the word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from private_shops import crowd, shop_of

from wareloom.core.family import MIXERS, RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import RefusedError
from wareloom.evaluation.tuning import SearchSettings, parse_space, search
from wareloom.experiment.choosing import chosen
from wareloom.preparing.splits import SplitSettings, split
from wareloom.privacy.ledger import PLACE, Ledger
from wareloom.proof.other_shops import Bridge, Other
from wareloom.proof.recommendation import ProofSettings, Recommendation
from wareloom.proof.transfer_pool import Asked
from wareloom.proof.transfer_pool import drawn as drawn_pool
from wareloom.rankers.held import Held
from wareloom.sampling.generator import Generator
from wareloom.sampling.rejection import sample_screened
from wareloom.screening import made
from wareloom.shop import Log, Shop
from wareloom.shop.keeps import Keeps
from wareloom.synthesis.behaviour.shuffled import Shuffled

RUN = Run(threads=1)
WALK: dict[str, Any] = {"epsilon": 3.0, "public": ("items.title", "items.category"), "bound": 10}
REAL = shop_of(crowd(120))


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The shop's ledger with a budget: only a refusal keeps a private generator from spending it."""
    monkeypatch.setenv(PLACE, str(tmp_path / "ledgers"))
    found = Ledger.open(tmp_path / "ledgers", REAL.fingerprint)
    found.allow(50.0, 1e-6)
    return found


def said(keeps: Keeps) -> Shop:
    """A sample that says what it keeps."""
    return shop_of(crowd(60, seed=1)).keeping(keeps)


@pytest.mark.parametrize(
    ("screens", "words"), [((), "exact number of users"), (("copies",), "which rows a screen")]
)
def test_a_pool_of_a_proof_is_no_private_sample(
    screens: tuple[str, ...], words: str, ledger: Ledger
) -> None:
    """Naive: so many users as the ratio and the log's size say, and the sample is called private."""
    generator = Generator(synthesizer="private_walk", settings=WALK, screens=screens)
    with pytest.raises(RefusedError, match=words):
        generator.pool(REAL, None, 30, RUN)
    assert not ledger.entries()
    seeded = Generator(synthesizer="private_walk", settings=WALK | {"noise_seed": 1}, screens=())
    assert seeded.pool(REAL, None, 30, RUN).screened.kept.keeps == "counts"


def test_a_ratio_is_not_chosen_for_a_private_generator(ledger: Ledger) -> None:
    generator = Generator(synthesizer="private_walk", settings=WALK, screens=())
    split = SplitSettings(by="leave-last-out")
    asked = ProofSettings(generator=generator, ratios=(0.5, 1.0), split=split, seeds=1)
    study = Recommendation(REAL, asked, RUN)

    def judged(_: Any) -> Any:
        raise AssertionError("cells were computed before the refusal")

    with pytest.raises(RefusedError, match="ratio that was chosen on held-back users"):
        chosen(study, study.plan(), judged)
    assert not ledger.entries()


def test_a_mixer_that_searches_fits_no_private_generator_anew(ledger: Ledger) -> None:
    """Naive: rows of private_walk, known by their origin, are sampled anew for each trial, and paid for again."""
    walk = SYNTHESIZERS.make("private_walk", **WALK, noise_seed=1).fit(REAL, RUN)
    sample, own = walk.sample(40, RUN), {"private_walk": WALK}
    with pytest.raises(RefusedError, match="ratio that was chosen on held-back users"):
        MIXERS.make("searched", synthesizer_settings=own).mix(REAL, sample, RUN)
    assert not ledger.entries()
    seeded = MIXERS.make(
        "searched", synthesizer_settings={"private_walk": WALK | {"noise_seed": 1}}
    )
    assert seeded.mix(REAL, sample, RUN).keeps != "private"


@pytest.mark.parametrize("weights", [{}, {"private_walk": 1.0}])
def test_private_members_are_not_put_together_by_what_helps(
    weights: dict[str, float], ledger: Ledger
) -> None:
    own = {"private_walk": WALK}
    joint = SYNTHESIZERS.make(
        "joint", members=("private_walk",), member_settings=own, weights=weights
    )
    with pytest.raises(RefusedError, match="weights, slices and shares"):
        joint.fit(REAL, RUN)
    assert not ledger.entries()


def test_a_joint_sample_is_never_private(ledger: Ledger) -> None:
    own = {"private_walk": WALK, "markov": {"structure": "chain"}}
    joint = SYNTHESIZERS.make(
        "joint",
        members=("private_walk", "markov"),
        member_settings=own,
        weights={"private_walk": 1.0, "markov": 1.0},
    )
    assert joint.fit(REAL, RUN).sample(20, RUN).keeps == "counts"
    assert ledger.entries()  # the private member did spend: it was no rehearsal


def test_who_stops_by_held_back_users_is_not_private() -> None:
    """A private sample teaches a private ranker; one that real users told when to stop keeps counts."""
    ranker = RANKERS.make("item_knn")
    assert ranker.fit(said("private"), RUN).kept() == "private"
    log = Log.of(REAL)
    held = Held(log.select(np.arange(30)), np.zeros(30, dtype=np.int32))
    assert ranker.fit(said("private"), RUN, held=held).kept() == "counts"
    assert ranker.fit(said("private"), RUN, log=log).kept() == "counts"


def test_other_events_in_a_private_ranker_cost_it_the_word() -> None:
    ranker = RANKERS.make("text_knn").fit(said("private"), RUN)
    assert ranker.kept() == "private"
    assert ranker.with_events(Log.of(REAL)).kept() == "counts"


def test_a_training_that_begins_with_a_real_model_is_not_private(tmp_path: Path) -> None:
    """Naive: weights that real users taught, trained on for one update by a private sample, called private."""
    small: dict[str, Any] = {"embedding_size": 8, "layers": 1, "epochs": 1, "max_length": 8}
    for name, shop in (("real", REAL), ("private", said("private"))):
        RANKERS.make("sasrec", **small).fit(shop, RUN).save(tmp_path / name)
    for name, kept in (("real", "counts"), ("private", "private")):
        begun = RANKERS.make("sasrec", **small, start_from=str(tmp_path / name))
        assert begun.fit(said("private"), RUN).kept() == kept
    assert begun.fit(REAL, RUN).kept() == "counts"
    plain = RANKERS.make("sasrec", **small).fit(said("private"), RUN)
    assert plain.kept() == "private"


@pytest.mark.parametrize(("keeps", "comment"), [("private", False), ("counts", True)])
def test_settings_that_were_searched_for_say_what_they_hold(
    keeps: Keeps, comment: bool, tmp_path: Path
) -> None:
    asked = SearchSettings(trials=1, split=SplitSettings(by="leave-last-out"))
    space = parse_space("item_knn", ["neighbours=5|10"])
    found = search(said(keeps), "item_knn", space, asked, to=tmp_path, run=RUN)
    assert found.keeps == keeps == json.loads((tmp_path / "tune.json").read_text())["keeps"]
    text = (tmp_path / "best.toml").read_text()
    assert ("is not private, whatever" in text) == comment
    real = search(REAL, "item_knn", space, asked, to=tmp_path / "real", run=RUN)
    assert real.keeps == "counts"


class Paid(Shuffled):
    """A stand-in for what was fitted on a private sample alone, and so holds nothing that was not paid for."""

    keeps: ClassVar[Any] = "private"


def test_a_private_sample_is_screened_beside_a_private_sample() -> None:
    """What is made of a private sample looks at no real user, so that nothing is to be paid for."""
    walk, screens = Paid().fit(said("private"), RUN), made(["copies"])
    kept = sample_screened(walk, 20, screens, (said("private"), None), RUN).kept
    assert kept.keeps == "private"
    with pytest.raises(RefusedError, match="which rows a screen"):
        sample_screened(walk, 20, screens, (said("private"), REAL), RUN)


def test_a_sample_of_other_shops_is_not_more_private_than_they_are() -> None:
    """Naive: the sample stands in this shop's tables, and so had this shop's word."""
    here = said("private")
    parts = split(here, SplitSettings(by="leave-last-out"), None, RUN)
    asked = Asked(Generator(settings={"structure": "chain"}, screens=()), 1, Bridge(here))
    other = Other(folder="other", shop=REAL, told={})
    pool = drawn_pool(asked, (other,), parts, parts.train, RUN)
    assert pool.screened.kept.keeps == "counts"
