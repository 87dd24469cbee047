"""Soft labels: the mixer that makes them, the log that carries them, the losses and networks that are taught them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from conftest import small_shop
from wareloom.core.family import MIXERS, RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.experiment.plan import SYNTHETIC
from wareloom.mixing._draw import in_head
from wareloom.mixing.labels import soft_labels
from wareloom.neural import torch
from wareloom.neural.batches import padded
from wareloom.neural.loss import (
    sampled_softmax_loss,
    soft_sampled_softmax_loss,
    soft_softmax_loss,
    softmax_loss,
)
from wareloom.proof.arms import plan
from wareloom.rankers.neighbourhood import Neighbourhood
from wareloom.sampling.generator import Generator
from wareloom.shop import Log, Requests, Shop

RUN = Run(seed=4, threads=1)
RING = {"window": 1, "reverse": 0.0, "decay": 0.1}
"""A ranker of what comes right after the last item"""


def ring(users: int = 200, step: int = 1, seed: int = 5, items: int = 30) -> Shop:
    """Synthetic users who go `step` items further round the ring each time."""
    rng = np.random.default_rng(seed)
    start, n = rng.integers(items, size=users), 8
    item = (start[:, None] + step * np.arange(n)) % items
    rows = pl.DataFrame({"user_id": np.repeat(np.arange(users), n), "item": item.ravel()}).select(
        user_id=pl.format("made-{}", "user_id"),
        item_id=pl.format("i{}", "item"),
        event=pl.lit("purchase"),
        origin=pl.lit("ring"),
    )
    return Shop({"items": small_shop(items=items).table("items"), "events": rows})


def brute(log: Log, of: Neighbourhood, count: int, power: float) -> list[dict[int, float]]:
    """The labels of each event, one by one."""
    found: list[dict[int, float]] = []
    dense = of.table.toarray()
    for u in range(len(log.users)):
        mine = log.item[log.offsets[u] : log.offsets[u + 1]]
        for p in range(len(mine)):
            past = mine[:p][-of.last :] if of.last else mine[:p]
            score = sum(
                (of.decay ** (len(past) - 1 - k) * dense[i] for k, i in enumerate(past)),
                np.zeros(len(dense)),
            )
            score[mine[:p]] = 0
            best = [int(j) for j in np.argsort(-score, kind="stable")[:count] if score[j] > 0]
            whole = sum(score[j] ** power for j in best)
            found.append({j: score[j] ** power / whole for j in best})
    return found


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 999),
    count=st.integers(1, 6),
    last=st.integers(0, 4),
    power=st.sampled_from([0.5, 1.0, 3.0]),
)
def test_labels_are_the_best_after_each_history(
    seed: int, count: int, last: int, power: float
) -> None:
    rng = np.random.default_rng(seed)
    log = Log.of(small_shop(users=6, items=9, seed=seed))
    table = sparse.random(9, 9, density=0.5, random_state=rng, format="csr", dtype=np.float32)
    of = Neighbourhood(table, 0.6, last)
    item, share = soft_labels(log, of, count, power)
    for codes, weights, wanted in zip(item, share, brute(log, of, count, power), strict=True):
        told = {int(j): float(w) for j, w in zip(codes, weights, strict=True) if j >= 0}
        assert told == pytest.approx(wanted, rel=1e-4)
        assert (weights[codes < 0] == 0).all()


def test_a_mix_says_what_synthetic_users_would_do_at_each_real_event() -> None:
    real = small_shop(users=40)
    mixed = MIXERS.make("labels", ratio=0.5, labels=2, ranker_settings=RING).mix(real, ring(), RUN)
    assert mixed.table("events").equals(real.table("events"))
    rows = mixed.table("soft_labels")
    assert set(rows["origin"]) == {"ring"}
    log = Log.of(mixed)
    assert log.label_item is not None
    assert log.label_weight is not None
    first = np.zeros(len(log), dtype=bool)
    first[log.offsets[:-1]] = True
    assert not log.label_weight[first].any()
    inner = np.flatnonzero(~first)
    following = (log.items.encode(pl.Series([f"i{(int(i[1:]) + 1) % 30}" for i in log.items.ids])))[
        log.item[inner - 1]
    ]
    seen = [following[k] in log.item[log.offsets[log.user[e]] : e] for k, e in enumerate(inner)]
    fresh = inner[~np.array(seen)]
    assert (log.label_item[fresh, 0] == following[~np.array(seen)]).all()
    total = log.label_weight[fresh].sum(axis=1)
    np.testing.assert_allclose(total, 0.5, rtol=1e-5)


def test_labels_follow_their_events_through_a_log() -> None:
    mixed = MIXERS.make("labels", labels=3).mix(small_shop(users=40), ring(), RUN)
    log = Log.of(mixed)
    some = log.select(np.array([7, 3]))
    for new, old in enumerate((7, 3)):
        rows = slice(log.offsets[old], log.offsets[old + 1])
        assert some.label_item is not None
        assert log.label_item is not None
        mine = some.label_item[some.offsets[new] : some.offsets[new + 1]]
        np.testing.assert_array_equal(mine, log.label_item[rows])
    assert len(log.keep(log.item != 0).label_item) == int((log.item != 0).sum())  # type: ignore[arg-type]
    lost = mixed.with_tables(
        soft_labels=pl.concat([
            mixed.table("soft_labels"),
            mixed.table("soft_labels").head(3).with_columns(place=pl.lit(99, pl.Int32)),
            mixed.table("soft_labels").head(3).with_columns(user_id=pl.lit("nobody")),
        ])
    )  # fmt: skip
    np.testing.assert_array_equal(Log.of(lost).label_weight, log.label_weight)


def test_the_head_and_zero_weights_are_left_to_real_rows() -> None:
    real = small_shop(users=40, items=12)
    whole = MIXERS.make("labels").mix(real, ring(items=12), RUN).table("soft_labels")
    guarded = MIXERS.make("labels", head=0.25).mix(real, ring(items=12), RUN).table("soft_labels")
    log = Log.of(real)
    head = log.items.ids.filter(pl.Series(in_head(log.counts())))
    factor = pl.when(pl.col("item_id").is_in(head.implode())).then(0.25).otherwise(1.0)
    np.testing.assert_allclose(
        guarded["weight"], whole.select(pl.col("weight") * factor)["weight"], rtol=1e-6
    )
    assert MIXERS.make("labels", ratio=0.0).mix(real, ring(), RUN).names == real.names


def test_a_share_of_the_synthetic_users_comes_beside_the_labels() -> None:
    real, made = small_shop(users=40), ring()
    alone = MIXERS.make("labels", ratio=2.0).mix(real, made, RUN)
    mixed = MIXERS.make("labels", ratio=2.0, users=0.5, weight=0.25).mix(real, made, RUN)
    plain = MIXERS.make("ratio", ratio=1.0, weight=0.25).mix(real, made, RUN)
    assert mixed.table("events").equals(plain.table("events"))
    assert mixed.rows("events") > alone.rows("events") == real.rows("events")
    for own in ("user_id", "place", "item_id", "weight"):
        told = (
            MIXERS.make("labels", ratio=2.0, weight=0.25).mix(real, made, RUN).table("soft_labels")
        )
        assert mixed.table("soft_labels")[own].equals(told[own])
    with pytest.raises(SettingError, match="users"):
        MIXERS.make("labels", users=1.5)


def drawn(n: int = 6, items: int = 9, k: int = 3) -> dict[str, Any]:
    torch.manual_seed(3)
    label = torch.stack([torch.randperm(items - 1)[:k] + 1 for _ in range(n)])
    share = torch.rand(n, k)
    label[0, 1:], share[0, 1:] = -1, 0.0
    label[1], share[1] = -1, 0.0
    return {
        "state": torch.randn(n, 4),
        "target": torch.randint(1, items, (n,)),
        "weight": torch.rand(n),
        "soft": (label, share),
        "table": torch.randn(items, 4),
        "bias": torch.randn(items),
    }


def nothing(x: dict[str, Any]) -> tuple[Any, Any]:
    return torch.full_like(x["soft"][0], -1), torch.zeros_like(x["soft"][1])


def by_hand(x: dict[str, Any]) -> float:
    chance = torch.log_softmax(x["state"] @ x["table"].T + x["bias"], dim=1).numpy()
    lost, whole = 0.0, 0.0
    for r in range(len(chance)):
        every = [(int(x["target"][r]), float(x["weight"][r]))]
        every += [
            (int(j), float(w))
            for j, w in zip(*(part[r] for part in x["soft"]), strict=True)
            if j >= 0
        ]
        for j, w in every:
            lost, whole = lost - w * chance[r, j], whole + w
    return lost / whole


def test_the_soft_loss_is_the_cross_entropy_of_all_targets() -> None:
    x = drawn()
    told = soft_softmax_loss(x["state"], x["target"], x["weight"], x["soft"], x["table"], x["bias"])
    assert float(told) == pytest.approx(by_hand(x), rel=1e-5)
    none = x | {"soft": nothing(x)}
    plain = softmax_loss(x["state"], x["target"], x["weight"], x["table"], x["bias"])
    assert float(soft_softmax_loss(**none)) == pytest.approx(float(plain), rel=1e-5)


def test_the_sampled_soft_loss_is_the_same_where_all_items_are_drawn() -> None:
    """Each other item drawn once, uncorrected: then the candidates of a row are all items, each once."""
    x = drawn()
    own = {name: x[name] for name in ("state", "target", "weight", "soft")}
    given = {"rows": lambda codes: x["table"][codes], "bias": x["bias"]}
    told = soft_sampled_softmax_loss(
        **own, **given, negatives=torch.arange(9), log_q=torch.zeros(9)
    )
    assert float(told) == pytest.approx(by_hand(x), rel=1e-5)


def test_the_sampled_soft_loss_comes_to_the_full_one_and_without_labels_to_the_plain_one() -> None:
    x = drawn(items=50)
    q = torch.softmax(torch.randn(50), dim=0)
    many = torch.multinomial(q, 200_000, replacement=True)
    log_q = torch.log(q * 200_000)
    given = {
        "rows": lambda codes: x["table"][codes],
        "bias": x["bias"],
        "negatives": many,
        "log_q": log_q,
    }
    own = {k: x[k] for k in ("state", "target", "weight", "soft")}
    assert float(soft_sampled_softmax_loss(**own, **given)) == pytest.approx(by_hand(x), rel=0.01)
    none = own | {"soft": nothing(x)}
    few = given | {"negatives": many[:40], "log_q": torch.log(q * 40)}
    plain = sampled_softmax_loss(x["state"], x["target"], x["weight"], **few)
    assert float(soft_sampled_softmax_loss(**none, **few)) == pytest.approx(float(plain), rel=1e-4)


def test_labels_are_laid_out_beside_their_events() -> None:
    values = np.arange(12).reshape(6, 2)
    laid = padded(values, np.array([0, 4]), np.array([3, 1]))
    assert laid.tolist() == [[[0, 1], [2, 3], [4, 5]], [[8, 9], [0, 0], [0, 0]]]


@pytest.mark.parametrize(
    ("name", "more"), [("sasrec", {}), ("sasrec", {"negatives": 4}), ("bert4rec", {"layers": 1})]
)
def test_a_network_learns_what_only_the_labels_say(name: str, more: dict[str, Any]) -> None:
    """Real users walk the ring by one, synthetic ones by five: with labels, five further is ranked high, too."""
    network = {
        "embedding_size": 16,
        "batch_size": 256,
        "learning_rate": 0.02,
        "dropout": 0.0,
        "epochs": 40,
    }
    real = small_shop(users=120)
    mixed = MIXERS.make("labels", labels=1, ranker_settings=RING).mix(real, ring(step=5), RUN)
    asked = Requests.sessions([[f"i{i}"] for i in range(30)])
    place = []
    for shop in (real, mixed):
        scores = (
            RANKERS.make(name, **network, **more)
            .fit(shop, RUN)
            .score(asked, [f"i{i}" for i in range(30)])
        )
        wanted = scores[np.arange(30), (np.arange(30) + 5) % 30]
        place.append(float((scores > wanted[:, None]).sum(axis=1).mean()))
    assert place[1] < 4
    assert place[0] > 8


def test_what_cannot_be_taught_labels_says_so() -> None:
    mixed = MIXERS.make("labels").mix(small_shop(), ring(), RUN)
    with pytest.raises(InputError, match="cannot be taught soft labels"):
        RANKERS.make("ease").fit(mixed)
    with pytest.raises(
        InputError, match="soft labels are taught by loss='softmax' alone, not by 'gbce'"
    ):
        RANKERS.make("sasrec", loss="gbce", epochs=1).fit(mixed, RUN)
    with pytest.raises(SettingError, match="labels is 0; give 1 or more"):
        MIXERS.make("labels", labels=0)
    with pytest.raises(InputError, match="adds up no table over the history"):
        MIXERS.make("labels", ranker="popularity").mix(small_shop(), ring(), RUN)
    strange = ring()
    strange = strange.with_tables(
        items=strange.table("items").with_columns(item_id=pl.format("x{}", "item_id")),
        events=strange.table("events").with_columns(item_id=pl.format("x{}", "item_id")),
    )
    with pytest.raises(InputError, match="not one synthetic event is on a real item"):
        MIXERS.make("labels").mix(small_shop(), strange, RUN)


def test_a_proof_with_labels_has_no_arm_of_synthetic_data_alone() -> None:
    told = plan(Generator(synthesizer="markov", mixer="labels"), "sasrec", {})
    assert SYNTHETIC not in told.arms
    assert "labels" in told.left_out[SYNTHETIC]
    assert all(SYNTHETIC not in pair for pair in told.comparisons)
