"""Tuning a decoder on pairs, and the queries it writes then; a tiny decoder over bytes stands for the real ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from tiny_lm import tiny_lm
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import SettingError, SourceError
from wareloom.language.models import Sampling, _decode
from wareloom.language.models.local import load
from wareloom.neural.decoders import (
    DecoderNetwork,
    Lessons,
    Pair,
    Ranks,
    by_length,
    laid_out,
    teach,
)
from wareloom.neural.training import seeded
from wareloom.neural.tuning import put_weights, tuned_weights
from wareloom.shop import Shop
from wareloom.synthesis import GivenItems
from wareloom.synthesis.queries._clean import borrowed, first_query, foreign_numbers
from wareloom.synthesis.queries._varied import Written
from wareloom.synthesis.queries.tuned import _parted

RUN = Run(seed=3, threads=1)
TUNINGS: list[Any] = ["lora", "adalora", "adapter", "prefix", "full"]
FAST: dict[str, Any] = {
    "tuning": "full",
    "learning_rate": 1e-2,
    "epochs": 6,
    "training_queries": 120,
    "max_tokens": 12,
}


class Stop(Exception):
    """Stands for a kill."""


def net(tuning: Any, updates: int = 8) -> DecoderNetwork:
    with seeded(RUN, "net"):
        return DecoderNetwork(
            load(tiny_lm(), "cpu", "fp32", "tiny").model, tuning, 4, "test", updates
        ).eval()


def pairs(count: int = 24) -> list[Pair]:
    rng = np.random.default_rng(0)
    starts = [rng.integers(4, 40, size=rng.integers(3, 12)).tolist() for _ in range(count)]
    return [(start, [*sorted(start)[:3], 0]) for start in starts]


def moved(made: DecoderNetwork, scale: float = 0.3) -> DecoderNetwork:
    """With learned weights that say something."""
    rng = np.random.default_rng(1)
    own = tuned_weights(made)
    put_weights(
        made,
        {k: (v + scale * rng.normal(size=v.shape)).astype(np.float32) for k, v in own.items()},
        "it",
    )
    return made


@pytest.mark.parametrize("tuning", TUNINGS)
def test_the_loss_is_that_of_the_answers_read_by_hand(tuning: Any) -> None:
    """Against logits of all places of one pair at a time, without padding, those of the prompt left out."""
    made = moved(net(tuning), 0.02)
    some = pairs(5)
    with torch.no_grad():
        logs = []
        for prompt, answer in some:
            words = torch.tensor([[*prompt, *answer[:-1]]])
            if tuning == "prefix":
                from transformers import DynamicCache

                cache = DynamicCache(config=made.model.config)
                said = made.model(input_ids=words, past_key_values=cache, use_cache=True).logits[0]
            else:
                said = made.model(input_ids=words).logits[0]
            own = said.log_softmax(-1)[len(prompt) - 1 :]
            logs += [float(own[place, token]) for place, token in enumerate(answer)]
        assert float(made.answer_loss(laid_out(some))) == pytest.approx(-np.mean(logs), rel=1e-4)


def test_a_prompt_gives_no_signal_of_its_own() -> None:
    made, ((prompt, answer),) = net("full"), pairs(1)
    batch = laid_out([(prompt, answer)])
    assert batch["answer"].tolist() == answer
    assert batch["place"].tolist() == list(range(len(prompt) - 1, len(prompt) + len(answer) - 1))
    made.answer_loss(batch).backward()
    head = made.decoder.lm_head.weight.grad
    states = made.decoder.base_model(input_ids=batch["words"]).last_hidden_state[0]
    with torch.no_grad():
        # The gradient of the head is (softmax - one hot) of the answers' places, times their states, and nothing else.
        own = states[len(prompt) - 1 :]
        error = made.decoder.lm_head(own).softmax(-1) - torch.nn.functional.one_hot(
            batch["answer"], len(head)
        )
        torch.testing.assert_close(head, error.T @ own / len(answer), atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("tuning", TUNINGS)
def test_nothing_is_changed_at_first_and_the_loss_falls(tuning: Any) -> None:
    made, plain = net(tuning, 48), load(tiny_lm(), "cpu", "fp32", "tiny").model
    words = torch.tensor([[5, 6, 7, 8]])
    if tuning != "prefix":
        torch.testing.assert_close(
            made.decoder(input_ids=words).logits, plain(input_ids=words).logits
        )
    names = {name for name, value in made.named_parameters() if value.requires_grad}
    assert {name for name in made.state_dict() if not name.startswith(Ranks.MARK)} == names
    frozen = {
        name: value.clone() for name, value in made.named_parameters() if not value.requires_grad
    }
    how = Lessons(learning_rate=1e-2, epochs=8, batch_size=4)
    history = teach(made, pairs(), [], how, RUN)
    assert history[-1]["loss"] < 0.97 * history[0]["loss"]
    assert all(
        torch.equal(value, dict(made.named_parameters())[name]) for name, value in frozen.items()
    )


def test_adalora_ends_with_the_ranks_it_was_given() -> None:
    made = net("adalora", 48)
    teach(made, pairs(), [], Lessons(learning_rate=1e-2, epochs=8, batch_size=4), RUN)
    values = [v for n, v in tuned_weights(made).items() if "lora_E" in n]
    assert sum(int((v != 0).sum()) for v in values) == 4 * len(values)
    assert all(len(v) == 6 for v in values), "half as wide again at first"


def test_training_stops_early_on_what_was_held_out_and_keeps_the_best() -> None:
    made = net("full")
    some = pairs(24)
    held = [(prompt, answer[::-1]) for prompt, answer in pairs(8)]
    history = teach(
        made, some, held, Lessons(learning_rate=3e-2, epochs=40, batch_size=8, patience=2), RUN
    )
    assert len(history) < 10
    best = max(entry["value"] for entry in history)
    assert -float(made.answer_loss(laid_out(held)).detach()) == pytest.approx(best, rel=1e-4)
    assert [entry["value"] for entry in history].index(best) == len(history) - 3


@pytest.mark.parametrize("tuning", ["lora", "adalora", "prefix"])
def test_a_killed_training_goes_on_to_the_same_weights(tuning: Any, tmp_path: Path) -> None:
    how, file = Lessons(learning_rate=1e-2, epochs=4, batch_size=4), tmp_path / "kept.safetensors"
    whole = net(tuning, 24)
    history = teach(whole, pairs(), pairs(4), how, RUN)

    def stop(step: int, _: dict[str, float]) -> None:
        if step >= 14:
            raise Stop

    with pytest.raises(Stop):
        teach(net(tuning, 24), pairs(), pairs(4), how, RUN.with_(watch=stop), file)
    assert file.exists()
    again = net(tuning, 24)
    assert teach(again, pairs(), pairs(4), how, RUN, file) == history
    assert not file.exists()
    found = tuned_weights(again)
    assert all(np.array_equal(value, found[name]) for name, value in tuned_weights(whole).items())


@pytest.mark.parametrize("tuning", ["lora", "adalora"])
def test_merged_and_apart_say_the_same(tuning: Any) -> None:
    made, words = moved(net(tuning)), torch.tensor([[5, 9, 7, 30]])
    with torch.no_grad():
        apart = made.model(input_ids=words).logits
        plain = load(tiny_lm(), "cpu", "fp32", "tiny").model(input_ids=words).logits
        torch.testing.assert_close(
            made.merged()(input_ids=words).logits, apart, atol=1e-4, rtol=1e-4
        )
    assert not torch.allclose(plain, apart, atol=1e-2)
    assert not any("lora" in name for name, _ in made.model.named_modules())


def test_what_is_drawn_behind_a_prefix_has_the_probability_training_gives_it() -> None:
    made, held = moved(net("prefix")), load(tiny_lm(), "cpu", "fp32", "tiny")
    same = [7, 8, 9, 10, 11, 12, 13, 14, 15]
    rows = [
        _decode.Row([*same, *tail], seed)
        for seed, tail in enumerate(([20], [21, 22], [20], [4, 5, 6]))
    ]
    _decode.write(made.model, held.tokenizer, rows, Sampling(max_tokens=6), held.ends)
    with torch.no_grad():
        for row in rows:
            slow = -float(made.answer_loss(laid_out([(row.prompt, row.tokens)]))) * len(row.tokens)
            assert row.log_probability == pytest.approx(slow, rel=1e-3)


def test_batches_hold_each_row_once_and_rows_of_like_length() -> None:
    sizes = np.random.default_rng(0).integers(5, 60, size=333)
    found = list(by_length(sizes, 8, np.random.default_rng(1)))
    assert sorted(np.concatenate(found).tolist()) == list(range(333))
    assert np.mean([np.ptp(sizes[rows]) for rows in found]) < 4
    assert [r.tolist() for r in by_length(sizes, 8, np.random.default_rng(1))] == [
        r.tolist() for r in found
    ]


def test_no_product_or_query_of_the_held_out_part_is_learned_from() -> None:
    rng = np.random.default_rng(0)
    rows = pl.DataFrame(
        {
            "item": rng.integers(100, size=400),
            "query": [f"Q{i}" for i in rng.integers(150, size=400)],
        }
    )
    rows = rows.with_columns(
        pl.when(pl.col("item") % 2 == 0).then(pl.col("query").str.to_lowercase()).otherwise("query")
    )
    told, held = _parted(rows, 0.1, np.random.default_rng(1))
    assert held["item"].n_unique() == 10
    assert not set(told["item"]) & set(held["item"])
    assert not set(told["query"].str.to_lowercase()) & set(held["query"].str.to_lowercase())
    few = _parted(rows.head(30), 0.1, np.random.default_rng(1))
    assert (len(few[0]), len(few[1])) == (30, 0)


def shop(*, real: int = 0, categories: bool = False) -> Shop:
    kinds, colours = (
        ["table", "lamp", "chair", "shelf"],
        ["red", "blue", "green", "white", "black", "grey"],
    )
    titles = [f"Acme {colour} oak {kind}" for colour in colours for kind in kinds]
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(len(titles))], "title": titles})
    if categories:
        items = items.with_columns(category=pl.col("title").str.split(" ").list.tail(1))
    made = Shop({"items": items}, {"name": "few"})
    if not real:
        return made
    said = pl.DataFrame(
        {"query": [f"zzz {titles[n % 24].split()[-1]} {n // 24}" for n in range(real)],
         "item_id": [f"i{n % 24}" for n in range(real)], "grade": [3.0] * real}
    )  # fmt: skip
    return made.with_tables(judgments=said)


def tuned(**settings: Any) -> Any:
    how = {"model": "huggingface", "model_settings": {"model": tiny_lm()}} | FAST | settings
    return SYNTHESIZERS.make("tuned", **how)


@pytest.fixture(scope="module")
def fitted() -> Any:
    return tuned().fit(shop(), RUN)


def test_without_queries_another_synthesizer_is_learned_from(fitted: Any) -> None:
    assert fitted.report_["learned_from"] == "attributes"
    rows = fitted.sample(20, RUN).table("judgments")
    assert len(rows) == 20
    assert set(rows["source"]) == {"tuned"}
    assert fitted.training_[-1]["loss"] < fitted.training_[0]["loss"]


def test_real_queries_are_learned_from_where_there_are_enough() -> None:
    few = tuned(epochs=1).fit(shop(real=20), RUN)
    assert few.report_["learned_from"] == "attributes"
    many = tuned(epochs=12).fit(shop(real=60), RUN)
    assert many.report_["learned_from"] == "real queries"
    assert many.report_["pairs"] == 60
    said = many.sample(24, RUN).table("judgments")["query"]
    assert (said.str.starts_with("z")).mean() > 0.6, "what only the real ones say"


def test_restored_it_writes_the_same_bytes(fitted: Any, tmp_path: Path) -> None:
    for made in (fitted, tuned(tuning="lora", epochs=1).fit(shop(), RUN)):
        kept = tmp_path / made.tuning
        made.save(kept)
        assert not [path for path in kept.rglob("*") if path.suffix in (".pkl", ".pt", ".bin")]
        again = SYNTHESIZERS.restore(kept)
        items = np.arange(12)
        assert list(again._write(items, RUN)) == list(made._write(items, RUN))
    again.base_ = again.base_ | {"fingerprint": "other"}
    del again._drawn_by
    with pytest.raises(
        SourceError, match="was fitted on the text model 'huggingface' with the fingerprint other"
    ):
        again.sample(3, RUN)


def test_one_seed_one_sample_whatever_the_batch(fitted: Any, tmp_path: Path) -> None:
    first = fitted.sample(16, RUN)
    assert fitted.sample(16, RUN).fingerprint == first.fingerprint, (
        "what was written before is forgotten"
    )
    writer = fitted._writer(RUN)
    try:
        writer.batch_size = 5
        assert fitted.sample(16, RUN).fingerprint == first.fingerprint
    finally:
        writer.batch_size = 32
    assert fitted.sample(16, RUN.with_(seed=9)).fingerprint != first.fingerprint
    kept = fitted.sample(16, RUN.with_(cache=tmp_path))
    spent = writer.spent
    assert (
        fitted.sample(16, RUN.with_(cache=tmp_path)).fingerprint
        == kept.fingerprint
        == first.fingerprint
    )
    assert writer.spent == spent, "nothing is drawn twice"
    assert fitted.plan(5, RUN.with_(cache=tmp_path)).calls <= 5 * fitted.tries


def test_variety_lowers_repeats(fitted: Any) -> None:
    def repeats(penalty: float) -> float:
        fitted.penalty = penalty
        said = fitted.sample(80, RUN).table("judgments")["query"]
        return 1 - said.n_unique() / len(said)

    try:
        free, varied = repeats(0.0), repeats(5.0)
    finally:
        fitted.penalty = 2.0
    assert varied < 0.7 * free


def test_queries_are_kept_away_from_the_words_of_their_titles(fitted: Any) -> None:
    titles = dict(fitted.catalogue_.select("item_id", "title").iter_rows())

    def shared(title_penalty: float) -> float:
        fitted.title_penalty = title_penalty
        rows = fitted.sample(60, RUN).table("judgments")
        pairs = zip(rows["query"].to_list(), rows["item_id"].to_list(), strict=True)
        return float(np.mean([borrowed(query, titles[item]) for query, item in pairs]))

    try:
        free, kept_away = shared(0.0), shared(20.0)
    finally:
        fitted.title_penalty = 0.0
    assert kept_away < free - 0.1
    assert borrowed("oak tables", "Table of oak, 6 ft") == 1.0
    assert borrowed("oak couch", "Table of oak, 6 ft") == 0.5
    assert borrowed("", "Table") == 0.0


def test_the_choice_is_the_likeliest_that_is_unlike_the_others() -> None:
    written = Written()
    assert written.choose(["oak table", "lamp"], [-1.0, -2.0], "a", 2.0) == "oak table"
    assert written.likeness("table oak", "a") == 1.0
    assert written.likeness("oak lamp", "a") == pytest.approx(1 / 3)
    assert written.likeness("oak lamp", "b") == 0.0
    assert written.likeness("oak table", "b") == 1.0, (
        "the same query is the same for any kind of product"
    )
    assert written.choose(["oak table", "lamp"], [-1.0, -2.0], "a", 2.0) == "lamp"
    assert written.choose(["oak table", "lamp", ""], [-1.0, -2.0, 0.0], "a", 0.0) == "oak table"
    assert written.choose(["", ""], [0.0, 0.0], "a", 2.0) == ""


def test_a_category_is_read_where_there_is_one() -> None:
    with_, without = (
        tuned(epochs=1, by_category=by).fit(shop(categories=True), RUN) for by in (True, False)
    )
    assert with_._prompts(np.array([0])) == ["<< table >> << Acme red oak table >>\nSearch:"]
    assert without._prompts(np.array([0])) == ["<< Acme red oak table >>\nSearch:"]
    assert with_.kinds_[0] == without.kinds_[0] == "table"


def test_titles_can_be_read_first_and_a_killed_fit_goes_on(tmp_path: Path) -> None:
    how: dict[str, Any] = {"pretrain_epochs": 2, "epochs": 2, "training_queries": 60}
    whole = tuned(**how).fit(shop(), RUN)
    without = tuned(**how | {"pretrain_epochs": 0}).fit(shop(), RUN)
    assert not all(
        np.allclose(value, without.weights_[name]) for name, value in whole.weights_.items()
    )
    calls = list[int]()

    def stop(step: int, _: dict[str, float]) -> None:
        calls.append(step)
        if len(calls) == 5:
            raise Stop

    with pytest.raises(Stop):
        tuned(**how).fit(shop(), RUN.with_(cache=tmp_path, watch=stop))
    again = tuned(**how).fit(shop(), RUN.with_(cache=tmp_path))
    assert all(
        np.array_equal(value, again.weights_[name]) for name, value in whole.weights_.items()
    )


def test_what_it_would_take_is_said_without_training(fitted: Any, tmp_path: Path) -> None:
    def stop(_: int, __: dict[str, float]) -> None:
        raise Stop

    need = tuned().planned(shop(), 5, RUN.with_(cache=tmp_path, watch=stop))
    assert need.updates == fitted.report_["updates"]
    assert 5 <= need.calls <= 5 * fitted.tries
    assert need.prompt_tokens > need.calls


def test_broken_text_is_no_query() -> None:
    assert first_query("Search: oak lamp\nmore", "x", ()) == "oak lamp"
    assert first_query("lam\ufffd", "x", ()) == ""
    assert first_query("lam\x07p", "x", ()) == ""
    assert first_query("l" * 130, "x", ()) == ""
    assert foreign_numbers("lamp 40 watt", "Lamp 40 watt") == []
    assert foreign_numbers("lamp 41", "Lamp 40") == ["41"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tuning_size": 0}, "tuned: tuning_size is 0; give 1 or more"),
        ({"penalty": -1}, "tuned: penalty is -1.*give 0 or more"),
        ({"model": "masked", "model_settings": {}}, "'masked' is not computed here"),
        ({"queries": "tuned"}, "'tuned' writes no queries to learn from"),
        ({"queries": "markov"}, "'markov' writes no queries to learn from"),
        ({"top_p": 0}, "top_p is 0"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        tuned(**settings)


def test_decoders_it_cannot_tune_are_named() -> None:
    decoder = load(tiny_lm(), "cpu", "fp32", "tiny").model
    decoder.model.layers = torch.nn.ModuleList()
    with pytest.raises(SettingError, match="'lora' does not know decoders of the kind 'llama'"):
        DecoderNetwork(decoder, "lora", 4, "test")
    odd = load(tiny_lm(), "cpu", "fp32", "tiny").model
    plain: Callable[..., Any] = odd.forward

    def louder(**named: Any) -> Any:
        out = plain(**named)
        out.logits = out.logits * 3
        return out

    odd.forward = louder
    with pytest.raises(SettingError, match="does not know decoders of the kind"):
        DecoderNetwork(odd, "full", 4, "test")


def test_the_state_of_ranks_goes_round() -> None:
    made = net("adalora", 24)
    teach(made, pairs(), [], Lessons(learning_rate=1e-2, epochs=4, batch_size=4), RUN)
    kept = {name: value for name, value in made.state_dict().items() if name.startswith(Ranks.MARK)}
    other = net("adalora", 24)
    other.load_state_dict(made.state_dict())
    found = other.state_dict()
    assert kept.keys() <= found.keys()
    assert all(torch.equal(value, found[name]) for name, value in kept.items())
    assert other.ranks is not None
    assert other.ranks.step == 24


def test_it_writes_for_the_items_that_are_given(fitted: Any) -> None:
    assert set(
        fitted.sample(6, RUN, GivenItems(items=("i3", "i5"))).table("judgments")["item_id"]
    ) == {
        "i3",
        "i5",
    }
