"""The contract kit holds algorithms from outside to what those of the house keep to, and names what they break."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import pytest

from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.mixing import Mixer
from wareloom.screening import Screen, Screened, reject
from wareloom.shop import Shop
from wareloom.synthesis import Given, Synthesizer
from wareloom.testing import check


@dataclass(kw_only=True, eq=False)
class OwnUsers(Synthesizer):
    """Real users under new names, drawn with replacement, by somebody else's synthesizer."""

    keep: float = 1.0
    """Share of the users that may be drawn."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        self.catalogue_ = shop.table("items")
        known = pl.col("item_id").is_in(self.catalogue_["item_id"].implode())
        self.events_ = shop.table("events").filter(known)
        if self.events_.is_empty():
            raise InputError(f"The synthesizer {self.name!r} has nothing to draw from.")
        return self

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        self._checked(n, given)
        keys = [key for key in ("user_id", "session_id") if key in self.events_.columns]
        events = self.events_.with_columns(owner=pl.coalesce(keys))
        owners = events["owner"].unique().sort()
        owners = owners.head(max(1, round(self.keep * len(owners))))
        rng = (run or Run()).rng("own users")
        drawn = pl.DataFrame({"owner": owners.gather(rng.integers(len(owners), size=n))})
        name = pl.format("{}/{}", pl.lit(self.origin), "number")
        named = [
            name.alias(keys[0]),
            *(pl.format("{}/{}", name, key).alias(key) for key in keys[1:]),
        ]
        own = (
            drawn.with_row_index("number")
            .join(events, on="owner", maintain_order="left_right")
            .with_columns(*named, origin=pl.lit(self.origin))
            .drop("owner", "number")
        )
        tables = {"items": self.catalogue_, "events": own}
        if "user_id" in keys:
            tables["users"] = own.select("user_id", "origin").unique(maintain_order=True)
        return self._stamped(Shop(tables), given)


@dataclass(kw_only=True, eq=False)
class Fixed(OwnUsers):
    """Ignores the seed."""

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        return super().sample(n, Run(), given)


@dataclass(kw_only=True, eq=False)
class Pretending(OwnUsers):
    """Says that its rows are real."""

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        made = super().sample(n, run, given)
        return made.with_tables(events=made.table("events").with_columns(origin=pl.lit("real")))


@dataclass(kw_only=True, eq=False)
class Forgetful(OwnUsers):
    """Forgets what it learned when it is saved."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        super().fit(shop, run)
        self.remembered = Run(seed=len(shop.table("events"))).seed
        return self

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        self._checked(n, given)
        turn = (run or Run()).with_(seed=(run or Run()).seed + vars(self).get("remembered", 0))
        return super().sample(n, turn, given)


@dataclass(kw_only=True, eq=False)
class Colliding(OwnUsers):
    """Gives two users one id."""

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        made = super().sample(n, run, given)
        first = made.table("events")["user_id"][0]
        last = made.table("events")["user_id"][-1]
        columns = {"user_id": pl.col("user_id").replace(last, first)}
        return made.with_tables(events=made.table("events").with_columns(**columns), users=None)


@dataclass(kw_only=True, eq=False)
class Meddling(OwnUsers):
    """Changes the shop that it is fitted on."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        super().fit(shop, run)
        tables: dict[str, Any] = shop._tables
        tables["events"] = shop.scan("events").head(3)
        return self


BROKEN = {
    Fixed: "another seed",
    Pretending: "provenance",
    Forgetful: "saved and restored",
    Colliding: "users are told apart",
    Meddling: "what goes in stays as it was",
}


def test_a_synthesizer_from_outside_can_keep_the_contract() -> None:
    check(OwnUsers)


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_synthesizer_is_told_which_law_it_breaks(cls: type[Synthesizer]) -> None:
    with pytest.raises(AssertionError, match=f"{cls.__name__} breaks the law '{BROKEN[cls]}"):
        check(cls)


@dataclass(kw_only=True, eq=False)
class FirstUsers(Mixer):
    """Adds the first synthetic users."""

    laws: ClassVar[frozenset[str]] = frozenset({"rows stay"})

    users: int = 5
    """How many."""

    def _added(self, synthetic: Shop, run: Run) -> pl.DataFrame:
        rows = synthetic.table("events")
        some = rows["user_id"].unique(maintain_order=True).head(self.users)
        return rows.filter(pl.col("user_id").is_in(some.implode()))

    def mix(self, real: Shop, synthetic: Shop, run: Run | None = None) -> Shop:
        for wrong, said in (
            (not synthetic.has("events"), "the synthetic shop has no table 'events'"),
            (synthetic.rows("events") == 0, "the table 'events' is empty"),
        ):
            if wrong:
                raise InputError(f"Nothing can be added: {said}.")
        if (synthetic.table("events")["origin"] == "real").any():
            raise InputError("Some rows of the synthetic shop say that they are real.")
        added = self._added(synthetic, run or Run())
        known = added.select("user_id", "origin").unique("user_id", maintain_order=True)
        return real.with_tables(
            events=pl.concat([real.table("events"), added], how="diagonal"),
            users=pl.concat([real.table("users"), known], how="diagonal"),
        )


@dataclass(kw_only=True, eq=False)
class FirstUsersLast(FirstUsers):
    """Puts the synthetic rows first."""

    def mix(self, real: Shop, synthetic: Shop, run: Run | None = None) -> Shop:
        mixed = super().mix(real, synthetic, run)
        return mixed.with_tables(events=mixed.table("events").reverse())


@dataclass(kw_only=True, eq=False)
class Renaming(FirstUsers):
    """Gives synthetic users the id of a real one."""

    def mix(self, real: Shop, synthetic: Shop, run: Run | None = None) -> Shop:
        mixed = super().mix(real, synthetic, run)
        users = mixed.table("users")
        again = users.head(1).with_columns(origin=users["origin"].tail(1))
        return mixed.with_tables(users=pl.concat([users, again]))


@dataclass(kw_only=True, eq=False)
class Unseeded(FirstUsers):
    """Draws by a generator that nobody has seeded."""

    def _added(self, synthetic: Shop, run: Run) -> pl.DataFrame:
        drawn = np.random.default_rng().permutation(synthetic.rows("events"))
        return synthetic.table("events")[np.sort(drawn[:50])]


BROKEN_MIXERS = {
    FirstUsersLast: "real rows first",
    Renaming: "keys are intact",
    Unseeded: "saved and restored",
}


def test_a_mixer_from_outside_can_keep_the_contract() -> None:
    check(FirstUsers)


@pytest.mark.parametrize("cls", BROKEN_MIXERS, ids=lambda cls: cls.__name__)
def test_a_broken_mixer_is_told_which_law_it_breaks(cls: type[Mixer]) -> None:
    with pytest.raises(
        AssertionError, match=f"{cls.__name__} breaks the law '{BROKEN_MIXERS[cls]}"
    ):
        check(cls)


@dataclass(kw_only=True, eq=False)
class NoBulk(Screen):
    """Takes events of more than a hundred pieces."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        return reject(synthetic, {"too many pieces": pl.col("quantity") > 100})


@dataclass(kw_only=True, eq=False)
class Everything(NoBulk):
    """Takes everything."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        return reject(synthetic, {"no reason": pl.lit(True)})


def test_a_screen_from_outside_can_keep_the_contract() -> None:
    check(NoBulk)
    with pytest.raises(AssertionError, match="Everything breaks the law 'a clean pool'"):
        check(Everything)


def test_an_unknown_law_is_told() -> None:
    class Hopeful(NoBulk):
        """Names a law that there is none of."""

        laws = frozenset({"no such law"})

    with pytest.raises(AssertionError, match=r"names \['no such law'\]; the further laws are"):
        check(Hopeful)
