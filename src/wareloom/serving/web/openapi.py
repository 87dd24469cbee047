"""What may be asked, as OpenAPI 3.1, made from the very types that bodies are read with."""

from __future__ import annotations

from typing import Any

import msgspec

from wareloom._version import __version__
from wareloom.serving import wire
from wareloom.serving.events.ubi import Ubi

ROUTES = {
    "/recommend": ("post", "Items for a shopper.", wire.Ask, wire.Answer, 200),
    "/search": ("post", "Items for a query.", wire.Ask, wire.Answer, 200),
    "/similar": ("post", "Items that go with one.", wire.Ask, wire.Answer, 200),
    "/explain": ("post", "Why an item stands where it stands.", wire.Ask, wire.Explained, 200),
    "/events": (
        "post",
        "What shoppers did; on the disk when this answers.",
        wire.Events,
        wire.Taken,
        202,
    ),
    "/ubi": ("post", "Queries and events as UBI 1.3 has them.", Ubi, wire.Taken, 202),
    "/items": ("put", "Products that are new or changed.", wire.Items, wire.Kept, 200),
}
DELETED = {
    "/users/{id}": ("Delete a person.", wire.Erased),
    "/items/{id}": ("Delete a product.", wire.Kept),
}
TOLD = {
    "/healthz": ("Whether a process answers.", "application/json"),
    "/readyz": ("Whether it has a version.", "application/json"),
    "/slots": ("What is live in each slot.", "application/json"),
    "/metrics": ("Figures in the text format of Prometheus.", "text/plain"),
    "/openapi.json": ("This description.", "application/json"),
}
REFUSALS = {
    400: "The body is no JSON.",
    401: "No key, or one that is unknown or over.",
    403: "The key may not do that.",
    404: "There is no such page.",
    405: "There is no such method here.",
    408: "The body came too slowly.",
    410: "The page's version is gone.",
    413: "The body is too large.",
    415: "The body is of another type, or compressed.",
    421: "The host name is not served here.",
    422: "The body says what cannot be.",
    429: "Too much at once: ask again after `retry-after`.",
    503: "What is needed for it does not answer.",
    507: "There is no room for what was to be written.",
}


def openapi() -> bytes:
    """The description of all routes."""
    types = [*{t for route in ROUTES.values() for t in route[2:4]}, wire.Told, wire.Erased]
    types.sort(key=lambda one: one.__name__)
    (*shapes,), parts = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    by_type = dict(zip(types, shapes, strict=True))
    paths: dict[str, Any] = {}
    for path, (method, summary, asked, answered, status) in ROUTES.items():
        paths[path] = {
            method: {
                "summary": summary,
                "requestBody": {"required": True, "content": _json(by_type[asked])},
                "responses": {
                    str(status): {"description": summary, "content": _json(by_type[answered])},
                    **_refusals(by_type),
                },
            }
        }
    for path, (summary, answered) in DELETED.items():
        name = {
            "name": "id",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        }
        paths[path] = {
            "delete": {
                "summary": summary,
                "parameters": [name],
                "responses": {
                    "200": {"description": summary, "content": _json(by_type[answered])},
                    **_refusals(by_type),
                },
            }
        }
    for path, (summary, kind) in TOLD.items():
        shape = {"type": "string" if kind.startswith("text") else "object"}
        paths[path] = {
            "get": {
                "summary": summary,
                "responses": {
                    "200": {"description": summary, "content": {kind: {"schema": shape}}},
                    **_refusals(by_type),
                },
            }
        }
    told = {
        "openapi": "3.1.0",
        "info": {"title": "Wareloom", "version": __version__},
        "paths": paths,
        "components": {"schemas": parts},
    }
    return msgspec.json.encode(told)


def _json(shape: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": shape}}


def _refusals(by_type: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    return {
        str(status): {"description": text, "content": _json(by_type[wire.Told])}
        for status, text in REFUSALS.items()
    }
