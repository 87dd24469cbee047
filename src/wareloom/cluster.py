"""The same application on Ray Serve: the way to many nodes and to GPUs, not to speed on one machine.

    from ray import serve
    from wareloom.cluster import deployment
    from wareloom.serving.config import Settings

    serve.run(deployment(Settings(store=Path("/shared/store"), redis="redis://…", events="postgresql://…"), replicas=4))

Each request goes through Ray's proxy to a replica; `python benchmarks/serve_replicas.py --only ray` says what that
costs.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
from importlib.metadata import version
from typing import Any

from wareloom.errors import InputError, MissingExtraError, require
from wareloom.serving.config import Settings


class OnRay:
    """The application with the one method more that Ray Serve calls, whatever the framework is."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take a connection, as ASGI has it."""
        await self.application(scope, receive, send)

    def add_exception_handler(self, kind: type[BaseException], handler: Any) -> None:
        """Nothing to do: Ray's own refusals are raised before a request comes here, never within."""


def deployment(settings: Settings, *, replicas: int = 1, gpus: float = 0.0) -> Any:
    """An application of Ray Serve that answers as `wareloom serve` does; `serve.run` begins it.

    `replicas`: processes, on whichever nodes have room, each with `gpus` of a GPU. The store is a folder that every
    node has. Raises `MissingExtraError` without Ray Serve or beside a protobuf that it cannot read, and `InputError`
    where replicas would not share what shoppers did, or were to follow a bucket.
    """
    require("deployment", "replicas", replicas, replicas >= 1, "1 or more")
    if settings.versions:
        raise InputError(
            "On Ray versions are read from the store: give a folder that every node has, such as one that "
            "`wareloom serve --versions` keeps."
        )
    if replicas > 1 and not settings.redis:
        raise InputError(
            f"{replicas} replicas on several nodes remember shoppers together in Redis alone: give redis://HOST:6379/0."
        )
    try:
        serve = importlib.import_module("ray.serve")
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"Serving on Ray needs the package {error.name!r}: pip install 'wareloom[cluster]' 'ray[serve]'"
        ) from error

    if int(version("protobuf").partition(".")[0]) >= 7:
        # Of 2.55, which the extra pins: it asks protobuf for what 7 no longer has.
        raise MissingExtraError(
            f"Serving on Ray does not work beside protobuf {version('protobuf')}: pip install 'protobuf<7'"
        )

    def application() -> Any:
        from wareloom.serving.web.app import Application
        from wareloom.serving.web.worker import prepare

        prepare()
        return OnRay(Application(dataclasses.replace(settings, worker=os.getpid())))

    made = serve.deployment(
        serve.ingress(application)(),
        name="wareloom",
        num_replicas=replicas,
        max_ongoing_requests=settings.most_running,
        ray_actor_options={"num_gpus": gpus} if gpus else {},
    )
    return made.bind()
