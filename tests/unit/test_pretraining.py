"""An encoder that learns a shop's words by guessing those left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from tiny_encoder import write_encoder
from tiny_lm import tiny_lm
from wareloom import pretrain
from wareloom.cli import app
from wareloom.core.family import EMBEDDERS, RANKERS, TEXT_MODELS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.neural.masking import Gaps, WordNetwork, with_gaps
from wareloom.shop import Shop

COLOURS, THINGS = ["red", "blue", "green", "black"], 8
HOW: dict[str, Any] = {
    "passes": 30,
    "batch_size": 16,
    "learning_rate": 0.005,
    "validation": 0.2,
    "share": 0.3,
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    words = [*(f"thing{i}" for i in range(THINGS)), *(f"word{i}" for i in range(THINGS)), *COLOURS]
    return str(write_encoder(tmp_path_factory.mktemp("encoder") / "model", words))


def catalogue() -> Shop:
    """Where a title has thing3 it has word3, too."""
    titles = [f"{a} {b} thing{i} word{i}" for a in COLOURS for b in COLOURS for i in range(THINGS)]
    return Shop(
        {"items": pl.DataFrame({"item_id": [f"i{k}" for k in range(len(titles))], "title": titles})}
    )


def test_gaps_are_some_words_and_never_marks() -> None:
    how = Gaps(mask=4, words=100, special=frozenset({0, 2, 3, 4}), share=0.15)
    texts = [[2, *range(10, 10 + n), 3] for n in (1, 5, 40)] * 200
    laid = {
        name: value.numpy()
        for name, value in with_gaps(texts, how, np.random.default_rng(1)).items()
    }
    whole = np.zeros_like(laid["words"])
    for number, text in enumerate(texts):
        whole[number, : len(text)] = text
    np.testing.assert_array_equal(whole[laid["row"], laid["place"]], laid["answer"])
    assert set(laid["row"]) == set(range(600))
    assert not set(laid["answer"]) & {0, 2, 3, 4}
    there = laid["words"][laid["row"], laid["place"]]
    assert np.mean(there == 4) == pytest.approx(0.8, abs=0.03)
    assert np.mean(there == laid["answer"]) == pytest.approx(0.1, abs=0.03)
    long = laid["row"] % 3 == 2
    assert long.sum() / (40 * 200) == pytest.approx(0.15, abs=0.02)
    rest = np.ones_like(whole, dtype=bool)
    rest[laid["row"], laid["place"]] = False
    np.testing.assert_array_equal(laid["words"][rest], whole[rest])


def test_the_loss_on_gaps_is_that_of_the_whole_model(encoder: str) -> None:
    import torch
    from transformers import AutoModelForMaskedLM

    net = WordNetwork(AutoModelForMaskedLM.from_pretrained(encoder).eval())
    how = Gaps(mask=4, words=20, special=frozenset({0, 2, 3}), share=0.5)
    batch = with_gaps([[2, 7, 8, 9, 3], [2, 10, 3]], how, np.random.default_rng(0))
    labels = torch.full_like(batch["words"], -100)
    labels[batch["row"], batch["place"]] = batch["answer"]
    whole = net.model(input_ids=batch["words"], attention_mask=batch["mask"], labels=labels).loss
    assert net.loss(batch).item() == pytest.approx(whole.item(), rel=1e-5)


def test_words_left_out_are_guessed_and_the_folder_serves_all(encoder: str, tmp_path: Path) -> None:
    shop, run = catalogue(), Run(seed=2, threads=1)
    told = pretrain(shop, tmp_path / "learned", run, model=encoder, **HOW)
    assert told["perplexity"] < told["perplexity_before"] / 3
    assert json.loads((tmp_path / "learned" / "pretraining.json").read_text()) == told
    guesses = TEXT_MODELS.make("masked", folder=str(tmp_path / "learned")).fill(
        [f"red blue thing{i} [MASK]" for i in range(THINGS)], k=1
    )
    assert [found[0][0] for found in guesses] == [f"word{i}" for i in range(THINGS)]
    vectors = EMBEDDERS.make("minilm", folder=str(tmp_path / "learned")).embed(
        ["red thing1", ""], run
    )
    assert vectors.shape == (2, 32)
    ranker = RANKERS.make("bi_encoder", model=str(tmp_path / "learned"), tuning="none").fit(
        shop, run
    )
    assert ranker.match_all(["thing3"]).argmax() % THINGS == 3


def test_a_stopped_run_goes_on_to_the_same_weights(encoder: str, tmp_path: Path) -> None:
    shop, how = catalogue(), HOW | {"passes": 4}
    pretrain(shop, tmp_path / "whole", Run(seed=2, threads=1), model=encoder, **how)
    steps = []

    def stop(step: int, values: dict[str, float]) -> None:
        steps.append(step)
        if len(steps) == 4:
            raise KeyboardInterrupt

    run = Run(seed=2, threads=1, cache=tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        pretrain(shop, tmp_path / "again", run.with_(watch=stop), model=encoder, **how)
    assert not (tmp_path / "again").exists()
    pretrain(shop, tmp_path / "again", run, model=encoder, **how)
    one, other = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "again")
    )
    assert one == other
    assert not list((tmp_path / "cache" / "training").iterdir())


def test_what_cannot_be_learned_from_is_refused(encoder: str, tmp_path: Path) -> None:
    blank = Shop({"items": pl.DataFrame({"item_id": ["a"], "title": [" "]})})
    with pytest.raises(InputError, match="no item of the shop has a text"):
        pretrain(blank, tmp_path / "to", model=encoder)
    with pytest.raises(SourceError, match=r"holds no encoder: it has no config\.json"):
        pretrain(catalogue(), tmp_path / "to", model=str(tmp_path))
    with pytest.raises(SettingError, match="has no mark for a gap: it is no masked language model"):
        pretrain(catalogue(), tmp_path / "to", model=tiny_lm())
    with pytest.raises(SettingError, match=r"share is 1\.0; give a number between 0 and 1"):
        pretrain(catalogue(), tmp_path / "to", share=1.0)
    assert not (tmp_path / "to").exists()


def test_the_command(encoder: str, tmp_path: Path) -> None:
    catalogue().save(tmp_path / "shop")
    call = [
        "pretrain",
        str(tmp_path / "shop"),
        "--to",
        str(tmp_path / "learned"),
        "--model",
        encoder,
    ]
    said = CliRunner().invoke(app, [*call, "--set", "validation=0.2", "--set", "batch_size=64"])
    assert said.exit_code == 0
    assert "103 texts, 2 updates; perplexity of words left out of 25 other texts:" in said.output
    more = [*call, "--set", "batch_size=64", "--json", "--force"]
    again = json.loads(CliRunner().invoke(app, more).stdout)
    assert (again["texts"], again["held_out"], again["perplexity"]) == (128, 0, None)
