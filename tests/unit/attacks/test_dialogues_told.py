"""Copied turns are found, whole, in part and edited; other people's are not; agents' turns count as customers' do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import pytest

from wareloom.attacks import AttackReport, run_attacks
from wareloom.attacks._said import LONGEST, Likelihood, common, said_of
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.shop import Shop

RUN = Run(seed=3, threads=1)
WORDS = [
    f"{a}{b}"
    for a in "bdfgklmnprst"
    for b in ("a", "e", "i", "o", "un", "ar", "el", "is", "om", "ut")
]
SHARE = 1 / (5.0 + np.arange(len(WORDS)))
ITEMS = pl.DataFrame({"item_id": ["i0"], "title": ["A lamp"]})
Turn = tuple[str, str]


def talks(number: int, seed: int, words: Sequence[str] = WORDS) -> list[list[Turn]]:
    """Dialogues of a greeting that all share, a complaint of words of its own, and an agent's answer of such words."""
    rng = np.random.default_rng(seed)

    def said(length: int) -> str:
        return " ".join(rng.choice(words, length, p=SHARE / SHARE.sum()))

    return [
        [
            ("customer", "hello there"),
            ("customer", said(12)),
            ("agent", said(12)),
            ("customer", "thank you"),
        ]
        for _ in range(number)
    ]


def shop(dialogues: Sequence[Sequence[Turn]], prefix: str, origin: str = "real") -> Shop:
    rows = [
        (f"{prefix}{n}", turn, role, text, origin)
        for n, own in enumerate(dialogues)
        for turn, (role, text) in enumerate(own)
    ]
    names = ["dialogue_id", "turn", "role", "text", "origin"]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        pl.col("turn").cast(pl.Int32)
    )
    return Shop({"items": ITEMS, "dialogues": frame})


MINE, HELD, OTHER = (talks(100, seed) for seed in (1, 2, 3))
REAL, HOLDOUT = shop(MINE, "m"), shop(HELD, "h")


def attacked(made: Sequence[Sequence[Turn]], *names: str) -> AttackReport:
    wanted = list(names or ("dialogues",))
    return run_attacks(REAL, shop(made, "s", "made@1"), HOLDOUT, RUN, names=wanted)


def edited(text: str, seed: int = 0) -> str:
    """Every fifth word is another one."""
    rng, words = np.random.default_rng(len(text) + seed), text.split()
    words[::5] = rng.choice(WORDS, len(words[::5])).tolist()
    return " ".join(words)


def moved(dialogues: Sequence[Sequence[Turn]], how: Callable[[str], str]) -> list[list[Turn]]:
    return [
        [(role, how(text) if len(text) > 12 else text) for role, text in own] for own in dialogues
    ]


@pytest.mark.parametrize(
    ("made", "least"),
    [
        (MINE, 0.99),
        (moved(MINE, lambda text: "so " + " ".join(text.split()[2:10]) + " or not"), 0.98),
        (moved(MINE, edited), 0.95),
        # A half of the dialogues is copied, by one turn each, into dialogues of others.
        ([[*own[:2], *other[2:]] for own, other in zip(MINE[:50], OTHER, strict=False)], 0.7),
    ],
    ids=["whole", "a part", "edited", "a turn of half"],
)
def test_copies_are_found(made: Sequence[Sequence[Turn]], least: float) -> None:
    report = attacked(made)
    assert report.caught == ("dialogues",)
    assert report.worst.area.value > least


def test_other_peoples_words_are_no_copies() -> None:
    report = attacked(OTHER)
    assert report.caught == ()
    assert report.worst.area.low < 0.5 < report.worst.area.high
    about = report.worst.about
    assert about["dialogues of members with a copied run"] == 0
    assert about["longest run of a member"] < 8


def test_what_agents_said_is_anybodys_as_well() -> None:
    made = [[other[1], own[2]] for own, other in zip(MINE, OTHER, strict=True)]
    report = attacked(made, "dialogues", "queries")
    assert report.caught == ("dialogues",), "an agent's turn is no query"
    about = report.worst.about
    assert about["dialogues of members with a copied run"] == 1.0
    assert about["longest run of a member"] == 12


def test_dialogues_stand_beside_behaviour() -> None:
    """A shop with a log as well: its dialogues are attacked all the same, alone or beside its events."""
    from wareloom.testing.lively import lively

    real, synth, held = (lively(60, seed, name) for seed, name in ((1, "m"), (2, "s"), (3, "h")))
    talk = [one.table("dialogues") for one in (REAL, shop(MINE, "s", "made@1"), HOLDOUT)]
    real, both, held = (
        one.with_tables(dialogues=rows) for one, rows in zip((real, synth, held), talk, strict=True)
    )
    report = run_attacks(real, both, held, RUN, names=["items", "dialogues"])
    assert report.caught == ("dialogues",)
    assert report.outcome("items").members == 60
    assert report.outcome("dialogues").members == 100
    alone = Shop({"items": both.table("items"), "dialogues": talk[1]})
    report = run_attacks(real, alone, held, RUN)
    assert "dialogues" in report.caught
    assert report.left_out["items"] == "not all sides have events"
    bare = run_attacks(real, synth, held, RUN, names=["items", "dialogues"])
    assert bare.left_out == {"dialogues": "not all sides have dialogues"}


def test_a_holdout_that_is_no_other_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"100 of 100 dialogues of the holdout .* under other names"
    ):
        run_attacks(REAL, shop(OTHER, "s", "made@1"), shop(MINE, "h"), RUN)
    with pytest.raises(InputError, match="of the holdout are users of REAL"):
        run_attacks(REAL, shop(OTHER, "s", "made@1"), shop(HELD, "m"), RUN)
    with pytest.raises(InputError, match="REAL has 100 dialogues, the holdout 9"):
        run_attacks(REAL, shop(OTHER, "s", "made@1"), shop(HELD[:9], "h"), RUN)


def frame(*turns: str) -> pl.DataFrame:
    return pl.DataFrame(
        {"user": list(range(len(turns))), "text": turns}, schema_overrides={"user": pl.Int64}
    )


def test_common_runs_are_those_that_a_slow_search_finds() -> None:
    rng = np.random.default_rng(5)
    mine, others = (
        [" ".join(rng.choice(list("abcd"), rng.integers(1, 14))) for _ in range(60)]
        for _ in range(2)
    )
    mine += ["我的快递还没到", " ".join("x" * (LONGEST + 5))]
    others += ["你的快递还没到呢", " ".join("x" * (LONGEST + 5))]
    found = common(said_of(frame(*mine)), said_of(frame(*others)))
    held = [f" {' '.join(t if t.isascii() else ' '.join(t) for t in [text])} " for text in others]
    wanted = []
    for text in mine:
        words = text.split() if text.isascii() else list(text)
        for at in range(len(words)):
            best = 0
            for size in range(1, min(LONGEST, len(words) - at) + 1):
                if any(f" {' '.join(words[at : at + size])} " in other for other in held):
                    best = size
            wanted.append(best)
    assert found.tolist() == wanted


def test_likelihoods_are_witten_and_bells() -> None:
    rng = np.random.default_rng(6)
    known, asked = (
        [" ".join(rng.choice(list("abc"), rng.integers(1, 9))) for _ in range(12)] for _ in range(2)
    )
    asked.append("z a b")
    words = [text.split() for text in known]
    total = sum(map(len, words))

    def likely(word: str, before: list[str]) -> float:
        size = len(before)
        runs = [own[i : i + size + 1] for own in words for i in range(len(own) - size)]
        after = [run[-1] for run in runs if run[:-1] == before]
        shorter = likely(word, before[1:]) if before else 1 / (total + 1)
        kinds = len(set(after))
        return (after.count(word) + kinds * shorter) / (len(after) + kinds) if after else shorter

    wanted = [
        np.log(likely(word, text.split()[max(0, at - 3) : at]))
        for text in asked
        for at, word in enumerate(text.split())
    ]
    assert np.allclose(Likelihood(said_of(frame(*known))).of(said_of(frame(*asked))), wanted)
