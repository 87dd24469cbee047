"""The networks that write shoppers event by event, beside known answers: memory, chains, funnel, gaps, one session."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from conftest import small_shop
from lively import lively
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.neural import torch
from wareloom.shop import Log, Shop
from wareloom.shop.schema import EVENTS
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour._writing.decode import Writer
from wareloom.synthesis.behaviour._writing.grammar import fit_grammar
from wareloom.synthesis.behaviour._writing.pace import calendar, fit_pace, gaps
from wareloom.synthesis.behaviour._writing.tokens import Tokens

NAMES = ("gru", "transformer")
LEARNS = {
    "embedding_size": 16,
    "epochs": 10,
    "batch_size": 512,
    "learning_rate": 0.01,
    "dropout": 0.1,
    "patience": 0,
}
RING = 30


def ring() -> Shop:
    return small_shop(users=500, items=RING)


@pytest.fixture(scope="module", params=NAMES)
def walker(request: pytest.FixtureRequest) -> Any:
    """One of each that learned to go round a ring."""
    return SYNTHESIZERS.make(request.param, **LEARNS | {"batch_size": 256, "epochs": 12}).fit(
        ring(), Run(seed=1, threads=1)
    )


@pytest.fixture(scope="module", params=NAMES)
def visitor(request: pytest.FixtureRequest) -> Any:
    """One of each that learned visits with carts and purchases."""
    return SYNTHESIZERS.make(request.param, **LEARNS, bins=12).fit(
        lively(200, 1), Run(seed=1, threads=1)
    )


def steps(log: Log) -> tuple[np.ndarray, np.ndarray]:
    inner = np.flatnonzero(log.user[1:] == log.user[:-1])
    return log.item[inner], log.item[inner + 1]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_reads_as_the_encoder_reads(name: str) -> None:
    made = SYNTHESIZERS.make(name, embedding_size=8, max_length=12, layers=2, dropout=0.0)
    torch.manual_seed(0)
    encoder = made._encoder().eval()
    x, sizes = torch.randn(5, 12, 8), np.array([3, 1, 7, 4, 2])
    with torch.no_grad():
        whole = encoder(x)
        memory = made._memory(encoder, 5)
        states = memory.prime(np.arange(5), x[:, :7], sizes)
        torch.testing.assert_close(states, whole[torch.arange(5), torch.from_numpy(sizes - 1)])
        memory.keep(np.array([4, 0, 2]))
        kept, at = x[[4, 0, 2]], sizes[[4, 0, 2]]
        for _ in range(5):
            states = memory.step(kept[torch.arange(3), torch.from_numpy(at)], None)
            torch.testing.assert_close(
                states, whole[[4, 0, 2]][torch.arange(3), torch.from_numpy(at)]
            )
            at = at + 1
        some = np.array([1])
        states = memory.step(kept[some, at[some]], some)
        torch.testing.assert_close(states, whole[[0], at[some]])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [6, 50])
def test_writing_reads_what_training_read(
    name: str, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the transformer's memory is full again and again: its pieces are those of training."""
    shop = lively(30, 2)
    made = SYNTHESIZERS.make(
        name, embedding_size=8, max_length=length, epochs=1, validation=0.0
    ).fit(shop, Run(seed=1))
    seen = list[np.ndarray]()
    plain = Writer._event

    def spy(self: Writer, lines: Any, rules: Any, state: Any) -> None:
        seen.append(state.numpy().copy())
        plain(self, lines, rules, state)

    monkeypatch.setattr(Writer, "_event", spy)
    log = Log.of(made.sample(3, Run(seed=3), Given(length=23)))
    real = Log.of(shop)
    pace = fit_pace(real, 32)
    tokens = Tokens.of(log, pace, fit_grammar(log)[1])
    # A recurrent network is never cut when it writes.
    starts, sizes, skip = tokens.chunks(length if name == "transformer" else 50)
    net, found = made._writer.net, np.zeros((3, 24, 8), dtype=np.float32)
    for a, size, context in zip(starts, sizes, skip, strict=True):
        columns = [
            tokens.columns[n][a : a + size].astype(np.int64)
            for n in ("item", "kind", "gap", "count")
        ]
        columns.append(calendar(pace, tokens.columns["time"][a : a + size]))
        with torch.no_grad():
            state = net.encoder(net.read(*(torch.from_numpy(c)[None] for c in columns)))[0].numpy()
        user = int(np.searchsorted(tokens.offsets, a, side="right")) - 1
        place = a - tokens.offsets[user]
        found[user, place + context : place + size] = state[context:]
    np.testing.assert_allclose(np.stack(seen[:24], axis=1), found, atol=2e-5)


def test_a_planted_chain_is_walked(walker: Any) -> None:
    share = {}
    for kind, log in (("real", Log.of(ring())), ("fake", Log.of(walker.sample(1500, Run(seed=1))))):
        a, b = steps(log)
        share[kind] = np.mean((a + 1) % RING == b)
    assert share["fake"] == pytest.approx(share["real"], abs=0.1)


def test_users_stop_as_real_ones_do(walker: Any) -> None:
    real, fake = Log.of(ring()).lengths(), Log.of(walker.sample(3000, Run(seed=1))).lengths()
    assert set(fake) <= set(real), "nobody stops where no real user did"
    assert stats.ks_2samp(real, fake).statistic < 0.08


def test_users_begin_where_real_ones_do(walker: Any) -> None:
    real, fake = Log.of(ring()), Log.of(walker.sample(3000, Run(seed=1)))
    heads = [
        np.bincount(log.item[log.offsets[:-1]], minlength=RING) / len(log.users)
        for log in (real, fake)
    ]
    noise = 0.5 * np.sqrt(2 / np.pi * heads[0] * (1 - heads[0]) / len(real.users)).sum()
    assert 0.5 * np.abs(heads[0] - heads[1]).sum() < 2 * noise


def test_several_blocks_are_the_same_bytes_on_any_number_of_threads(walker: Any) -> None:
    one, two = (walker.sample(1100, Run(seed=4, threads=threads)) for threads in (1, 2))
    assert one.table("events").equals(two.table("events"))
    assert (
        one.table("events")["user_id"].unique(maintain_order=True).to_list()
        == one.table("users")["user_id"].to_list()
    )


def test_a_history_is_gone_on_from(walker: Any) -> None:
    events = pl.DataFrame(
        [
            (f"u{n:03}", f"i{i}", "purchase", 86_400 * (20 + i))
            for n in range(200)
            for i in (2, 7, 8, 9, 10, 11)
        ],
        schema=["user_id", "item_id", "event", "time"],
        orient="row",
    ).with_columns(time=pl.from_epoch("time").cast(pl.Datetime("us")))
    past = Shop({"items": ring().table("items"), "events": events})
    ahead = walker.sample(200, Run(seed=1), Given(histories=past, length=1)).table("events")
    assert (ahead["item_id"] == "i12").mean() > 0.5
    assert ahead["time"].min() >= events["time"].max()
    assert sorted(ahead["user_id"]) == sorted(set(events["user_id"]))


def test_repeats_are_as_frequent_as_real_ones(visitor: Any) -> None:
    def repeats(log: Log) -> float:
        return 1 - len({*zip(log.user.tolist(), log.item.tolist(), strict=True)}) / len(log)

    real, fake = Log.of(lively(200, 1)), Log.of(visitor.sample(1000, Run(seed=1)))
    assert repeats(fake) == pytest.approx(repeats(real), abs=0.06)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_repeats_where_the_log_never_does(name: str) -> None:
    rng = np.random.default_rng(0)
    rows = [
        (f"u{u}", f"i{i}", "purchase")
        for u in range(60)
        for i in rng.permutation(10)[: rng.integers(2, 11)]
    ]
    shop = Shop(
        {
            "items": pl.DataFrame({"item_id": [f"i{i}" for i in range(12)]}),
            "events": pl.DataFrame(rows, schema=["user_id", "item_id", "event"], orient="row"),
        }
    )
    made = SYNTHESIZERS.make(name, embedding_size=8, epochs=2).fit(shop, Run(seed=1))
    fake = made.sample(400, Run(seed=1)).table("events")
    assert fake.select(pl.struct("user_id", "item_id").is_duplicated().any()).item() is False
    assert not set(fake["item_id"]) & {"i10", "i11"}, "items that nobody chose"
    best = SYNTHESIZERS.make(name, embedding_size=8, epochs=2, top_k=3, top_p=0.9).fit(
        shop, Run(seed=1)
    )
    fake = best.sample(400, Run(seed=1)).table("events")
    assert fake.select(pl.struct("user_id", "item_id").is_duplicated().any()).item() is False


def test_the_funnel_is_never_broken(visitor: Any) -> None:
    """Nothing that the real log lacks: kinds in a row, on the same item or another, and kinds on an item so far."""
    real, _ = fit_grammar(Log.of(lively(200, 1)))
    # Even where each user is made to go on for long.
    for given in (None, Given(length=60)):
        fake, _ = fit_grammar(Log.of(visitor.sample(500, Run(seed=1), given)))
        assert not (fake.known & ~real.known).any()
        assert not ((fake.follow > 0) & ~(real.follow > 0)).any()
    log = Log.of(visitor.sample(500, Run(seed=2)))
    cart, purchase = EVENTS.index("add_to_cart"), EVENTS.index("purchase")
    at = np.flatnonzero(log.event == purchase)
    assert len(at)
    assert (log.event[at - 1] == cart).all()
    assert (log.item[at - 1] == log.item[at]).all()
    assert (log.user[at - 1] == log.user[at]).all()


def test_gaps_and_hours_are_those_of_the_log(visitor: Any) -> None:
    logs = Log.of(lively(200, 1)), Log.of(visitor.sample(1000, Run(seed=1)))
    for between in (False, True):
        sides = []
        for log in logs:
            gap, fresh, known = gaps(log)
            sides.append(gap[known & (fresh == between)])
        assert stats.ks_2samp(*sides).statistic < 0.15
    hours = [np.bincount(log.time // 3_600_000_000 % 24, minlength=24) / len(log) for log in logs]
    assert 0.5 * np.abs(hours[0] - hours[1]).sum() < 0.2
    real, fake = logs
    assert fake.time.min() >= real.time.min()
    assert fake.time.max() <= real.time.max()
    assert not np.any(fake.time % 1_000_000), "on the clock of the log"


def test_a_session_goes_on_in_several_ways(visitor: Any) -> None:
    past = np.array([3, 4], dtype=np.int32)
    ways = visitor.continuations(past, 40, 2, Run(seed=1))
    assert ways.shape == (40, 2)
    np.testing.assert_array_equal(ways, visitor.continuations(past, 40, 2, Run(seed=1)))
    items = visitor.catalogue_["item_id"]
    assert np.mean([items[int(code)] in ("i4", "i5") for code in ways[:, 0]]) > 0.4
    assert len(np.unique(ways, axis=0)) > 5
    with pytest.raises(InputError, match="at least 1"):
        visitor.continuations(past[:0], 1, 1, Run())


def test_one_session_goes_on(visitor: Any) -> None:
    ahead = visitor.continue_session(
        ["i3", "i4"], 6, kinds=["view_item", "view_item"], run=Run(seed=1)
    )
    assert ahead.columns == ["item_id", "event", "seconds"]
    assert len(ahead) == 6
    assert ahead["seconds"].is_sorted()
    assert (np.diff(ahead["seconds"].to_numpy(), prepend=0.0) <= 1800).all(), "within the session"
    again = visitor.continue_session(
        ["i3", "i4"], 6, kinds=["view_item", "view_item"], run=Run(seed=1)
    )
    assert again.equals(ahead)
    drawn = [
        visitor.continue_session(["i3", "i4"], run=Run(seed=s))["item_id"][0] for s in range(60)
    ]
    assert np.mean([item in ("i4", "i5") for item in drawn]) > 0.4
    assert len(visitor.continue_session([], 2)) == 2
    with pytest.raises(
        InputError, match="The session holds the item 'i999', which the fitted shop does not know"
    ):
        visitor.continue_session(["i1", "i999"])
    with pytest.raises(
        InputError,
        match=r"2 items and the kinds .'click', 'purchase'.; give each item one of select_item",
    ):
        visitor.continue_session(["i1", "i2"], kinds=["click", "purchase"])
    with pytest.raises(InputError, match="Asked to sample 0 users"):
        visitor.continue_session(["i1"], 0)


@pytest.mark.parametrize("name", NAMES)
def test_text_lets_items_be_written_that_nobody_chose(name: str) -> None:
    items = [f"i{i}" for i in range(12)]
    titles = ["red shoe" if i % 2 else "blue lamp" for i in range(12)]
    rng = np.random.default_rng(0)
    rows = [(f"u{u}", f"i{i}", "purchase") for u in range(80) for i in rng.integers(10, size=4)]
    shop = Shop(
        {
            "items": pl.DataFrame({"item_id": items, "title": titles}),
            "events": pl.DataFrame(rows, schema=["user_id", "item_id", "event"], orient="row"),
        }
    )
    made = SYNTHESIZERS.make(name, embedding_size=8, epochs=2, text="tfidf").fit(shop, Run(seed=1))
    assert set(made.sample(800, Run(seed=1)).table("events")["item_id"]) & {"i10", "i11"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": 0}, "epochs is 0; give 1 or more"),
        ({"bins": 20_000}, "bins is 20000; give a whole number from 1 to 10000"),
        ({"temperature": 0.0}, "temperature is 0.0; give a number above 0"),
        ({"top_p": 0.0}, "top_p is 0.0; give a number above 0, at most 1"),
        ({"top_k": -1}, "top_k is -1; give 0 or more"),
        ({"dropout": 1.0}, "dropout is 1.0; give a number from 0, below 1"),
        ({"max_length": 3}, "max_length is 3; give 4 or more"),
        ({"text": "tfidff"}, "Did you mean 'tfidf'"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_wrong_settings_are_named(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        SYNTHESIZERS.make(name, **settings)


def test_heads_divide_the_state() -> None:
    with pytest.raises(
        SettingError, match="transformer: heads is 3; give a divisor of embedding_size"
    ):
        SYNTHESIZERS.make("transformer", heads=3)
    with pytest.raises(SettingError, match="gru: hidden_size is 0; give 1 or more"):
        SYNTHESIZERS.make("gru", hidden_size=0)
