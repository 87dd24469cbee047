"""The contract of synthesizers of dialogues."""

from __future__ import annotations

from functools import cache

import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError, NotFittedError
from wareloom.shop import Shop
from wareloom.shop.spans import fits
from wareloom.synthesis import Given, Synthesizer
from wareloom.testing import laws as kit
from wareloom.testing.laws import Law, again, law, make, refused
from wareloom.testing.talks import talks

DIALOGUES: dict[str, Law] = {
    "every setting is documented": kit.documented,
    "settings go round": kit.settings_go_round,
}
RUN = Run(seed=1)


@cache
def fitted(cls: type[Synthesizer], language: str = "en") -> Synthesizer:
    """One that was fitted on a small shop."""
    made: Synthesizer = make(cls).fit(talks(language=language), RUN)
    return made


@law(DIALOGUES, "unfitted")
def unfitted(cls: type[Synthesizer]) -> None:
    """It asks to be fitted before it samples, and at least one dialogue has to be asked for."""
    with refused(NotFittedError, "is not fitted: call fit"):
        make(cls).sample(3)
    with refused(InputError, "Asked to sample 0 dialogues; ask for at least 1"):
        fitted(cls).sample(0)
    with refused(InputError, f"draws {cls.of}: give it a|cannot be conditioned"):
        fitted(cls).sample(3, None, Given(length=3))


def rows_of(cls: type[Synthesizer], language: str = "en", number: int = 30) -> pl.DataFrame:
    """The dialogues of a sample."""
    return fitted(cls, language).sample(number, Run(seed=2)).table("dialogues")


@law(DIALOGUES, "provenance")
def provenance(cls: type[Synthesizer]) -> None:
    """Every row says who made it, and the sample what it keeps."""
    made = fitted(cls)
    sample = made.sample(10, Run(seed=2))
    assert set(sample.names) == {"items", "dialogues"}
    assert set(sample.table("dialogues")["origin"]) == {made.origin}
    assert (sample.table("dialogues")["weight"] == 1).all()
    assert (sample.keeps or "people") == made.kept(), "the sample says another thing: `_stamped`"


@law(DIALOGUES, "dialogues are whole")
def dialogues_are_whole(cls: type[Synthesizer]) -> None:
    """As many as were asked for, turns from 0 without a gap, words in each, of known roles, on known items."""
    for language in ("en", "zh"):
        rows = rows_of(cls, language)
        assert rows["dialogue_id"].n_unique() == 30, "ids collide"
        turns = rows.group_by("dialogue_id").agg(pl.col("turn").sort())["turn"].to_list()
        assert all(own == list(range(len(own))) for own in turns)
        assert set(rows["role"]) <= {"customer", "agent"}
        assert rows["text"].str.contains(r"\S").all()
        assert set(rows["language"]) == {language}
        known = set(talks(language=language).table("items")["item_id"])
        assert set(rows["item_id"].drop_nulls()) <= known


@law(DIALOGUES, "spans are their values")
def spans_are_their_values(cls: type[Synthesizer]) -> None:
    """Each slot's value is what stands at its span, in every turn."""
    for language in ("en", "zh"):
        rows, number = rows_of(cls, language), 0
        for text, slots in zip(rows["text"].to_list(), rows["slots"].to_list(), strict=True):
            number += len(slots or ())
            assert all(fits(slot, text) for slot in slots or ()), text
        assert number > 5


@law(DIALOGUES, "what goes in stays as it was")
def inputs_unchanged(cls: type[Synthesizer]) -> None:
    """Neither fitting nor sampling changes a table; the catalogue comes out as it went in."""
    shop = talks()
    before = {name: shop.table(name).clone() for name in shop.names}
    sample = make(cls).fit(shop, RUN).sample(5, Run(seed=2))
    assert all(shop.table(name).equals(rows) for name, rows in before.items())
    assert sample.table("items").equals(before["items"])


def _print(made: Synthesizer, seed: int = 4, number: int = 20) -> str:
    return str(made.sample(number, Run(seed=seed)).fingerprint)


@law(DIALOGUES, "the same seed")
def same_seed(cls: type[Synthesizer]) -> None:
    """One seed gives the same bytes, another one others."""
    made = make(cls).fit(talks(), RUN)
    assert _print(made) == _print(fitted(cls))
    assert len({_print(made, seed) for seed in range(3)}) == 3, "the seed is ignored"


@law(DIALOGUES, "saved and restored")
def saved_and_restored(cls: type[Synthesizer]) -> None:
    """Saved and restored, it samples the same bytes."""
    made = fitted(cls)
    restored = again(made)
    assert restored.settings() == made.settings()
    assert _print(restored) == _print(made)


@law(DIALOGUES, "a second fit")
def second_fit(cls: type[Synthesizer]) -> None:
    """Fitted to another shop it forgets the first."""
    twice = make(cls).fit(talks(40, 7, "zh"), RUN)
    twice.sample(3)
    assert _print(twice.fit(talks(), RUN)) == _print(fitted(cls))


@law(DIALOGUES, "no items")
def no_items(cls: type[Synthesizer]) -> None:
    """Without an item that has a title there is nothing to talk about, for who makes up orders."""
    if "world" not in cls.knows:
        return
    empty = talks(5).with_tables(items=pl.DataFrame({"item_id": ["i0"]}))
    with refused(InputError, "no item has a title"):
        make(cls).fit(empty)


@law(DIALOGUES, "no dialogues")
def no_dialogues(cls: type[Synthesizer]) -> None:
    """Without a dialogue there are no words."""
    with refused(InputError, "too few|no customer|no dialogue"):
        make(cls).fit(Shop({"items": talks(5).table("items")}))
