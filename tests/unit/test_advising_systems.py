"""Advice on systems: ensembles of what is fitted, networks by the clock, and what is proved and said of them."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advice_shops import cold, ring
from wareloom.advising import AdviceSettings
from wareloom.advising import _look as looking
from wareloom.advising._candidates import Candidate
from wareloom.advising._chosen import network_of, takes_over
from wareloom.advising._clock import BUSIEST, Clock
from wareloom.advising._data import LEAST, most_events, work_on
from wareloom.advising._desk import Desk
from wareloom.advising._distil_says import of_one_network
from wareloom.advising._generators import Generators, Network, System
from wareloom.advising._look import look
from wareloom.advising._look_says import of_shop
from wareloom.advising._proving import CELLS, to_prove
from wareloom.advising._says import HELPS, NOTHING, answer, headline
from wareloom.advising._search_tries import CONTROL, FEWEST, QUERIES, reader_queries, written_says
from wareloom.advising._systems import (
    ALL,
    NETWORKS,
    QUICK,
    Fitted,
    asked,
    paced,
    run_of,
    together,
    tries,
)
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.sentences import Say
from wareloom.preparing.splits import SplitSettings
from wareloom.proof.leaderboard import Contest, LeaderboardSettings
from wareloom.report.advice import ENGLISH, view_of
from wareloom.shop import Log, Requests

RUN = Run(seed=1, threads=1, quiet=True)
MEMBERS = (Candidate(label="transitions"), Candidate(label="item_knn"))
SLOW = Candidate(label="lightgcn", slow=True)
NETWORK = Candidate(
    label="sasrec (text)",
    settings={"ranker": "sasrec", "text": "tfidf"},
    slow=True,
    network=True,
)
SAMPLE = Path(__file__).parents[1] / "samples" / "advice.json"


def contest(names: dict[str, dict[str, Any]]) -> Contest:
    how = LeaderboardSettings(
        rankers=names, split=SplitSettings(by="leave-last-out"), metrics=("ndcg@10",)
    )
    return Contest(ring(), how, "file", RUN)


def test_an_ensemble_of_fitted_members_is_the_one_that_is_fitted_anew() -> None:
    settings = asked(tries(MEMBERS))[QUICK]
    its = contest({c.label: c.settings for c in MEMBERS} | {QUICK: settings})
    fitted = Fitted(share=1.0)
    first = fitted.fit(MEMBERS[0], its)
    made, seconds = together(MEMBERS, settings, its, fitted)
    assert seconds >= fitted.seconds["transitions"], "what it takes where nothing is fitted yet"
    anew = RANKERS.make("stack", **{k: v for k, v in settings.items() if k != "ranker"})
    anew.fit(its.parts.train, run_of(its), held=its.held)
    requests = Requests.of(Log.of(its.parts.train))
    np.testing.assert_allclose(made._score(requests), anew._score(requests), rtol=1e-6)
    assert fitted.fit(MEMBERS[0], its) is first, "it is not fitted again"


def test_ensembles_go_from_quick_members_to_networks() -> None:
    assert list(tries(MEMBERS)) == [QUICK]
    every = tries((*MEMBERS, SLOW, NETWORK))
    assert [len(those) for those in every.values()] == [2, 3, 4]
    assert list(every) == [QUICK, ALL, NETWORKS]
    settings = asked(every)[NETWORKS]
    assert settings["member_settings"] == {"sasrec (text)": {"text": "tfidf"}}
    RANKERS.make(settings.pop("ranker"), **settings)


def test_a_network_has_as_many_epochs_as_there_is_time_for() -> None:
    most = RANKERS.make("sasrec").epochs
    assert paced(NETWORK, 1.0, most + 1) == NETWORK
    fewer = paced(NETWORK, 1.0, most / 2)
    assert fewer is not None
    assert fewer.settings["epochs"] == most // 2
    assert fewer.settings["text"] == "tfidf"
    assert paced(NETWORK, 1.0, 3) is None


def found(*seconds: float) -> dict[str, Any]:
    """Systems of falling value that take so long; the first is taken."""
    each = [
        {"label": f"s{i}", "ranker": "stack", "settings": {}, "value": 0.3 - 0.1 * i, "seconds": s}
        for i, s in enumerate(seconds)
    ]
    trial = {"label": "s0", "value": 0.3, "fit": seconds[0], "rank": 0.0, "settings": {}}
    return {"label": "s0", "ranker": "stack", "settings": {}, "trials": [trial]} | {
        "systems": each[1:]
    }


def test_what_is_proved_is_the_best_that_a_proof_fits_for() -> None:
    rows = 10**6
    assert to_prove(found(10, 5, 1), CELLS * 10, rows)["label"] == "s0"
    assert to_prove(found(100, 40, 1), CELLS * 10, rows)["label"] == "s1", "on a quarter of them"
    assert to_prove(found(100, 50, 2), 1.0, rows)["label"] == "s2", "the quickest where none fits"
    assert to_prove(found(10, 5), CELLS * 10, 1_500)["label"] == "s0"
    assert to_prove(found(10, 5), CELLS * 9, 1_500)["label"] == "s1", "few shoppers are not parted"


def lighter(verdict: str, value: float, gain: float) -> dict[str, Any]:
    """Data of a proof of a lighter system than the best, whose value is .3."""
    row = {"lift": 0.1, "lift_low": 0.05, "lift_high": 0.15, "against": "real"}
    return {
        "power": {"too_few": False},
        "rankers": found(100.0, 1.0) | {"share": 1.0},
        "proves": {"label": "s1", "value": value},
        "generators": {
            "label": "teacher",
            "ratio": 1.0,
            "light": {},
            "world": False,
            "tried": [{"label": "teacher", "ratio": 1.0, "real": 0.1, "mixed": 0.1 * (1 + gain)}],
        },
        "proof": {
            "verdict": verdict,
            "metric": "ndcg@10",
            "decisive": row,
            "rows": None,
            "against": {},
            "power": {"detectable_lift": 0.05},
        },
    }


def test_a_lighter_system_takes_over_only_where_its_shoppers_bring_it_past_the_best() -> None:
    ahead, behind = lighter("helps", 0.29, 0.1), lighter("helps", 0.2, 0.1)
    assert takes_over(ahead)
    assert not takes_over(behind)
    assert not takes_over(lighter("no evidence", 0.29, 0.1))
    ahead["proves"]["takes over"], behind["proves"]["takes over"] = True, False
    assert answer(ahead) == HELPS
    assert answer(behind) == NOTHING, "what helps a lighter system does not help the best"
    said = headline(behind | {"answer": NOTHING})
    assert said.startswith("Take s0 on real data alone. Synthetic shoppers help s1")
    assert Say("zh").retold("advised", said) != said


def test_the_best_network_is_the_one_that_may_serve_alone() -> None:
    trials = [
        {"label": "sasrec", "value": 0.1, "fit": 1.0, "rank": 1.0, "settings": {}},
        {"label": NETWORK.label, "value": 0.2, "fit": 3.0, "rank": 1.0}
        | {"settings": {**NETWORK.settings, "epochs": 30}},
    ]
    best = network_of({"trials": trials})
    assert best is not None
    assert best.system.ranker == "sasrec"
    assert best.system.settings == {"text": "tfidf", "epochs": 30}
    assert best.seconds == 4.0
    assert network_of({"trials": trials[:0]}) is None


@pytest.mark.parametrize(
    ("real", "mixed", "direct", "said"),
    [
        (0.05, 0.06, 0.07, "teach it direct labels"),
        (0.05, 0.07, 0.06, "teach it more than direct labels"),
        (0.05, 0.06, 0.061, "as much as shoppers"),
        (0.05, 0.051, 0.049, "neither"),
    ],
)
def test_labels_and_rows_are_told_apart_for_one_network(
    real: float, mixed: float, direct: float, said: str
) -> None:
    alone = {"label": "sasrec", "generator": "teacher", "real": real, "mixed": mixed}
    sentences = of_one_network({"generators": {"alone": alone | {"direct": direct}}})
    assert said in sentences[1]
    zh = Say("zh")
    assert all(zh.retold("advised", each) != each for each in sentences)


def test_one_network_is_taught_rows_and_labels_where_there_is_time(tmp_path: Path) -> None:
    shop = ring()
    seen = look(shop)
    worked = work_on(shop, seen, AdviceSettings(minutes=5), RUN)
    desk = Desk(tmp_path, RUN, Clock(300))
    system = System("sasrec", {"epochs": 3, "embedding_size": 16, "layers": 1, "batch_size": 512})
    tried = Generators(worked, seen, system, desk, 250.0)
    tried.some = worked.before
    made = tried.made["markov"]
    found = tried._alone(Network("sasrec", system, 1.0), made, 1.0)
    values = [found[name] for name in ("real", "mixed", "direct")]
    assert len({*values}) == 3, "each teaches something else"
    assert all(0 < value <= 1 for value in values)
    assert len(of_one_network({"generators": {"alone": found}})) == 2
    slow = tried._alone(Network("sasrec", system, 1e6), made, 1.0)
    assert "it would take about" in slow["why"]
    assert "no network" in tried._alone(None, made, 1.0)["why"]


def test_labels_that_were_not_tried_are_called_so() -> None:
    why = {"generators": {"alone": {"why": "it would take about 90 s"}}}
    assert "was not tried: it would take about 90 s" in of_one_network(why)[0]
    assert of_one_network({"generators": None}) == []


def test_a_busy_machine_works_on_fewer_events(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(600)
    assert clock.busy == 1.0, "nothing is known yet"
    wall, worked = time.perf_counter(), time.process_time()
    monkeypatch.setattr(time, "perf_counter", lambda: wall + 30.0)
    monkeypatch.setattr(time, "process_time", lambda: worked + 10.0)
    assert clock.busy == pytest.approx(3.0, rel=0.01)
    monkeypatch.setattr(time, "process_time", lambda: worked + 1.0)
    assert clock.busy == BUSIEST
    five = AdviceSettings(minutes=5)
    assert most_events(1_000, five, 3.0) == pytest.approx(most_events(1_000, five) / 3, rel=0.01)
    assert most_events(50_000, five) < most_events(1_000, five), "a large catalogue takes longer"
    assert most_events(10**9, five, BUSIEST) == LEAST


def test_a_large_log_is_looked_at_by_a_sample_and_counted_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = cold()
    whole = look(shop)
    monkeypatch.setattr(looking, "MANY", 1_000)
    monkeypatch.setattr(looking, "SOME", 1_000)
    assert looking._part(shop).rows("events") < 0.7 * shop.rows("events")
    some = look(shop)
    assert (some.interactions, some.users, some.cold) == (
        whole.interactions,
        whole.users,
        pytest.approx(whole.cold),
    )
    assert some.has == whole.has
    assert some.repeat_rate == pytest.approx(whole.repeat_rate, abs=0.1)


def test_a_reader_is_taught_on_as_many_queries_as_fit() -> None:
    queries, seconds = reader_queries(0.01, 1_000, 10**6)
    assert queries == QUERIES
    fewer, less = reader_queries(0.01, 1_000, seconds)
    assert FEWEST <= fewer < QUERIES
    assert less <= seconds / 2
    assert reader_queries(0.01, 1_000, 100.0)[0] == 0


def test_queries_that_are_no_better_than_runs_of_words_are_called_so() -> None:
    tried = {"attributes": 0.4, "edits": 0.39, CONTROL: 0.41}
    told = {"ranker": "two_stage", "real": 0.38, "tried": tried}
    assert "None is ahead of spans" in written_says(told)[1]
    assert len(written_says({**told, "tried": tried | {CONTROL: 0.3}})) == 1
    assert written_says(None) == []


def test_pictures_and_what_was_shown_are_used_or_said_to_be_unused() -> None:
    data = json.loads(SAMPLE.read_text())
    data["look"]["has"] |= {"pictures": True, "exposures": True}
    data["left_out"] = {"image_knn": "it would take about 90 s"}
    said = " ".join(of_shop(data))
    assert "nothing was learned from them: it would take about 90 s" in said
    assert "does not learn from it" in said
    data["rankers"]["trials"].append(data["rankers"]["trials"][0] | {"label": "image_knn"})
    assert "image_knn was tried" in " ".join(of_shop(data))


def test_a_page_is_wholly_in_one_language() -> None:
    data = json.loads(SAMPLE.read_text())
    strange = "No table knows this sentence of a later version at all."
    data["sections"].append({"about": "left_out", "sentences": [strange]})
    each = "two stages, taught by judgments 0.4191, words and runs 0.4000, bm25 0.3600"
    where = "Chosen on queries before the test part, by nDCG@10 over the whole catalogue"
    data["sections"].insert(0, {"about": "search", "sentences": [f"{where}: {each}."]})
    before = copy.deepcopy(data)
    english, chinese = view_of(data, Say("en")), view_of(data, Say("zh"))
    assert strange in english.sections[-1].sentences
    said = [
        chinese.headline,
        *chinese.next,
        *(row for s in chinese.sections for row in s.sentences),
    ]
    assert not [each for each in said if ENGLISH.search(each)]
    assert "advice.json" in chinese.sections[-1].sentences[0]
    assert "词与字符串 0.4000" in said[1 + len(chinese.next)]
    pointed = [each for each in said if "另有一条英文" in each]
    assert len(pointed) == 1, "every sentence of the sample but the strange one has its Chinese"
    assert data == before
