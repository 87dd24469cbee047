"""Rankers by content, against slow versions, and what they say of shops that lack what they need."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.language.embedders.tfidf import TfIdf
from wareloom.rankers.content import nearest as nearest_module
from wareloom.rankers.content import text_knn
from wareloom.rankers.content.attributes import Attributes, facet_codes
from wareloom.rankers.content.nearest import nearest
from wareloom.rankers.content.text_knn import TextKNN
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.texts import field_texts, item_texts, parse_fields, present

ITEMS = {
    "item_id": ["sink", "sink2", "drill", "driver", "bit", "cold"],
    "title": [
        "Steel sink",
        "Kitchen sink",
        "Cordless drill",
        "Cordless driver",
        "Drill bit",
        "Cordless steel drill",
    ],
    "category": [
        ["Home", "Sinks"],
        ["Home", "Sinks"],
        ["Tools", "Power"],
        ["Tools", "Power"],
        ["Tools", "Bits"],
        None,
    ],
    "brand": ["Acme", "Bolt", "Bolt", "Bolt", None, "Acme"],
    "price": [99.0, 120.0, 60.0, 55.0, 3.0, None],
}


def tools(**changes: object) -> Shop:
    items = pl.DataFrame({k: v for k, v in {**ITEMS, **changes}.items() if v is not None})
    events = pl.DataFrame(
        {
            "user_id": ["a", "a", "a", "b", "b", "c"],
            "item_id": ["sink", "sink2", "drill", "drill", "bit", "drill"],
            "event": ["purchase"] * 6,
        }
    )
    return Shop({"items": items, "events": events})


ASKED = Requests.sessions([["sink", "drill"], ["drill"], [], ["bit", "bit", "driver"]])


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_nearest_keeps_the_best_of_the_full_matrix(
    dense: bool, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest_module, "BLOCK_BYTES", 4 * 40 * 7)
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((40, 12)).astype(np.float32)
    if not dense:
        vectors = np.where(rng.random(vectors.shape) < 0.3, np.abs(vectors), 0).astype(np.float32)
    found = nearest(vectors if dense else sparse.csr_matrix(vectors), k).toarray()
    full = vectors @ vectors.T
    np.fill_diagonal(full, -np.inf)
    for row, kept in zip(full, found, strict=True):
        best = np.argsort(-row, kind="stable")[:k]
        slow = np.zeros(40)
        slow[best] = np.maximum(row[best], 0)
        np.testing.assert_allclose(kept, slow, rtol=1e-5, atol=1e-6)


def worded(rows: int, seed: int) -> sparse.csr_matrix:
    """Rows of eight words each, some of which most rows have, scaled to length 1."""
    rng = np.random.default_rng(seed)
    chance = 1 / np.arange(1, 301)
    words = np.array(
        [rng.choice(300, size=8, replace=False, p=chance / chance.sum()) for _ in range(rows)]
    )
    held = sparse.csr_matrix(
        (np.ones(words.size, np.float32), (np.repeat(np.arange(rows), 8), words.ravel()))
    )
    weighed = held.multiply(1 + np.log(rows / np.maximum(np.asarray(held.sum(axis=0)), 1))).tocsr()
    lengths = np.sqrt(np.asarray(weighed.multiply(weighed).sum(axis=1)))
    return weighed.multiply(1 / lengths).tocsr().astype(np.float32)


def test_rare_words_find_the_nearest_and_all_words_rank_them() -> None:
    vectors = worded(1_500, seed=4)
    whole, part = nearest(vectors, 20), nearest(vectors, 20, most=1_200)
    held = np.asarray((vectors > 0).sum(axis=0)).ravel()
    shared = np.asarray((vectors > 0) @ held)
    assert (shared > 1_200).mean() > 0.9, "most rows are read in part"
    exact = (vectors @ vectors.T).toarray()
    row, column = part.nonzero()
    np.testing.assert_allclose(part.data, exact[row, column], rtol=1e-5)
    assert part.sum() > 0.95 * whole.sum()
    few = nearest(vectors, 20, most=150)
    assert few.sum() < part.sum()


def test_a_word_that_all_have_is_read_about_the_row_itself() -> None:
    alike = sparse.csr_matrix(np.ones((500, 1), dtype=np.float32))
    found = nearest(alike, 10, most=30)
    assert (np.diff(found.indptr) == 10).all()
    row, column = found.nonzero()
    assert (row != column).all()
    assert np.abs(row - column).max() <= 30
    assert (found.data == 1).all()


def test_large_catalogues_keep_fewer_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_knn, "ENTRIES", 12)
    assert np.diff(TextKNN().fit(tools()).table_.indptr).max() == 2
    assert np.diff(TextKNN(neighbours=4).fit(tools()).table_.indptr).max() > 2


def test_text_knn_is_the_decayed_sum_of_cosines() -> None:
    shop = tools()
    ranker = TextKNN(decay=0.5).fit(shop)
    vectors = TfIdf(embedding_size=0, ngrams=1).fit(item_texts(shop)).embed(item_texts(shop))
    near = vectors @ vectors.T
    np.fill_diagonal(near, 0)
    scores = ranker.score(ASKED)
    for row, history in zip(
        scores, ([(0, 0.5), (2, 1)], [(2, 1)], [], [(4, 0.25), (4, 0.5), (3, 1)]), strict=True
    ):
        slow = sum((weight * near[item] for item, weight in history), np.zeros(6))
        np.testing.assert_allclose(row[slow > 0], slow[slow > 0], rtol=1e-5)
        assert (row[slow == 0] < 0).all()


def test_an_item_without_events_is_scored_by_its_text() -> None:
    best = TextKNN(fields="title").fit(tools()).rank(Requests.sessions([["sink", "drill"]]), k=1)
    assert best["item_id"].to_list() == ["cold"]


def test_weights_of_fields_are_a_weighted_mean_of_their_cosines() -> None:
    shop = tools()
    table = TextKNN(fields="title^3 brand").fit(shop).table_.toarray()
    slow = np.zeros((6, 6))
    for field, weight in (("title", 0.75), ("brand", 0.25)):
        texts = field_texts(shop, field)
        vectors = TfIdf(embedding_size=0, ngrams=1).fit(texts).embed(texts)
        slow += weight * vectors @ vectors.T
    np.fill_diagonal(slow, 0)
    np.testing.assert_allclose(table, slow, atol=1e-6)


def test_minilm_finds_what_shares_no_word() -> None:
    titles = ["running shoes", "jogging sneakers", "frying pan", "skillet", "a", "b"]
    shop = tools(title=titles, category=None, brand=None)
    table = TextKNN(embedder="minilm", neighbours=1).fit(shop, Run(threads=1)).table_.toarray()
    assert table[0].argmax() == 1
    assert table[2].argmax() == 3


def test_texts_of_items() -> None:
    values = [
        [{"name": "colour", "value": "red"}, {"name": "size", "value": "XL"}],
        None,
        [],
        None,
        None,
        None,
    ]
    shop = tools(
        attributes=pl.Series(
            values, dtype=pl.List(pl.Struct({"name": pl.String, "value": pl.String}))
        )
    )
    assert item_texts(shop)[0] == "Steel sink\nHome; Sinks\nAcme"
    assert item_texts(shop)[5] == "Cordless steel drill\nAcme"
    assert item_texts(shop, "attributes") == ["red; XL", "", "", "", "", ""]
    assert present(shop, {"description": 1.0, "brand": 2.0}) == {"brand": 2.0}
    assert present(shop, {"description": 1.0}) == dict.fromkeys(
        ["title", "category", "brand", "attributes"], 1.0
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            "titel",
            r"text_knn: fields is 'titel', but items have no field 'titel'\. Did you mean 'title'",
        ),
        ("", "have no field ''"),
        ("title^0", "'0' is no weight: give a number above 0"),
        ("title^-1", "'-1' is no weight"),
        ("title^x brand", "'x' is no weight"),
    ],
)
def test_wrong_fields_are_refused(fields: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        TextKNN(fields=fields)


def test_fields_are_read_with_their_weights() -> None:
    assert parse_fields("title^2, brand  category^.5") == {
        "title": 2.0,
        "brand": 1.0,
        "category": 0.5,
    }


@pytest.mark.parametrize("name", ["text_knn", "attributes"])
def test_a_shop_without_content_and_a_log_are_refused(name: str) -> None:
    bare = tools(title=None, category=None, brand=None, price=None)
    message = r"have no text: fill|needs one of the facets .* fill"
    with pytest.raises(InputError, match=message):
        RANKERS.make(name).fit(bare)
    empty = tools(
        title=[""] * 6, category=None, brand=pl.Series([None] * 6, dtype=pl.String), price=None
    )
    with pytest.raises(InputError, match=message):
        RANKERS.make(name).fit(empty)
    with pytest.raises(
        InputError, match=f"The ranker '{name}' learns from .* but it was given a log alone"
    ):
        RANKERS.make(name).fit(Log.of(small_shop()))


@pytest.mark.parametrize("name", ["text_knn", "attributes"])
@pytest.mark.parametrize("kept", ["title", "category", "brand", "price"])
def test_one_column_is_enough(name: str, kept: str) -> None:
    shop = tools(**{c: None for c in ("title", "category", "brand", "price") if c != kept})
    if (name, kept) in (("text_knn", "price"), ("attributes", "title")):
        with pytest.raises(InputError, match=r"have no text|needs one"):
            RANKERS.make(name).fit(shop)
    else:
        assert np.isfinite(RANKERS.make(name).fit(shop).score(ASKED)).all()


def test_attributes_is_naive_bayes() -> None:
    shop = tools()
    ranker = Attributes(facets="brand^2 category", decay=0.5, smoothing=2.0, prior=0.3).fit(shop)
    counts = np.array([1, 1, 3, 0, 1, 0])
    scores = ranker.score(ASKED)
    for row, history in zip(
        scores, ([(0, 0.5), (2, 1)], [(2, 1)], [], [(4, 0.25), (4, 0.5), (3, 1)]), strict=True
    ):
        for item in range(6):
            slow = 0.3 * np.log((counts[item] + 1) / (counts + 1).sum())
            for values, weight in (
                (ITEMS["brand"], 2.0),
                ([str(c) for c in ITEMS["category"]], 1.0),
            ):
                share = (
                    max(sum(c for c, v in zip(counts, values, strict=True) if v == values[item]), 1)
                    / 6
                )
                held = sum(w for i, w in history if values[i] == values[item])
                mass = sum(w for _, w in history)
                slow += weight * np.log((held + 2.0 * share) / (mass + 2.0) / share)
            assert row[item] == pytest.approx(slow, rel=1e-5, abs=1e-5)


def test_facets_are_codes_with_one_for_what_is_unknown() -> None:
    codes = facet_codes(tools(), bands=2)
    assert codes["brand"][4] not in codes["brand"][[0, 1, 2]]
    assert codes["parent"].tolist() == [1, 1, 2, 2, 2, 0]
    assert len(set(codes["category"])) == 4
    assert codes["price"][0] == codes["price"][1] == codes["price"][2]
    assert codes["price"][3] == codes["price"][4] != codes["price"][0]
    assert len({*codes["price"]}) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"facets": "colour"},
            "items have no facet 'colour'. Name some of brand, category, parent, price",
        ),
        ({"facets": "brand^0"}, "'0' is no weight"),
        ({"prior": 0}, "attributes: prior is 0; give a number above 0"),
        ({"bands": 0}, "attributes: bands is 0; give 1 or more"),
    ],
)
def test_settings_of_attributes_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message.replace(".", r"\.")):
        Attributes(**settings)
