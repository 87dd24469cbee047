"""Several tasks at once: the network and the chain by hand, labels, sharing, aims, calibration, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit, softmax

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.neural import torch
from wareloom.rankers.clicks.rows import from_impressions
from wareloom.rankers.learned._aims import relevance
from wareloom.rankers.learned._experts import Experts, Lesson, Shape, chained, followed
from wareloom.rankers.learned._tasks import deepest_from, depths
from wareloom.shop import Log, Requests, Shop, Vocabulary

RUN = Run(seed=1, threads=1)
KINDS = ("view_item", "add_to_cart", "purchase")


def make(**settings: Any) -> Any:
    return RANKERS.make("multitask", **({"epochs": 3, "hidden_size": 32, "experts": 2} | settings))


def funnel(
    rows: int = 4000, seed: int = 0, *, rare: float = 1.5, rated: bool = True
) -> tuple[Shop, np.ndarray]:
    """Impressions whose clicks hang on item and device; a part of the clicks becomes carts, then purchases.

    Returns the shop and the true chances of the three steps, float64 [rows, 3]. Prices fall as attraction rises.
    """
    rng, items = np.random.default_rng(seed), 20
    item, device = rng.integers(items, size=rows), rng.integers(2, size=rows)
    taste = np.random.default_rng(99).normal(0, 1.5, (2, items))
    step = expit(np.stack([taste[device, item] - 0.7] + [taste[device, item] - rare] * 2, axis=1))
    went = np.cumprod(rng.random((rows, 3)) < step, axis=1).astype(bool)
    names = ("select_item", "add_to_cart", "purchase")
    frame = pl.DataFrame(
        {
            "session_id": [f"s{i}" for i in range(rows)],
            "user_id": [f"s{i}" for i in range(rows)],
            "item_id": [f"i{i}" for i in item],
            "event": [
                ["view_item_list", *[n for n, w in zip(names, row, strict=True) if w]]
                for row in went
            ],
            "time": pl.Series(np.arange(rows) * 60_000_000, dtype=pl.Int64).cast(pl.Datetime("us")),
            "context": [[{"name": "device", "value": "phone" if d else "desk"}] for d in device],
            "rating": 3 + 0.5 * taste[device, item],
        }
    ).explode("event")
    bought = pl.col("event") == "purchase"
    frame = (
        frame.with_columns(rating=pl.when(bought).then("rating")) if rated else frame.drop("rating")
    )
    catalogue = pl.DataFrame(
        {"item_id": [f"i{i}" for i in range(items)], "price": 1.0 + np.arange(items)}
    )
    return Shop({"items": catalogue, "events": frame}), np.cumprod(step, axis=1)


def walks(kinds: tuple[str, ...], users: int = 40) -> Shop:
    """The ring of the other tests, each event with one of these kinds."""
    shop = small_shop(users=users)
    events = shop.table("events")
    drawn = np.random.default_rng(3).integers(len(kinds), size=len(events))
    return shop.with_tables(events=events.with_columns(event=pl.Series([kinds[d] for d in drawn])))


@pytest.fixture(scope="module")
def planted() -> tuple[Shop, Any]:
    shop, _ = funnel()
    return shop, make(epochs=6, learning_rate=5e-3).fit(shop, RUN)


@pytest.mark.parametrize("experts", [1, 3])
def test_the_network_is_the_formula(experts: int) -> None:
    shape = Shape(
        sizes=np.array([4, 3]),
        numbers=2,
        embedding_size=2,
        hidden_size=6,
        layers=1,
        experts=experts,
        dropout=0.0,
        binary=2,
        rating=True,
        chain=False,
        uncertainty=False,
    )
    torch.manual_seed(0)
    net = Experts(shape).eval()
    with torch.no_grad():
        for value in net.parameters():
            value.normal_(0, 0.5)
    codes, dense = (
        np.array([[1, 2], [0, 1], [3, 0]]),
        np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32),
    )
    with torch.no_grad():
        found = net(torch.from_numpy(codes), torch.from_numpy(dense), None).numpy()
    w = {name: value.numpy().astype(float) for name, value in net.state_dict().items()}
    for row in range(3):
        place = codes[row] + np.array([0, 4])
        x = np.concatenate([*w["fields.embedding.weight"][place], dense[row]])
        know = [
            np.maximum(w[f"experts.{e}.0.weight"] @ x + w[f"experts.{e}.0.bias"], 0)
            for e in range(experts)
        ]
        gates = (w["gates.weight"] @ x + w["gates.bias"]).reshape(3, experts)
        for task in range(3):
            mixed = sum(g * k for g, k in zip(softmax(gates[task]), know, strict=True))
            tower = np.maximum(w[f"towers.{task}.0.weight"] @ mixed + w[f"towers.{task}.0.bias"], 0)
            head = (w[f"heads.{task}.weight"] @ tower + w[f"heads.{task}.bias"])[0]
            linear = (
                w["fields.linear.weight"][place, task].sum()
                + w["fields.numbers.weight"][task] @ dense[row]
            )
            assert found[row, task] == pytest.approx(
                head + linear + w["fields.numbers.bias"][task], abs=1e-4
            )


def test_the_chain_multiplies() -> None:
    odds = np.random.default_rng(1).normal(0, 4, (50, 3))
    found = chained(torch.from_numpy(odds)).numpy()
    np.testing.assert_allclose(expit(found), np.cumprod(expit(odds), axis=1), rtol=1e-9)
    far = chained(torch.tensor([[-80.0, -80.0]], dtype=torch.float64)).numpy()
    assert far[0, 1] == pytest.approx(-160.0)


def test_losses_and_the_penalty_by_hand() -> None:
    rng = np.random.default_rng(2)
    n, z = 40, rng.normal(size=(40, 2))
    label, weight, worth = (
        (rng.random(n) < 0.4).astype(float),
        rng.integers(1, 3, n).astype(float),
        rng.normal(size=n),
    )
    rating = np.where(label > 0, rng.normal(size=n), np.nan)
    lesson = Lesson(
        weights=np.array([2.0, 1.0]), shares=np.array([0.4, 0.3]), binary=1, diversity=0.5
    )
    batch = tuple(
        torch.from_numpy(a) for a in (label[:, None], rating, weight, worth, rng.random(n))
    )
    click = rate = 0.0
    for i in range(n):
        p = expit(z[i, 0] + worth[i])
        click += weight[i] * (-np.exp(worth[i]) * np.log(p) if label[i] else -np.log(1 - p))
        rate += weight[i] * (z[i, 1] - rating[i]) ** 2 if label[i] else 0.0
    entropy = -0.4 * np.log(0.4) - 0.6 * np.log(0.6)
    parts = np.array([click / entropy, rate / 0.3]) / weight.sum()
    penalty = np.corrcoef(z[label > 0, 0], batch[4].numpy()[label > 0])[0, 1] ** 2
    fixed = lesson.total(torch.from_numpy(z), batch, None).item()
    assert fixed == pytest.approx((2 * parts[0] + parts[1]) / 3 + 0.5 * penalty, rel=1e-5)
    s = torch.tensor([0.3, -0.2], dtype=torch.float64)
    learned = np.exp(-0.3) * parts[0] + 0.5 * np.exp(0.2) * parts[1] + 0.5 * 0.1 + 0.5 * penalty
    assert lesson.total(torch.from_numpy(z), batch, s).item() == pytest.approx(learned, rel=1e-5)
    assert followed(torch.ones(2, 1), torch.ones(2)).item() == 0.0


def test_how_deep_a_choice_went() -> None:
    assert deepest_from(np.array([1, 0, 1, 1, 0]), np.array([2, 6, 4, 1, 2])).tolist() == [
        4,
        6,
        4,
        1,
        2,
    ]
    show, click, buy = "view_item_list", "select_item", "purchase"
    events = pl.DataFrame(
        {
            "session_id": ["a", "a", "a", "a", "a", "b", "b"],
            "item_id": ["x", "x", "y", "x", "y", "x", "y"],
            "event": [show, click, show, buy, buy, show, buy],
            "time": pl.Series(range(7), dtype=pl.Int64).cast(pl.Datetime("us")),
        }
    )
    shop = Shop({"items": pl.DataFrame({"item_id": ["x", "y"]}), "events": events})
    rows = from_impressions(shop, Vocabulary(shop.table("items")["item_id"]))
    assert depths(rows, shop).tolist() == [6, 0, 0], "what was not clicked was not bought from here"


def test_tasks_are_those_that_the_shop_has(planted: Any) -> None:
    assert planted[1].tasks_ == ["click", "cart", "purchase", "rating"]
    assert make(epochs=1).fit(funnel(800, rated=False)[0], RUN).tasks_ == [
        "click",
        "cart",
        "purchase",
    ]
    for kinds, tasks in (
        (("purchase",), ["purchase"]),
        (("view_item", "purchase"), ["click", "purchase"]),
        (KINDS, ["click", "cart", "purchase"]),
        (("add_to_wishlist",), ["click"]),
    ):
        model = make(epochs=1).fit(walks(kinds), RUN)
        assert model.tasks_ == tasks
        assert np.isfinite(model.score(Requests.sessions([["i3"], []]))).all()
    assert make(epochs=1, tasks="purchase=1", objective="purchase=1").fit(
        walks(KINDS), RUN
    ).tasks_ == ["purchase"]


@pytest.mark.parametrize(
    "settings", [{}, {"chain": True}, {"balance": "uncertainty"}, {"negative_rate": 0.4}]
)
def test_each_head_is_calibrated_and_finds_what_was_planted(settings: dict[str, Any]) -> None:
    shop, _ = funnel(2500)
    test, chance = funnel(4000, seed=5)
    model = make(epochs=12, learning_rate=1e-2, patience=0, **settings).fit(
        shop, RUN.with_(updates=180)
    )
    found = model.predict_tasks(test)
    for place, name in enumerate(("click", "cart", "purchase")):
        p = found[name].to_numpy()
        assert p.mean() == pytest.approx(chance[:, place].mean(), rel=0.2), name
        assert np.corrcoef(logit(p), logit(chance[:, place]))[0, 1] > (0.8, 0.6, 0.5)[place], name
    np.testing.assert_allclose(model.predict(test), found["click"].to_numpy(), rtol=1e-9)
    if settings.get("chain"):
        assert (
            np.diff(found.select("click", "cart", "purchase").to_numpy(), axis=1) <= 1e-12
        ).all()
    rating = test.table("events")["rating"].drop_nulls().to_numpy()
    assert 0.5 < found["rating"].to_numpy().std() / rating.std() < 3


def test_a_rare_task_is_lifted_by_a_common_one() -> None:
    """At equal updates: purchases are few, but hang on the same tastes as clicks."""
    for seed in range(2):
        shop, _ = funnel(3000, seed=seed, rare=2.5)
        test, chance = funnel(3000, seed=50 + seed, rare=2.5)
        found = []
        for tasks in ("click=1 cart=1 purchase=1", "purchase=1"):
            model = make(tasks=tasks, objective="purchase=1", patience=0, learning_rate=1e-2)
            model.fit(shop, RUN.with_(updates=150, seed=seed))
            assert model.updates_ == 150
            odds = logit(model.predict_tasks(test)["purchase"].to_numpy())
            found.append(float(np.corrcoef(odds, logit(chance[:, 2]))[0, 1]))
        assert found[0] > found[1] + 0.03, (seed, found)


def test_margin_novelty_and_diversity_move_the_ranking_their_way() -> None:
    shop, _ = funnel(2000)
    price = shop.table("items")["price"].to_numpy()
    asked = Requests(
        histories=Requests.sessions([[], []]).histories,
        context=pl.DataFrame({"device": ["phone", "desk"]}),
    )

    def top(aim: str, values: np.ndarray) -> float:
        scores = make(objective=f"click=1 {aim}").fit(shop, RUN).score(asked)
        return float(values[np.argsort(-scores, axis=1)[:, :5]].mean())

    dear = [top(f"margin={m}", price) for m in (0, 0.5, 2)]
    assert dear[0] < dear[1] < dear[2]
    counts = make().fit(shop, RUN).counts_
    assert top("novelty=2", counts) < top("novelty=0", counts)
    assert top("diversity=5", counts) < top("diversity=0", counts)


def test_margin_leaves_probabilities_alone() -> None:
    shop, chance = funnel()
    model = make(epochs=6, learning_rate=5e-3, objective="click=1 margin=1").fit(shop, RUN)
    found = model.predict(funnel(4000, seed=5)[0])
    assert found.mean() == pytest.approx(chance[:, 0].mean(), rel=0.15)
    assert model.counts_ @ np.exp(model.worth_) == pytest.approx(model.counts_.sum()), (
        "the mean weight is 1"
    )


def test_sum_and_product_by_hand() -> None:
    p, q, r = np.array([0.5, 0.1]), np.array([0.2, 0.05]), np.array([4.0, 1.0])
    chance = {"click": np.log(p), "purchase": np.log(q), "rating": r}
    weights = {"click": 1.0, "purchase": 3.0, "rating": 2.0}
    share = np.maximum((r - 1) / 4, 0.01)
    np.testing.assert_allclose(
        relevance(weights, chance, "sum", 1, 5), np.log(p + 3 * q + 2 * p * share)
    )
    np.testing.assert_allclose(
        relevance(weights, chance, "product", 1, 5), np.log(p * q**3 * share**2)
    )


def test_the_corrected_chance_of_a_later_step_is_the_share_of_the_first(planted: Any) -> None:
    """Thinning keeps all clicks, so p(cart | click) may not change."""
    shop, model = planted
    before = model.predict_tasks(shop)
    kept, model.kept_ = model.kept_, 0.25
    after = model.predict_tasks(shop)
    model.kept_ = kept
    np.testing.assert_allclose(
        logit(after["click"]), logit(before["click"]) + np.log(0.25), atol=1e-6
    )
    np.testing.assert_allclose(
        after["cart"] / after["click"], before["cart"] / before["click"], rtol=1e-6
    )


def test_saved_and_restored_says_the_same(planted: Any, tmp_path: Path) -> None:
    shop, _ = planted
    model = make(
        epochs=1, calibration="platt", validation=0.5, objective="purchase=1 rating=1 margin=1"
    ).fit(shop, RUN)
    assert set(model.curves_) == {"click", "cart", "purchase"}
    model.save(tmp_path / "m")
    again = RANKERS.restore(tmp_path / "m")
    assert again.predict_tasks(shop).equals(model.predict_tasks(shop))
    asked = Requests.sessions([["i1", "i2"], []])
    np.testing.assert_array_equal(again.score(asked), model.score(asked))
    assert again.chances(asked)["cart"].shape == (2, 20)


def test_rows_that_come_and_go_are_learned_from_in_their_time() -> None:
    """What is there for no part of the training teaches as if it were not there."""
    shop = walks(KINDS)
    events = shop.table("events")
    fake = pl.col("user_id").is_in(["u1", "u2"])
    spans = [
        pl.lit(0.0, dtype=pl.Float32).alias("since"),
        pl.lit(1.0, dtype=pl.Float32).alias("until"),
    ]
    held = [spans[0], pl.when(fake).then(0.5).otherwise(1.0).cast(pl.Float32).alias("until")]
    asked = Requests.sessions([["i3"]])
    run = RUN.with_(updates=40)
    whole, part = (
        make().fit(shop.with_tables(events=events.with_columns(columns)), run)
        for columns in (spans, held)
    )
    assert whole.updates_ == part.updates_ == 40
    assert np.abs(whole.score(asked) - part.score(asked)).max() > 1e-6


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"objective": "clicks=1"}, "'clicks' is no task or aim. Did you mean 'click'"),
        ({"objective": "margin=1"}, "ranks by nothing that is learned"),
        ({"objective": "click"}, "'click' lacks a weight: give 0 or more, as click=1"),
        ({"objective": "click=1 click=2"}, "names click twice"),
        (
            {"tasks": "rating=1"},
            "tasks is 'rating=1'; give one of click, cart, purchase a weight above 0",
        ),
        ({"tasks": "buy=1"}, "'buy' is no task"),
        ({"experts": 0}, "experts is 0; give 1 or more"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_settings_that_cannot_work_are_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        RANKERS.make("multitask", **settings)


def test_bad_input(planted: Any) -> None:
    shop, _ = planted
    with pytest.raises(
        InputError, match="the objective names purchase, but this shop teaches click"
    ):
        make(objective="purchase=1").fit(walks(("view_item",)), RUN)
    with pytest.raises(InputError, match="ends in purchase: name one of these"):
        make(tasks="click=1").fit(small_shop(), RUN)
    with pytest.raises(InputError, match="needs a shop with items"):
        make(objective="purchase=1 margin=1").fit(Log.of(small_shop()), RUN)
    with pytest.raises(InputError, match="No item of the shop has a number 'profit'"):
        make(objective="purchase=1 margin=1", value="profit").fit(small_shop(), RUN)
    with pytest.raises(InputError, match="clicks were not learned"):
        make(epochs=1, tasks="purchase=1").fit(shop, RUN).predict(shop)
