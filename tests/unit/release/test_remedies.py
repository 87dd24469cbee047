"""Remedies of a release are measured: what passes does so by the same attacks, and its price is what it teaches."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from wareloom.attacks import Maker, run_attacks
from wareloom.cli import app
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import SettingError, UnknownNameError
from wareloom.privacy.ledger import Ledger
from wareloom.release.evidence import Evidence
from wareloom.release.gates import attack_area
from wareloom.release.policy import Policy
from wareloom.release.remedies import _held, taught, ways
from wareloom.shop import Requests, Shop
from wareloom.testing.lively import lively

USERS = 150
RUN = Run(seed=3, threads=1)
OUTLINES = Maker("markov", {"structure": "outline"})


@cache
def shops() -> tuple[Shop, Shop, Shop]:
    """Members, other users of the same draw, and a sample of outlines of the members."""
    real, holdout = (lively(USERS, seed, name) for seed, name in ((1, "m"), (2, "h")))
    return real, holdout, OUTLINES.sample(real, USERS, RUN)


def evidence(folder: Path, generator: Maker | None = OUTLINES, **policy: Any) -> Evidence:
    real, holdout, synth = shops()
    given = {"attacks": ("rhythm",), "attack_tpr": "off", "earlier": "ignored"} | policy
    asked = replace(Policy.of("partner"), **given)
    ledger = Ledger.open(folder, real.fingerprint)
    return Evidence(real, synth, asked, ledger, RUN, holdout, generator=generator)


def test_the_mildest_way_that_passes_is_named_with_its_price(tmp_path: Path) -> None:
    """An attack on times finds outlines, and finds nothing in a learned structure."""
    of = evidence(tmp_path, attack_area=0.7)
    check = attack_area(of)
    assert check is not None
    assert not check.passed
    assert "markov structure=learned gave upper ends of" in check.remedy
    assert "min_users" not in check.remedy
    again = Maker("markov", {"structure": "learned"}).sample(
        of.shop, USERS, RUN.with_(seed=RUN.seed_for("release", "remedy"))
    )
    assert of.holdout is not None
    report = run_attacks(of.shop, again, of.holdout, RUN, names=["rhythm"])
    assert f"upper ends of {report.high:.3f}" in check.remedy
    now, then = (taught(shop, _held(of), of) for shop in (of.synth, again))
    assert f"reaches {then:.4f} NDCG@10 on the holdout, by this sample {now:.4f}" in check.remedy
    assert f"({then / now - 1:+.0%})" in check.remedy


def test_that_no_way_passes_is_said_and_not_hidden(tmp_path: Path) -> None:
    of = evidence(
        tmp_path, Maker("markov", {"structure": "chain", "min_users": 10}), attack_area=0.5
    )
    check = attack_area(of)
    assert check is not None
    assert check.remedy.startswith("none of 2 more careful ways passes; the nearest: ")


def test_without_a_generator_nothing_is_said_to_be_measured(tmp_path: Path) -> None:
    check = attack_area(evidence(tmp_path, None, attack_area=0.7))
    assert check is not None
    assert "upper ends" not in check.remedy
    assert "--generator NAME tries such ways" in check.remedy


def test_ways_grow_in_care_and_end_with_a_private_one(tmp_path: Path) -> None:
    given = [one.settings for one in ways(evidence(tmp_path))]
    assert [one.get("min_users") for one in given] == [None, 2, 5, 10, 20, None]
    assert {one["structure"] for one in given[:-1]} == {"learned"}
    assert given[-1]["noise_seed"] == 0  # rehearsed: no budget is taken
    private = ways(evidence(tmp_path, keeps="private", epsilon=1.0))
    assert [(one.name, one.settings["epsilon"]) for one in private] == [("private_walk", 1.0)]


def test_what_a_sample_teaches_is_the_ndcg_of_last_events(tmp_path: Path) -> None:
    """The oracle: one user after the other, the place of the last event counted by hand."""
    of = evidence(tmp_path)
    held = _held(of)
    assert held is not None
    assert len(held) > 50
    ranker, ids = RANKERS.make("transitions").fit(of.synth, RUN), held.histories.items.ids
    gains = []
    for user, answer in enumerate(held.answers):
        had = ids.gather(held.histories.select(np.array([user])).item).to_list()
        scores = ranker.score(Requests.sessions([had]))[0]
        of_items = dict(zip(ranker.items_, scores, strict=True))
        own = of_items[ids[int(answer)]]
        out = set() if held.repeats else set(had)
        place = sum(score >= own for item, score in of_items.items() if item not in out)
        gains.append(1 / math.log2(1 + place) if place <= 10 else 0.0)
    assert taught(of.synth, held, of) == pytest.approx(np.mean(gains))


def test_the_command_wants_a_name_beside_settings(tmp_path: Path) -> None:
    real, holdout, synth = shops()
    for name, shop in (("real", real), ("holdout", holdout), ("synth", synth)):
        shop.save(tmp_path / name)
    words = [
        "release",
        str(tmp_path / "real"),
        str(tmp_path / "synth"),
        "--to",
        str(tmp_path / "o"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARELOOM_LEDGERS", str(tmp_path / "ledgers"))
        lone = CliRunner().invoke(app, [*words, "--set", "min_users=5"])
        wrong = CliRunner().invoke(app, [*words, "--generator", "markow"])
    assert isinstance(lone.exception, SettingError)
    assert isinstance(wrong.exception, UnknownNameError)
