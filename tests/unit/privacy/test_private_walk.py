"""private_walk: nothing of a log but what was paid for, one user moves no count beyond its bound, known answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wareloom.core.run import Run
from wareloom.errors import BudgetError, InputError, RefusedError, SettingError, SourceError
from wareloom.privacy import mechanisms
from wareloom.privacy import private as door
from wareloom.privacy.accounting import compose
from wareloom.privacy.ledger import Ledger, ledgers_folder
from wareloom.privacy.private import Private, Release
from wareloom.privacy.rows import Answer, Rows
from wareloom.shop import Log, Shop
from wareloom.shop.log import SESSION_GAP
from wareloom.synthesis.behaviour.private_walk import PrivateWalk
from wareloom.testing.shops import small_shop

PUBLIC = ("items.item_id", "items.title", "items.category", "items.price")
DELTA = 1e-6


def walker(**settings: Any) -> PrivateWalk:
    return PrivateWalk(**({"public": PUBLIC, "epsilon": 8.0, "delta": DELTA} | settings))


def with_columns(shop: Shop) -> Shop:
    """Events with quantities, ratings and kinds; one user's alone have session ids."""
    place = pl.int_range(pl.len())
    return shop.with_tables(
        events=shop.table("events").with_columns(
            quantity=(place % 3 + 1).cast(pl.Float64),
            rating=pl.when(place % 2 == 0).then(4.0),
            event=pl.when(place % 4 == 0).then(pl.lit("view_item")).otherwise("event"),
            session_id=pl.when(pl.col("user_id") == "u7").then(pl.format("s{}", place)),
        )
    )


def without(shop: Shop, user: str) -> Shop:
    return shop.with_tables(events=shop.scan("events").filter(pl.col("user_id") != user))


@pytest.fixture
def ledgers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WARELOOM_LEDGERS", str(tmp_path / "ledgers"))
    return tmp_path / "ledgers"


def allowed(shop: Shop, epsilon: float = 8.0) -> Ledger:
    ledger = Ledger.open(ledgers_folder(), shop.fingerprint)
    ledger.allow(epsilon, DELTA)
    return ledger


def test_each_seed_of_a_run_draws_noise_of_its_own() -> None:
    """Naive: one draw of the noise for all seeds, so that a proof's interval knows nothing of the noise."""
    shop = small_shop(users=60)

    def counts(seed: int, noise_seed: int) -> np.ndarray:
        made = walker(noise_seed=noise_seed, shoppers=60).fit(shop, Run(seed=seed))
        assert made.kept() == "counts"
        assert "not private" in made.stamp_["noise"]
        found: np.ndarray = made.habits_lengths_
        return found

    first = counts(1, 1)
    assert (first == counts(1, 1)).all()
    assert (first != counts(2, 1)).any()
    assert (first != counts(1, 2)).any()


# Nothing else of the log enters


def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mechanisms that say the same of any log."""
    keys = {"s": pl.Series(["i1", "i4", "i9"]), "i": pl.Series([3, 40, 95])}

    def histogram(user: Any, cell: Any, size: int, **_: Any) -> np.ndarray:
        return 40 + np.arange(size) % 7

    def sparse(user: Any, key: pl.Series, **_: Any) -> pl.DataFrame:
        found = keys["s" if key.dtype == pl.String else "i"]
        return pl.DataFrame({"key": found, "count": [50, 60, 70]})

    monkeypatch.setattr(mechanisms, "histogram", histogram)
    monkeypatch.setattr(mechanisms, "sparse_histogram", sparse)
    monkeypatch.setattr(
        mechanisms, "quantile", lambda u, v, grid, at, **_: grid[int(900 + 90 * at)]
    )


@dataclass(kw_only=True, eq=False)
class Naive(PrivateWalk):
    """Forgets to pay for popularity."""

    def fit(self, shop: Shop, run: Run | None = None) -> Naive:
        super().fit(shop, run)
        self.walk_popularity_ = Log.of(shop).counts()
        return self


@pytest.mark.parametrize("preset", ["teaching", "faithful"])
@pytest.mark.parametrize("public", [PUBLIC, ()])
def test_with_mechanisms_that_are_blind_two_logs_give_the_same_sample(
    preset: str, public: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = with_columns(small_shop(users=60, items=12))
    other = with_columns(small_shop(users=35, items=12, seed=8))
    other = other.with_tables(items=one.table("items").reverse())

    def prints(cls: type[PrivateWalk]) -> set[str]:
        settings: dict[str, Any] = {"noise_seed": 1, "preset": preset, "public": public}
        fitted = [
            cls(epsilon=1e6, bound=20, **settings).fit(shop, Run(seed=1)) for shop in (one, other)
        ]
        return {made.sample(20, Run(seed=2)).fingerprint for made in fitted}

    assert len(prints(PrivateWalk)) == 2, "the two logs differ in what is paid for"
    blind(monkeypatch)
    assert len(prints(PrivateWalk)) == 1
    if public:
        assert len(prints(Naive)) == 2, "an unpaid number is seen"


# One user moves no count beyond its bound


class Still:
    """No randomness at all."""

    private = False

    def words(self, count: int) -> np.ndarray:
        return np.zeros(count, dtype=np.uint64)

    def below(self, limit: int) -> int:
        return 0


def counted(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> dict[str, tuple[np.ndarray, float]]:
    """Counts without noise of all histograms and keys that are bought, each with its claimed sensitivity."""
    found: dict[str, tuple[np.ndarray, float]] = {}
    histogram, sparse = mechanisms.histogram, mechanisms.sparse_histogram

    def record(
        user: Any, cell: Any, size: int, *, bounds: tuple[int, int], **rest: Any
    ) -> np.ndarray:
        counts = histogram(user, cell, size, bounds=bounds, **rest)
        found[f"histogram {len(found)}"] = counts, mechanisms.sensitivity_of(*bounds)
        return counts

    def record_keys(user: Any, key: pl.Series, *, per_user: int, **rest: Any) -> pl.DataFrame:
        made = sparse(user, key, per_user=per_user, **(rest | {"threshold": 1}))
        # Ids of items as numbers, so that two shops' counts stand beside one another.
        codes = made["key"].str.slice(1).cast(pl.Int64) if key.dtype == pl.String else made["key"]
        counts = np.bincount(codes.to_numpy(), weights=made["count"].to_numpy(), minlength=2000)
        found[f"keys {len(found)}"] = counts, mechanisms.sensitivity_of(per_user, 1)
        return made

    with monkeypatch.context() as patch:
        patch.setattr(
            mechanisms, "whole_numbers", lambda count, *_: np.zeros(count, dtype=np.int64)
        )
        patch.setattr(mechanisms, "histogram", record)
        patch.setattr(mechanisms, "sparse_histogram", record_keys)
        patch.setattr(mechanisms, "quantile", lambda u, v, grid, at, **_: grid[int(1800 * at)])
        patch.setattr(door, "source_of", lambda seed: Still())
        walker(epsilon=1e6, noise_seed=1, **settings).fit(shop, Run(seed=1))
    return found


@pytest.mark.parametrize("bound", [6, 20])
@pytest.mark.parametrize("public", [PUBLIC, ()])
def test_one_user_moves_no_count_beyond_what_is_claimed(
    bound: int, public: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = with_columns(small_shop(users=40, items=12))
    whole = counted(shop, monkeypatch, bound=bound, public=public)
    assert len(whole) >= 10
    moved: dict[str, float] = dict.fromkeys(whole, 0.0)
    for user in ("u0", "u7", "u13", "u21"):
        less = counted(without(shop, user), monkeypatch, bound=bound, public=public)
        assert less.keys() == whole.keys(), "what is asked does not hang on the log"
        for name, (counts, claimed) in whole.items():
            assert claimed == less[name][1]
            distance = float(np.linalg.norm(counts - less[name][0]))
            moved[name] = max(moved[name], distance)
            assert distance <= claimed + 1e-9, name
    assert sum(value > 0 for value in moved.values()) >= 0.8 * len(moved), "the test sees the user"


def test_sessions_by_the_logs_own_numbers_would_hang_on_one_user(tmp_path: Path) -> None:
    """`Log.session` goes by ids where anybody has one: without u7, all others' sessions are others."""
    shop = with_columns(small_shop(users=40, items=12))
    shop = shop.with_tables(
        events=shop.table("events").with_columns(pl.col("time").dt.truncate("1w"))
    )

    def naive(rows: Rows) -> Answer:
        log = rows.log
        starts = np.flatnonzero(np.diff(log.session, prepend=-1) != 0)
        return starts, np.minimum(np.diff(np.append(starts, len(log))), 20) - 1

    def exact(of: Shop) -> np.ndarray:
        ledger = Ledger.open(tmp_path, of.fingerprint)
        ledger.allow(1e6, DELTA)
        private = Private(of, ledger, Release(1e6, DELTA, noise_seed=1), users=40)
        private.bounded(20)
        return private.histogram("sessions", naive, 20, 0.9, per_user=3)

    assert np.linalg.norm(exact(shop) - exact(without(shop, "u7"))) > 3 * 3


# What it costs, and what it says


def test_what_was_spent_stands_in_the_ledger_and_is_what_the_sample_says(
    ledgers: Path, tmp_path: Path
) -> None:
    shop = small_shop(users=700, items=12)
    ledger = allowed(shop)
    made = walker().fit(shop, Run(seed=1))
    sample = made.sample(40, Run(seed=2)).save(tmp_path / "sample")
    assert sample.keeps == "private" == made.kept()
    told = Shop.open(tmp_path / "sample").meta["privacy"]
    costs = [cost for entry in ledger.entries() for cost in entry.costs]
    assert [cost.to_json() for cost in costs] == [
        {k: v for k, v in one.items() if k != "purpose"} for one in told["mechanisms"]
    ]
    assert told["epsilon"] == compose(costs, DELTA).epsilon == ledger.total().epsilon
    assert 0.9 * 8 < told["epsilon"] <= 8
    assert told["private"] is True
    assert told["ledger"] == ledger.id
    assert told["rows_of_a_user"] == 10
    said = (tmp_path / "sample" / "shop.json").read_text()
    assert shop.fingerprint not in said

    # A second release would pass the budget: it is refused before any of it is spent.
    with pytest.raises(BudgetError, match="a new release does not begin anew"):
        walker().fit(shop, Run(seed=1))
    assert len(ledger.entries()) == len(told["mechanisms"]) - sum(
        one["kind"] == "chance" for one in told["mechanisms"]
    )


def test_two_fits_of_one_seed_differ_by_their_noise(ledgers: Path) -> None:
    shop = small_shop(users=700, items=12)
    allowed(shop, 20.0)
    counts = [walker().fit(shop, Run(seed=1)).walk_popularity_ for _ in range(2)]
    assert not np.array_equal(*counts)


def test_a_seeded_noise_is_not_private_and_takes_nothing(ledgers: Path) -> None:
    shop = small_shop(users=700, items=12)
    made = walker(noise_seed=3).fit(shop, Run(seed=1))
    sample = made.sample(10, Run(seed=2))
    assert made.kept() == sample.keeps == "counts"
    assert sample.meta["privacy"]["private"] is False
    assert not ledgers.exists()


def test_no_budget_no_fit(ledgers: Path) -> None:
    with pytest.raises(SourceError, match="wareloom budget SHOP --epsilon E --delta D"):
        walker().fit(small_shop(), Run())


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"epsilon": 0.0}, SettingError, "epsilon"),
        ({"epsilon": -1.0}, SettingError, "epsilon"),
        ({"delta": 0.0}, SettingError, "delta"),
        ({"public": ("users.user_id",)}, RefusedError, "Only columns of items can be public"),
        ({"public": ("items.attributes.sales_rank",)}, RefusedError, "made of what customers did"),
        ({"public": ("items.titel",)}, InputError, "title"),
        ({"preset": "best"}, SettingError, "teaching"),
    ],
)
def test_bad_settings(settings: dict[str, Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        walker(**settings)


def test_a_delta_too_large_for_the_users_is_refused(ledgers: Path) -> None:
    shop = small_shop(users=60)
    Ledger.open(ledgers, shop.fingerprint).allow(8.0, 0.01)
    with pytest.raises(RefusedError, match="could show some user outright"):
        walker(delta=0.01).fit(shop, Run())


def test_few_users_do_not_stand_out_of_the_noise() -> None:
    with pytest.raises(InputError, match="no number of users stands out of the noise"):
        walker(epsilon=0.1, noise_seed=1).fit(small_shop(users=10), Run())


# Which items appear


def test_an_item_of_one_user_alone_appears_nowhere(ledgers: Path) -> None:
    shop = small_shop(users=700, items=12)
    own = (
        shop.table("events")
        .filter(pl.col("user_id") == "u5")
        .with_columns(item_id=pl.lit("i5-secret"))
    )
    shop = Shop(
        {
            "items": pl.concat(
                [shop.table("items"), pl.DataFrame({"item_id": ["i5-secret"]})], how="diagonal"
            ),
            "events": pl.concat([shop.table("events"), own]),
        }
    )
    allowed(shop, 60.0)
    nothing_public = walker(public=(), epsilon=20.0).fit(shop, Run(seed=1))
    sample = nothing_public.sample(2000, Run(seed=2))
    assert set(sample.table("items")["item_id"]) == {f"i{n}" for n in range(12)}
    assert sample.table("items").columns[0] == "item_id"
    assert "title" not in sample.table("items").columns
    # Public are the items with something public filled: whoever made a row for the secret one filled nothing.
    public = walker(public=("items.title", "items.category")).fit(shop, Run(seed=1))
    assert "i5-secret" not in set(public.sample(2000, Run(seed=2)).table("items")["item_id"])


# Known answers


def ring(sample: Shop) -> float:
    """Share of the steps that go on round the ring."""
    log = Log.of(sample)
    number = np.array([int(name[1:]) for name in log.items.ids])[log.item]
    inner = np.flatnonzero(log.user[1:] == log.user[:-1])
    return float(np.mean((number[inner] + 1) % 12 == number[inner + 1]))


def test_pairs_are_bought_where_enough_users_have_them_and_nowhere_else() -> None:
    many = walker(noise_seed=1).fit(small_shop(users=4000, items=12), Run(seed=1))
    few = walker(noise_seed=1).fit(small_shop(users=250, items=12), Run(seed=1))
    bought = [{m["purpose"] for m in made.stamp_["mechanisms"]} for made in (many, few)]
    assert "pairs" in bought[0]
    assert "pairs" not in bought[1]
    assert "of your shop's steps about 0.1% survive (0 pairs)" in few.forecast_
    assert ring(many.sample(500, Run(seed=2))) > 0.6
    assert ring(few.sample(500, Run(seed=2))) < 0.3


def test_without_noise_the_sample_has_the_logs_popularity_and_lengths() -> None:
    shop = small_shop(users=500, items=12)
    real = Log.of(shop)
    made = walker(epsilon=1e6, noise_seed=1, bound=20, preset="faithful").fit(shop, Run(seed=1))
    log = Log.of(made.sample(3000, Run(seed=2)))
    for mine, theirs in (
        (log.counts()[np.argsort(log.items.ids)], real.counts()[np.argsort(real.items.ids)]),
        (np.bincount(log.lengths(), minlength=12), np.bincount(real.lengths(), minlength=12)),
    ):
        assert np.abs(mine / mine.sum() - theirs / theirs.sum()).sum() / 2 < 0.06


def test_times_are_in_order_within_the_log_and_at_the_hours_of_the_week() -> None:
    shop = small_shop(users=500, items=12)
    # Everybody comes on Tuesdays between nine and ten.
    tuesday = pl.datetime(2024, 1, 2, 9) + pl.duration(
        days=7 * (pl.int_range(pl.len()) % 50), minutes=pl.int_range(pl.len()) % 60
    )
    shop = shop.with_tables(events=shop.table("events").with_columns(time=tuesday))
    made = walker(epsilon=1e6, noise_seed=1, bound=20).fit(shop, Run(seed=1))
    events = made.sample(400, Run(seed=2)).table("events")
    gaps = events.select(pl.col("time").diff().over("user_id").dt.total_microseconds())[
        "time"
    ].drop_nulls()
    assert (gaps >= 0).all()
    assert (gaps > SESSION_GAP).any()
    at = events["time"]
    assert float(((at.dt.weekday() == 2) & (at.dt.hour() == 9)).mean()) > 0.8
    assert at.dt.second().max() == 0, "the log has whole minutes"
    since, until = shop.table("events")["time"].min(), shop.table("events")["time"].max()
    assert (at.min() - since).days >= -8
    assert (at.max() - until).days <= 8
