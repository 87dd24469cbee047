"""A model that stores people is caught, whatever its files; so is a ranker that learned them by heart."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from attacked import renamed, wide
from wareloom.attacks import Arena, Outcome, run_attacks
from wareloom.attacks._ranked import losses
from wareloom.attacks._stored import in_common, stored
from wareloom.core.family import ATTACKS, RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import SourceError
from wareloom.rankers import Ranker
from wareloom.shop import Log, Shop
from wareloom.shop.runs import run_codes

RUN = Run(seed=3, threads=1)
USERS = 150


@cache
def sides() -> tuple[Shop, Shop, Shop]:
    """Members, a holdout, and others still."""
    return wide(USERS, 1, "m"), wide(USERS, 2, "h"), wide(USERS, 4, "o")


def attacked(
    name: str, model: Path | None, synth: Shop | None = None, **settings: object
) -> Outcome:
    members, holdout, others = sides()
    dealt = Arena.of(members, synth or renamed(others), holdout, RUN, model)
    outcome = ATTACKS.make(name, **settings).attack(dealt, RUN)
    assert isinstance(outcome, Outcome), outcome
    return outcome


def test_outlines_hold_every_timeline(tmp_path: Path) -> None:
    SYNTHESIZERS.make("markov").fit(sides()[0], RUN).save(tmp_path / "model")
    found = attacked("model", tmp_path / "model")
    assert found.about["timelines of members recovered"] == 1.0
    assert found.about["timelines of others recovered"] < 0.02
    assert found.area.value > 0.99
    assert found.tpr(0.01).value > 0.99


@pytest.mark.parametrize("name", ["independent"])
def test_counts_hold_no_timeline(tmp_path: Path, name: str) -> None:
    SYNTHESIZERS.make(name).fit(sides()[0], RUN).save(tmp_path / "model")
    found = attacked("model", tmp_path / "model")
    assert found.about["timelines of members recovered"] < 0.02


def test_a_model_of_others_tells_nobody(tmp_path: Path) -> None:
    SYNTHESIZERS.make("markov").fit(sides()[2], RUN).save(tmp_path / "model")
    found = attacked("model", tmp_path / "model")
    assert found.p > 0.01
    assert found.about["timelines of members recovered"] < 0.02


def kept(shape: str, folder: Path) -> None:
    """Members in the folder of some tool's model."""
    events = sides()[0].table("events").sort("user_id", "time")
    log = Log.of(sides()[0])
    folder.mkdir()
    if shape == "times in JSON":
        rows = events.group_by("user_id", maintain_order=True).agg(pl.col("time").cast(pl.Int64))
        (folder / "x.json").write_text(
            json.dumps({"a": [{"t": t} for t in rows["time"].to_list()]})
        )
    elif shape == "times moved by user":
        moved = log.time + 86_400_000_000 * 7 * np.repeat(np.arange(len(log.users)), log.lengths())
        np.savez(folder / "x.npz", seen=moved)
    elif shape == "times in a padded matrix":
        wide_ = np.zeros((len(log.users), 20), dtype=np.float64)
        for user in range(len(log.users)):
            a, b = log.offsets[user : user + 2]
            wide_[user, : b - a] = log.time[a:b]
        np.save(folder / "x.npy", wide_)
    elif shape == "items in a table":
        events.select(pl.col("item_id").alias("anything")).write_parquet(folder / "x.parquet")
    elif shape == "items by place":
        names = log.items.ids.sort(descending=True)
        place = np.empty(len(names), np.int64)
        place[log.items.encode(names)] = np.arange(len(names))
        names.to_frame("names").write_parquet(folder / "names.parquet")
        np.savez(folder / "x.npz", seen=place[log.item])
    elif shape == "items as a sparse matrix":
        matrix = log.matrix()
        pl.DataFrame({"item_id": log.items.ids}).write_parquet(folder / "names.parquet")
        np.savez(folder / "x.npz", indices=matrix.indices, indptr=matrix.indptr)


@pytest.mark.parametrize(
    "shape",
    [
        "times in JSON",
        "times moved by user",
        "times in a padded matrix",
        "items in a table",
        "items by place",
        "items as a sparse matrix",
    ],
)
def test_people_are_found_in_whatever_a_tool_saved(tmp_path: Path, shape: str) -> None:
    kept(shape, tmp_path / "model")
    found = attacked("model", tmp_path / "model")
    assert found.area.value > 0.98, shape


def test_runs_in_common_are_those_of_plain_loops() -> None:
    rng = np.random.default_rng(0)
    values, offsets = rng.integers(0, 4, 40), np.array([0, 7, 7, 20, 40])
    among = [rng.integers(0, 4, 30), rng.integers(0, 4, 12)]
    surprise = rng.random(40)
    got = in_common(values, offsets, surprise, among, 6)
    for user in range(4):
        best, longest = 0.0, 0
        for a in range(offsets[user], offsets[user + 1]):
            for size in range(2, 7):
                mine = values[a : a + size]
                if a + size > offsets[user + 1]:
                    continue
                if any(
                    (mine == s[i : i + size]).all() for s in among for i in range(len(s) - size + 1)
                ):
                    best, longest = max(best, surprise[a : a + size].sum()), max(longest, size)
        assert got.surprise[user] == pytest.approx(best)
        assert got.length[user] == longest
    assert run_codes(values, offsets, 2)[6] == 0, "no run goes on into the next user"


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing is no folder"):
        stored(tmp_path / "nothing")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 not at all")
    with pytest.raises(SourceError, match=r"x\.parquet cannot be read"):
        stored(tmp_path)


def test_without_a_model_it_is_left_out() -> None:
    members, holdout, others = sides()
    report = run_attacks(members, renamed(others), holdout, RUN, names=["model"])
    assert report.left_out == {"model": "it looks into the saved model, and none was given"}


def test_a_ranker_that_learned_people_by_heart_is_caught(tmp_path: Path) -> None:
    ranker = RANKERS.make("user_knn").fit(sides()[0], RUN)
    ranker.save(tmp_path / "ranker")
    found = attacked("ranker", tmp_path / "ranker")
    assert found.area.value > 0.9
    RANKERS.make("user_knn").fit(sides()[2], RUN).save(tmp_path / "other")
    assert attacked("ranker", tmp_path / "other").p > 0.01


def test_a_ranker_of_a_sample_is_only_as_telling_as_the_sample() -> None:
    copied = attacked("ranker", None, renamed(sides()[0]))
    honest = attacked("ranker", None, renamed(sides()[2]))
    assert copied.area.value > 0.9
    assert honest.p > 0.01


def test_losses_are_those_of_plain_loops() -> None:
    """The place of the last item among all, ties by half, from the whole matrix of scores."""
    case = Arena.of(*(sides()[i] for i in (0, 0, 1)), RUN).cases[0]
    ranker: Ranker = RANKERS.make("transitions").fit(case.others.log, RUN)
    people = case.targets.select(np.arange(20))
    got = losses(ranker, people)
    from wareloom.shop import Requests

    for user in range(20):
        items = people.log.items.ids.gather(
            people.log.item[slice(*people.log.offsets[user : user + 2])]
        )
        scores = ranker.score(Requests.sessions([items.to_list()[:-1]], people.log.items))[0]
        code = ranker.items_.to_list().index(items[-1])
        above, ties = (scores > scores[code]).sum(), (scores == scores[code]).sum()
        assert got[user, 0] == pytest.approx((above + ties / 2) / len(scores), abs=1e-9)
