"""Bare routes, the limits that serving is held against: FastAPI with the same models, and ASGI with the same types."""

from __future__ import annotations

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel

from wareloom.serving.wire import Answer, Hit, ask_of, events_of, written


class Ask(BaseModel):
    slot: str = "home"
    user: str | None = None
    session: str | None = None
    query: str = ""
    k: int = 10
    history: list[str] | None = None
    item: str | None = None
    exclude: list[str] = []
    repeats: bool = False
    explain: bool = False
    language: str = "en"
    timeout_ms: int | None = None
    page: str = ""


class HitModel(BaseModel):
    rank: int
    item_id: str
    score: float
    title: str = ""


class AnswerModel(BaseModel):
    request: str
    slot: str
    version: str
    hits: list[HitModel]
    page: str = ""


class EventModel(BaseModel):
    id: str
    event: str
    item_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    time: int | None = None


class EventsModel(BaseModel):
    events: list[EventModel]


app = FastAPI()
HITS = [
    {"rank": n, "item_id": f"B0000{n}", "score": 1.0 / n, "title": "A title of some length, 30 ml"}
    for n in range(1, 11)
]


@app.post("/search")
@app.post("/recommend")
async def recommend(ask: Ask) -> AnswerModel:
    """Ten hits that are there already."""
    hits = [HitModel(**hit) for hit in HITS]
    return AnswerModel(request="r", slot=ask.slot, version="v", hits=hits)


@app.post("/events")
async def events(batch: EventsModel) -> dict[str, int]:
    """Count them."""
    return {"accepted": len(batch.events), "repeated": 0}


PLAIN = [(b"content-type", b"application/json")]


async def asgi(scope, receive, send):  # type: ignore[no-untyped-def]
    """The same without a framework."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            kind = message["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    body = (await receive())["body"]
    if scope["path"] == "/events":
        content = msgspec.json.encode({"accepted": len(events_of(body).events)})
    else:
        asked = ask_of(body)
        content = written(Answer("r", asked.slot, "v", [Hit(**hit) for hit in HITS]))
    headers = [*PLAIN, (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
