"""A server on this machine that speaks OpenAI's protocol, over any text model; and goes wrong when told to."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from wareloom.core.run import Run
from wareloom.language.models import Sampling, TextModel

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body"""
Fault = str | None


def said(text: str, read: int = 5, written: int = 3, **more: Any) -> dict[str, Any]:
    """What a server answers when all is well, for both kinds of completion."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "text": text,
        "finish_reason": "stop",
    }
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    return {"object": "chat.completion", "choices": [choice | more], "usage": usage}


def prompt_of(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"] if "messages" in body else body["prompt"])


FAULTS: dict[str, Callable[[], Answer]] = {
    "429": lambda: (429, {"Retry-After": "0.3"}, b'{"error": {"message": "slow down"}}'),
    "500": lambda: (500, {}, b"<html>Internal Server Error</html>"),
    "400": lambda: (400, {}, b'{"error": {"message": "too long a prompt"}}'),
    "401": lambda: (401, {}, b'{"error": {"message": "no such key"}}'),
    "garbage": lambda: (200, {}, b"\x00\xff\xfe not json"),
    "half": lambda: (200, {}, json.dumps(said("whole")).encode()[:60]),
    "no choices": lambda: (200, {}, b'{"choices": []}'),
    "nothing": lambda: (200, {}, b""),
    "a list": lambda: (200, {}, b"[1, 2]"),
    "empty": lambda: (200, {}, json.dumps(said("")).encode()),
    "null": lambda: (200, {}, json.dumps(said("x", message=None)).encode()),
}


class Server:
    """Serves `answer(body, path)` on loopback; `fault(prompt, times before)` names what goes wrong, if anything."""

    def __init__(
        self,
        answer: Callable[[dict[str, Any], str], dict[str, Any]] | None = None,
        fault: Callable[[str, int], Fault] = lambda prompt, times: None,
        delay: float = 0.0,
    ) -> None:
        self.answer = answer or (lambda body, path: said(f"echo {prompt_of(body)}"))
        self.fault, self.delay = fault, delay
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.asked: Counter[str] = Counter()
        self.at: list[float] = []
        self.now = self.most = self.connections = 0
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.http = _Http(("127.0.0.1", 0), _handler(self))
        self.thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def __enter__(self) -> Server:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def respond(self, body: dict[str, Any], path: str, key: str | None) -> Answer | None:
        prompt = prompt_of(body)
        with self.lock:
            times = self.asked[prompt]
            self.asked[prompt] += 1
            self.bodies.append(body)
            self.keys.append(key)
            self.at.append(time.monotonic())
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            fault = self.fault(prompt, times)
            if fault == "hang":
                self.closing.wait(20)
                return None
            if fault == "drop":
                return None
            if fault:
                return FAULTS[fault]()
            time.sleep(self.delay)
            return 200, {}, json.dumps(self.answer(body, path)).encode()
        finally:
            with self.lock:
                self.now -= 1


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else Nagle's algorithm holds the second half of an answer back for 40 ms.
        wbufsize = -1

        def setup(self) -> None:
            super().setup()
            with server.lock:
                server.connections += 1

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got = server.respond(body, self.path, self.headers.get("Authorization"))
            if got is None:
                self.close_connection = True
                return
            status, headers, data = got
            self.send_response(status)
            for name, value in (
                {"Content-Type": "application/json", "Content-Length": str(len(data))} | headers
            ).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def serving(model: TextModel, run: Run) -> Server:
    """Serve a text model: chat completions by its template, completions with the prompt's own probabilities."""
    lock = threading.Lock()

    def answer(body: dict[str, Any], path: str) -> dict[str, Any]:
        with lock:
            if path.endswith("/v1/completions") and body.get("echo"):
                return _echoed(model, run, body["prompt"])
            form = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
            how = Sampling(
                body["max_tokens"],
                body["temperature"],
                body.get("top_p", 1.0),
                0,
                tuple(body.get("stop", ())),
                form,
            )
            (found,) = model.generate([prompt_of(body)], run.with_(seed=body["seed"]), settings=how)
        logs = (
            {"content": [{"token": found.text, "logprob": found.log_probability}]}
            if body.get("logprobs")
            else None
        )
        finish = "length" if found.finish == "length" else "stop"
        return said(
            found.text, found.prompt_tokens, found.tokens, finish_reason=finish, logprobs=logs
        )

    return Server(answer)


def _echoed(model: TextModel, run: Run, text: str) -> dict[str, Any]:
    """Give each word of a text as one token, with its probability after those before it."""
    starts = [0, *(place for place in range(1, len(text)) if text[place] == " ")]
    words = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    logs = model.score([text[:start] for start in starts[1:]], words[1:], run)
    given = {"tokens": words, "token_logprobs": [None, *logs], "text_offset": starts}
    return said(text, len(words), 0, logprobs=given)
