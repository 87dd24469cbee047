"""Measures of dialogues: what is planted is found, what is not there is not, and controls stand where they have to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.evaluation.compare import CompareSettings, compare, dialogue_measures
from wareloom.metrics.likeness.dialogues.act_pairs import ActPairs
from wareloom.metrics.likeness.dialogues.dialogue_copies import DialogueCopies
from wareloom.metrics.likeness.dialogues.dialogue_discriminator import DialogueDiscriminator
from wareloom.metrics.likeness.dialogues.dialogue_facts import DialogueFacts, wrong_turns
from wareloom.metrics.likeness.dialogues.distinct_pairs import distinct
from wareloom.metrics.likeness.dialogues.samples import DialogueTrio, Said, gathered_dialogues
from wareloom.metrics.likeness.dialogues.self_bleu import self_bleu
from wareloom.metrics.likeness.dialogues.turn_discriminator import TurnDiscriminator
from wareloom.shop import Shop
from wareloom.testing.talks import spoken, talks

RUN = Run(seed=1)


def made(shop: Shop, origin: str = "made@1") -> Shop:
    rows = shop.table("dialogues").with_columns(origin=pl.lit(origin))
    return shop.with_tables(dialogues=rows)


def trio(synthetic: Shop, number: int = 150) -> DialogueTrio:
    return gathered_dialogues(talks(number, 1), synthetic, talks(number, 2), 10, RUN)


def test_dialogues_of_one_kind_are_at_the_floor_and_others_are_not() -> None:
    like = TurnDiscriminator(turns=400, folds=2).compare(trio(made(talks(150, 3))), RUN)[0]
    other = TurnDiscriminator(turns=400, folds=2).compare(trio(made(talks(150, 3, "zh"))), RUN)[0]
    assert abs(like.value - 0.5) < 0.08
    assert abs(like.floor - 0.5) < 0.08
    assert other.value > 0.95


def test_turns_in_random_order_are_told_by_the_whole_and_not_by_the_turn() -> None:
    of = trio(made(talks(150, 3)))
    mixed = replace(of, synthetic=of.synthetic.shuffled(np.random.default_rng(0)))
    whole = DialogueDiscriminator(dialogues=150, folds=3)
    like, told = whole.compare(of, RUN)[0], whole.compare(mixed, RUN)[0]
    assert like.value < 0.62
    assert told.value > like.value + 0.15
    assert like.about["permuted"] > like.floor + 0.15, "the control is told by its order"
    assert ActPairs().compare(mixed, RUN)[0].value > 3 * ActPairs().compare(of, RUN)[0].value
    assert abs(TurnDiscriminator(turns=400, folds=2).compare(mixed, RUN)[0].value - 0.5) < 0.08


def test_pairs_of_acts_are_those_that_are_counted_by_hand() -> None:
    of = trio(made(talks(150, 3)))
    tables = []
    for sample in (of.real, of.synthetic):
        counts: dict[tuple[str, str], int] = {}
        for dialogue in sample.dialogues:
            acts = [said.act for said in dialogue]
            if len(acts) > 1:
                for pair in pairwise(["", *acts, ""]):
                    counts[pair] = counts.get(pair, 0) + 1
        total = sum(counts.values())
        tables.append({pair: n / total for pair, n in counts.items()})
    keys = tables[0].keys() | tables[1].keys()
    wanted = sum(abs(tables[0].get(k, 0) - tables[1].get(k, 0)) for k in keys) / 2
    assert ActPairs().compare(of, RUN)[0].value == pytest.approx(wanted)


def test_distinct_and_self_bleu_of_known_texts() -> None:
    assert distinct(["a b c", "a b c"]) == pytest.approx(2 / 4)
    assert distinct(["a"]) == 0
    same = [["a", "b", "c", "d", "e"]] * 3
    assert self_bleu(same) == pytest.approx(1)
    apart = [list("abcd"), list("efgh")]
    assert self_bleu(apart) < 1e-3
    assert self_bleu(same[:1]) == 0
    half = [list("abcd"), list("abxy")]
    assert 0.2 < self_bleu(half) < 0.6


def test_self_bleu_is_that_of_the_slow_way() -> None:
    from collections import Counter

    rng = np.random.default_rng(0)
    turns = [[str(w) for w in rng.integers(0, 6, rng.integers(4, 9))] for _ in range(12)]

    def grams(words: list[str], n: int) -> Counter[tuple[str, ...]]:
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    total = 0.0
    for place, words in enumerate(turns):
        others = turns[:place] + turns[place + 1 :]
        log = 0.0
        for n in range(1, 5):
            own = grams(words, n)
            hits = sum(min(k, max(grams(o, n)[g] for o in others)) for g, k in own.items())
            more = 1 if n > 1 else 0
            share = (hits + more) / (sum(own.values()) + more)
            log += np.log(share) if share else -1e9
        total += np.exp(log / 4)
    assert self_bleu(turns) == pytest.approx(total / len(turns))


def test_copies_are_found_and_what_everybody_says_is_none() -> None:
    found = DialogueCopies().compare(trio(made(talks(150, 1))), RUN)
    whole = next(f for f in found if f.name.endswith("whole"))
    assert whole.value == 1
    assert whole.floor < 0.6
    long = " ".join(f"word{n}" for n in range(14))
    real = talks(150, 1)
    rows = real.table("dialogues")
    once = rows.with_columns(
        text=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(long)).otherwise("text"),
        slots=pl.when(pl.int_range(pl.len()) == 0).then(None).otherwise("slots"),
    )
    own = real.with_tables(dialogues=once)
    of = gathered_dialogues(own, made(own), talks(150, 2), 10, RUN)
    runs = next(f for f in DialogueCopies().compare(of, RUN) if f.name.endswith("runs"))
    assert runs.about["found"] == 1
    assert runs.floor == 0


def wordy(seed: int, number: int = 60, origin: str = "real") -> Shop:
    """Dialogues of one turn of fourteen words of their own, after a greeting that all share."""
    rng, shop = np.random.default_rng(seed), talks(2)
    rows = []
    for n in range(number):
        text = " ".join(f"w{word}" for word in rng.integers(0, 400, 14))
        for turn, said in enumerate(("hello how are you doing today my friend", text)):
            rows.append((f"{seed}-{n}", turn, "customer", said, origin))
    names = ["dialogue_id", "turn", "role", "text", "origin"]
    frame = pl.DataFrame(rows, schema=names, orient="row").cast({"turn": pl.Int32})
    return shop.with_tables(dialogues=frame)


@pytest.mark.parametrize(("every", "value"), [(0, 0.5), (5, 0.5), (2, 0.0)])
def test_turns_with_words_exchanged_are_near_and_those_of_others_are_not(
    every: int, value: float
) -> None:
    """Of the two turns of a dialogue one is everybody's, and near nothing; every second word exchanged is too much."""
    real = wordy(1)

    def edited(text: str) -> str:
        return " ".join(
            f"x{n}" if every and not n % every else word for n, word in enumerate(text.split())
        )

    rows = real.table("dialogues")
    texts = [text if text.startswith("hello") else edited(text) for text in rows["text"]]
    synth = real.with_tables(
        dialogues=rows.with_columns(text=pl.Series(texts), origin=pl.lit("made@1"))
    )
    found = DialogueCopies().compare(gathered_dialogues(real, synth, wordy(2), 10, RUN), RUN)
    near = next(f for f in found if f.name.endswith("near"))
    assert near.value == value
    assert near.floor == 0
    honest = wordy(3, origin="made@1")
    found = DialogueCopies().compare(gathered_dialogues(real, honest, wordy(2), 10, RUN), RUN)
    assert next(f for f in found if f.name.endswith("near")).value == 0


def test_facts_that_are_right_are_right_and_a_wrong_price_is_not() -> None:
    right = DialogueFacts().compare(trio(spoken(150, 3)), RUN)[0]
    wrong = DialogueFacts().compare(trio(spoken(150, 3, wrong=True)), RUN)[0]
    assert right.value == 0
    assert wrong.value == 1
    assert DialogueFacts().compare(trio(made(talks(150, 3))), RUN) == (
        "no agent of SYNTH says a fact: its slots are empty"
    )


def agent(text: str, *slots: tuple[str, str]) -> Said:
    spans = tuple((n, v, text.index(v), text.index(v) + len(v)) for n, v in slots)
    return Said(0, "agent", text, "answer", spans)


PLANTED: dict[str, Callable[[], tuple[Said, ...]]] = {
    "a number in no slot": lambda: (agent("It takes 3 days."),),
    "another product": lambda: (agent("Take the Oak Chair.", ("item.title", "Oak Chair")),),
    "another price": lambda: (agent("It is $19.", ("item.price", "$19")),),
    "another policy": lambda: (agent("You have 31 days.", ("policy.return_days", "31")),),
    "another day": lambda: (
        agent("It comes on May 5.", ("order.due", "May 5")),
        agent("It comes on May 6.", ("order.due", "May 6")),
    ),
    "another offer, with the first not taken up": lambda: (
        agent("Shall I make it 3?", ("said.new_quantity", "3")),
        agent("Order K1 has 1.", ("order.id", "K1"), ("order.quantity", "1")),
        agent("Shall I make it 4?", ("said.new_quantity", "4")),
    ),
    "a state that cannot follow": lambda: (
        agent("It is delivered.", ("order.state", "delivered")),
        agent("It is shipped.", ("order.state", "shipped")),
    ),
    "no state": lambda: (agent("It is lost.", ("order.state", "lost")),),
}


@pytest.mark.parametrize("name", PLANTED)
def test_every_planted_fact_is_found(name: str) -> None:
    policies: dict[str, object] = {"return_days": 30}
    assert any(wrong_turns(PLANTED[name](), "Oak Table, brown", 19.5, policies))


def test_facts_as_they_are_pass() -> None:
    talk = (
        agent("Shall I make it 3?", ("said.new_quantity", "3")),
        agent("It has 3 now.", ("order.quantity", "3")),
        agent("Shall I make it 5?", ("said.new_quantity", "5")),
        agent("The Oak Table is $19.50.", ("item.title", "Oak Table"), ("item.price", "$19.50")),
        agent("订单已付款，有30天。", ("order.state", "已付款"), ("policy.return_days", "30")),
        agent("It is cancelled.", ("order.state", "cancelled")),
        agent("No fact at all."),
    )
    assert not any(wrong_turns(talk, "Oak Table, brown", 19.5, {"return_days": 30}))


def test_compare_takes_dialogues_alone_and_says_where_they_are_few() -> None:
    few = CompareSettings(groups=5)
    found = compare(talks(30, 1), spoken(30, 3), talks(30, 2), few, run=RUN).data
    names = {figure["name"].partition(".")[0] for figure in found["figures"]}
    assert names == set(dialogue_measures())
    assert found["dialogues"]["reference"] == "held out"
    assert found["users"] is None
    with pytest.raises(InputError, match="takes 20 dialogues of a kind"):
        compare(talks(10), spoken(10, 3), run=RUN)
    one = CompareSettings(measures=("act_pairs",), groups=5)
    without = compare(talks(60, 1), spoken(60, 3), None, one, run=RUN)
    assert "halves of real" in str(without.data["dialogues"])
    assert "No held-out dialogues" in without.data["notes"][0]
