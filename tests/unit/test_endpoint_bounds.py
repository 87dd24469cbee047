"""A server that is not as it should be: it sends on elsewhere, answers without end, packs bombs, echoes keys."""

from __future__ import annotations

import gzip
import json
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from openai_server import said
from wareloom.core.run import Run
from wareloom.errors import OutputError, ServiceError, SourceError, WareloomError
from wareloom.language.models import _http
from wareloom.language.models.endpoint import Endpoint

Respond = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(respond: Respond) -> Iterator[tuple[str, list[str]]]:
    """A server on loopback that answers as told; gives its address and the paths that were asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            asked.append(self.path)
            respond(self)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answering(body: bytes, status: int = 200, **headers: str) -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        with suppress(ConnectionError):
            handler.wfile.write(body)

    return respond


WELL = json.dumps(said("well")).encode()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "FIRST_WAIT", 0.001)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "geheim-1234567")


def ask(address: str, cache: Path | None = None, **settings: Any) -> str:
    base = settings.pop("base_url", f"http://{address}/v1")
    model = Endpoint(base_url=base, model="m", retries=1, timeout=10, **settings)
    return model.generate(["hello"], Run(cache=cache))[0].text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_other_server_is_asked(status: int) -> None:
    with serving(answering(WELL)) as (other, stolen):
        target = f"http://{other}/v1/chat/completions?token=verborgen"
        with (
            serving(answering(b"", status, location=target)) as (address, asked),
            pytest.raises(ServiceError, match=r"sends on to .*another server") as caught,
        ):
            ask(address)
        assert stolen == []
        assert asked == ["/v1/chat/completions"]
        assert "verborgen" not in str(caught.value)


def test_a_redirect_within_the_server_is_followed_a_few_times() -> None:
    def once(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.endswith("/there"):
            answering(WELL)(handler)
        else:
            answering(b"", 307, location=f"{handler.path}/there")(handler)

    with serving(once) as (address, asked):
        assert ask(address) == "well"
        assert asked == ["/v1/chat/completions", "/v1/chat/completions/there"]
    with serving(answering(b"", 308, location="/v1/chat/completions")) as (address, asked):
        with pytest.raises(ServiceError, match="again and again"):
            ask(address)
        assert len(asked) <= 5


def test_packed_answers_are_read(tmp_path: Path) -> None:
    raw = zlib.compressobj(wbits=-15)
    packed = [
        (gzip.compress(WELL), "gzip"),
        (zlib.compress(WELL), "deflate"),
        (raw.compress(WELL) + raw.flush(), "deflate"),
        (WELL, "identity"),
    ]
    for body, how in packed:
        with serving(answering(body, content_encoding=how)) as (address, _):
            assert ask(address) == "well"


@pytest.mark.parametrize(
    ("body", "how", "message"),
    [
        (gzip.compress(b"\0" * (1 << 28), 9), "gzip", "more than 16 MiB unpacked"),
        (zlib.compress(b"\0" * (1 << 28), 9), "deflate", "more than 16 MiB unpacked"),
        (b" " * (17 << 20), "identity", "more than 16 MiB"),
        (WELL, "br", "packed by 'br', which was not asked for"),
        (WELL, "gzip", "cannot be unpacked"),
    ],
)
def test_answers_are_bounded(body: bytes, how: str, message: str) -> None:
    with (
        serving(answering(body, content_encoding=how)) as (address, _),
        pytest.raises(ServiceError, match=message),
    ):
        ask(address)


def test_an_error_without_end_is_bounded_as_well() -> None:
    body = gzip.compress(b"x" * (1 << 28), 9)
    with (
        serving(answering(body, 400, content_encoding="gzip")) as (address, _),
        pytest.raises(ServiceError, match="more than 16 MiB unpacked"),
    ):
        ask(address)


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize(
    "form",
    [
        "http://{}/v1",
        "http://u:${KEY}@{}/v1",
        "http://{}/v1?api-key=${KEY}",
        "http://{}/v1?x=1&token=${KEY}",
        "http://{}/v1?subscription=${KEY}",
        "http://${KEY}@{}/v1",
    ],
)
def test_no_key_is_shown(status: int, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "verborgen")
    seen = "(verborgen)" if "KEY" in form else ""
    echo = f'{{"error": {{"message": "Incorrect API key: geheim-1234567 {seen}"}}}}'.encode()
    with serving(answering(echo, status)) as (address, asked):
        with pytest.raises(ServiceError) as caught:
            ask(address, base_url=form.replace("{}", address))
        assert "geheim" not in str(caught.value)
        assert "verborgen" not in str(caught.value)
        assert asked[0].startswith("/v1/chat/completions")
        assert ("verborgen" in asked[0]) == ("?" in form)
    with pytest.raises(ServiceError) as caught:
        ask("", base_url=form.replace("{}", "127.0.0.1:1"))
    assert "verborgen" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(said("well", read=10**25, written=10**25)).encode(),
        json.dumps(said("well", read=-5, written=True)).encode(),
        json.dumps(said("well", read=10**4000, written=1)).encode(),
        json.dumps(said("well", logprobs={"content": [{"logprob": 10**400}]})).encode(),
        json.dumps(said("well", logprobs={"token_logprobs": [float("nan")]})).encode(),
    ],
)
def test_numbers_that_nobody_means_are_none(body: bytes, tmp_path: Path) -> None:
    with serving(answering(body)) as (address, _):
        assert ask(address, tmp_path, logprobs=True) == "well"


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"usage": ' + b"9" * 5000 + b"}", b"\xff\xfe", b"nothing"]
)
def test_what_is_no_json_is_said(body: bytes) -> None:
    with serving(answering(body)) as (address, _), pytest.raises(ServiceError, match="no JSON"):
        ask(address)


def test_a_cache_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "calls.sqlite").write_bytes(b"no database" * 100)
    (tmp_path / "folder" / "calls.sqlite").mkdir(parents=True)
    with serving(answering(WELL)) as (address, _):
        for name, kind in (("file", OutputError), ("broken", SourceError), ("folder", OutputError)):
            with pytest.raises(kind, match="another cache folder"):
                ask(address, tmp_path / name)
        assert ask(address, tmp_path / "well") == "well"
        with sqlite3.connect(tmp_path / "well" / "calls.sqlite") as connection:
            connection.execute("drop table calls")
            connection.execute("create table calls (key text)")
        connection.close()
        with pytest.raises(WareloomError):
            ask(address, tmp_path / "well")
