"""The application on a Ray Serve that really runs, on this machine: what it answers, and that nothing is left of it."""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path
from typing import Any

import pytest

from services import marked, ray_serve
from stores import Client, made_store, run


@pytest.mark.slow
@pytest.mark.skipif(
    "WARELOOM_RAY_SERVE" not in os.environ, reason="half a minute: set it to run this"
)
def test_ray_serve_answers_as_the_application_does(tmp_path: Path) -> None:
    store = made_store(tmp_path, "popularity")
    with ray_serve(store) as (port, _):
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

        def asked(path: str, body: Any) -> tuple[int, Any]:
            line.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            answer = line.getresponse()
            return answer.status, json.loads(answer.read())

        event = {"id": "e1", "event": "hide", "item_id": "i3", "session_id": "s"}
        assert asked("/events", {"events": [event]})[0] == 202
        status, told = asked("/recommend", {"session": "s", "k": 30})
        refused, _ = asked("/recommend", {"k": "many"})
        line.close()
    assert status == 200
    assert refused == 422
    shown = [hit["item_id"] for hit in told["hits"]]
    # The next answer has seen the event, and nothing else is other than without Ray.
    assert "i3" not in shown
    assert len(shown) == 29

    async def here() -> Any:
        return await Client(store).post("/recommend", k=30)

    wanted = run(here())
    assert told["version"] == wanted["version"]
    assert shown == [hit["item_id"] for hit in wanted["hits"] if hit["item_id"] != "i3"]
    assert not [
        name for name in Path("/tmp").glob("wl-ray-*") if marked(f"WARELOOM_MARK={name.name}")
    ]
