"""A key in an address is kept nowhere: spelled out it is refused, by its variable's name it is asked with."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tiny_export import wareloom

from openai_server import Server, prompt_of, said
from search_shop import search_shop
from wareloom.language.models import _http

SECRET = "kept-nowhere-1x7"
FORMS = (
    "http://{}@{}",
    "http://u:{}@{}",
    "http://{1}/v1?api_key={0}",
    "http://{1}/v1?x=1&token={0}",
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "FIRST_WAIT", 0.001)
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def first_word(body: dict[str, Any]) -> str:
    return " ".join(prompt_of(body).rsplit("<<", 1)[1].partition(">>")[0].split()[:1])


def holding(folder: Path) -> list[str]:
    """Files below a folder that hold the secret."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in found if SECRET.encode() in path.read_bytes()]


def words(base_url: str) -> tuple[Any, ...]:
    return (
        "--set", "model=endpoint", "--set",
        f'model_settings={{base_url = "{base_url}", model = "any", retries = 0}}',
    )  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_key_that_is_spelled_out_is_refused(form: str, tmp_path: Path) -> None:
    search_shop().save(tmp_path / "shop")
    url = form.format(SECRET, "127.0.0.1:9/v1")
    own = words(url)
    (tmp_path / "recipes").mkdir()
    recipe = tmp_path / "recipes" / "job.toml"
    recipe.write_text(
        f'[read]\nsource = "{tmp_path}"\n[prove]\nof = "search"\n[synthesize]\nname = "prompted"\n'
        f'[synthesize.set]\nmodel = "endpoint"\nmodel_settings = {{base_url = "{url}"}}\n'
    )
    for told in (
        wareloom("synth", "prompted", tmp_path / "shop", "--to", tmp_path / "out", *own),
        wareloom(
            "prove", tmp_path / "shop", "--of", "search", "--with", "prompted",
            "--to", tmp_path / "out", *own,
        ),
        wareloom("agree", "judge", tmp_path / "shop", *own),
        wareloom("run", recipe, "--to", tmp_path / "out"),
        wareloom("run", recipe, "--to", tmp_path / "out", "--source", f"postgresql://u:{SECRET}@h/d"),
    ):  # fmt: skip
        assert told.code == 2, told.err
        assert "${NAME}" in told.err
        assert SECRET not in told.out + told.err
    assert not (tmp_path / "out").exists()
    recipe.unlink()
    assert holding(tmp_path) == []


def test_a_named_key_is_asked_with_and_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_shop().save(tmp_path / "shop")
    with Server(lambda body, path: said(first_word(body))) as server:
        host = server.url.removeprefix("http://").removesuffix("/v1")
        own = words(f"http://u:${{SHOP_KEY}}@{host}/v1?code=${{SHOP_KEY}}")
        synth = ("synth", "prompted", tmp_path / "shop", "--queries", 6, *own)
        refused = wareloom(*synth, "--to", tmp_path / "out")
        assert refused.code == 2
        assert "SHOP_KEY, which is not set" in refused.err
        monkeypatch.setenv("SHOP_KEY", SECRET)
        done = [
            wareloom(*synth, "--to", tmp_path / "out", "--cache", tmp_path / "kept"),
            wareloom(
                "prove", tmp_path / "shop", "--of", "search", "--with", "prompted", "--seeds", 1,
                "--ranker", "bm25", "--set", "proof.queries=6", *own,
                "--to", tmp_path / "proof", "--cache", tmp_path / "cells",
            ),
        ]  # fmt: skip
    assert [each.code for each in done] == [0, 0], [each.err for each in done]
    assert server.bodies
    assert (tmp_path / "proof" / "proof.json").exists()
    assert list((tmp_path / "kept").rglob("*"))
    assert holding(tmp_path) == []
    assert all(SECRET not in each.out + each.err for each in done)


def test_a_database_in_a_recipe_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name stands in what is kept, the value in what is asked: here a folder that the value names."""
    place = tmp_path / SECRET
    place.mkdir()
    with sqlite3.connect(place / "shop.sqlite") as database:
        database.execute("create table products (product_id integer, title text)")
        database.execute("insert into products values (1, 'Mug')")
    (tmp_path / "job.toml").write_text(
        f'stages = ["read"]\n[read]\nsource = "sqlite:///{tmp_path}/${{PLACE}}/shop.sqlite"\n'
    )
    monkeypatch.setenv("PLACE", SECRET)
    told = wareloom("run", tmp_path / "job.toml", "--to", tmp_path / "job")
    assert told.code == 0, told.err
    assert holding(tmp_path / "job") == []
    assert SECRET not in told.out + told.err
