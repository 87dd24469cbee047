"""What is held out of everything: no arm stops, and no weight is learned, by what another was trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.evaluation.tasks import build_task
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.proof.arms import repeated
from wareloom.rankers.held import Held
from wareloom.rankers.hybrid.stack import Stack
from wareloom.rankers.sequence.data import Layout, SequenceData
from wareloom.shop import Log, Requests, Shop, Vocabulary

RUN = Run(seed=2, threads=1)
QUICK = {"embedding_size": 16, "layers": 1, "epochs": 3, "batch_size": 512}


@pytest.fixture(scope="module")
def parts() -> Split:
    found = split(small_shop(users=200), SplitSettings(by="leave-last-out"), None, RUN)
    train, validation, test = (part.in_memory() for part in found)
    return Split(train, validation, test, found.how)


@pytest.fixture(scope="module")
def held(parts: Split) -> Held:
    return build_task(parts, "validation").held()


def layout(log: Log) -> Layout:
    return Layout(
        max_length=10,
        epochs=2,
        batch_size=64,
        accumulate=1,
        validation=0.2,
        worth=lambda log: log.weight,
        beside=lambda log: [],
    )


def copies_of_what_stops(data: SequenceData) -> int:
    """Users held back whose copy in training has their whole history, and the answer after it."""
    taken = {
        user.rpartition("/")[2]: data.log.item[a:b].tolist()
        for user, a, b in rows(data.log)
        if user.startswith("repeated")
    }
    own = [
        (user, [*data.histories.item[a:b].tolist(), int(answer)])
        for (user, a, b), answer in zip(rows(data.histories), data.answers, strict=True)
    ]
    return sum(taken.get(user) == events for user, events in own)


def rows(log: Log) -> list[tuple[str, int, int]]:
    return list(zip(log.users.ids.to_list(), log.offsets[:-1], log.offsets[1:], strict=True))


def test_copies_hold_what_a_ranker_holds_back_of_its_own_rows(parts: Split, held: Held) -> None:
    train = parts.train
    twice = Log.of(
        train.with_tables(
            events=pl.concat(
                [train.table("events"), repeated(train, 1.0).table("events")],
                how="diagonal_relaxed",
            )
        )
    )
    leaking = SequenceData(twice, layout(twice), RUN)
    assert leaking.held
    assert copies_of_what_stops(leaking) == len(leaking.answers), "the planted hole"
    clean = SequenceData(twice, layout(twice), RUN, held.into(twice.items))
    assert clean.held
    assert copies_of_what_stops(clean) == 0
    assert len(clean.log) == len(twice), "nothing is taken out of what is learned from"


def test_what_is_held_is_the_first_answer_of_each_request(parts: Split, held: Held) -> None:
    task = build_task(parts, "validation")
    assert len(held) == len(task)
    known = Log.of(parts.train)
    for row in range(0, len(held), 17):
        user = held.histories.users.ids[row]
        code = known.users.ids.index_of(user)
        assert code is not None
        mine = known.item[known.offsets[code] : known.offsets[code + 1]]
        a, b = held.histories.offsets[row : row + 2]
        assert known.items.ids.gather(mine).to_list() == (
            held.histories.items.ids.gather(held.histories.item[a:b]).to_list()
        )
        assert held.answers[row] == task.item[task.offsets[row]]


def test_halves_part_the_requests(held: Held) -> None:
    first, second = held.halves(RUN)
    users = [part.histories.users.ids.to_list() for part in (first, second)]
    assert sorted(users[0] + users[1]) == sorted(held.histories.users.ids.to_list())
    assert not set(users[0]) & set(users[1])
    assert abs(len(first) - len(second)) <= 1


@pytest.mark.parametrize(("network", "share"), [(False, 1.0), (True, 0.5)])
def test_without_a_network_all_that_is_held_weighs_a_stack(
    parts: Split, held: Held, network: bool, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    weighed: list[int] = []
    weigh = Stack._weigh

    def watched(self: Stack, fitted: Any, given: Held, log: Log, run: Run) -> Any:
        weighed.append(len(given))
        return weigh(self, fitted, given, log, run)

    monkeypatch.setattr(Stack, "_weigh", watched)
    more = {"sasrec (text)": QUICK | {"epochs": 1}} if network else {}
    stack = Stack(members=("transitions", "item_knn", *more), member_settings=more)
    stack.fit(parts.train, RUN, held=held)
    stack.of(stack.members_, Log.of(parts.train), held, RUN)
    assert weighed == [pytest.approx(share * len(held), abs=1)] * 2


def test_answers_follow_into_another_catalogue(held: Held) -> None:
    items = Vocabulary(held.histories.items.ids.reverse().slice(3))
    moved = held.into(items)
    before = held.histories.items.ids.gather(held.answers)
    kept = before.is_in(items.ids.implode())
    assert items.ids.gather(moved.answers).to_list() == before.filter(kept).to_list()
    assert len(moved.histories.users) == len(moved.answers) < len(held)


@pytest.mark.parametrize("name", ["sasrec", "gru"])
def test_a_network_stops_by_what_is_held_and_learns_from_all_its_rows(
    parts: Split, held: Held, name: str
) -> None:
    settings: dict[str, Any] = {k: v for k, v in QUICK.items() if name == "sasrec" or k != "layers"}
    one = RANKERS.make(name, **settings).fit(parts.train, RUN, held=held)
    asked = Requests.of(held.histories)
    wrong = replace(held, answers=np.roll(held.answers, 7))
    other = RANKERS.make(name, **settings).fit(parts.train, RUN, held=wrong)
    assert [entry["loss"] for entry in one.training_] == [
        entry["loss"] for entry in other.training_
    ], "what stops it is no part of what it learns"
    assert [entry["value"] for entry in one.training_] != [
        entry["value"] for entry in other.training_
    ]
    assert one.steps == max(entry["step"] for entry in one.training_)
    assert one.updates is not None
    assert one.steps <= one.updates
    assert not hasattr(one, "_held"), "what is held is let go"
    assert np.isfinite(one.score(asked)).any()


def test_too_few_held_events_stop_nothing(parts: Split, held: Held) -> None:
    few = held.take(np.arange(5))
    ranker = RANKERS.make("sasrec", **QUICK).fit(parts.train, RUN, held=few)
    assert "value" not in ranker.training_[-1]


def test_a_stack_weighs_by_what_is_held_and_fits_its_members_once(
    parts: Split, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    transitions = type(RANKERS.make("transitions"))
    fit = transitions._fit

    def counted(self: Any, log: Log, shop: Shop | None, run: Run) -> None:
        calls.append(len(log))
        fit(self, log, shop, run)

    monkeypatch.setattr(transitions, "_fit", counted)
    stack = RANKERS.make("stack", members=("transitions", "item_knn"))
    stack.fit(parts.train, RUN, held=held)
    assert calls == [len(Log.of(parts.train))]
    assert stack.weights_["transitions"] > 0
    shuffled = replace(held, answers=np.random.default_rng(0).permutation(held.answers))
    other = RANKERS.make("stack", members=("transitions", "item_knn"))
    other.fit(parts.train, RUN, held=shuffled)
    assert other.weights_ != stack.weights_


def test_members_that_learn_from_real_rows_alone_see_no_other(parts: Split, held: Held) -> None:
    train = parts.train
    added = repeated(train, 2.0).table("events").with_columns(item_id=pl.lit("i0"))
    mixed = train.with_tables(
        events=pl.concat([train.table("events"), added], how="diagonal_relaxed")
    )
    of = {"members": ("transitions", "item_knn")}
    plain = RANKERS.make("stack", **of).fit(train, RUN, held=held)
    alone = RANKERS.make("stack", **of, real_alone=("transitions", "item_knn"))
    alone.fit(mixed, RUN, held=held)
    asked = Requests.of(held.histories)
    np.testing.assert_allclose(alone.score(asked), plain.score(asked), rtol=1e-6)
    taught = RANKERS.make("stack", **of, real_alone=("item_knn",)).fit(mixed, RUN, held=held)
    assert np.abs(taught.score(asked) - plain.score(asked)).max() > 1e-3
