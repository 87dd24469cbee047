"""Direct labels: what an ensemble would recommend at each real event, cross-fitted over users."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import MIXERS, RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.shop import Log, Requests, Shop

RUN = Run(seed=3, threads=1)


def test_labels_weigh_the_ratio_and_no_row_is_added() -> None:
    real = small_shop(users=60)
    mixed = MIXERS.make("distil", ratio=2.0, ranker="transitions", labels=3).mix(real, None, RUN)
    assert mixed.table("events").equals(real.table("events"))
    assert set(mixed.table("soft_labels")["origin"]) == {"labels of transitions"}
    log = Log.of(mixed)
    assert log.label_weight is not None
    total = log.label_weight.sum(axis=1)
    first = np.zeros(len(log), dtype=bool)
    first[log.offsets[:-1]] = True
    assert not total[first].any()
    np.testing.assert_allclose(total[~first & (total > 0)], 2.0, rtol=1e-5)
    assert (total[~first] > 0).mean() > 0.9


def test_labels_are_the_best_of_a_ranker_that_did_not_see_the_user() -> None:
    """An oracle: fit on the other folds, score each prefix alone, sort."""
    real, folds = small_shop(users=12, items=10), 3
    mixer = MIXERS.make("distil", ranker="item_knn", folds=folds, labels=2, temperature=1.0)
    log = Log.of(mixer.mix(real, None, RUN))
    plain = Log.of(real)
    assert log.label_item is not None
    assert log.label_weight is not None
    users = np.arange(len(plain.users))
    fold = RUN.rng("distil", "folds").permutation(len(users)) % folds
    checked = 0
    for user in users:
        others = np.isin(plain.user, users[fold == fold[user]], invert=True)
        run = RUN.with_(seed=RUN.seed_for("distil", int(fold[user])))
        ranker = RANKERS.make("item_knn").fit(real, run, log=plain.keep(others))
        for event in range(plain.offsets[user] + 1, plain.offsets[user + 1]):
            history = plain.item[plain.offsets[user] : event]
            asked = plain.select(np.array([user]))
            keep = np.zeros(len(asked), dtype=bool)
            keep[: len(history)] = True
            scores = np.maximum(ranker.score(Requests.of(asked.keep(keep)))[0], 0)
            scores[history] = 0
            best = np.argsort(-scores, kind="stable")[:2]
            best = best[scores[best] > 0]
            told = log.label_item[event]
            assert told[told >= 0].tolist() == best.tolist()
            if len(best):
                share = scores[best] / scores[best].sum()
                np.testing.assert_allclose(log.label_weight[event][: len(best)], share, rtol=1e-4)
                checked += 1
    assert checked > 20


def test_nobody_is_labelled_by_what_only_their_own_rows_say() -> None:
    """One user alone goes from a to b: cross-fitted labels cannot say so, labels without folds do."""
    base = small_shop(users=40, items=12)
    own = pl.DataFrame(
        {
            "user_id": ["secret", "secret"],
            "item_id": ["i3", "hidden"],
            "event": ["purchase", "purchase"],
            "time": base.table("events")["time"].head(2).sort(),
        }
    )
    items = pl.concat(
        [base.table("items"), pl.DataFrame({"item_id": ["hidden"]})], how="diagonal_relaxed"
    )
    events = pl.concat([base.table("events"), own], how="diagonal_relaxed").with_columns(
        pl.col("origin").fill_null("real"), pl.col("weight").fill_null(1.0)
    )
    shop = Shop({"items": items, "events": events})
    found = {}
    for folds in (1, 4):
        mixer = MIXERS.make("distil", ranker="transitions", folds=folds, labels=12)
        rows = mixer.mix(shop, None, RUN).table("soft_labels")
        found[folds] = rows.filter(user_id="secret", item_id="hidden").height
    assert found == {1: 1, 4: 0}


def test_the_head_weighs_as_told_and_nothing_is_added_at_nothing() -> None:
    real = small_shop(users=60)
    of = {"ranker": "transitions", "labels": 4}
    plain = MIXERS.make("distil", **of).mix(real, None, RUN).table("soft_labels")
    head = MIXERS.make("distil", **of, head=3.0).mix(real, None, RUN).table("soft_labels")
    ratio = (head["weight"] / plain["weight"]).round(3)
    assert set(ratio.unique().to_list()) == {1.0, 3.0}
    assert MIXERS.make("distil", **of, ratio=0.0).mix(real, None, RUN) is real


def test_only_who_can_be_taught_labels_takes_them() -> None:
    mixed = MIXERS.make("distil", ranker="transitions").mix(small_shop(users=40), None, RUN)
    with pytest.raises(InputError, match="cannot be taught soft labels"):
        RANKERS.make("stack", members=("transitions", "item_knn")).fit(mixed, RUN)
    members = ("transitions", "sasrec")
    quick = {"sasrec": {"embedding_size": 8, "layers": 1, "epochs": 1}}
    stack = RANKERS.make("stack", members=members, member_settings=quick).fit(mixed, RUN)
    assert set(stack.members_) == {*members}


def test_a_ranker_that_is_none_is_refused() -> None:
    with pytest.raises(SettingError, match="no setting"):
        MIXERS.make("distil", ranker="transitions", ranker_settings={"windo": 1})
