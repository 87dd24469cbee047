"""Click models: oracles, planted signals, calibration, no leak of a row's own label, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from conftest import exposures, small_shop
from wareloom.core.family import METRICS, RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError, UnknownNameError
from wareloom.metrics import Predicted
from wareloom.rankers.clicks import calibration
from wareloom.rankers.clicks._features import learn
from wareloom.rankers.clicks._numbers import rates
from wareloom.rankers.clicks.base import ClickRanker
from wareloom.rankers.clicks.logistic import fit_logistic
from wareloom.rankers.clicks.rows import from_impressions, from_log, spread
from wareloom.shop import Log, Requests, Shop, Vocabulary
from wareloom.shop.impressions import before, impressions

MODELS = [
    n for n in RANKERS.names() if RANKERS.describe(n).module.startswith("wareloom.rankers.clicks.")
]
ITEMS = 12


def loss(label: np.ndarray, chance: np.ndarray) -> float:
    return float(METRICS.make("log_loss").measure(Predicted.of(label, chance)))


@pytest.fixture(scope="module")
def planted() -> tuple[Shop, Shop, np.ndarray, np.ndarray]:
    train, _ = exposures()
    test, chance = exposures(3000, seed=7)
    return train, test, impressions(test)["clicked"].to_numpy().astype(float), chance


@pytest.mark.parametrize("name", MODELS)
def test_finds_a_planted_signal_with_probabilities_that_hold(name: str, planted: Any) -> None:
    train, test, label, chance = planted
    model = RANKERS.make(name).fit(train, Run(seed=1, threads=1))
    found = model.predict(test)
    assert found.dtype == np.float64
    assert found.shape == label.shape
    constant = loss(label, np.full(len(label), impressions(train)["clicked"].mean()))
    best = loss(label, chance)
    assert loss(label, found) < constant - 0.6 * (constant - best), (
        "most of what can be known is found"
    )
    assert METRICS.make("click_auc").measure(Predicted.of(label, found)) > 0.65
    assert METRICS.make("calibration_error").measure(Predicted.of(label, found)) < 0.05
    assert np.corrcoef(logit(found), logit(chance))[0, 1] > 0.8


@pytest.mark.parametrize("name", MODELS)
def test_finds_nothing_where_nothing_is(name: str) -> None:
    train, _ = exposures(3000, signal=0.0)
    test, _ = exposures(3000, seed=9, signal=0.0)
    label = impressions(test)["clicked"].to_numpy().astype(float)
    found = RANKERS.make(name).fit(train, Run(seed=1, threads=1)).predict(test)
    constant = loss(label, np.full(len(label), impressions(train)["clicked"].mean()))
    assert loss(label, found) < 1.03 * constant, "noise is not taken for a signal"


@pytest.mark.parametrize("name", MODELS)
def test_saved_and_restored_predicts_the_same(name: str, planted: Any, tmp_path: Path) -> None:
    train, test, *_ = planted
    small = train.with_tables(events=train.table("events").head(800))
    model = RANKERS.make(name, calibration="platt", validation=0.3).fit(
        small, Run(seed=1, threads=1)
    )
    model.save(tmp_path / name)
    np.testing.assert_array_equal(
        RANKERS.restore(tmp_path / name).predict(test), model.predict(test)
    )


@pytest.mark.parametrize("name", MODELS)
def test_context_of_a_request_counts(name: str, planted: Any) -> None:
    model = RANKERS.make(name).fit(planted[0], Run(seed=1, threads=1))
    empty = Requests.sessions([[], []]).histories
    asked = Requests(histories=empty, context=pl.DataFrame({"device": ["phone", "desk"]}))
    scores = model.score(asked)
    assert (scores[0] > scores[1]).mean() > 0.9
    assert np.isfinite(
        model.score(Requests(histories=empty, context=pl.DataFrame({"device": ["watch", None]})))
    ).all()


@pytest.mark.parametrize("name", ["logistic", "dcn"])
def test_hour_weekday_and_place_count(name: str) -> None:
    """Clicks hang on the time and the place alone: at night, on Sundays and in one town there are more."""
    rng, rows = np.random.default_rng(11), 5000
    when, place = rng.integers(8 * 7 * 24, size=rows), rng.integers(2, size=rows)
    hour, weekday = when % 24, (when // 24 + 3) % 7
    odds = -2.5 + 1.5 * (hour < 6) + 1.5 * (weekday == 6) + 1.5 * place
    clicked = rng.random(rows) < expit(odds)
    frame = pl.DataFrame(
        {
            "session_id": [f"s{i}" for i in range(rows)],
            "item_id": [f"i{i}" for i in rng.integers(5, size=rows)],
            "event": [
                ["view_item_list", "select_item"] if c else ["view_item_list"] for c in clicked
            ],
            "time": pl.Series(when * 3_600_000_000, dtype=pl.Int64).cast(pl.Datetime("us")),
            "context": [[{"name": "place", "value": "town" if p else "land"}] for p in place],
        }
    )
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(5)]})
    model = RANKERS.make(name).fit(
        Shop({"items": items, "events": frame.explode("event")}), Run(seed=1, threads=1)
    )
    assert {"hour", "weekday", "context:place"} <= set(model.fields_)
    days = np.arange(7 * 24)
    asked = Requests(
        histories=Requests.sessions([[]] * (2 * 168)).histories,
        times=np.tile(days, 2) * 3_600_000_000,
        context=pl.DataFrame({"place": ["town"] * 168 + ["land"] * 168}),
    )
    truth = -2.5 + 1.5 * (days % 24 < 6) + 1.5 * ((days // 24 + 3) % 7 == 6)
    found = model.score(asked).mean(axis=1)
    assert np.corrcoef(found, np.concatenate([truth + 1.5, truth]))[0, 1] > 0.9


@pytest.mark.parametrize("how", ["platt", "isotonic"])
def test_calibration_rights_what_is_wrong(how: str, planted: Any) -> None:
    """A model penalised far too much says nearly the same of all rows; the curve stretches its log-odds."""
    train, test, label, _ = planted
    bare, righted = (
        RANKERS.make("logistic", regularization=3000.0, calibration=c, validation=0.4)
        .fit(train)
        .predict(test)
        for c in ("none", how)
    )
    assert loss(label, righted) < loss(label, bare)


def test_negatives_left_out_are_corrected_for(planted: Any) -> None:
    train, test, label, _ = planted
    found = RANKERS.make("logistic", negative_rate=0.25).fit(train, Run(seed=2)).predict(test)
    assert found.mean() == pytest.approx(label.mean(), rel=0.12)
    capped = RANKERS.make("logistic", max_rows=1500).fit(train, Run(seed=2)).predict(test)
    assert capped.mean() == pytest.approx(label.mean(), rel=0.15)


def test_probabilities_of_interactions_add_up_to_about_one() -> None:
    model = RANKERS.make("logistic", negatives=8).fit(small_shop(users=200), Run(seed=1))
    chances = expit(model.score(Requests.sessions([[f"i{i}"] for i in range(28)])))
    assert 0.5 < chances.sum(axis=1).mean() < 2.0


@pytest.mark.parametrize("penalty", [0.5, 10.0])
def test_logistic_is_scikit_learns(penalty: float) -> None:
    rng = np.random.default_rng(3)
    from scipy import sparse

    matrix = sparse.random_array((300, 20), density=0.3, format="csr", rng=rng)
    label = (rng.random(300) < 0.3).astype(float)
    weight = rng.integers(1, 4, 300).astype(float)
    ours = fit_logistic(matrix, label, weight, penalty, 500)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-9, max_iter=5000).fit(
        matrix, label, sample_weight=weight
    )
    np.testing.assert_allclose(ours[1:], theirs.coef_[0], atol=1e-4)
    assert ours[0] == pytest.approx(theirs.intercept_[0], abs=1e-4)


def test_platt_and_isotonic_curves() -> None:
    rng = np.random.default_rng(4)
    score = rng.normal(0, 2, 4000)
    label = (rng.random(4000) < expit(0.5 * score - 1)).astype(float)
    assert calibration.platt(score, label, np.ones(4000)) == pytest.approx([0.5, -1.0], abs=0.12)
    knots = calibration.isotonic(score, label, np.ones(4000))
    theirs = IsotonicRegression(y_min=0.5 / 4000, y_max=1 - 0.5 / 4000, out_of_bounds="clip").fit(
        score, label
    )
    asked = rng.normal(0, 2, 500)
    ours = expit(calibration.calibrated("isotonic", knots, asked))
    np.testing.assert_allclose(ours, theirs.predict(asked), atol=1e-9)
    assert (np.diff(ours[np.argsort(asked)]) >= -1e-12).all()


def test_correction_by_hand() -> None:
    """Of 90 rows without a click and 10 with, a tenth of the former kept makes 9 and 10."""
    assert expit(calibration.corrected(np.log(10 / 9), 0.1)) == pytest.approx(0.1)


def test_no_row_knows_its_own_label() -> None:
    """Turning the labels of one owner's rows changes nothing in the features of those rows."""
    shop, _ = exposures(600)
    items = Vocabulary(shop.table("items")["item_id"])
    rows = from_impressions(shop, items)
    _, plain = learn(rows, shop, items, 1, np.random.default_rng(0))
    fold = np.random.default_rng(0).integers(5, size=600)[rows.owner]
    from dataclasses import replace

    turned = replace(rows, label=np.where(fold == 2, 1 - rows.label, rows.label))
    encoder, other = learn(turned, shop, items, 1, np.random.default_rng(0))
    mine = fold == 2
    raw = [e.dense[:, 0].astype(float) for e in (plain, other)]
    order = [np.argsort(np.argsort(r[mine].round(4))) for r in raw]
    np.testing.assert_array_equal(plain.codes, other.codes)
    np.testing.assert_array_equal(order[0], order[1])
    assert np.abs(raw[0][~mine] - raw[1][~mine]).max() > 0.01
    assert encoder.rate.shape == (ITEMS + 1,)


def test_rates_by_hand() -> None:
    shop, _ = exposures(500)
    items = Vocabulary(shop.table("items")["item_id"])
    rows = from_impressions(shop, items)
    found = rates(rows, np.ones(500, dtype=bool), ITEMS)
    mean = (rows.label.sum() + 0.5) / 501
    for item in range(ITEMS):
        own = rows.label[rows.item == item]
        share = (own.sum() + 5) / (len(own) + 5 / mean)
        assert found[item] == pytest.approx(np.log(share / (1 - share)))
    assert found[ITEMS] == pytest.approx(np.log(mean / (1 - mean)))


def test_which_impression_was_clicked() -> None:
    """The last one of the item in the session before the click."""
    show, click = "view_item_list", "select_item"
    events = pl.DataFrame(
        {
            "session_id": ["a", "a", "a", "a", "b", "b", "b", "c"],
            "item_id": ["x", "x", "y", "x", "x", "x", "x", "z"],
            "event": [show, show, show, click, click, show, click, show],
            "time": pl.Series([1, 5, 5, 5, 1, 2, 9, 3], dtype=pl.Int64).cast(pl.Datetime("us")),
        }
    )
    shown = impressions(
        Shop({"items": pl.DataFrame({"item_id": ["x", "y", "z"]}), "events": events})
    )
    assert shown["row"].to_list() == [0, 1, 2, 5, 7]
    assert shown["clicked"].to_list() == [False, True, False, True, False]
    assert shown["click_row"].to_list() == [None, 3, None, 6, None]


def test_histories_end_before_the_impression() -> None:
    log = Log.of(small_shop(users=6))
    rng = np.random.default_rng(5)
    user = rng.integers(6, size=50)
    time = log.time[rng.integers(len(log), size=50)] + rng.integers(-1, 2, 50)
    starts, ends = before(log, log.users.ids.gather(user), time)
    for row in range(50):
        own = log.time[log.offsets[user[row]] : log.offsets[user[row] + 1]]
        assert ends[row] - starts[row] == (own < time[row]).sum()
    starts, ends = before(log, pl.Series(["nobody"]), np.array([2**60]))
    assert ends[0] == starts[0]


def test_negatives_are_other_items_and_histories_grow() -> None:
    log = Log.of(small_shop(users=5))
    rows = from_log(log, 3, 10**6, np.random.default_rng(0))
    table = rows.item.reshape(-1, 4)
    assert (table[:, 0] == log.item).all()
    assert (table[:, 1:] != table[:, :1]).all()
    assert rows.label.reshape(-1, 4).sum(axis=0).tolist() == [len(log), 0, 0, 0]
    assert (
        rows.asked.ends - rows.asked.starts == np.arange(len(log)) - log.offsets[log.user]
    ).all()
    assert len(from_log(log, 3, 40, np.random.default_rng(0))) == 40


def test_maps_are_spread_and_unknown_values_have_their_code(planted: Any) -> None:
    wide = spread(
        pl.Series(
            [
                [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}],
                None,
                [{"name": "b", "value": "3"}],
            ]
        )
    )
    assert wide.to_dict(as_series=False) == {"a": ["1", None, None], "b": [None, None, "3"]}
    train, test, *_ = planted
    strange = test.with_tables(
        events=test.table("events").with_columns(
            item_id=pl.lit("never seen"),
            position=pl.lit(99, dtype=pl.Int32),
            time=pl.lit(None, dtype=pl.Datetime("us")),
        )
    )
    model = RANKERS.make("logistic").fit(train)
    found = model.predict(strange)
    assert np.isfinite(found).all()
    assert len(np.unique(found.round(9))) == 2, "the device alone is known"


def test_bad_input(planted: Any) -> None:
    train, *_ = planted
    shown = train.table("events")
    model = RANKERS.make("logistic")
    none = train.with_tables(events=shown.filter(pl.col("event") == "view_item_list"))
    with pytest.raises(InputError, match="has nothing to learn from"):
        model.fit(none)
    with pytest.raises(InputError, match="of 4,000 rows 4,000 were clicked"):
        model.fit(train.with_tables(events=_all_clicked(shown)))
    with pytest.raises(InputError, match="The shop has no impressions"):
        RANKERS.make("logistic").fit(train).predict(small_shop())
    one = small_shop()
    own = one.table("events").filter(pl.col("item_id") == "i0")
    only = one.with_tables(items=one.table("items").head(1), events=own)
    with pytest.raises(InputError, match="has one item only"):
        model.fit(only)
    with pytest.raises(InputError, match=r"clicks and .* held back, and needs 10 of each"):
        RANKERS.make("logistic", calibration="platt", validation=0.01).fit(
            train.with_tables(events=shown.head(500))
        )


def _all_clicked(shown: pl.DataFrame) -> pl.DataFrame:
    views = shown.filter(pl.col("event") == "view_item_list")
    return pl.concat([views, views.with_columns(event=pl.lit("select_item"))])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("logistic", {"negative_rate": 0.0}),
        ("logistic", {"regularization": 0.0}),
        ("logistic", {"validation": 1.0}),
        ("dcn", {"crosses": 0}),
        ("deepfm", {"dropout": 1.0}),
        ("siamese", {"learning_rate": 0.0}),
        ("boosting", {"leaves": 1}),
        ("rating", {"regularization": 0.0}),
        ("logistic", {"calibration": "plat"}),
    ],
)
def test_settings_that_cannot_work_are_refused(name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(wrong))):
        RANKERS.make(name, **wrong)


def ratings(users: int = 60, items: int = 25, seed: int = 0) -> Shop:
    """Ratings of rank 2 with biases and little noise, four fifths of all pairs."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0, 0.6, (users, 2)), rng.normal(0, 0.6, (items, 2))
    whole = 3 + rng.normal(0, 0.5, users)[:, None] + rng.normal(0, 0.5, items) + a @ b.T
    user, item = np.nonzero(rng.random((users, items)) < 0.8)
    frame = {
        "user_id": [f"u{u}" for u in user],
        "item_id": [f"i{i}" for i in item],
        "event": ["purchase"] * len(user),
        "rating": whole[user, item] + rng.normal(0, 0.1, len(user)),
    }
    return Shop(
        {
            "items": pl.DataFrame({"item_id": [f"i{i}" for i in range(items)]}),
            "events": pl.DataFrame(frame),
        }
    )


def test_ratings_are_found_again() -> None:
    shop = ratings()
    events = shop.table("events")
    held = np.random.default_rng(1).random(len(events)) < 0.2
    train, test = (
        shop.with_tables(events=events.filter(pl.Series(rows))) for rows in (~held, held)
    )
    label = test.table("events")["rating"].to_numpy()
    rmse = {
        size: METRICS.make("rmse").measure(
            Predicted.of(
                label,
                RANKERS.make("rating", embedding_size=size, regularization=0.02)
                .fit(train)
                .predict(test),
            )
        )
        for size in (0, 2)
    }
    plain = float(np.sqrt(((label - train.table("events")["rating"].mean()) ** 2).mean()))
    assert rmse[2] < 0.6 * rmse[0] < 0.6 * plain


def test_biases_are_those_of_the_least_squares_problem() -> None:
    shop = ratings(20, 8)
    model = RANKERS.make("rating", embedding_size=0, bias_regularization=2.0, epochs=300).fit(shop)
    events = shop.table("events")
    user = Vocabulary(model.users_).encode(events["user_id"])
    item = Vocabulary(model.items_).encode(events["item_id"])
    design = np.zeros((len(events), 28))
    design[np.arange(len(events)), user] = 1
    design[np.arange(len(events)), 20 + item] = 1
    centred = events["rating"].to_numpy() - model.mean_
    solved = np.linalg.solve(design.T @ design + 2 * np.eye(28), design.T @ centred)
    np.testing.assert_allclose(
        np.concatenate([model.user_bias_[:-1], model.item_bias_[:-1]]), solved, atol=1e-6
    )


def test_a_stranger_gets_the_items_means_and_no_ratings_are_refused() -> None:
    model = RANKERS.make("rating").fit(ratings())
    np.testing.assert_allclose(
        model.score(Requests(users=["nobody"]))[0],
        (model.mean_ + model.item_bias_[:-1]).astype(np.float32),
    )
    with pytest.raises(InputError, match="The shop has no ratings"):
        model.predict(small_shop())


def test_the_base_is_a_click_ranker() -> None:
    assert MODELS == ["boosting", "dcn", "deepfm", "logistic", "siamese"]
    assert all(issubclass(RANKERS.load(name), ClickRanker) for name in MODELS)


def texts(shop: Shop) -> Shop:
    """The shop with titles in two families: even and odd items."""
    items = shop.table("items")
    title = [f"{'round red' if i % 2 else 'square blue'} thing" for i in range(len(items))]
    return shop.with_tables(items=items.with_columns(title=pl.Series(title)))


@pytest.mark.parametrize("name", ["dcn", "deepfm", "siamese", "multitask"])
def test_item_vectors_start_at_their_texts(name: str) -> None:
    shop = texts(exposures(rows=600)[0])
    still = {"text": "tfidf", "learning_rate": 1e-12, "weight_decay": 0.0, "embedding_size": 4}
    ranker = RANKERS.make(name, **still).fit(shop, Run(seed=1))
    vectors = ranker.weights_["fields.embedding.weight"][ranker.item_codes_[:-1, 0]]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    like = unit @ unit.T
    same = np.add.outer(np.arange(12), np.arange(12)) % 2 == 0
    assert like[same].min() > 0.95
    assert like[~same].max() < 0.9
    with pytest.raises(InputError, match="needs a shop with items, not a log alone"):
        RANKERS.make(name, text="tfidf").fit(Log.of(small_shop()), Run(seed=1))
    with pytest.raises(UnknownNameError, match="tfidf"):
        RANKERS.make(name, text="tfdif")


@pytest.mark.parametrize("name", ["dcn", "deepfm", "siamese", "multitask"])
def test_networks_take_the_updates_they_are_told(name: str) -> None:
    shop, _ = exposures(rows=600)
    assert (
        RANKERS.make(name, patience=0, epochs=2, batch_size=100).fit(shop, Run(seed=1)).updates_
        == 12
    )
    assert RANKERS.make(name, patience=0, epochs=2).fit(shop, Run(seed=1, updates=7)).updates_ == 7


def test_rows_come_and_go_in_a_click_network() -> None:
    """Rows of the first half of the training say the opposite of those of the second, which are believed."""
    shop, _ = exposures(rows=3000)
    events = shop.table("events").with_columns(since=pl.lit(0.5), until=pl.lit(1.0))
    wrong, _ = exposures(rows=3000, signal=-1.0)
    other = wrong.table("events").with_columns(
        session_id=pl.format("w{}", "session_id"), since=pl.lit(0.0), until=pl.lit(0.5)
    )
    mixed = shop.with_tables(events=pl.concat([events, other]))
    how = {"patience": 0, "epochs": 20, "learning_rate": 0.01, "embedding_size": 4}
    found = RANKERS.make("dcn", **how).fit(mixed, Run(seed=1)).predict(shop)
    sure = RANKERS.make("dcn", **how).fit(shop, Run(seed=1)).predict(shop)
    assert np.corrcoef(found, sure)[0, 1] > 0.8
    with pytest.raises(InputError, match="use a ranker that takes gradient updates"):
        RANKERS.make("logistic").fit(mixed)
