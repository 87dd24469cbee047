"""A trained encoder as a ranker: as it is, tuned by few weights, and what it must refuse."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from conftest import small_shop
from tiny_encoder import write_encoder
from wareloom.core.family import EMBEDDERS, RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.evaluation.evaluate import judge
from wareloom.language.histories import history_text
from wareloom.neural import torch
from wareloom.neural.loss import log_drawn
from wareloom.neural.tuning import tuned
from wareloom.preparing.splits import Split
from wareloom.rankers.learned._pairs import PairData
from wareloom.rankers.learned.bi_encoder import BiEncoder
from wareloom.rankers.search.base import without_history
from wareloom.shop import Log, Requests, Shop

RUN = Run(seed=1, threads=1)
NOTHING = {"user_id": pl.String, "item_id": pl.String, "event": pl.String}
SIZE, LAYERS, THINGS = 32, 2, 8
COLOURS = ["red", "blue", "green", "black"]
TUNINGS = ["lora", "adapter", "prefix", "full"]
RATES = {"lora": 0.02, "adapter": 0.02, "prefix": 0.2, "full": 0.005}
EPOCHS = {"adapter": 25, "prefix": 40}


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    words = [
        *(f"thing{i}" for i in range(THINGS)),
        *(f"word{i}" for i in range(THINGS)),
        *COLOURS,
        "history",
    ]
    return str(
        write_encoder(tmp_path_factory.mktemp("encoder") / "model", words, size=SIZE, layers=LAYERS)
    )


def synonyms(colours: list[str]) -> Shop:
    """People who look for "red word3" want a thing3: the encoder was never told that the two words mean one thing."""
    titles = [f"{colour} thing{i}" for colour in COLOURS for i in range(THINGS)]
    rows = [
        (f"{colour} word{i}", f"i{place}", 3.0 if title.endswith(f"thing{i}") else 0.0)
        for colour in colours
        for i in range(THINGS)
        for place, title in enumerate(titles)
        if title.endswith(f"thing{i}") or place % 5 == i % 5
    ]
    items = pl.DataFrame(
        {"item_id": [f"i{place}" for place in range(len(titles))], "title": titles}
    )
    return Shop(
        {
            "items": items,
            "judgments": pl.DataFrame(rows, schema=["query", "item_id", "grade"], orient="row"),
        }
    )


def make(encoder: str, tuning: str, **settings: Any) -> BiEncoder:
    said = {
        "model": encoder,
        "tuning": tuning,
        "tuning_size": 8,
        "temperature": 0.1,
        "batch_size": 32,
    }
    said |= {
        "learning_rate": RATES.get(tuning, 0.0),
        "epochs": EPOCHS.get(tuning, 10),
        "validation": 0.0,
    }
    ranker = RANKERS.make("bi_encoder", **(said | settings))
    assert isinstance(ranker, BiEncoder)
    return ranker


@pytest.fixture(scope="module")
def learned(encoder: str) -> dict[str, BiEncoder]:
    return {
        tuning: make(encoder, tuning).fit(synonyms(COLOURS[:3]), RUN)
        for tuning in ["none", *TUNINGS]
    }


def test_as_it_is_it_is_the_embedder_s_similarity(encoder: str) -> None:
    """Against the embedder, which knows nothing of this ranker, for queries and histories, English and Chinese."""
    titles = ["红色 连衣裙", "red thing1", "blue thing1", "", "手机壳", "thing2 " * 300]
    shop = small_shop(items=6).with_tables(
        items=pl.DataFrame({"item_id": [f"i{i}" for i in range(6)], "title": titles})
    )
    ranker = make(encoder, "none", history=2, longest=40).fit(shop, RUN)
    embedder = EMBEDDERS.make("minilm", folder=encoder, longest=40)
    of_items = embedder.embed(titles)
    queries = ["red", "连衣裙", " ", "word1 " * 300]
    histories = [[], ["i0"], ["i4", "i1", "i3", "i2"], []]
    asked = replace(Requests.sessions(histories), queries=queries)
    said = ["red", "连衣裙", "history: blue thing1; red thing1", queries[3]]
    scores = ranker.score(asked)
    np.testing.assert_allclose(scores, embedder.embed(said) @ of_items.T / 0.1, atol=1e-4)
    assert (scores[:, 3] == 0).all(), "an item without text is like nothing"
    pairs = ranker.match(queries[:2], np.array([1, 0, 1]), ["i0", "nobody's", "i4"])
    np.testing.assert_allclose(pairs, [scores[1, 0], -np.inf, scores[1, 4]], rtol=1e-5)
    popular = RANKERS.make("popularity").fit(shop).score(Requests.sessions([[]]))
    np.testing.assert_array_equal(
        ranker.score(Requests.sessions([["i3"], []])), np.repeat(popular, 2, axis=0)
    )
    assert ranker.state()["weights_"] == {}
    assert ranker.updates_ == 0


def frozen(ranker: BiEncoder) -> dict[str, np.ndarray]:
    """The encoder's own weights as they are now, under the names of its file."""
    named = ranker._net.encoder.state_dict().items()
    clean = {
        k.removeprefix("base_model.").removeprefix("model.").replace(".base_layer", ""): v
        for k, v in named
    }
    return {name: value.numpy() for name, value in clean.items()}


@pytest.mark.parametrize("tuning", ["none", "lora", "adapter", "prefix"])
def test_what_is_frozen_stays_bit_for_bit(
    tuning: str, encoder: str, learned: dict[str, BiEncoder]
) -> None:
    now = frozen(learned[tuning])
    for name, value in load_file(Path(encoder) / "model.safetensors").items():
        np.testing.assert_array_equal(now[name], value, err_msg=name)


def test_only_what_is_tuned_is_learned_and_kept(
    encoder: str, learned: dict[str, BiEncoder]
) -> None:
    whole = load_file(Path(encoder) / "model.safetensors")
    read = sum(value.size for name, value in whole.items() if not name.startswith("pooler"))
    wanted = {
        "lora": LAYERS * 2 * (8 * SIZE + SIZE * 8),
        "adapter": LAYERS * 2 * (2 * SIZE * 8 + 8 + SIZE),
        "prefix": LAYERS * 2 * 8 * SIZE,
        "full": read,
    }
    for tuning, count in wanted.items():
        kept = learned[tuning].weights_
        assert sum(value.size for value in kept.values()) == count + 1, "and the temperature"
        assert set(learned[tuning]._net.state_dict()) == set(kept)
    now = frozen(learned["full"])
    assert all(
        not np.array_equal(now[name], whole[name])
        for name in whole
        if name.endswith("query.weight")
    )


@pytest.mark.parametrize("tuning", TUNINGS)
def test_each_tuning_learns_words_that_the_encoder_does_not_know(
    tuning: str, learned: dict[str, BiEncoder]
) -> None:
    """Judged on queries in a colour that no judgment it learned from had."""
    ranker, test = learned[tuning], synonyms(COLOURS[3:])
    losses = [entry["loss"] for entry in ranker.training_]
    assert losses[-1] < 0.9 * losses[0]
    found, before = (
        judge(r, Split(test, test, test, {}), "test", ["ndcg@10"], RUN)
        for r in (ranker, learned["none"])
    )
    assert found.of == "search"
    after, zero = (
        told.table.filter(pl.col("slice") == "all")["mean"].item() for told in (found, before)
    )
    assert after > zero + 0.1


def test_adapters_and_lora_start_at_the_encoder_and_a_prefix_near_it(encoder: str) -> None:
    titles = synonyms(COLOURS)
    vectors = {}
    for tuning in ("none", "lora", "adapter", "prefix"):
        ranker = (
            make(encoder, tuning).fit(titles, RUN) if tuning == "none" else make(encoder, tuning)
        )
        if tuning != "none":
            ranker._net = ranker._build(Path(encoder), RUN)
        vectors[tuning] = ranker._vectors(["red thing1", "blue", "a longer word0 of thing2"])
    np.testing.assert_array_equal(vectors["lora"], vectors["none"])
    np.testing.assert_array_equal(vectors["adapter"], vectors["none"])
    assert 0.8 < (vectors["prefix"] * vectors["none"]).sum(axis=1).min() < 0.99999


def effective(ranker: BiEncoder) -> dict[str, np.ndarray]:
    """What each weight of the encoder comes to, with what was learned beside it added: of LoRA and of all weights."""
    found = {name: value.copy() for name, value in frozen(ranker).items()}
    for name, first in list(found.items()):
        if ".lora_A." in name:
            second = found[name.replace(".lora_A.", ".lora_B.")]
            found[name.partition(".lora_A.")[0] + ".weight"] += 2 * second @ first
    return {name: value for name, value in found.items() if ".lora_" not in name}


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_a_share_of_the_way_is_that_share_of_every_weight_s_change(
    tuning: str, encoder: str, learned: dict[str, BiEncoder]
) -> None:
    shop, whole = synonyms(COLOURS[:3]), load_file(Path(encoder) / "model.safetensors")
    some = make(encoder, tuning, strength=0.25).fit(shop, RUN)
    ends, between = effective(learned[tuning]), effective(some)
    moved = 0.0
    for name, start in whole.items():
        np.testing.assert_allclose(
            between[name], start + 0.25 * (ends[name] - start), atol=2e-5, err_msg=name
        )
        moved = max(moved, float(np.abs(ends[name] - start).max()))
    assert moved > 1e-3, "something was learned"
    assert (some.strength_, learned[tuning].strength_) == (0.25, 1.0)


def test_adapters_are_drawn_back_at_their_end_alone(
    encoder: str, learned: dict[str, BiEncoder]
) -> None:
    some = make(encoder, "adapter", strength=0.5).fit(synonyms(COLOURS[:3]), RUN).weights_
    for name, value in learned["adapter"].weights_.items():
        if ".adapter." in name:
            share = 1.0 if ".down." in name else 0.5
            np.testing.assert_allclose(some[name], share * value, atol=1e-6, err_msg=name)


def test_with_nothing_real_it_goes_three_tenths_of_the_way(encoder: str) -> None:
    """The least step is nearest to the encoder as it comes; one real judgment goes all the way."""
    shop = synonyms(COLOURS[:3])
    rows = shop.table("judgments")
    made = shop.with_tables(judgments=rows.with_columns(origin=pl.lit("attributes@1")))
    one = pl.when(pl.int_range(pl.len()) > 0).then(pl.lit("attributes@1")).otherwise(pl.lit("real"))
    mixed = shop.with_tables(judgments=rows.with_columns(origin=one))
    plain = make(encoder, "none").fit(shop, RUN).vectors_
    far = []
    for judged, strength in ((made, 0.3), (mixed, 1.0)):
        ranker = make(encoder, "lora").fit(judged, RUN)
        assert ranker.strength_ == strength
        far.append(float(np.linalg.norm(ranker.vectors_ - plain)))
    assert 0 < far[0] < 0.7 * far[1]
    with pytest.raises(SettingError, match="strength"):
        make(encoder, "lora", strength=0.0)


def test_a_prefix_is_keys_and_values_before_a_text_that_stays_in_its_place(encoder: str) -> None:
    """Against the encoder given a past by hand, its positions counted from 0."""
    from transformers import AutoModel, DynamicCache

    torch.manual_seed(0)
    plain = AutoModel.from_pretrained(encoder).eval()
    model = tuned(AutoModel.from_pretrained(encoder).eval(), "prefix", 3, "test").eval()
    table = model.prompt_encoder["default"].embedding.weight.detach()
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    words = {"input_ids": torch.tensor([[2, 9, 8, 3], [2, 7, 0, 0]]), "attention_mask": mask}
    cache = DynamicCache()
    for layer, (key, value) in enumerate(
        table.view(3, LAYERS, 2, 2, SIZE // 2).permute(1, 2, 3, 0, 4)
    ):
        cache.update(key.expand(2, -1, -1, -1), value.expand(2, -1, -1, -1), layer)
    whole = torch.cat([torch.ones(2, 3, dtype=torch.long), mask], dim=1)
    with torch.no_grad():
        found = model(**words).last_hidden_state
        slow = plain(
            input_ids=words["input_ids"],
            attention_mask=whole,
            past_key_values=cache,
            position_ids=torch.arange(4)[None],
        ).last_hidden_state
    assert torch.allclose(found[0], slow[0], atol=1e-6)
    assert torch.allclose(found[1, :2], slow[1, :2], atol=1e-6)


def test_what_is_met_in_batches_estimates_the_sum_over_all_items() -> None:
    """Every batch that there can be, by its probability."""
    shares, values, draws = np.array([0.5, 0.3, 0.15, 0.05]), np.array([1.0, -2.0, 4.0, 0.5]), 3
    log_q = log_drawn(torch.from_numpy(shares), draws).double().numpy()
    expected = 0.0
    for batch in itertools.product(range(4), repeat=draws):
        expected += shares[list(batch)].prod() * sum(
            values[i] * np.exp(-log_q[i]) for i in set(batch)
        )
    met = 1 - (1 - 1 / 4) ** draws
    assert expected == pytest.approx(met * values.sum(), rel=1e-5)
    np.testing.assert_allclose(log_drawn(torch.full((5,), 0.2), 7).numpy(), 0.0, atol=1e-6)


@pytest.mark.parametrize("correct", [True, False])
def test_the_loss_is_the_corrected_softmax_pair_by_pair(encoder: str, correct: bool) -> None:
    shop = synonyms(COLOURS[:2])
    ranker = make(encoder, "lora", correct=correct, negatives=2, batch_size=12).fit(
        shop, RUN.with_(updates=3)
    )
    texts = shop.table("items")["title"].to_list()
    ranker._texts, ranker._names = texts, texts
    log = Log.of(
        shop.with_tables(
            events=pl.DataFrame(schema=dict.fromkeys(("user_id", "item_id", "event"), pl.String))
        )
    )
    data, net = PairData(log, shop, ranker._reading(), ranker.layout(), RUN), ranker._net
    grades = {
        (q.casefold(), int(i[1:])): g
        for q, i, g in shop.table("judgments")["query", "item_id", "grade"].iter_rows()
    }
    pairs = np.array([item for (_, item), grade in grades.items() if grade >= 2])
    shares = np.bincount(pairs, minlength=len(texts)) / len(pairs)
    decoded, batch = ranker._tokenizer, next(data.batches(0))
    asked = [
        decoded.decode(ids, skip_special_tokens=True) for ids in batch["requests"]["input_ids"]
    ]
    met = [
        texts.index(decoded.decode(ids, skip_special_tokens=True))
        for ids in batch["items"]["input_ids"]
    ]
    own = [met[place] for place in batch["own"]]
    q, v = (
        ranker._vectors(asked),
        dict(zip(met, ranker._vectors([texts[i] for i in met]), strict=True)),
    )
    scale, losses = 1 / ranker.temperature_, []
    average = 1 - (1 - 1 / np.count_nonzero(shares)) ** 11
    for row, query in enumerate(asked):
        low = [met[place] for place in batch["low"][row]]
        assert all(grades[query, item] < 2 for item in low)
        parts = [np.exp(scale * q[row] @ v[item]) for item in low]
        for item in sorted(set(own)):
            if grades.get((query, item), 0) >= 2 or item in low:
                continue
            chance = (1 - (1 - shares[item]) ** 11) / average if correct else 1.0
            parts.append(np.exp(scale * q[row] @ v[item]) / chance)
        right = np.exp(scale * q[row] @ v[own[row]])
        losses.append(np.log(right + sum(parts)) - np.log(right))
    with torch.no_grad():
        assert float(net.loss(batch)) == pytest.approx(np.mean(losses), rel=1e-4)


def test_saved_with_its_few_weights_it_asks_for_the_same_encoder(
    encoder: str, learned: dict[str, BiEncoder], tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(encoder, moved)
    asked = replace(Requests.sessions([["i1", "i2"], []]), queries=["", "red word3"])
    for tuning, ranker in learned.items():
        ranker.save(tmp_path / tuning)
        np.testing.assert_array_equal(
            RANKERS.restore(tmp_path / tuning).score(asked), ranker.score(asked)
        )
        written = tmp_path / tuning / "weights_.safetensors"
        assert written.exists() == (tuning != "none")
        if tuning in ("lora", "adapter", "prefix"):
            assert written.stat().st_size < (moved / "model.safetensors").stat().st_size / 3
    values = learned["lora"].state()
    there = configure(BiEncoder, learned["lora"].settings() | {"model": str(moved)})
    for name, value in values.items():
        setattr(there, name, value)
    np.testing.assert_array_equal(there.score(asked), learned["lora"].score(asked))
    del there._net
    write_encoder(moved, ["other"], size=SIZE, layers=LAYERS, seed=9)
    with pytest.raises(
        SourceError,
        match=r"was fitted on the encoder .* with the fingerprint .* put the one it knew back",
    ):
        there.score(asked)
    (moved / "config.json").unlink()
    with pytest.raises(
        SourceError, match=r"The ranker 'bi_encoder': the folder .* holds no encoder"
    ):
        there.score(asked)


def test_weights_of_another_tuning_are_not_taken(
    encoder: str, learned: dict[str, BiEncoder]
) -> None:
    odd = configure(BiEncoder, learned["lora"].settings() | {"tuning_size": 4})
    for name, value in learned["lora"].state().items():
        setattr(odd, name, value)
    with pytest.raises(SourceError, match="do not fit their encoder"):
        odd.score(without_history(["red"]))


def test_the_same_seed_gives_the_same_weights_and_a_stopped_training_goes_on(
    encoder: str, tmp_path: Path
) -> None:
    shop, kind = synonyms(COLOURS[:2]), {"epochs": 4, "dropout": 0.1}
    whole = make(encoder, "lora", **kind).fit(shop, RUN)

    def stop(step: int, _: dict[str, float]) -> None:
        if step >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(encoder, "lora", **kind).fit(shop, RUN.with_(cache=tmp_path, watch=stop))
    assert len(list((tmp_path / "training").iterdir())) == 1
    again = make(encoder, "lora", **kind).fit(shop, RUN.with_(cache=tmp_path))
    other = make(encoder, "lora", **kind).fit(shop, RUN.with_(seed=2))
    for name, value in whole.weights_.items():
        np.testing.assert_array_equal(again.weights_[name], value)
    assert any(
        not np.array_equal(other.weights_[name], value) for name, value in whole.weights_.items()
    )
    assert whole.updates_ == 8, "two batches, four times"
    assert make(encoder, "lora", **kind).fit(shop, RUN.with_(updates=2)).updates_ == 2


def data_of(encoder: str, shop: Shop, **settings: Any) -> PairData:
    ranker = make(encoder, "lora", **settings)
    ranker._build(Path(encoder), RUN)
    ranker._texts = ranker._names = shop.table("items")["title"].to_list()
    return PairData(Log.of(shop), shop, ranker._reading(), ranker.layout(), RUN)


def test_queries_and_users_are_held_back_whole(encoder: str) -> None:
    shop = small_shop(users=80)
    words = (
        synonyms(COLOURS)
        .table("judgments")
        .filter(pl.col("item_id").str.slice(1).cast(pl.Int32) < 30)
    )
    data = data_of(encoder, shop.with_tables(judgments=words), validation=0.3)
    held, taught = data.groups, data._learned(data.all)
    queries = len(data.queries)
    assert (held < queries).any()
    assert (held >= queries).any()
    assert not set(held) & set(taught.group)
    assert set(data.held.group) <= set(held)
    users = data.held.group[data.held.group >= queries]
    assert len(users) == len(set(users)), "a user's last item alone"
    # What a user had before, the latest first, then what came next.
    log, last = data.log, np.flatnonzero(data.held.group >= queries)[0]
    rows = slice(*log.offsets[data.held.group[last] - queries :][:2])
    names = [shop.table("items")["title"][int(item)] for item in log.item[rows]]
    said = data.held.texts(data.reading.names, 2)[last]
    assert said == "history: " + "; ".join(names[:-1][::-1][:2])
    assert shop.table("items")["title"][int(data.held.item[last])] == names[-1]
    assert history_text(np.array([0, 1]), ["", " "], 2) == ""


def test_rows_come_and_go(encoder: str) -> None:
    shop = small_shop()
    late = pl.col("user_id").is_in(["u1", "u2"])
    spans = shop.table("events").with_columns(
        since=pl.when(late).then(0.5).otherwise(0.0).cast(pl.Float32),
        until=pl.lit(1.0, dtype=pl.Float32),
    )
    data = data_of(encoder, shop.with_tables(events=spans), epochs=10)
    users = data.log.users.ids.to_list()
    seen = [{users[group] for group in data._all(done).group} for done in (0.1, 0.9)]
    assert seen[1] - seen[0] == {"u1", "u2"}
    rows = [sum(len(batch["own"]) for batch in data.batches(epoch)) for epoch in (0, 9)]
    assert rows[0] <= rows[1] <= data.updates // 10 * 32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tuning": "qlora"}, "tuning is 'qlora'; give "),
        ({"tuning_size": 0}, "bi_encoder: tuning_size is 0; give 1 or more"),
        ({"longest": 2}, "bi_encoder: longest is 2; give 3 or more"),
        ({"temperature": 0.0}, "bi_encoder: temperature is 0.0; give 0.01 or more"),
        ({"negatives": -1}, "bi_encoder: negatives is -1; give 0 or more"),
        ({"validation": 1.0}, "bi_encoder: validation is 1.0; give a number from 0, below 1"),
        ({"fields": "title^2 brand"}, "a text has no weights: write 'title' alone"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        RANKERS.make("bi_encoder", **settings)
    with pytest.raises(SettingError, match="tuning is 'qlora'; give "):
        BiEncoder(tuning="qlora")  # type: ignore[arg-type]


def test_what_cannot_be_learned_from_is_refused(encoder: str, tmp_path: Path) -> None:
    shop = synonyms(COLOURS)
    bare = Shop({"items": shop.table("items")})
    with pytest.raises(
        InputError, match=r"has no judgments or events on known items.*tuning='none'"
    ):
        make(encoder, "lora").fit(bare, RUN)
    with pytest.raises(InputError, match="has no judgments on known items"):
        make(encoder, "lora", learn_from="judgments").fit(small_shop(), RUN)
    with pytest.raises(InputError, match=r"no judgment reaches the grade relevant=4\.0"):
        make(encoder, "lora", relevant=4.0).fit(shop, RUN)
    with pytest.raises(InputError, match="The shop's items have no text"):
        make(encoder, "none").fit(Shop({"items": pl.DataFrame({"item_id": ["a", "b"]})}), RUN)
    with pytest.raises(
        InputError, match="reads the text of the items, but it was given a log alone"
    ):
        make(encoder, "none").fit(Log.of(small_shop()), RUN)
    with pytest.raises(
        SourceError, match=r"The ranker 'bi_encoder': the folder '/nowhere' holds no encoder"
    ):
        make("/nowhere", "none").fit(shop, RUN)
    with pytest.raises(SettingError, match="longest is 65, but the encoder reads at most 64"):
        make(encoder, "none", longest=65).fit(shop, RUN)
    assert (
        make(encoder, "none").fit(bare, RUN).score(without_history(["red thing1"]))[0].argmax() == 1
    )


def test_encoders_that_cannot_be_tuned_so_are_named() -> None:
    from transformers import DistilBertConfig, DistilBertModel

    small = DistilBertConfig(
        vocab_size=9, dim=8, hidden_dim=8, n_layers=1, n_heads=2, max_position_embeddings=9
    )
    with pytest.raises(
        SettingError, match="tuning='prefix' does not know encoders of the kind 'distilbert'"
    ):
        tuned(DistilBertModel(small), "prefix", 2, "ranker 'bi_encoder'")
    for tuning in ("lora", "adapter"):
        model = tuned(DistilBertModel(small), tuning, 2, "ranker 'bi_encoder'")
        assert any(value.requires_grad for value in model.parameters())
    with pytest.raises(SettingError, match="tuning='adapter' does not know encoders"):
        tuned(torch.nn.Sequential(), "adapter", 2, "ranker 'bi_encoder'")


def test_the_anchor_is_the_divergence_from_the_encoder_as_it_comes(
    encoder: str, learned: dict[str, BiEncoder]
) -> None:
    """The loss against numpy on one batch, and the further the weight holds, the less a taught encoder moves."""
    taught, shop = learned["lora"], synonyms(COLOURS[:3])
    reader = make(encoder, "lora", batch_size=12)
    reader._texts = shop.table("items")["title"].to_list()
    reader._names = reader._texts
    before = reader._as_it_comes(RUN)
    reader._net = reader._build(Path(encoder), RUN)
    data = PairData(
        Log.of(shop.with_tables(events=pl.DataFrame(schema=NOTHING))),
        shop,
        reader._reading(),
        reader.layout(),
        RUN,
    )
    batch, net = next(data.batches(0)), taught._net
    with torch.no_grad():
        plain, held = float(net.loss(batch)), float(net.anchored(before, 2.0)(batch))
        first, now = (
            each.logits(batch).numpy().astype(float) / float(each.scale()) / reader.temperature
            for each in (before, net)
        )
    first, now = (x - np.log(np.exp(x).sum(axis=1, keepdims=True)) for x in (first, now))
    share = batch["weight"].numpy() / batch["weight"].sum().item()
    apart = (np.exp(first) * (first - now)).sum(axis=1) @ share
    assert apart > 0.01
    assert held == pytest.approx(plain + 2.0 * apart, rel=1e-4)
    asked = ["red word1", "blue word3", "thing2"]
    moved = [
        np.abs(
            make(encoder, "lora", anchor=weight).fit(shop, RUN)._vectors(asked)
            - learned["none"]._vectors(asked)
        ).max()
        for weight in (0.0, 3.0, 30.0)
    ]
    assert moved[0] > moved[1] > moved[2]
