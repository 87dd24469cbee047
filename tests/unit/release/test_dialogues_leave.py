"""What of synthetic dialogues may leave: no phrase of few, no run of a real one, no number of anybody."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from wareloom.attacks import Maker, run_attacks
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.privacy.ledger import Ledger
from wareloom.release.earlier import joined
from wareloom.release.evidence import Evidence
from wareloom.release.issue import judged
from wareloom.release.photos import signs_of
from wareloom.release.policy import PRESETS, Policy
from wareloom.release.remedies import remedy, ways
from wareloom.release.texts import (
    few_turns,
    invented_numbers,
    rare_cells,
    replaced,
    with_personal_data,
)
from wareloom.shop import Shop
from wareloom.shop.schema import SLOTS
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


def own_words(shop: Shop, mark: str) -> Shop:
    """The shop with a word of its own in each dialogue's first turn, and ids of its own."""
    # A digest, so that nothing but the words themselves tells the two sides apart.
    name = pl.format("{}{}", pl.lit(mark), pl.col("dialogue_id")).hash(seed=1).cast(pl.String)
    name = name.str.replace_many(list("0123456789"), list("bcdfghjklm"))
    first = pl.col("turn") == 0
    rows = shop.table("dialogues").with_columns(
        dialogue_id=name,
        text=pl.when(first).then(pl.format("{} {}", "text", name)).otherwise("text"),
        slots=None,
    )
    return Shop({"items": shop.table("items"), "dialogues": rows.cast({"slots": SLOTS})})


def test_an_attack_tells_whose_words_a_memoriser_repeats_and_not_of_a_flow() -> None:
    real, held = own_words(talks(120, 1), "a"), own_words(talks(120, 2), "b")
    rows = real.table("dialogues").with_columns(origin=pl.lit("copies@1"))
    copies = real.with_tables(dialogues=rows)
    careful = Flow(min_phrases=0, seen_in=5).fit(real, Run(seed=1)).sample(100, Run(seed=2))
    areas = []
    for synth in (copies, careful):
        report = run_attacks(real, synth, held, Run(seed=1), names=["queries"])
        areas.append(report.outcomes[0].area.value)
    assert areas[0] > 0.95
    assert areas[1] < 0.65


@pytest.fixture(scope="module")
def sides() -> tuple[Shop, Shop]:
    """A log of dialogues and a holdout, each dialogue with a word of its own."""
    return own_words(talks(120, 1), "a"), own_words(talks(120, 2), "b")


def evidence(sides: tuple[Shop, Shop], synth: Shop, folder: Path, **policy: Any) -> Evidence:
    asked = {
        "preset": "partner",
        **PRESETS["partner"],
        "attacks": ("dialogues",),
        "attack_tpr": "off",
        **policy,
    }
    ledger = Ledger.open(folder, sides[0].fingerprint)
    leave_out, generator = asked.pop("leave_out", False), asked.pop("generator", None)
    return Evidence(
        sides[0], synth, configure(Policy, asked), ledger, Run(seed=1, threads=1), sides[1],
        leave_out=leave_out, generator=generator,
    )  # fmt: skip


def test_gates_look_at_dialogues_and_say_what_helps(
    sides: tuple[Shop, Shop], tmp_path: Path
) -> None:
    real = sides[0]
    rows = real.table("dialogues").with_columns(
        origin=pl.lit("flow@1"), dialogue_id=pl.format("s{}", "dialogue_id")
    )
    copies = real.with_tables(dialogues=rows)
    checks = {one.name: one for one in judged(evidence(sides, copies, tmp_path))}
    failed = {name for name, one in checks.items() if not one.passed}
    assert failed == {"keeps", "personal_data", "min_users", "attack_area"}
    assert "--set seen_in=5" in checks["keeps"].remedy
    assert "turn" in checks["min_users"].said
    assert checks["attack_area"].measured > 0.95
    assert "seen_in=5" in checks["attack_area"].remedy
    careful = Flow(min_phrases=0, seen_in=5).fit(real, Run(seed=1)).sample(100, Run(seed=2))
    # Of 120 dialogues of either sort the interval is wide: chance alone has upper ends beyond .6.
    checks = {one.name: one for one in judged(evidence(sides, careful, tmp_path, attack_area=0.8))}
    assert {name for name, one in checks.items() if not one.passed} == set()


def test_the_remedy_of_dialogues_is_tried_and_measured(
    sides: tuple[Shop, Shop], tmp_path: Path
) -> None:
    real = sides[0]
    made = Flow(min_phrases=0).fit(real, Run(seed=1)).sample(60, Run(seed=2))
    of = evidence(
        sides, made, tmp_path, attack_area=0.7, generator=Maker("flow", {"min_phrases": 0})
    )
    assert ways(of) == [Maker("flow", {"min_phrases": 0, "seen_in": 5})]
    assert "flow min_phrases=0 seen_in=5 gave upper ends of" in remedy(of)
    careful = evidence(sides, made, tmp_path, generator=Maker("flow", {"seen_in": 5}))
    assert ways(careful) == []


def test_personal_data_in_a_turn_takes_its_dialogue_along(
    sides: tuple[Shop, Shop], tmp_path: Path
) -> None:
    made = said("hi", "hi", "mail jane.doe@example.org", "hi")
    rows = made.table("dialogues").with_columns(
        dialogue_id=pl.Series(["a", "b", "b", "c"]), turn=pl.Series([0, 0, 1, 0], dtype=pl.Int32)
    )
    made = made.with_tables(dialogues=rows).keeping("counts")
    off = {"attack_area": "off", "min_users": "off"}
    checks = {one.name: one for one in judged(evidence(sides, made, tmp_path, **off))}
    assert not checks["personal_data"].passed
    assert "1 × email" in checks["personal_data"].said
    of = evidence(sides, made, tmp_path, leave_out=True, **off)
    assert all(one.passed for one in judged(of))
    assert of.goes.table("dialogues")["dialogue_id"].to_list() == ["a", "c"]


def test_dialogues_that_left_before_are_attacked_with_those_that_leave_now(
    sides: tuple[Shop, Shop],
) -> None:
    """A half of a copy at a time tells as much as the copy."""
    rows = sides[0].table("dialogues").with_columns(origin=pl.lit("flow@1"))
    names = rows["dialogue_id"].unique(maintain_order=True)
    halves = [
        sides[0].with_tables(dialogues=rows.filter(pl.col("dialogue_id").is_in(part.implode())))
        for part in (names[:60], names[60:])
    ]
    both = joined(halves[0], [halves[1]])
    assert both.table("dialogues")["dialogue_id"].n_unique() == 120
    areas = [
        run_attacks(sides[0], one, sides[1], Run(seed=1), names=["dialogues"]).worst.area.value
        for one in (halves[0], both)
    ]
    assert areas[0] < 0.85 < 0.95 < areas[1]


def photo(**exif: object) -> bytes:
    from PIL import Image

    file, picture = io.BytesIO(), Image.new("RGB", (16, 16), "white")
    marks = picture.getexif()
    if "place" in exif:
        marks.get_ifd(0x8825)[1] = "N"
    if "author" in exif:
        marks[0x013B] = exif["author"]
    if "number" in exif:
        marks.get_ifd(0x8769)[0xA431] = exif["number"]
    picture.save(file, "JPEG", exif=marks)
    return file.getvalue()


def test_a_photo_that_says_who_took_it_where_does_not_leave(
    sides: tuple[Shop, Shop], tmp_path: Path
) -> None:
    assert signs_of(photo()) == signs_of(b"no picture") == ()
    assert signs_of(photo(place=1, author="Jane", number="77")) == (
        "photo's place",
        "photo's author",
        "camera's number",
    )
    images = pl.DataFrame(
        {
            "item_id": ["i0", "i1"],
            "image": [photo(), photo(place=1)],
            "origin": ["image_background@1"] * 2,
            "purpose": ["product"] * 2,
        }
    )
    made = said("hi").with_tables(images=images).keeping("counts")
    off = {"attack_area": "off", "min_users": "off", "columns": "all"}
    checks = {one.name: one for one in judged(evidence(sides, made, tmp_path, **off))}
    assert {name for name, one in checks.items() if not one.passed} == {"personal_data"}
    assert "1 × photo's place" in checks["personal_data"].said
    of = evidence(sides, made, tmp_path, leave_out=True, **off)
    assert all(one.passed for one in judged(of))
    assert of.goes.rows("images") == 1
    # Pictures stay inside where not all columns leave.
    inside = evidence(sides, made, tmp_path, **(off | {"columns": "public"}))
    assert not inside.goes.has("images")


def test_pictures_for_training_do_not_leave_as_photos_of_products(
    sides: tuple[Shop, Shop], tmp_path: Path
) -> None:
    images = pl.DataFrame(
        {
            "item_id": ["i0", "i1"],
            "image": [photo()] * 2,
            "origin": ["image_vae@1"] * 2,
            "purpose": ["training", "product"],
        }
    )
    made = said("hi").with_tables(images=images).keeping("counts")
    off = {"attack_area": "off", "min_users": "off", "columns": "all"}
    checks = {one.name: one for one in judged(evidence(sides, made, tmp_path, **off))}
    assert {name for name, one in checks.items() if not one.passed} == {"pictures"}
    assert "1 of 2 pictures were made for training" in checks["pictures"].said
    assert "image_background" in checks["pictures"].remedy
    checks = {
        one.name: one for one in judged(evidence(sides, made, tmp_path, pictures="off", **off))
    }
    assert all(one.passed for one in checks.values())
