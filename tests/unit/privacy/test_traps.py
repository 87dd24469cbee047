"""The traps that most peers step into: each beside what the naive code gives away.

Noise in floating point, rows bound a table at a time, thresholds before noise and others stand in `test_integers`,
`test_private` and `test_mutants`.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from private_shops import PUBLIC, START, crowd, events, private, shop_of

from wareloom.core.run import Run
from wareloom.errors import RefusedError
from wareloom.privacy import integers, mechanisms
from wareloom.privacy.looks import REMEDIES, refuse_unpaid
from wareloom.privacy.noise import Entropy, Seeded
from wareloom.privacy.public import Public
from wareloom.privacy.rows import Answer, Rows
from wareloom.sampling.rejection import sample_screened
from wareloom.screening import made
from wareloom.synthesis import Synthesizer


def items(rows: Rows) -> Answer:
    return rows.all, rows.log.item


def names(rows: Rows) -> tuple[np.ndarray, pl.Series]:
    return rows.all, rows.log.items.ids.gather(rows.log.item)


def test_a_published_seed_subtracts_the_noise(tmp_path: Path) -> None:
    counts = np.array([0, 3, 17, 2])
    # Naive: the one source of random numbers of a run, whose seed stands in every recipe.
    published = counts + np.rint(Run(seed=7).rng("noise").normal(0, 50, 4)).astype(int)
    again = np.rint(Run(seed=7).rng("noise").normal(0, 50, 4)).astype(int)
    assert np.array_equal(published - again, counts)
    ours = counts + integers.whole_numbers(4, 50.0, Entropy())
    assert not np.array_equal(ours - integers.whole_numbers(4, 50.0, Entropy()), counts)
    # No run, hence no seed of one, is known to what draws noise. Training shows its progress by one, no more.
    room = Path(integers.__file__).parent
    for path in room.glob("*.py"):
        text = path.read_text("utf-8")
        if path.name == "sgd.py":
            assert ".rng(" not in text
            assert "seed" not in text.split('"""', 2)[2]
        else:
            assert "wareloom.core.run" not in text
        if path.name != "noise.py":
            assert "np.random" not in text
            assert "import random" not in text


def test_a_vocabulary_of_the_log_shows_what_one_user_alone_had(tmp_path: Path) -> None:
    rows = [*crowd(150), *events("ann", [19])]
    shop = shop_of(rows)
    naive = set(shop.table("events")["item_id"].unique())
    assert "i19" in naive  # the list of items says that Ann was here
    seen = 0
    asked = private(shop, tmp_path, public=Public(), epsilon=500, users=151)
    asked.bounded(10)
    for n in range(50):
        found = asked.keys(f"items {n}", names, 0.02, per_user=5, of_delta=0.02)
        seen += "i19" in found["key"].to_list()
        assert {"i3", "i4", "i5"} <= set(found["key"])  # what many had is there
    assert seen == 0


def test_the_ends_of_time_show_the_one_who_came_last(tmp_path: Path) -> None:
    late = [("ann", "ann/s", "i1", "purchase", START + timedelta(days=900))]
    day = lambda rows: (rows.all, rows.log.time // 86_400_000_000 - 19_723)  # noqa: E731
    ends: dict[bool, list[float]] = {}
    for there in (True, False):
        shop = shop_of([*crowd(300), *(late if there else [])])
        naive = shop.table("events")["time"].max()
        assert (naive > START + timedelta(days=800)) is there  # type: ignore[operator]
        asked = private(shop, tmp_path / str(there), users=300, epsilon=150)
        asked.bounded(10)
        ends[there] = [
            asked.quantile(f"end {n}", day, range(0, 1000, 5), 0.95, 0.05) for n in range(20)
        ]
    # Paid, the end is one that most are within, with her and without.
    assert np.median(ends[True]) < 60
    assert abs(np.median(ends[True]) - np.median(ends[False])) <= 15


def test_the_exact_number_of_users_tells_whether_one_is_there(tmp_path: Path) -> None:
    with_ann = shop_of([*crowd(150), *events("ann", [1])])
    without = shop_of(crowd(150))
    assert with_ann.table("events")["user_id"].n_unique() == 151
    assert without.table("events")["user_id"].n_unique() == 150  # naive: two samples, told apart
    sizes = {}
    for name, shop in (("with", with_ann), ("without", without)):
        asked = private(shop, tmp_path / name, users=None)
        sizes[name] = {asked.size(0.05) for _ in range(20)}
    assert sizes["with"] & sizes["without"]
    assert len(sizes["with"]) > 5


def test_a_bound_that_is_the_longest_history_is_a_number_of_one_user(tmp_path: Path) -> None:
    bounds = {}
    for there in (True, False):
        shop = shop_of(
            [*crowd(300), *(events("ann", [n % 20 for n in range(90)]) if there else [])]
        )
        naive = shop.table("events").group_by("user_id").len()["len"].max()
        assert naive == (90 if there else 6)
        asked = private(shop, tmp_path / str(there), users=300, epsilon=150)
        bounds[there] = {asked.bound(0.1, at=0.9) for _ in range(8)}
    assert max(bounds[True]) < 30
    assert bounds[True] & bounds[False]


def test_a_mean_over_a_sample_is_divided_by_the_public_size() -> None:
    """Opacus#571: divided by how many there are, what others add hangs on whether one more is there."""
    noise, users, rate = Seeded(1), 400, 0.05
    others = np.ones(users)
    mine = 0.0  # one user more, who adds nothing at all
    for _ in range(20):
        sample = mechanisms.poisson_sample(users, rate, noise)
        with_me = np.append(others[sample], mine)
        naive = others[sample].mean() - with_me.mean()
        ours = others[sample].sum() / (rate * users) - with_me.sum() / (rate * users)
        assert naive > 0.02  # tells that somebody is there who adds nothing
        assert ours == 0
    sizes = {len(mechanisms.poisson_sample(users, rate, noise)) for _ in range(50)}
    assert (
        len(sizes) > 5
    )  # a sample of a fixed size is another mechanism than the one that is priced


def test_a_long_history_moves_no_more_than_a_bounded_one(tmp_path: Path) -> None:
    plain = shop_of(crowd(100))
    flooded = shop_of([*crowd(100), *events("ann", [5] * 3000)])
    moved = {}
    for name, shop in (("plain", plain), ("flooded", flooded)):
        asked = private(shop, tmp_path / name, seed=1, epsilon=1e4, users=100)
        asked.bounded(10)
        asked_items = asked.histogram("items", items, 20, 1.0)
        moved[name] = asked_items
    naive = flooded.rows("events") - plain.rows("events")
    assert naive == 3000
    assert np.linalg.norm(moved["flooded"] - moved["plain"]) <= 10


def test_rows_in_the_order_of_the_log_tell_who_came_first(tmp_path: Path) -> None:
    shop = shop_of([*events("ann", [7, 3]), *crowd(100)])
    naive = shop.table("events")["item_id"].unique(maintain_order=True).to_list()
    assert naive[:2] == ["i7", "i3"]
    asked = private(shop, tmp_path, epsilon=500, users=101, public=Public())
    asked.bounded(10)
    found = asked.keys("items", names, 1.0, per_user=5)["key"].to_list()
    assert found == sorted(found)


class Walk(Synthesizer):
    """A stand-in for a private generator."""

    keeps: ClassVar[Any] = "private"

    def fit(self, *_: Any) -> Any:
        raise AssertionError

    def sample(self, *_: Any) -> Any:
        raise AssertionError


@pytest.mark.parametrize("screen", ["copies", "novelty", "plausibility", "leak"])
def test_screens_that_look_at_real_users_are_refused(screen: str) -> None:
    """Naive: a sample without near-copies of real users says, by what it lacks, who is there."""
    shop = shop_of(crowd(10))
    with pytest.raises(
        RefusedError, match=r"private, and this look .* is not paid for: which rows"
    ):
        sample_screened(Walk(), 10, made([screen]), (shop, None), Run())


@pytest.mark.parametrize("look", REMEDIES)
def test_every_look_that_is_not_paid_for_has_a_remedy(look: Any) -> None:
    with pytest.raises(RefusedError, match=REMEDIES[look][:20]):
        refuse_unpaid("private", look, "private_walk@1")
    refuse_unpaid("counts", look, "markov@1")


def test_public_columns_are_all_that_a_catalogue_gives(tmp_path: Path) -> None:
    asked = private(shop_of(crowd(20)), tmp_path, public=PUBLIC)
    assert asked.items.columns == ["item_id", "title", "category"]  # no price: nobody named it
