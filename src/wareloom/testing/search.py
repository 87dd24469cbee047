"""The contracts of synthesizers of queries, of labels and of searches."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import polars as pl

from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, NotFittedError
from wareloom.shop import Shop
from wareloom.synthesis import Given, GivenItems, GivenQueries, Synthesizer
from wareloom.synthesis.labels.base import LabelSynthesizer
from wareloom.synthesis.queries.base import QuerySynthesizer
from wareloom.testing import held_people
from wareloom.testing import laws as kit
from wareloom.testing.decoders import tiny_decoder
from wareloom.testing.laws import MADE, Law, again, law, make, refused
from wareloom.testing.search_shops import ODD, TITLES, asked, catalogue, search_shop, titled

QUERIES: dict[str, Law] = {}
LABELS: dict[str, Law] = {}
SEARCHES: dict[str, Law] = {}
RUN = Run(seed=1)
AnyShop = Callable[[], Shop]
SHOPS: dict[str, AnyShop] = {"no queries": catalogue, "queries": asked}
LETTERS = set("abcdefghijklmnopqrstuvwxyz0123456789 -\"'/.")


def judged() -> Shop:
    """Enough graded queries to learn grades from."""
    return search_shop(120)


def few_judged() -> Shop:
    """Another shop of that kind."""
    return search_shop(40, seed=3)


@cache
def fitted(cls: type[Synthesizer], shop: AnyShop) -> Synthesizer:
    """One that was fitted on a shop."""
    made: Synthesizer = make(cls).fit(shop(), RUN)
    return made


@cache
def taught_decoder() -> dict[str, str]:
    """Settings that name a tiny decoder which was taught by titles for long enough to write letters."""
    whole: dict[str, Any] = {
        "model": "huggingface",
        "model_settings": {"model": tiny_decoder()},
        "tuning": "full",
    }
    made = SYNTHESIZERS.make("tuned", **whole, learning_rate=1e-2, epochs=12, training_queries=200)
    folder = tempfile.mkdtemp(prefix="taught-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(tiny_decoder(), folder, dirs_exist_ok=True)
    run = Run(seed=1, threads=1)
    made.fit(catalogue(), run)._writer(run)._own.model.save_pretrained(folder)
    return {"model": folder}


MADE["<taught decoder>"] = taught_decoder


def everywhere(name: str, function: Callable[..., None], **shops: AnyShop) -> None:
    """Put a law that is the same for all three kinds among those of each, with the shop that it is fitted on."""
    usual: dict[str, AnyShop] = {"queries": catalogue, "labels": judged, "searches": few_judged}
    kinds = {"queries": QUERIES, "labels": LABELS, "searches": SEARCHES}
    for kind, laws in kinds.items():
        held = partial(function, shop=shops.get(kind, usual[kind]))
        held.__doc__ = function.__doc__
        laws[name] = held


def unfitted(cls: type[Synthesizer], shop: AnyShop) -> None:
    """It asks to be fitted before it samples."""
    made = make(cls)
    with refused(NotFittedError, f"The synthesizer '{made.name}' is not fitted: call fit"):
        made.sample(3)


def provenance(cls: type[Synthesizer], shop: AnyShop) -> None:
    """Every row that is made says who made it, by the synthesizer's name, and none says that it is real."""
    made = fitted(cls, shop)
    assert made.counts == "queries"
    assert made.origin.startswith(f"{made.name}@")
    sample = made.sample(20, Run(seed=2))
    assert set(sample.names) > {"items"}
    for table in set(sample.names) - {"items"}:
        rows = sample.table(table)
        assert set(rows["origin"]) == {made.origin}, f"the table {table}"
        assert (rows["weight"] == 1).all()


def keeps_what_it_says(cls: type[Synthesizer], shop: AnyShop) -> None:
    """Who says that it keeps no people has no query that one person typed, neither in its state nor in a sample, and
    the sample says what its synthesizer does."""
    real = shop()
    if real.has("judgments"):
        one = real.scan("judgments").head(1).with_columns(query=pl.lit(held_people.QUERY))
        real = real.with_tables(judgments=pl.concat([real.scan("judgments"), one]))
    made = make(cls).fit(real, RUN)
    sample = made.sample(20, Run(seed=2))
    assert (sample.keeps or "people") == made.kept(), "the sample says another thing: `_stamped`"
    found = held_people.holds_query(made, sample) if made.kept() != "people" else ""
    assert not found, f"it says that it keeps {made.kept()}, and {found}"


def inputs_unchanged(cls: type[Synthesizer], shop: AnyShop) -> None:
    """Neither fitting nor sampling changes a table that it was given; the catalogue comes out as it went in."""
    real = shop()
    before = {table: real.table(table).clone() for table in real.names}
    sample = make(cls).fit(real, RUN).sample(10, Run(seed=2))
    for table, rows in before.items():
        assert real.table(table).equals(rows), f"the table {table} has changed"
    assert sample.table("items").equals(before["items"])
    assert sample.meta == real.meta


def same_seed(cls: type[Synthesizer], shop: AnyShop) -> None:
    """One seed gives the same bytes, whatever the threads."""
    prints = {
        make(cls).fit(shop(), Run(seed=1, threads=n)).sample(50, Run(seed=4, threads=n)).fingerprint
        for n in (1, 2)
    }
    assert prints == {fitted(cls, shop).sample(50, Run(seed=4)).fingerprint}


def another_seed(cls: type[Synthesizer], shop: AnyShop) -> None:
    """Another seed gives another sample."""
    made = fitted(cls, shop)
    prints = {made.sample(30, Run(seed=seed)).fingerprint for seed in range(4)}
    assert len(prints) == 4, "the seed is ignored"


def saved_and_restored(cls: type[Synthesizer], shop: AnyShop) -> None:
    """Saved and restored, it has the same settings and samples the same bytes."""
    made = make(cls).fit(shop(), RUN)
    restored = again(made)
    assert restored.settings() == made.settings()
    assert restored.sample(40, Run(seed=4)).fingerprint == made.sample(40, Run(seed=4)).fingerprint


def second_fit(cls: type[Synthesizer], shop: AnyShop) -> None:
    """Fitted to another shop it forgets the first."""
    twice = make(cls).fit(asked() if shop is catalogue else search_shop(50, seed=7), RUN)
    twice.sample(5)
    anew, once = twice.fit(shop(), RUN), fitted(cls, shop)
    assert anew.sample(20, Run(seed=4)).fingerprint == once.sample(20, Run(seed=4)).fingerprint


def known_items(cls: type[Synthesizer], shop: AnyShop) -> None:
    """No row is on an item that the catalogue lacks, and one that is given and unknown is refused."""
    made, ids = fitted(cls, shop), set(shop().table("items")["item_id"])
    sample = made.sample(30, Run(seed=2))
    for table in ("judgments", "events"):
        if sample.has(table):
            assert set(sample.table(table)["item_id"]) <= ids, "an unknown item"
    with refused(InputError, "the item 'gone', which the fitted shop lacks"):
        made.sample(3, None, GivenItems(("i1", "gone")))


def sizes(cls: type[Synthesizer], shop: AnyShop) -> None:
    """At least one query has to be asked for, and what is for shoppers is refused."""
    made = fitted(cls, shop)
    with refused(InputError, "Asked to sample 0 queries; ask for at least 1"):
        made.sample(0)
    with refused(InputError, f"draws {made.of}: give it a {made.takes.__name__}, not a Given"):
        made.sample(3, None, Given(length=3))


for laws in (QUERIES, LABELS, SEARCHES):
    laws["every setting is documented"] = kit.documented
    laws["settings go round"] = kit.settings_go_round
everywhere("unfitted", unfitted)
everywhere("it keeps what it says", keeps_what_it_says, queries=asked)
everywhere("provenance", provenance)
everywhere("what goes in stays as it was", inputs_unchanged)
everywhere("the same seed", same_seed)
everywhere("another seed", another_seed)
everywhere("saved and restored", saved_and_restored)
everywhere("saved and restored, with queries", saved_and_restored, queries=asked)
everywhere("a second fit", second_fit)
everywhere("known items", known_items)
everywhere("sizes", sizes)


def judgments(cls: type[QuerySynthesizer], shop: AnyShop) -> None:
    """What is written is judgments: as many as were asked for, of queries with words, spread over the titles."""
    real = shop()
    made = make(cls).fit(real, RUN)
    sample = made.sample(40, Run(seed=2))
    rows = sample.table("judgments")
    assert set(sample.names) == {"items", "judgments"}
    assert len(rows) == 40
    assert rows["source"].str.starts_with(made.name).all()
    assert rows["grade"].is_between(0, 3).all()
    assert rows["query"].str.contains(r"\w").all()
    assert (rows["query"] == rows["query"].str.strip_chars().str.replace_all(r"\s+", " ")).all()
    assert set(rows["item_id"]) <= {f"i{n}" for n in range(len(TITLES))}, "no title, no query"
    many = rows["item_id"].value_counts()["count"]
    assert int(many.max()) - int(many.min()) <= 5, "the catalogue is covered evenly"


for kind, shop in SHOPS.items():
    held = partial(judgments, shop=shop)
    held.__doc__ = judgments.__doc__
    QUERIES[f"judgments: {kind}"] = held


@law(QUERIES, "given items")
def given_items(cls: type[QuerySynthesizer]) -> None:
    """Queries are for the items that are given alone; where none of these has words, that is said."""
    made = fitted(cls, catalogue)
    some = GivenItems(items=("i3", "i5", "i3", "i12"))
    assert set(made.sample(12, Run(seed=3), some).table("judgments")["item_id"]) == {"i3", "i5"}
    with refused(InputError, "can write for none of the items asked for"):
        made.sample(3, None, GivenItems(items=("i12", "i13")))


@law(QUERIES, "no titles")
def no_titles(cls: type[QuerySynthesizer]) -> None:
    """Without titles, or words in them, there is nothing to write from."""
    with refused(InputError, "the shop's items have none"):
        make(cls).fit(Shop({"items": pl.DataFrame({"item_id": ["a"]})}))
    with refused(InputError, "no item's title has a word"):
        make(cls).fit(Shop({"items": titled([None, "", "---", "🔥"])}))


def odd_titles(cls: type[QuerySynthesizer], kind: str) -> None:
    """Odd titles are data: nothing in a query comes from nowhere, and none is very long."""
    odd: list[str | None] = [*TITLES, ODD[kind]]
    made = make(cls).fit(Shop({"items": titled(odd)}), RUN)
    rows = made.sample(60, Run(seed=2)).table("judgments")
    assert len(rows) == 60
    assert int(rows["query"].str.len_chars().max()) < 120
    signs = set("".join(rows["query"])) - LETTERS - set(ODD[kind].lower())
    assert not signs - set("".join(TITLES)) or kind == "Chinese", "nothing comes from nowhere"
    if kind in ("Chinese", "very long", "an instruction"):
        alone = made.sample(5, Run(seed=2), GivenItems(items=(f"i{len(TITLES)}",)))
        assert int(alone.table("judgments")["query"].str.len_chars().max()) < 120


for kind in ODD:
    if kind != "Chinese" or kit.there("jieba"):
        held = partial(odd_titles, kind=kind)
        held.__doc__ = odd_titles.__doc__
        QUERIES[f"odd titles: {kind}"] = held


@law(LABELS, "judgments")
def labels_are_judgments(cls: type[LabelSynthesizer]) -> None:
    """Labels are a shop of judgments: at most so many queries, one grade for a query and an item."""
    made = fitted(cls, judged)
    sample = made.sample(30, Run(seed=2))
    rows = sample.table("judgments")
    assert set(sample.names) == {"items", "judgments"}
    assert 0 < rows["query"].n_unique() <= 30
    assert rows["grade"].is_between(0, 3).all()
    assert rows.select("query", "item_id").is_unique().all(), "ids collide"
    assert set(rows["source"]) == {made.name}


@law(LABELS, "given queries")
def given_queries(cls: type[LabelSynthesizer]) -> None:
    """Queries that are given are labelled as they are, and with nothing else given."""
    made = fitted(cls, judged)
    both = GivenQueries(queries=("red thing1", "blue"))
    rows = made.sample(2, Run(seed=2), both).table("judgments")
    assert set(rows["query"]) <= {"red thing1", "blue"}
    with refused(InputError, "labels given queries as they are: give nothing else"):
        made.sample(2, None, GivenQueries(queries=("blue",), items=("i1",)))


@law(LABELS, "pairs")
def pairs(cls: type[LabelSynthesizer]) -> None:
    """Given pairs have grades from 0 to 3 and confidences from 0 to 1; an unknown item is refused."""
    made = fitted(cls, judged)
    assert isinstance(made, LabelSynthesizer)
    grade, sure = made.label(["red thing1", "blue"], [0, 1, 1], ["i1", "i11", "i2"], RUN)
    assert grade.shape == sure.shape == (3,)
    assert ((grade >= 0) & (grade <= 3)).all()
    assert ((sure >= 0) & (sure <= 1)).all()
    with refused(InputError, "the item 'gone', which the fitted shop lacks"):
        made.label(["blue"], [0], ["gone"])


@law(SEARCHES, "a log")
def searches_are_a_log(cls: type[Synthesizer]) -> None:
    """A log is of one piece: so many sessions, searches told apart, and what is clicked was shown for them."""
    sample = fitted(cls, few_judged).sample(100, Run(seed=2))
    found, events = sample.table("searches"), sample.table("events")
    assert found["session_id"].n_unique() == 100
    assert found["search_id"].is_unique().all(), "ids collide"
    assert set(events["search_id"]) <= set(found["search_id"])
    assert set(events["session_id"]) <= set(found["session_id"])
    results = found.select("search_id", item_id="results").explode("item_id", empty_as_null=False)
    shown, done = (
        set(rows.select("search_id", "item_id").iter_rows()) for rows in (results, events)
    )
    assert done <= shown, "what was not shown was clicked"


@law(SEARCHES, "given items")
def searches_for(cls: type[Synthesizer]) -> None:
    """Products that are given are the only ones that are wanted."""
    made = fitted(cls, few_judged)
    sample = made.sample(100, Run(seed=2), GivenItems(items=("i3",)))
    assert sample.table("searches")["query"].n_unique() >= 1
    assert sample.fingerprint != made.sample(100, Run(seed=2)).fingerprint
