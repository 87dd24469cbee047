"""The application on Ray Serve: what it is refused for, and what a replica builds. No Ray is begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stores import made_store
from wareloom.cluster import deployment
from wareloom.errors import InputError, MissingExtraError, SettingError
from wareloom.serving.config import Settings
from wareloom.serving.web.app import Application


def test_replicas_that_would_not_share_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="in Redis alone"):
        deployment(Settings(store=Path("x")), replicas=2)
    with pytest.raises(InputError, match="wareloom serve --versions"):
        deployment(Settings(store=Path("x"), versions="s3://ab/c"))
    with pytest.raises(SettingError, match="1 or more"):
        deployment(Settings(store=Path("x")), replicas=0)
    monkeypatch.setitem(__import__("sys").modules, "ray.serve", None)
    with pytest.raises(MissingExtraError, match=r"wareloom\[cluster\]"):
        deployment(Settings(store=Path("x")))


def test_a_replica_builds_the_same_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, built = made_store(tmp_path, "popularity"), list[Any]()

    class Ray:
        """Takes what Ray Serve takes, and begins nothing."""

        @staticmethod
        def ingress(build: Any) -> Any:
            built.append(build)
            return lambda: "wrapped"

        @staticmethod
        def deployment(what: str, **options: Any) -> Any:
            built.append((what, options))
            return Ray

        @staticmethod
        def bind() -> str:
            return "bound"

    monkeypatch.setitem(__import__("sys").modules, "ray.serve", Ray)
    monkeypatch.setattr("wareloom.cluster.version", lambda _: "7.1.0")
    with pytest.raises(MissingExtraError, match=r"beside protobuf 7.1.0: pip install 'protobuf<7'"):
        deployment(Settings(store=store))
    monkeypatch.setattr("wareloom.cluster.version", lambda _: "6.33.6")
    asked = Settings(store=store, redis="redis://127.0.0.1:1/0")
    assert deployment(asked, replicas=3, gpus=0.5) == "bound"
    build, (what, options) = built
    assert (what, options["num_replicas"], options["max_ongoing_requests"]) == ("wrapped", 3, 512)
    assert options["ray_actor_options"] == {"num_gpus": 0.5}
    wrapped = build()
    wrapped.add_exception_handler(ValueError, None)
    made = wrapped.application
    assert isinstance(made, Application)
    assert made.settings.redis == asked.redis
