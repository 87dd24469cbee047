"""What of synthetic dialogues may leave: no phrase of few, no run of a real one, no number of anybody."""

from __future__ import annotations

import polars as pl

from wareloom.core.run import Run
from wareloom.release.texts import (
    few_turns,
    invented_numbers,
    rare_cells,
    replaced,
    with_personal_data,
)
from wareloom.shop import Shop
from wareloom.shop.spans import fits
from wareloom.synthesis.dialogues.flow import Flow
from wareloom.testing.talks import talks


def said(*texts: str, origin: str = "flow@1", **columns: object) -> Shop:
    number = len(texts)
    frame = pl.DataFrame(
        {
            "dialogue_id": [f"s{n}" for n in range(number)],
            "turn": [0] * number,
            "role": ["customer"] * number,
            "text": texts,
            "origin": [origin] * number,
            **columns,
        }
    )
    return Shop({"items": talks(1).table("items"), "dialogues": frame})


def test_turns_of_few_real_dialogues_do_not_leave() -> None:
    real = said(
        *["hi"] * 6, "Odd words of mine", " ".join(f"w{n}" for n in range(14)), origin="real"
    )
    made = said("hi", " odd words of MINE ", "so " + " ".join(f"w{n}" for n in range(1, 13)), "new")
    assert few_turns(real, made, 5).to_list() == [False, True, True, False]
    assert rare_cells(real, made, 5).kinds == {"turn": 2}


def test_numbers_that_are_made_up_are_nobodys_and_those_of_the_log_are() -> None:
    real = said("where is order K123456", origin="real", order_id=["K123456"])
    made = said("order Q654321", "order K123456", order_id=["Q654321", "K123456"])
    invented = invented_numbers(real, made)
    assert invented == {"Q654321"}
    found = with_personal_data(made, (), invented)
    assert found.rows["dialogues"].to_list() == [False, True]
    assert with_personal_data(made).number == 2


def test_a_sample_of_phrases_of_five_may_leave_as_far_as_its_words_go() -> None:
    real = talks(200)
    made = Flow(min_phrases=0, seen_in=5).fit(real, Run(seed=1)).sample(60, Run(seed=2))
    assert made.keeps == "counts"
    assert with_personal_data(made, (), invented_numbers(real, made)).number == 0
    assert rare_cells(real, made, 5).number == 0


def test_what_is_replaced_in_a_text_goes_from_its_slots() -> None:
    text = "call 13912345678 about 77"
    slots = [
        [
            {"name": "phone", "value": "13912345678", "start": 5, "end": 16},
            {"name": "n", "value": "77", "start": 23, "end": 25},
        ]
    ]
    made, _ = replaced(said(text, origin="real", slots=slots))
    row = made.table("dialogues").to_dicts()[0]
    assert [slot["name"] for slot in row["slots"]] == ["n"]
    assert all(fits(slot, row["text"]) for slot in row["slots"])
    assert "13912345678" not in str(row)
