"""Short sessions that are written on: the mean that is served, who draws it, what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stores import Client, branded, items, made_store, run
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.serving.forms.realtime import Drawn, Onward, made_of, read_onward
from wareloom.serving.versions.publish import How
from wareloom.serving.versions.store import Store
from wareloom.serving.versions.version import Version
from wareloom.shop import Requests

HOW = {"draws": 4, "length": 2, "events": 2, "share": 0.5}


def store(folder: Path, ranker: str = "transitions", **more: Any) -> Path:
    shop = branded()
    shop.save(folder / "shop")
    settings = more.pop("settings", {})
    onward = Onward(generator="markov", shop=str(folder / "shop"), **(HOW | more))
    return made_store(folder, ranker, shop=shop, how=How(onward=onward), settings=settings)


def opened(place: Path) -> Version:
    found = Store(place)
    return Version.open(found.folder(found.history("home")[-1].live), whole=True)


@pytest.mark.parametrize(
    ("ranker", "settings"),
    [
        ("transitions", {}),
        ("item_knn", {}),
        ("ease", {}),
        ("als", {}),
        ("stack", {"members": ("transitions", "item_knn")}),
    ],
)
def test_what_is_served_is_the_mean_of_the_ranker_over_all_draws(
    tmp_path: Path, ranker: str, settings: dict[str, Any]
) -> None:
    version = opened(store(tmp_path, ranker, settings=settings))
    served = version.served
    codes = served.ids.codes(["i3", "i9"])
    drawn = served.realtime.onward(codes)
    assert drawn is not None
    assert drawn.items.shape == (4, 2)
    plain = served.form.scores(served.asked(codes)._replace(onward=None))
    each = [
        served.form.scores(served.asked(codes)._replace(codes=np.append(codes, more), onward=None))
        for more in drawn.items
    ]
    found = served.form.scores(served.asked(codes))
    told = np.ones(30, dtype=bool)
    if ranker not in ("ease", "als"):
        # What an item has where nothing leads to it only orders such items; in a mean it counts nothing.
        plain, *each = (np.maximum(one, 0) for one in [plain, *each])
        told = np.array([one > 0 for one in [plain, *each]]).any(axis=0)
    wanted = 0.5 * plain + 0.5 * np.mean(each, axis=0)
    np.testing.assert_allclose(found[told], wanted[told], rtol=1e-4, atol=1e-5)
    assert not np.allclose(found[told], plain[told], rtol=1e-3)


def test_the_same_session_has_the_same_draws_in_every_process(tmp_path: Path) -> None:
    place = store(tmp_path)
    first, second = opened(place).served, opened(place).served
    codes = first.ids.codes(["i5"])
    a, b = first.realtime.onward(codes), second.realtime.onward(codes)
    np.testing.assert_array_equal(a.items, b.items)
    others = [second.realtime.onward(second.ids.codes([f"i{n}"])).items for n in range(1, 20)]
    assert len({one.tobytes() for one in others}) > 10


def test_draws_follow_the_log(tmp_path: Path) -> None:
    """In the ring an item is followed by the next one: that is what is drawn, more than anything else."""
    version = opened(store(tmp_path, draws=64, length=1))
    codes = version.served.ids.codes(["i7"])
    drawn = version.served.realtime.onward(codes).items.ravel()
    names, counts = np.unique([version.served.ids.text(c) for c in drawn], return_counts=True)
    table = RANKERS.make("transitions").fit(branded(), Run(seed=1, threads=1))
    likely = table.rank(Requests.sessions([["i7"]]), 5)["item_id"].to_list()
    assert names[counts.argmax()] in likely


def test_long_and_empty_sessions_and_searches_are_answered_plainly(tmp_path: Path) -> None:
    served = opened(store(tmp_path)).served
    ids = served.ids
    assert served.asked(ids.codes([])).onward is None
    assert served.asked(ids.codes(["i1", "i2", "i3"])).onward is None
    assert served.asked(ids.codes(["i1"]), "ring").onward is None
    assert served.asked(ids.codes(["i1"])).onward is not None


def test_explanations_name_it_and_still_add_up(tmp_path: Path) -> None:
    client = Client(store(tmp_path))
    version = opened(tmp_path / "store")
    answer = run(client.post("/recommend", history=["i4"], explain=True, k=10, language="en"))
    whys = [why for hit in answer["hits"] for why in hit["why"]]
    assert any(why["kind"] == "onward" and why["cause"] == "markov" for why in whys)
    assert all("looked at" in w["sentence"] for w in whys if w["kind"] == "item")
    for hit in answer["hits"]:
        if hit["why"][0]["kind"] != "popularity":
            total = sum(why["amount"] for why in hit["why"])
            assert total == pytest.approx(hit["score"], rel=1e-4)
            looked = {why["cause"] for why in hit["why"] if why["kind"] == "item"}
            assert looked <= {"i4"}
    assert version.told["keeps"] in ("counts", "people")
    assert version.told["realtime"]["generator"] == "markov"
    assert set(items(answer)) & {"i5", "i6"}


def test_what_the_ranker_does_not_know_says_nothing(tmp_path: Path) -> None:
    served = opened(store(tmp_path)).served
    served.realtime._ours[:] = -1
    drawn = served.realtime._drawn(served.ids.codes(["i2"]), b"x")
    assert isinstance(drawn, Drawn)
    assert set(drawn.items.ravel()) == set(served.ids.codes(["i2"]))
    served.realtime._theirs[:] = -1
    assert served.realtime._drawn(served.ids.codes(["i2"]), b"x") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("draws = 8", "nothing else"),
        ("[realtime]\ngenerator = 'markov'", "either"),
        ("[realtime]\ngenerator = 'markov'\nshop = 'x'\nfitted = 'y'", "either"),
        ("[realtime]\ngenerator = 'markov'\nshop = 'x'\ndraws = 65", "64 draws"),
        ("[realtime]\ngenerator = 'markov'\nshop = 'x'\ndrawz = 8", "draws"),
        ("[realtime]\ngenerator = 'markov'\nshop = 'x'\nshare = 1.5", "share"),
        ("[realtime", "cannot be read"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "realtime.toml"
    path.write_text(text)
    with pytest.raises(SettingError, match=said):
        read_onward(path)


def test_a_generator_that_cannot_go_on_is_refused() -> None:
    with pytest.raises(InputError, match="does not go on"):
        made_of(Onward(generator="shuffled", shop="nowhere"))


@pytest.mark.parametrize("name", ["markov", "teacher"])
def test_generators_go_on_from_the_item_at_hand(name: str) -> None:
    made = SYNTHESIZERS.make(name, structure="chain").fit(branded(), Run(seed=1, threads=1))
    past = np.array([3, 4], dtype=np.int32)
    one = made.continuations(past, 16, 3, Run(seed=5, threads=1))
    assert one.shape == (16, 3)
    assert one.min() >= 0
    assert one.max() < 30
    np.testing.assert_array_equal(one, made.continuations(past, 16, 3, Run(seed=5, threads=1)))
    assert not np.array_equal(one, made.continuations(past, 16, 3, Run(seed=6, threads=1)))
    assert len(np.unique(one, axis=0)) > 1
    with pytest.raises(InputError, match="at least 1"):
        made.continuations(past[:0], 1, 1, Run())
