"""Rankers of search that are made of others, the speller, and the cross-encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from search_shop import search_shop
from tiny_encoder import tiny_encoder
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.judged_items import QueryTask
from wareloom.language.spelling import Speller
from wareloom.language.tokenise import tokenise
from wareloom.metrics.ranking.ndcg import NDCG
from wareloom.rankers.search.base import without_history
from wareloom.rankers.search.judged import Mining, judged, with_lower
from wareloom.shop import Requests, Shop, Vocabulary

RUN = Run(seed=2, threads=1)
TITLES = [
    "red door knob",
    "blue doorknob",
    "faucet kitchen chrome",
    "shower faucet",
    "kitchen shelf",
    "red shelf kitchen",
]


def titled(titles: list[str]) -> Shop:
    return Shop(
        {"items": pl.DataFrame({"item_id": [f"i{n}" for n in range(len(titles))], "title": titles})}
    )


def test_zscore_is_the_sum_of_standardised_scores() -> None:
    shop = titled(TITLES)
    members = {"members": ("bm25", "lambdamart"), "spelling": False, "weights": {"lambdamart": 2.0}}
    found = RANKERS.make("fusion", **members).fit(shop, RUN).match_all(["kitchen faucet", "knob"])
    expected = np.zeros_like(found)
    for name, weight in (("bm25", 1.0), ("lambdamart", 2.0)):
        scores = (
            RANKERS.make(name).fit(shop, RUN).match_all(["kitchen faucet", "knob"]).astype(float)
        )
        expected += weight * (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_reciprocal_ranks_are_added_up() -> None:
    shop = titled(TITLES)
    made = RANKERS.make("fusion", members=("bm25",), by="rrf", constant=10.0, spelling=False).fit(
        shop, RUN
    )
    scores = RANKERS.make("bm25").fit(shop, RUN).match_all(["kitchen faucet"])[0]
    found = made.match_all(["kitchen faucet"])[0]
    for place, item in enumerate(np.argsort(-scores, kind="stable")):
        assert found[item] == pytest.approx(1 / (11 + place) if scores[item] > 0 else 0.0, abs=1e-7)


def test_nothing_that_matches_no_word_is_divided_by_nothing() -> None:
    for name in ("fusion", "two_stage"):
        made = RANKERS.make(name, members=("bm25", "lambdamart")).fit(titled(TITLES), RUN)
        assert np.isfinite(made.match_all(["zzzz", "", "knob"])).all()


def test_weights_are_learned_from_judgments() -> None:
    shop = search_shop(80)
    learned = RANKERS.make("fusion", members=("bm25", "lambdamart"), learn=True).fit(shop, RUN)
    equal = RANKERS.make("fusion", members=("bm25", "lambdamart")).fit(shop, RUN)
    assert equal.shares_.tolist() == [1.0, 1.0]
    task = QueryTask.of(shop, "test", 2.0)
    value = [NDCG().measure(task.rank_judged(ranker, RUN)) for ranker in (learned, equal)]
    assert value[0] >= value[1]


def contrary(shop: Shop) -> Shop:
    """People who want what they do not say, which no member knows."""
    return shop.with_tables(
        judgments=shop.table("judgments").with_columns(grade=3.0 - pl.col("grade"))
    )


def test_two_stages_learn_what_people_judged(tmp_path: Path) -> None:
    shop, test = (contrary(search_shop(queries, seed)) for queries, seed in ((200, 0), (100, 9)))
    task = QueryTask.of(test, "test", 2.0)
    how = {"members": ("bm25", "bi_encoder"), "min_rows": 5, "trees": 40, "trust": 3.0}
    own = {"bi_encoder": {"model": tiny_encoder(), "tuning": "none"}}
    made = RANKERS.make("two_stage", member_settings=own, **how).fit(shop, RUN)
    plain = RANKERS.make("two_stage", member_settings=own, **how).fit(
        shop.with_tables(judgments=None), RUN
    )
    assert (
        NDCG().measure(task.rank_judged(made, RUN))
        > NDCG().measure(task.rank_judged(plain, RUN)) + 0.1
    )
    made.save(tmp_path / "model")
    again = RANKERS.restore(tmp_path / "model")
    queries = test.table("judgments")["query"].head(5).to_list()
    np.testing.assert_allclose(again.match_all(queries), made.match_all(queries), rtol=1e-5)
    code = np.arange(len(made.items_))
    pairs = made.match(queries, np.zeros(len(code), dtype=int), made.items_.to_list())
    np.testing.assert_allclose(pairs, made.match_all(queries)[0], rtol=1e-5)


def test_where_only_right_items_were_judged_lower_ones_are_found() -> None:
    shop = search_shop(80)
    best = shop.table("judgments").filter(pl.col("grade") == 3.0)
    members = {
        "members": ("bm25", "lambdamart"),
        "min_rows": 5,
        "candidates": 12,
        "hard_negatives": 4,
    }
    made = RANKERS.make("two_stage", **members).fit(shop.with_tables(judgments=best), RUN)
    assert made.trees_
    rows = judged(shop.with_tables(judgments=best), Vocabulary(made.items_))
    rows = with_lower(rows, Mining(made._found, 4, 3_000), RUN.rng("mined"))
    counts = rows.group_by("query").agg(pl.col("grade").sort())
    assert set(map(tuple, counts["grade"].to_list())) == {(0.0, 0.0, 0.0, 0.0, 3.0)}
    assert rows.select("query", "item").is_unique().all(), (
        "what was judged right is not taken for wrong"
    )
    none = RANKERS.make("two_stage", **members | {"hard_negatives": 0}).fit(
        shop.with_tables(judgments=best), RUN
    )
    assert not none.trees_


def test_lists_of_judged_items_alone_are_given_others_that_are_found() -> None:
    shop = search_shop(40)
    made = RANKERS.make("two_stage", members=("bm25",), fields="title", min_rows=5).fit(shop, RUN)
    told = judged(shop, Vocabulary(made.items_))
    told = told.filter(pl.col("grade").n_unique().over("query") > 1)
    rows = with_lower(told, Mining(made._found, 5, 10), RUN.rng("mined"))
    assert len(rows) == len(told) + 10 * 5, "for ten queries, and no judgment is lost"
    assert rows.join(told, on=["query", "item", "grade"], how="semi").height == len(told)
    assert with_lower(told, Mining(made._found, 0, 10), RUN.rng("mined")).equals(told)
    first = told["query"].unique(maintain_order=True)[0]
    mixed = told.filter(
        (pl.col("query") != first) | (pl.col("grade") == pl.col("grade").max().over("query"))
    )
    rows = with_lower(mixed, Mining(made._found, 5, 3_000), RUN.rng("mined"))
    assert len(rows) == len(mixed) + 5 * mixed["query"].n_unique(), (
        "one list of right items alone changes nothing"
    )


def test_a_reader_puts_the_best_in_another_order(tmp_path: Path) -> None:
    shop = contrary(search_shop(60))
    reader = {"model": tiny_encoder(), "epochs": 12, "learning_rate": 5e-3}
    how = {
        "members": ("bm25",),
        "trust": 0.0,
        "hard_negatives": 0,
        "fields": "title",
        "reader": reader,
        "reader_weight": 50.0,
    }
    plain = RANKERS.make("two_stage", **how).fit(shop, RUN)
    made = RANKERS.make("two_stage", **how | {"reads": 30}).fit(shop, RUN)
    task = QueryTask.of(shop, "train", 2.0)
    assert (
        NDCG().measure(task.rank_judged(made, RUN))
        > NDCG().measure(task.rank_judged(plain, RUN)) + 0.05
    )
    queries = shop.table("judgments")["query"].unique(maintain_order=True).head(6).to_list()
    before, after = plain.match_all(queries), made.match_all(queries)
    changed = before != after
    assert (changed.sum(axis=1) == 30).all(), "thirty are read, all others stand as they did, below"
    for old, new, read in zip(before, after, changed, strict=True):
        assert old[read].min() >= old[~read].max()
        assert new[read].min() > new[~read].max()
    made.save(tmp_path / "model")
    np.testing.assert_allclose(
        RANKERS.restore(tmp_path / "model").match_all(queries), after, rtol=1e-4, atol=1e-4
    )
    nobody = RANKERS.make("two_stage", **how | {"reads": 30}).fit(
        shop.with_tables(judgments=None), RUN
    )
    np.testing.assert_array_equal(nobody.match_all(queries), before)


def test_a_reader_takes_as_many_updates_in_every_arm() -> None:
    reader = {"model": tiny_encoder(), "training_queries": 24, "batch_size": 4}
    made = RANKERS.make("two_stage", members=("bm25",), fields="title", reads=5, reader=reader)
    own = made.fit(search_shop(60), RUN).readers_["reader"].updates_
    assert own == 6
    assert made.fit(search_shop(10), RUN.with_(updates=99)).readers_["reader"].updates_ == own
    assert made.fit(search_shop(10), RUN).readers_["reader"].updates_ == own


def test_the_cross_encoder_is_taught_on_what_its_retriever_finds() -> None:
    shop = search_shop(30)
    best = shop.table("judgments").filter(pl.col("grade") == 3.0)
    how = {
        "model": tiny_encoder(),
        "fields": "title",
        "candidates": 10,
        "listed": 4,
        "learning_rate": 5e-3,
    }
    made = RANKERS.make("cross_encoder", **how).fit(shop.with_tables(judgments=best), RUN)
    scores = made.retrievers_["retriever"].match_all(best["query"].to_list())
    found = list(made._found(best["query"].to_list()))
    for row, items in zip(scores, found, strict=True):
        assert set(items) == set(np.argsort(-row, kind="stable")[:10]) or np.ptp(row) == 0
    assert made.updates_ == -(-best["query"].n_unique() // 8)


def test_a_ranker_of_rankers_names_what_it_cannot_ask() -> None:
    for members, said in (
        (("ease",), "'ease' does not read queries"),
        (("fusion",), "does not read queries by itself"),
    ):
        with pytest.raises(SettingError, match=said):
            RANKERS.make("two_stage", members=members)
    with pytest.raises(SettingError, match="names among bm25"):
        RANKERS.make("fusion", members=("bm25",), member_settings={"bm52": {}})


def test_the_speller_writes_as_the_catalogue_does() -> None:
    speller = Speller.learn(
        [
            "brass door knob",
            "steel door knob",
            "brass doorknob",
            "doorknob set",
            "kitchen faucet",
            "faucet",
        ]
    )
    assert speller.correct(["facuet"]) == ["faucet"], "two letters swapped"
    assert speller.correct(["faucett"]) == ["faucet"]
    assert speller.correct(["door", "knob"]) == ["door", "knob", "doorknob"], (
        "what it writes as one follows"
    )
    assert speller.correct(["doorknobs"]) == ["doorknobs"], "a plural is known"
    assert speller.correct(["knbo", "3/4in", "led", "水龙头"]) == ["knob", "3/4in", "led", "水龙头"]
    assert speller.correct(["xyzzyq"]) == ["xyzzyq"], "what is near nothing stays"
    parted = Speller.learn(["tool box", "red tool box"])
    assert parted.correct(["toolbox"]) == ["tool", "box"]


def test_a_word_of_the_language_that_nobody_sells_is_no_slip() -> None:
    """Against a catalogue in which each has a neighbour of one letter."""
    sold = ["leather coach", "red coach", "steel drill bit", "drill", "tool box", "big tool box"]
    speller = Speller.learn([*sold, "garden house", "green house"])
    assert speller.correct(["couch"]) == ["couch"]
    assert speller.correct(["couches"]) == ["couches"], "nor is its plural"
    assert speller.correct(["horse"]) == ["horse"]
    assert speller.correct(["coahc", "dril"]) == ["coach", "drill"], "what is no word is one"
    assert speller.correct(["toolbox"]) == ["tool", "box"], "to part changes no meaning"


def test_the_speller_hears_chinese_words() -> None:
    titles = ["哑光口红正品", "保湿口红", "婴儿推车", "折叠婴儿推车", "无线耳机", "无线耳机充电"]
    speller = Speller.learn(titles)
    assert speller.correct(["口", "宏"]) == ["口红", "口", "宏"], "the characters stay beside"
    assert speller.correct(["口宏"]) == ["口红"]
    assert speller.correct(["kouhong"]) == ["口红"], "pinyin sent off as it was typed"
    assert speller.correct(tokenise("婴儿推车")) == tokenise("婴儿推车")
    assert speller.correct(["知识"]) == ["知识"], "a word of the language that nobody sells"
    assert Speller.learn(["brass knob", "brass knob"]).correct(["kouhong", "口"]) == [
        "kouhong",
        "口",
    ]


def test_a_misspelt_query_is_answered_where_that_is_wanted(tmp_path: Path) -> None:
    shop = titled([*TITLES, "chrome faucet"])
    asked = Requests(queries=["chrome fuacet"], users=[None])
    plain = RANKERS.make("bm25").fit(shop, RUN)
    speller = RANKERS.make("bm25", spelling=True).fit(shop, RUN)
    speller.save(tmp_path / "model")
    assert plain.match_all(["fuacet"]).max() == 0
    for ranker in (speller, RANKERS.restore(tmp_path / "model")):
        assert ranker.rank(asked, k=1)["item_id"].to_list() == ["i6"]
        assert ranker.match_all(["fuacet"]).max() > 0


def test_the_cross_encoder_learns_to_order(tmp_path: Path) -> None:
    shop = search_shop(60)
    how = {
        "model": tiny_encoder(),
        "epochs": 6,
        "learning_rate": 5e-3,
        "candidates": 40,
        "listed": 6,
        "fields": "title",
    }
    made = RANKERS.make("cross_encoder", **how).fit(shop, RUN)
    first, last = (
        float(np.mean([row["loss"] for row in made.training_[part]]))
        for part in (slice(0, 2), slice(-2, None))
    )
    assert made.updates_ == 6 * 7, "queries with an item above grade 0, eight a batch"
    assert last < first - 0.05
    queries = shop.table("judgments")["query"].unique(maintain_order=True).head(4).to_list()
    made.save(tmp_path / "model")
    again = RANKERS.restore(tmp_path / "model")
    np.testing.assert_allclose(
        again.match_all(queries), made.match_all(queries), rtol=1e-4, atol=1e-4
    )
    ranked = made.rank(without_history(queries), k=5)
    assert ranked.group_by("request").len()["len"].to_list() == [5] * 4


def test_a_killed_cross_encoder_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    shop, how = search_shop(30), {"model": tiny_encoder(), "epochs": 6, "fields": "title"}
    whole = RANKERS.make("cross_encoder", **how).fit(shop, RUN)

    def stop(step: int, _: dict[str, float]) -> None:
        if step >= 8:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        RANKERS.make("cross_encoder", **how).fit(shop, RUN.with_(cache=tmp_path, watch=stop))
    assert list(tmp_path.rglob("*.safetensors"))
    steps = list[int]()
    run = RUN.with_(cache=tmp_path, watch=lambda step, _: steps.append(step))
    again = RANKERS.make("cross_encoder", **how).fit(shop, run)
    assert min(steps) >= 8, "the earlier ones are not done again"
    for name, value in whole.weights_.items():
        np.testing.assert_array_equal(value, again.weights_[name])


def test_the_cross_encoder_says_that_it_has_nothing_to_learn_from() -> None:
    shop = search_shop(10)
    low = shop.with_tables(judgments=shop.table("judgments").with_columns(grade=pl.lit(0.0)))
    with pytest.raises(InputError, match="has nothing to learn from"):
        RANKERS.make("cross_encoder", model=tiny_encoder(), fields="title").fit(low, RUN)


@pytest.mark.parametrize(
    ("ranker", "old", "new", "value"),
    [
        (name, old, new, value)
        for name, others in {
            "cross_encoder": {},
            "lambdamart": {"mined": ("hard_negatives", 3)},
            "two_stage": {"mined": ("hard_negatives", 3), "heed": ("reader_weight", 0.25)},
        }.items()
        for old, (new, value) in (others | {"lessons": ("training_queries", 7)}).items()
    ],
)
def test_settings_are_still_read_by_their_old_names(
    ranker: str, old: str, new: str, value: float
) -> None:
    with pytest.warns(FutureWarning, match=f"'{old}' is called '{new}' now"):
        made = RANKERS.make(ranker, **{old: value})
    assert made.settings()[new] == value
    with pytest.raises(SettingError, match=f"'{old}' is the old name of '{new}'"):
        RANKERS.make(ranker, **{old: value, new: value})


def test_made_up_labels_move_the_plain_fusion_three_tenths_as_far() -> None:
    shop = search_shop(80)
    how = {"members": ("bm25", "lambdamart"), "min_rows": 5, "trees": 20}
    made = shop.with_tables(
        judgments=shop.table("judgments").with_columns(origin=pl.lit("lexical@1"))
    )
    bare, queries = shop.with_tables(judgments=None), shop.table("judgments")["query"].to_list()
    untaught = RANKERS.make("two_stage", **how).fit(bare, RUN)
    plain = RANKERS.make("fusion", members=how["members"]).fit(bare, RUN)
    np.testing.assert_allclose(untaught.match_all(queries), plain.match_all(queries), rtol=1e-5)
    taught, real = (RANKERS.make("two_stage", **how).fit(one, RUN) for one in (made, shop))
    assert (untaught.trees_ == "", taught.trees_ == real.trees_) == (True, True)
    assert (taught.trust_, real.trust_) == (pytest.approx(0.15), 0.5)
    again = RANKERS.make("two_stage", **how | {"trust": 0.15}).fit(shop, RUN)
    np.testing.assert_allclose(taught.match_all(queries), again.match_all(queries), rtol=1e-5)
