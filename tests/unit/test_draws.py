"""Ids of synthetic users, sessions and searches: the same recipe gives the same, two draws share none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import wareloom as wl
from conftest import small_shop
from search_shop import search_shop
from wareloom.core.family import MIXERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.mixing._draw import Pool
from wareloom.sampling.rejection import sample_screened
from wareloom.screening import made as screens
from wareloom.shop import Shop
from wareloom.synthesis import Given
from wareloom.synthesis.draws import DIGITS, mark, new_ids

BEHAVIOUR = ("markov", "independent", "neighbours", "augment", "shuffled", "exposures", "joint")
KEYS = ("user_id", "session_id", "search_id")


@pytest.fixture(scope="module")
def real() -> Shop:
    events = small_shop(users=40).table("events")
    sessions = pl.format("{}-{}", "user_id", pl.int_range(pl.len()) // 3)
    users = events.select("user_id").unique(maintain_order=True)
    return small_shop(users=40).with_tables(
        events=events.with_columns(session_id=sessions), users=users
    )


def fitted(name: str, shop: Shop, seed: int = 1, **settings: Any) -> Any:
    made = SYNTHESIZERS.load(name)
    return SYNTHESIZERS.make(name, **{**made.quick, **settings}).fit(shop, Run(seed=seed))


def ids(shop: Shop) -> dict[str, set[str]]:
    """Ids by key, those of every table together."""
    found: dict[str, set[str]] = {}
    for table in ("events", "users", "searches"):
        for key in KEYS:
            if shop.has(table, key):
                found.setdefault(key, set()).update(shop.table(table)[key].drop_nulls())
    return found


def all_apart(samples: Sequence[Shop]) -> None:
    for key in {key for sample in samples for key in ids(sample)}:
        each = [ids(sample).get(key, set()) for sample in samples]
        assert len(set().union(*each)) == sum(map(len, each)), f"samples share a {key}"


@pytest.mark.parametrize("name", BEHAVIOUR)
def test_two_draws_share_no_id_and_one_recipe_gives_the_same(name: str, real: Shop) -> None:
    one, other = fitted(name, real), fitted(name, small_shop(users=30, seed=9))
    samples = [
        one.sample(20, Run(seed=1)),
        one.sample(20, Run(seed=2)),
        one.sample(19, Run(seed=1)),
    ]
    all_apart([*samples, other.sample(20, Run(seed=1))])
    again = fitted(name, real).sample(20, Run(seed=1))
    assert again.table("events").equals(samples[0].table("events"))
    assert one.sample(20, Run(seed=1)).table("events").equals(samples[0].table("events"))


def test_settings_and_what_is_given_are_part_of_a_draw(real: Shop) -> None:
    one, other = fitted("markov", real), fitted("markov", real, structure="chain")
    item = real.table("items")["item_id"][0]
    given = [None, Given(length=3), Given(length=4), Given(start_items=(item,))]
    all_apart([one.sample(10, Run(), each) for each in given] + [other.sample(10, Run())])


def test_a_saved_synthesizer_gives_the_ids_of_the_one_that_was_saved(
    real: Shop, tmp_path: Path
) -> None:
    for name in ("markov", "joint", "augment"):
        made = fitted(name, real)
        made.save(tmp_path / name)
        assert ids(SYNTHESIZERS.restore(tmp_path / name).sample(10, Run(seed=3))) == ids(
            made.sample(10, Run(seed=3))
        )


def test_what_is_fitted_anew_has_a_new_mark(real: Shop) -> None:
    made = fitted("markov", real)
    before = mark(made, 10)
    assert mark(made, 10) == before
    assert mark(made.fit(small_shop(users=30, seed=9), Run()), 10) != before


def test_continued_users_keep_their_ids_and_get_sessions_of_the_draw(real: Shop) -> None:
    made = fitted("markov", real)
    one, two = (made.sample(10, Run(seed=s), Given(histories=real)) for s in (1, 2))
    assert ids(one)["user_id"] == ids(two)["user_id"] <= ids(real)["user_id"]
    assert not ids(one)["session_id"] & ids(two)["session_id"]


def test_searches_of_two_draws_are_apart() -> None:
    shop = search_shop(10).with_tables(judgments=None)
    made = fitted("search_log", shop, label_settings={"round_trip": 0}, shown=6)
    all_apart([made.sample(20, Run(seed=seed)) for seed in (1, 2)])


def test_later_draws_of_two_screened_samples_are_apart(real: Shop) -> None:
    made = fitted("markov", real)
    both = [
        sample_screened(made, 60, screens(["copies"]), (real, None), Run(seed=seed)).kept
        for seed in (1, 2)
    ]
    all_apart(both)


def test_ids_of_a_draw_sort_as_plain_numbers_do() -> None:
    """So which user is where in a log hangs on the number alone."""
    numbers = [str(n) for n in range(1_200)]
    named = new_ids("markov@1", 1_200, "0" * DIGITS)
    assert sorted(range(1_200), key=numbers.__getitem__) == named.arg_sort().to_list()


def test_two_samples_that_are_mixed_are_two_sets_of_shoppers(real: Shop) -> None:
    made, mixed = fitted("markov", real), real
    for seed in (1, 2, 3):
        mixed = MIXERS.make("ratio", ratio=10.0).mix(mixed, made.sample(20, Run(seed=seed)))
    fake = mixed.table("events").filter(pl.col("origin") != "real")
    assert fake["user_id"].n_unique() == 60
    assert mixed.table("users")["user_id"].is_unique().all()


@pytest.mark.parametrize("name", ["ratio", "curriculum", "labels"])
def test_a_sample_is_not_mixed_in_twice(name: str, real: Shop) -> None:
    sample = fitted("markov", real).sample(20, Run(seed=1))
    mixed = MIXERS.make("ratio", ratio=10.0).mix(real, sample)
    with pytest.raises(InputError, match="20 synthetic users are in the shop already"):
        MIXERS.make(name).mix(mixed, sample)


def test_users_that_are_called_as_real_ones_are_refused_or_go_on_with_them(real: Shop) -> None:
    ahead = fitted("markov", real).sample(40, Run(seed=1), Given(histories=real, length=2))
    with pytest.raises(
        InputError, match=r"40 synthetic users have ids of real users .*continues=true"
    ):
        MIXERS.make("ratio", ratio=10.0).mix(real, ahead)
    mixed = MIXERS.make("ratio", ratio=10.0, continues=True).mix(real, ahead)
    assert mixed.table("events")["user_id"].n_unique() == 40
    assert mixed.rows("events") == real.rows("events") + 80


def test_users_known_by_their_sessions_are_kept_apart_too() -> None:
    shop = small_shop(users=20)
    alone = shop.table("events").rename({"user_id": "session_id"})
    mine = Shop({"items": shop.table("items"), "events": alone})
    made = Shop(
        {"items": shop.table("items"), "events": alone.with_columns(origin=pl.lit("gen@1"))}
    )
    with pytest.raises(InputError, match="have ids of real users"):
        Pool.of(mine, made, continues=False)


def test_two_samples_by_the_command_line(tmp_path: Path) -> None:
    from wareloom.cli import app

    case = Path(__file__).parents[1] / "cases" / "88-two-samples-same-ids" / "events.csv"
    wl.read(case, to=tmp_path / "shop")
    shop = tmp_path / "shop"
    for seed in ("1", "2"):
        fake, mixed = tmp_path / f"f{seed}", tmp_path / f"m{seed}"
        words = f"synth markov {tmp_path / 'shop'} --to {fake} --users 20 --seed {seed} -q"
        app(words.split(), standalone_mode=False)
        app(f"mix {shop} {fake} --to {mixed} --set ratio=10".split(), standalone_mode=False)
        shop = mixed
    events = wl.Shop.open(shop).table("events").filter(pl.col("origin") != "real")
    assert events["user_id"].n_unique() == 40
