"""Sequence networks: causality, oracles of their encoders, masks, kinds of event, fine-tuning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.neural import torch
from wareloom.rankers import Ranker
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.schema import EVENTS


def quick(**settings: object) -> dict[str, object]:
    return {"epochs": 6, "embedding_size": 16, "dropout": 0.1, "batch_size": 512} | settings


@pytest.mark.parametrize("name", ["gru", "caser"])
def test_no_place_knows_what_comes_after_it_nor_who_stands_beside(name: str) -> None:
    torch.manual_seed(0)
    encoder = RANKERS.make(name, embedding_size=8)._encoder().eval()
    one, rest = torch.randn(3, 7, 8), torch.randn(3, 4, 8)
    with torch.no_grad():
        whole = encoder(one)
        changed = encoder(torch.cat([one[:, :3], rest], dim=1))
        alone = encoder(one[1:2, :5])
    assert torch.allclose(whole[:, :3], changed[:, :3], atol=1e-6)
    assert not torch.allclose(whole[:, 3], changed[:, 3], atol=1e-3)
    assert torch.allclose(whole[1:2, :5], alone, atol=1e-6)


def test_the_filters_of_caser_are_those_of_its_windows() -> None:
    """Each place against the windows laid out one by one, as the paper draws them."""
    torch.manual_seed(1)
    size, window, horizontal, vertical = 3, 4, 2, 2
    encoder = RANKERS.make(
        "caser", embedding_size=size, window=window, horizontal=horizontal, vertical=vertical
    )
    net = encoder._encoder().eval()
    x = torch.randn(1, 6, size)
    with torch.no_grad():
        found = net(x)[0]
        for place in range(6):
            image = torch.zeros(window, size)
            there = x[0, max(0, place - window + 1) : place + 1]
            image[window - len(there) :] = there
            values = []
            for height, run in enumerate(net.runs, start=1):
                for kernel, bias in zip(run.weight, run.bias, strict=True):
                    at = [
                        (image[i : i + height].T * kernel).sum() + bias
                        for i in range(window - height + 1)
                    ]
                    values.append(torch.relu(torch.stack(at)).max())
            mixed = [(image * weights[:, None]).sum(0) for weights in net.places]
            seen = torch.cat([torch.stack(values), *mixed])
            expected = net.last(net.narrow(torch.relu(net.wide(seen))))
            assert torch.allclose(found[place], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("gru", {"hidden_size": 0}, "gru: hidden_size is 0; give 1 or more"),
        ("gru", {"layers": 0}, "gru: layers is 0; give 1 or more"),
        ("caser", {"window": 0}, "caser: window is 0; give 1 or more"),
        ("caser", {"vertical": 0}, "caser: vertical is 0; give 1 or more"),
        ("bert4rec", {"mask": 1.0}, "bert4rec: mask is 1.0; give a number between 0 and 1"),
        ("bert4rec", {"heads": 3}, "bert4rec: heads is 3; give a divisor of embedding_size"),
        ("gru", {"events": "buy=1"}, "gru: events is 'buy=1', but 'buy' is no kind of event"),
        ("gru", {"events": "purchas=1"}, "Did you mean 'purchase'"),
        ("gru", {"events": "purchase"}, "'purchase' lacks a weight: give 0 or more, as purchase=1"),
        ("gru", {"events": "purchase=-1"}, "'purchase=-1' lacks a weight"),
        ("gru", {"events": "purchase=1 purchase=2"}, "names purchase twice"),
        ("gru", {"events": "purchase=0"}, "give at least one kind a weight above 0"),
    ],
)
def test_impossible_settings_are_named(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        RANKERS.make(name, **settings)


@pytest.mark.parametrize("name", ["gru", "caser", "bert4rec"])
def test_order_matters(name: str) -> None:
    """On a ring, i5 follows after i3, i4 rather than after i4, i3."""
    ranker = RANKERS.make(name, **quick(epochs=40, dropout=0.0, learning_rate=0.01))
    up, down = ranker.fit(small_shop(users=200), Run(seed=1)).score(
        Requests.sessions([["i3", "i4"], ["i4", "i3"]])
    )
    assert np.argmax(up) == 5
    assert up[5] > down[5]


def test_bert4rec_knows_both_sides_but_no_padding() -> None:
    torch.manual_seed(2)
    ranker = RANKERS.make("bert4rec", embedding_size=8, max_length=6)
    encoder = ranker._encoder().eval()
    x = torch.randn(2, 6, 8)
    there = torch.tensor([[True] * 4 + [False] * 2, [True] * 6])
    other = x.clone()
    other[0, 4:] = torch.randn(2, 8)
    with torch.no_grad():
        one, two = encoder(x, there), encoder(other, there)
        alone = encoder(x[:1, :4], there[:1, :4])
        other[1, 5] = torch.randn(8)
        three = encoder(other, there)
    assert torch.allclose(one[0, :4], two[0, :4], atol=1e-6)
    assert torch.allclose(one[0, :4], alone[0], atol=1e-5)
    assert not torch.allclose(two[1, 0], three[1, 0], atol=1e-3)


def test_masks_of_bert4rec_are_never_padding_and_as_many_as_said() -> None:
    torch.manual_seed(3)
    whole = torch.arange(20) < torch.randint(2, 21, (20_000, 1))
    masked, there = RANKERS.make("bert4rec", mask=0.4)._masked(whole)
    assert not (masked & ~there).any()
    assert not (there & ~whole).any()
    assert masked.any(dim=1).all()
    long = whole.sum(dim=1) > 15
    uncut = (there == whole).all(dim=1)
    assert float((long & uncut).sum() / long.sum()) == pytest.approx(0.72, abs=0.02)
    many = long & (masked.sum(dim=1) > 1)
    assert float(masked[many].sum() / whole[many].sum()) == pytest.approx(0.4, abs=0.01)
    masked, there = RANKERS.make("bert4rec", objective="next")._masked(whole)
    last = torch.arange(20) == there.sum(dim=1, keepdim=True) - 1
    assert torch.equal(masked, last)
    cuts = masked.int().argmax(dim=1)[whole.sum(dim=1) == 20]
    assert set(cuts.tolist()) == set(range(1, 20))
    assert float(cuts.float().mean()) == pytest.approx(10, abs=0.7)


def test_bert4rec_never_reads_what_it_is_to_guess() -> None:
    ranker = RANKERS.make("bert4rec", **quick(epochs=1, dropout=0.0, mask=0.5)).fit(
        small_shop(), Run(seed=1)
    )
    net, items = ranker._net, torch.randint(1, 31, (50, 6))
    seeds = []
    for seed in range(2):
        torch.manual_seed(4)
        masked, _ = ranker._masked(items > 0)
        changed = torch.where(masked & (seed == 1), items % 30 + 1, items)
        torch.manual_seed(4)
        with torch.no_grad():
            seeds.append(ranker._predicted(net, changed, torch.ones(50, 6)))
    assert torch.equal(seeds[0][1], items[masked])
    assert torch.equal(seeds[1][1], items[masked] % 30 + 1)
    assert torch.equal(seeds[0][0], seeds[1][0])


def funnel(users: int = 300) -> Shop:
    """Half of the events are views that walk up the ring, half are purchases two steps down from the item before."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(users):
        item = int(rng.integers(30))
        for place in range(10):
            kind = "purchase" if place and rng.random() < 0.5 else "view_item"
            item = (item + (-2 if kind == "purchase" else 1)) % 30
            rows.append((f"u{user}", f"i{item}", kind, 60 * (user * 100 + place)))
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "event", "time"], orient="row")
    return small_shop().with_tables(
        events=events.with_columns(time=pl.from_epoch("time").cast(pl.Datetime("us")))
    )


def test_kinds_of_event_decide_what_is_predicted() -> None:
    """What is wanted is said by the weights alone; the histories are the same."""
    shop, asked = funnel(), Requests.sessions([[f"i{i}"] for i in range(5, 25)])

    def rank(events: str, step: int) -> float:
        ranker = RANKERS.make(
            "gru", **quick(epochs=25, learning_rate=0.02, validation=0.0, events=events)
        )
        scores = ranker.fit(shop, Run(seed=1)).score(asked, [f"i{i}" for i in range(30)])
        return float(np.mean([(row > row[5 + i + step]).sum() for i, row in enumerate(scores)]))

    assert rank("purchase=1", -2) < 1 < rank("purchase=1", 1)
    assert rank("view_item=1 purchase=0.01", 1) < 1 < rank("view_item=1 purchase=0.01", -2)


@pytest.mark.parametrize("name", ["sasrec", "bert4rec"])
def test_the_kind_of_what_was_read_counts(name: str, tmp_path: Path) -> None:
    """After a purchase of an item comes its double, after a view the item beside it."""
    rng, rows = np.random.default_rng(1), []
    for user in range(400):
        item, kind = int(rng.integers(15)), ("purchase", "view_item")[user % 2]
        rows += [
            (f"u{user}", f"i{item}", kind),
            (f"u{user}", f"i{item + (15 if user % 2 == 0 else 1)}", "view_item"),
        ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "event"], orient="row")
    shop = small_shop().with_tables(events=events)
    ranker = RANKERS.make(
        name,
        **quick(epochs=40, learning_rate=0.02, dropout=0.0, validation=0.0, events="view_item=1"),
    )
    ranker.fit(shop, Run(seed=1))
    log = Log.of(shop)
    firsts = log.keep(np.arange(len(log)) % 2 == 0).select(np.arange(40))
    ranker.save(tmp_path)
    scores = RANKERS.restore(tmp_path).score(Requests.of(firsts))
    wanted = firsts.item + np.where(firsts.event == EVENTS.index("purchase"), 15, 1)
    ranks = (scores > scores[np.arange(40), wanted][:, None]).sum(axis=1)
    assert ranks.mean() < 1


def test_without_a_target_nothing_is_learned() -> None:
    with pytest.raises(
        InputError, match="gru: no event of the log counts as a target: events='view_item=1'"
    ):
        RANKERS.make("gru", events="view_item=1").fit(small_shop())


def renamed(shop: Shop) -> Shop:
    """The same shop under other ids, in another order."""
    items = shop.table("items").with_columns(item_id=pl.format("new-{}", "item_id")).reverse()
    return shop.with_tables(
        items=items,
        events=shop.table("events").with_columns(item_id=pl.format("new-{}", "item_id")),
    )


def ring_rank(ranker: Ranker, prefix: str = "i") -> float:
    """Mean number of items above the one that comes next on the ring."""
    scores = ranker.score(
        Requests.sessions([[f"{prefix}{i}"] for i in range(29)]),
        [f"{prefix}{i}" for i in range(30)],
    )
    return float(np.mean([(row > row[i + 1]).sum() for i, row in enumerate(scores)]))


@pytest.mark.parametrize(
    ("name", "settings"), [("sasrec", {}), ("bert4rec", {"objective": "next"})]
)
def test_text_carries_what_was_learned_to_another_shop(
    name: str, settings: dict[str, object], tmp_path: Path
) -> None:
    """The other shop has other ids and twelve users; only the titles are the same."""
    big = quick(epochs=40, learning_rate=0.01, text="tfidf")
    first = RANKERS.make(name, **big).fit(small_shop(users=300), Run(seed=1))
    first.save(tmp_path / "first")
    few = renamed(small_shop(users=12, seed=8))
    small = quick(epochs=3, text="tfidf", validation=0.0) | settings
    alone = RANKERS.make(name, **small).fit(few, Run(seed=1))
    tuned = RANKERS.make(name, **small, start_from=str(tmp_path / "first")).fit(few, Run(seed=1))
    assert ring_rank(tuned, "new-i") < 4 < 7 < ring_rank(alone, "new-i")
    tuned.save(tmp_path / "second")
    RANKERS.make(name, **small, start_from=str(tmp_path / "second")).fit(few, Run(seed=1))


def test_items_are_matched_by_their_ids(tmp_path: Path) -> None:
    """Without text, in another order and with other items beside, an untrained step changes no score."""
    shop = small_shop(users=100)
    first = RANKERS.make("gru", **quick()).fit(shop, Run(seed=1))
    first.save(tmp_path / "first")
    items = shop.table("items").reverse()
    more = items.head(2).with_columns(item_id=pl.format("more-{}", "item_id"))
    settings = quick(
        epochs=1, learning_rate=1e-9, start_from=str(tmp_path / "first"), validation=0.0
    )
    again = RANKERS.make("gru", **settings).fit(
        shop.with_tables(items=pl.concat([more, items])), Run(seed=2)
    )
    ids, asked = [f"i{i}" for i in range(30)], Requests.sessions([["i3", "i4"], ["i9"]])
    np.testing.assert_allclose(again.score(asked, ids), first.score(asked, ids), atol=1e-4)


def test_a_start_that_does_not_fit_is_named(tmp_path: Path) -> None:
    shop = small_shop()
    RANKERS.make("gru", **quick(epochs=1)).fit(shop).save(tmp_path)
    at = str(tmp_path)
    with pytest.raises(
        SettingError, match=r"caser: start_from='.*' holds a gru: give a saved caser"
    ):
        RANKERS.make("caser", start_from=at).fit(shop)
    with pytest.raises(
        SettingError, match=r"gru: text is 'tfidf', but 'none' for the ranker at start_from"
    ):
        RANKERS.make("gru", start_from=at, text="tfidf").fit(shop)
    with pytest.raises(
        SettingError,
        match=r"its .* is \[.*\], here \[.*\]\. Settings that differ: .*embedding_size",
    ):
        RANKERS.make("gru", start_from=at, embedding_size=8).fit(shop)
    with pytest.raises(SourceError, match="no such folder"):
        RANKERS.make("gru", start_from=str(tmp_path / "nowhere")).fit(shop)


def test_a_text_that_was_too_large_to_keep_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wareloom.rankers.sequence import _start

    shop, settings = small_shop(), quick(epochs=1, text="tfidf")
    ranker = RANKERS.make("gru", **settings).fit(shop)
    assert "text_axes_" in ranker.state()
    monkeypatch.setattr(_start, "KEPT", 3)
    ranker.fit(shop).save(tmp_path)
    assert not {"text_axes_", "text_kept_", "text_by_terms_"} & set(ranker.state())
    with pytest.raises(
        SettingError,
        match="kept no projection of its texts, as it has too many words: train it with",
    ):
        RANKERS.make("gru", **settings, start_from=str(tmp_path)).fit(shop)
