"""Stores made for tests, and a client that asks an application without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from bundles import fitted, written
from conftest import small_shop
from wareloom.serving.config import Settings
from wareloom.serving.versions.publish import publish
from wareloom.serving.web.app import Application
from wareloom.shop import Shop

T = TypeVar("T")


def branded() -> Shop:
    """The ring of items, of three brands."""
    shop = small_shop()
    names = pl.Series("brand", [f"Brand {i % 3}" for i in range(30)])
    return Shop({"items": shop.table("items").with_columns(names), "events": shop.table("events")})


def made_store(
    folder: Path, ranker: str = "transitions", *, shop: Shop | None = None, **more: Any
) -> Path:
    """Fit, bundle and publish to the slot home."""
    shop = shop or branded()
    settings = more.pop("settings", {})
    bundle = folder / f"bundle-{ranker}-{len(list(folder.glob('bundle-*')))}"
    written(bundle, fitted(ranker, shop, **settings), shop)
    publish(bundle, folder / "store", more.pop("slot", "home"), **more)
    return folder / "store"


class Client:
    """Asks an application as a server would."""

    def __init__(self, store: Path, **settings: Any) -> None:
        self.app = Application(Settings(store=store, **settings))

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, content and headers of an answer; JSON is read."""
        content = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        given = {
            "host": "127.0.0.1",
            "content-type": "application/json",
            "content-length": str(len(content)),
        }
        given |= headers or {}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(k.encode(), v.encode()) for k, v in given.items()],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        told = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        text = sent[1]["body"]
        return (
            sent[0]["status"],
            json.loads(text) if told["content-type"] == "application/json" else text.decode(),
            told,
        )

    async def post(self, path: str, **body: Any) -> Any:
        """The content of an answer that must go well."""
        status, told, _ = await self.ask("POST", path, body)
        assert status in (200, 202), told
        return told

    async def did(self, item: str, event: str = "view_item", **who: str) -> Any:
        """Send one event with an id of its own."""
        self.sent = getattr(self, "sent", 0) + 1
        told = {"id": f"e{self.sent}", "event": event, "item_id": item, **who}
        return await self.post("/events", events=[told])


def items(answer: dict[str, Any]) -> list[str]:
    """Ids of the hits of an answer."""
    return [hit["item_id"] for hit in answer["hits"]]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end."""
    return asyncio.run(work)
