"""What is read off, joined and isolated where people were copied; and what is not where they were not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest

from attacked import renamed, undated, wide
from wareloom.attacks import Arena, Attack, Outcome
from wareloom.attacks._control import beyond_control
from wareloom.attacks._matching import Guess, Seen, halves, in_order, matches, weeks, when
from wareloom.attacks._templates import shares
from wareloom.core.family import ATTACKS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.shop import Shop

RUN = Run(seed=3, threads=1)
USERS = 200


@cache
def sides() -> tuple[Shop, Shop, Shop]:
    """Members, a holdout, and others still."""
    return wide(USERS, 1, "m"), wide(USERS, 2, "h"), wide(USERS, 4, "o")


def strangely_named(shop: Shop) -> Shop:
    """The same people, each item another of its category, as outlines have it."""
    events = shop.table("events")
    number = events["item_id"].str.slice(1).cast(pl.Int64)
    other = (number + 60 * 7) % 3000
    return renamed(shop.with_tables(events=events.with_columns(item_id=pl.format("i{}", other))))


@cache
def arena(leak: str) -> Arena:
    members, holdout, others = sides()
    shops = {
        "copies": lambda: renamed(members),
        "other items": lambda: strangely_named(members),
        "outlines": lambda: SYNTHESIZERS.make("markov").fit(members, RUN).sample(USERS, RUN),
        "nobody": lambda: renamed(others),
        "other times": lambda: undated(renamed(members), 1),
    }
    return Arena.of(members, shops[leak](), holdout, RUN)


@cache
def found(name: str, leak: str) -> Outcome:
    outcome = ATTACKS.make(name).attack(arena(leak), RUN)
    assert isinstance(outcome, Outcome), outcome
    return outcome


@pytest.mark.parametrize("name", ["attribute", "linkability", "singling_out"])
@pytest.mark.parametrize("leak", ["copies", "other items", "outlines"])
def test_copied_people_are_known(name: str, leak: str) -> None:
    one = found(name, leak)
    assert one.area.value > 0.98
    assert one.p < 1e-6


@pytest.mark.parametrize("name", ["attribute", "linkability", "singling_out"])
def test_people_that_synth_does_not_know_are_not(name: str) -> None:
    one = found(name, "nobody")
    assert one.area.low <= 0.5 <= one.area.high
    assert one.p > 0.01


def test_categories_are_read_off_from_times_beside_what_anybody_would_guess() -> None:
    about = found("attribute", "other items").about
    assert about["categories by times, members"] > 0.95
    assert about["categories by half, members"] > 0.95
    assert about["categories by times, others"] < 0.1, "sixty shelves, three a user"
    assert about["categories by times, guessed of other people"] < 0.1
    honest = found("attribute", "nobody").about
    assert honest["categories by times, members"] < 0.1


def test_nothing_is_read_off_from_times_where_times_are_others() -> None:
    about = found("attribute", "other times").about
    assert about["categories by times, members"] < 0.1


def test_an_attack_that_looks_up_other_people_finds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates one place off: were that as good, the attack would not depend on whom it finds."""
    from wareloom.attacks import attribute

    def shifted(*given: object, **named: object):  # type: ignore[no-untyped-def]
        right = matches(*given, **named)  # type: ignore[arg-type]
        return right._replace(place=np.where(right.place > 0, right.place - 1, right.place))

    monkeypatch.setattr(attribute, "matches", shifted)
    one = ATTACKS.make("attribute").attack(arena("other items"), RUN)
    assert one.about["categories by times, members"] < 0.2


def test_halves_are_joined_of_members_alone() -> None:
    about = found("linkability", "other items").about
    assert about["joined of members"] > 0.95
    assert about["joined of others"] < 0.05
    assert about["risk low"] > 0.9
    honest = found("linkability", "nobody").about
    assert honest["risk low"] <= 0 <= honest["risk high"]


def test_halves_of_two_people_are_not_joined() -> None:
    """The later halves belong to others: who joins them all the same joins whatever it is given."""
    case = arena("other items").cases[0]
    log = in_order(case.targets, case).log
    users = np.arange(len(log.users))
    lengths = log.lengths()
    mixed = log.item.copy(), log.time.copy()
    by_length = {n: np.flatnonzero(lengths == n) for n in np.unique(lengths)}
    for group in by_length.values():
        for user, other in zip(group, np.roll(group, 1), strict=True):
            if user == other:
                continue
            n = int(lengths[user])
            mine, theirs = log.offsets[user] + (n + 1) // 2, log.offsets[other] + (n + 1) // 2
            rest = n // 2
            gap = log.time[mine] - log.time[theirs]
            for new, old in zip(mixed, (log.item, log.time), strict=True):
                new[mine : mine + rest] = old[theirs : theirs + rest]
            mixed[1][mine : mine + rest] += gap // (7 * 86_400_000_000) * (7 * 86_400_000_000)
    other = replace(case.targets, log=replace(log, item=mixed[0], time=mixed[1]))
    alone = np.array([len(by_length[n]) == 1 for n in lengths])
    attack = ATTACKS.make("linkability")
    whole = attack.score(case, RUN)[:, 0][~alone]
    torn = attack.score(replace(case, targets=other), RUN)[:, 0][~alone]
    assert whole.mean() > 0.45, "half of the targets are members"
    assert torn.mean() < 0.05
    assert len(users) == len(torn) + alone.sum()


def test_four_points_isolate_members_alone() -> None:
    about = found("singling_out", "other items").about
    assert about["isolates one of members"] > 0.9
    assert about["isolates one of others"] < 0.02
    assert about["risk low"] > 0.8
    honest = found("singling_out", "nobody").about
    assert honest["risk low"] <= 0 <= honest["risk high"] + 1e-9


def test_fewer_points_isolate_fewer_people() -> None:
    """One point, an hour and a category, holds of several: a predicate that holds of two isolates nobody."""
    one = ATTACKS.make("singling_out", points=1).attack(arena("other items"), RUN)
    four = found("singling_out", "other items")
    assert one.about["isolates one of others"] > four.about["isolates one of others"]


def test_a_risk_is_what_is_beyond_the_control() -> None:
    """Giomi and others (2023), equation 2: nine of ten where eight of ten are right of strangers is a half."""
    attack, control = np.arange(100) < 90, np.arange(100) < 80
    told = beyond_control("right", attack, control)
    assert told["risk"] == pytest.approx(0.5)
    assert told["risk low"] < 0.5 < told["risk high"]
    assert beyond_control("right", control, attack)["risk"] < 0, "naively 0.8 would be a leak"


def test_the_likeliest_template_is_the_one_that_a_copy_was_made_of() -> None:
    """By hand: the likelihood of each pair, event by event, in plain loops."""
    case = arena("copies").cases[0]
    mine, fake = (in_order(side, case) for side in (case.targets, case.synth))
    a, b = (Seen(when(side), weeks(side)) for side in (mine, fake))
    guess = Guess([0.05, 0.05, 0.4, 0.05], 0.3)
    told = shares(a.traits)
    got = matches(a, b, told, guess, 3)
    for user in range(12):
        size = min(16, int(mine.log.lengths()[user]))
        same = np.flatnonzero(np.minimum(fake.log.lengths(), 16) == size)
        by_hand = [likelihood(a, b, user, other, size, told, guess) for other in same]
        best = np.argsort(by_hand)[::-1][:3]
        assert np.allclose(got.gain[user, : len(best)], np.array(by_hand)[best], atol=1e-3)
        assert np.isclose(by_hand[int(np.flatnonzero(same == got.place[user, 0])[0])], max(by_hand))


def likelihood(a: Seen, b: Seen, user: int, other: int, size: int, told, guess: Guess) -> float:  # type: ignore[no-untyped-def]
    total, date = 0.0, abs(a.last[user] - b.last[other])
    from wareloom.attacks._matching import _date_gains
    from wareloom.attacks._templates import block_of, worth_of

    match, gaps, (loss, curve) = worth_of(
        block_of(a.traits, np.array([user]), size), told, guess.slips, guess.width
    )
    peak = float(_date_gains(a.last, b.last, guess)[user])
    total += max(np.log(guess.slip), peak - date**2 / (2 * guess.moved**2))
    ends = a.traits.offsets[user + 1], b.traits.offsets[other + 1]
    for back in range(size):
        i, j = ends[0] - 1 - back, ends[1] - 1 - back
        for sort in range(a.traits.fine.shape[1]):
            same = a.traits.fine[i, sort] == b.traits.fine[j, sort]
            alike = a.traits.coarse[i, sort] == b.traits.coarse[j, sort]
            total += match[0, back, sort, 2 if same else 1 if alike else 0]
        x, y = a.traits.gap[i], b.traits.gap[j]
        if np.isnan(x) or np.isnan(y):
            continue
        if x < 0 or y < 0:
            total += gaps[0, back] if x < 0 and y < 0 else loss
        else:
            total += max(loss, gaps[0, back] - curve * (x - y) ** 2)
    return float(total)


def test_halves_have_each_event_once_and_the_odd_one_in_the_first() -> None:
    people = arena("nobody").cases[0].targets
    first, second = halves(people)
    lengths = people.log.lengths()
    assert np.array_equal(first.people.log.lengths(), (lengths + 1) // 2)
    assert np.array_equal(second.people.log.lengths(), (lengths // 2)[second.users])
    assert len(first.people.log) + len(second.people.log) == len(people.log)


def test_shops_without_categories_and_brands_have_no_secrets() -> None:
    members, holdout, others = (
        s.with_tables(items=s.table("items").drop("category")) for s in sides()
    )
    bare = Arena.of(members, renamed(others), holdout, RUN)
    attack: Attack = ATTACKS.make("attribute")
    assert "items have no category and no brand" in str(attack.attack(bare, RUN))


def paid(shop: Shop, seed: int) -> Shop:
    """The shop with an income band of each user, and another attribute of some."""
    users = shop.table("events")["user_id"].unique(maintain_order=True)
    rng = np.random.default_rng(seed)
    bands = [
        [{"name": "income", "value": f"band {rng.integers(4)}"}]
        + ([{"name": "age", "value": "old"}] if rng.random() < 0.5 else [])
        for _ in users
    ]
    return shop.with_tables(users=pl.DataFrame({"user_id": users, "attributes": bands}))


@pytest.mark.parametrize("leak", [True, False])
def test_an_income_band_is_read_off_where_it_is_in_the_sample(leak: bool) -> None:
    members, holdout, others = (paid(side, seed) for seed, side in enumerate(sides()))
    source = members if leak else others
    users = source.table("users").with_columns(pl.format("s{}", "user_id").alias("user_id"))
    synth = strangely_named(source).with_tables(users=users)
    about = ATTACKS.make("attribute").attack(Arena.of(members, synth, holdout, RUN), RUN).about
    assert (about["income by times, members"] > 0.95) == leak
    assert about["income by times, others"] < 0.45
    assert about["income by times, guessed of other people"] < 0.45, "four bands"
    assert (about["age by half, members"] > 0.95) or not leak


def test_what_isolates_is_what_plain_loops_say() -> None:
    """A predicate of two users of SYNTH, or of two targets, isolates nobody, however rare it is elsewhere."""
    from wareloom.attacks.singling_out import Facts, _distinct, _isolated

    rng = np.random.default_rng(2)
    sides = [
        _distinct(rng.integers(0, 9, 40), rng.integers(0, 60, 40).astype(np.uint64))
        for _ in range(3)
    ]
    mine, fake, others = sides

    def holders(facts: Facts, code: int) -> set[int]:
        return set(facts.user[facts.code == code].tolist())

    people, expected = len(set(others.user.tolist())), np.zeros(9)
    for code in range(60):
        if len(holders(mine, code)) == len(holders(fake, code)) == 1:
            rarity = np.log((people + 1) / (len(holders(others, code)) + 1))
            expected[holders(mine, code).pop()] += rarity
    assert expected.any()
    assert np.allclose(_isolated(mine, fake, others, 9), expected)
    naive = [len(holders(mine, c)) * len(holders(fake, c)) > 1 for c in range(60)]
    assert any(naive), "without the second condition these would count"
