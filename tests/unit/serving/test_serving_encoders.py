"""Encoders as they are served: ONNX beside torch, smaller ones, what they lose, and what publishing refuses."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest

from bundles import written
from stores import Client, items, run
from tiny_encoder import write_encoder
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, RefusedError, SettingError, SourceError
from wareloom.evaluation.judged_items import QueryTask
from wareloom.evaluation.ranking import metric
from wareloom.serving.answer import is_slow
from wareloom.serving.forms.base import Asked, own_form
from wareloom.serving.vectors import compress as compressing
from wareloom.serving.vectors import shrink
from wareloom.serving.vectors.compress import TABLE, Compression, compress, readings
from wareloom.serving.vectors.encode import HEAD, MODEL, WORDS, Encoder
from wareloom.serving.vectors.export import merged
from wareloom.serving.vectors.export import write_encoder as write_onnx
from wareloom.serving.vectors.judge import Judge, Verdict, check, cuts
from wareloom.serving.vectors.packed import Packed
from wareloom.serving.versions.publish import How, publish
from wareloom.serving.versions.published import Served, write_served
from wareloom.serving.versions.version import Version
from wareloom.shop import Requests, Shop

COLOURS = ("red", "blue", "green", "white", "black", "pink")
THINGS = ("lamp", "rug", "shoe", "cup", "shirt")
TITLES = [f"{colour} {thing}" for colour in COLOURS for thing in THINGS]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("encoder") / "bert"
    return str(write_encoder(folder, [*COLOURS, *THINGS, "history"]))


def shop() -> Shop:
    """Titles, judged: what has both words is right, what has the thing alone half so."""
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(len(TITLES))], "title": TITLES})
    rows = [
        (
            f"{colour} {thing}",
            f"i{n}",
            3.0 if title == f"{colour} {thing}" else 1.0 * title.endswith(thing),
        )
        for colour in COLOURS[:3]
        for thing in THINGS
        for n, title in enumerate(TITLES)
        if title.endswith(thing) or title.startswith(colour)
    ]
    judgments = pl.DataFrame(rows, ["query", "item_id", "grade"], orient="row")
    events = pl.DataFrame(
        {
            "user_id": [f"u{n // 3}" for n in range(30)],
            "item_id": [f"i{n * 7 % 30}" for n in range(30)],
            "event": ["view_item"] * 30,
        }
    )
    return Shop({"items": items, "judgments": judgments, "events": events})


def ranker(model: str, tuning: str = "none") -> Any:
    settings = {"model": model, "tuning": tuning, "fields": "title", "epochs": 1, "tuning_size": 4}
    return RANKERS.make("bi_encoder", learning_rate=0.01, **settings).fit(shop(), Run(quiet=True))


@pytest.fixture(scope="module")
def bundle(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "b"
    written(folder, ranker(model), shop())
    return folder


def test_what_is_packed_is_mapped_by_all_and_made_anew_where_it_is_damaged(
    model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made, folder = ranker(model), tmp_path / "version" / "encoders"
    network, tokenizer = made.reader()
    plain = write_onnx(network, tokenizer, made.longest, folder)
    told = {f"encoders/{MODEL}": "0" * 64}
    shared = Packed(tmp_path / "state" / "encoders", told, tmp_path / "version")
    place = shared.place(folder / MODEL)
    texts = ["red lamp", "history: blue rug; pink cup", "lamp " * 100]

    def opened() -> Encoder:
        encoder = Encoder(folder, shared=shared)
        for text in texts:
            np.testing.assert_allclose(encoder.read(text), plain.read(text), atol=1e-6)
        return encoder

    def mapped() -> bool:
        return str(place / "encoder.bin") in Path("/proc/self/maps").read_text()

    assert not mapped()
    first = opened()
    assert mapped()
    kept = (place / "note.json").stat().st_mtime_ns
    del first
    second = opened()
    # Made once.
    assert (place / "note.json").stat().st_mtime_ns == kept
    assert mapped()
    del second
    # Weights that read otherwise, as those packed for another processor would: made anew.
    content = bytearray((place / "encoder.bin").read_bytes())
    for at in range(0, len(content), 64):
        content[at + 3] ^= 0x10
    (place / "encoder.bin").write_bytes(content)
    opened()
    assert (place / "encoder.bin").read_bytes() != bytes(content)
    (place / "encoder.bin").write_bytes(b"")
    opened()
    (place / "encoder.onnx").write_bytes(b"?")
    opened()
    assert not caplog.records
    # Where nothing can be written each process has its own.
    shutil.rmtree(shared.folder)
    shared.folder.write_text("no folder")
    assert opened() is not None
    assert "not packed" in caplog.text
    # Another encoder has another place.
    other = shared._replace(digests={f"encoders/{MODEL}": "1" * 64})
    assert other.place(folder / MODEL) != place


@pytest.mark.parametrize("tuning", ["full", "lora", "adapter", "prefix"])
def test_onnx_reads_as_torch_does_whatever_was_tuned(
    model: str, tuning: str, tmp_path: Path
) -> None:
    made = ranker(model, tuning)
    network, tokenizer = made.reader()
    encoder = write_onnx(network, tokenizer, made.longest, tmp_path)
    texts = [
        "red lamp",
        "history: blue rug; pink cup",
        "zz qq",
        "lamp " * 100,
        "红色 lamp",
        "  ",
        "",
    ]
    wanted = made._vectors(texts)
    found = np.stack([encoder.read(text) for text in texts])
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    # What was tuned is in it: the encoder as it comes reads otherwise.
    bare = ranker(model)._vectors(texts[:2])
    assert np.abs(found[:2] - bare).max() > 1e-3


def test_an_export_that_reads_otherwise_is_refused(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ranker(model)
    network, tokenizer = made.reader()
    other = merged(network)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            "wareloom.serving.vectors.export.merged", lambda _: shrink.zeroed(other, 0.5)
        )
        with pytest.raises(
            SourceError, match=r"reads 'a' otherwise than torch does: .* 0.0001 is allowed"
        ):
            write_onnx(network, tokenizer, made.longest, tmp_path)


def test_vectors_of_texts_are_kept_and_the_oldest_go(model: str, tmp_path: Path) -> None:
    made = ranker(model)
    write_onnx(*made.reader(), made.longest, tmp_path)
    encoder, read = Encoder(tmp_path, kept=2), list[str]()
    whole = encoder.read
    encoder.read = lambda text: (read.append(text), whole(text))[1]  # type: ignore[method-assign]
    for text in ("red", "blue", "red", "green", "red", "blue"):
        encoder.vector(text)
    assert read == ["red", "blue", "green", "blue"]
    assert encoder.knows("red")
    assert not encoder.knows("green")
    assert encoder.knows(" ")


def test_damaged_encoders_are_named(model: str, tmp_path: Path) -> None:
    made = ranker(model)
    write_onnx(*made.reader(), made.longest, tmp_path)
    (tmp_path / MODEL).write_bytes(b"nothing")
    with pytest.raises(SourceError, match=r"holds a damaged encoder: .*Publish it again"):
        Encoder(tmp_path)
    (tmp_path / MODEL).unlink()
    with pytest.raises(SourceError, match=r"encoder.onnx is not there, or is a link"):
        Encoder(tmp_path)


def test_ndcg_is_that_of_the_house(model: str) -> None:
    made, judged = ranker(model), shop()
    judge = Judge.of(made.items_, made.vectors_, judged, TITLES)
    mine = judge.ndcg(judge.best_by(made._vectors(judge.queries)))
    task = QueryTask.of(judged, "judged", 2.0)
    graded = task.rank_all(made, Run(quiet=True)).graded
    np.testing.assert_allclose(mine, metric("ndcg@10").per_request(graded), atol=1e-9)
    assert 0.1 < mine.mean() < 1


def test_a_published_encoder_searches_recommends_and_says_why(bundle: Path, tmp_path: Path) -> None:
    publish(bundle, tmp_path / "store", "home", smoke=[{"query": "red lamp", "has": ["i0"]}])

    async def work() -> None:
        client = Client(tmp_path / "store")
        told = await client.post("/search", query="red lamp", k=3, explain=True)
        assert items(told)[0] == "i0"
        assert {why["cause"] for why in told["hits"][0]["why"]} >= {"red", "lamp"}
        served = client.app.slots.live("home").served
        assert not is_slow(served, query="red lamp"), "its vector is remembered"
        assert is_slow(served, query="red shirt")
        assert not is_slow(served), "the popular need no reading"
        liked = await client.post("/recommend", history=["i0"], k=5, explain=True)
        assert "i0" not in items(liked)
        assert "degraded" not in liked

    run(work())


def test_a_store_is_opened_without_torch(bundle: Path, tmp_path: Path) -> None:
    version, _ = publish(bundle, tmp_path / "store", "home", how=How(break_even=0))
    script = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from wareloom.serving.versions.version import Version\n"
        "made = Version.open(Path(sys.argv[1]))\n"
        # The graph's library is there before ONNX Runtime is asked for anything.
        "assert made.served.form.near.graph is not None\n"
        "codes, _ = made.served.top(np.zeros(0, np.int32), 'red lamp', 3)\n"
        "print(made.served.ids.text(int(codes[0])), {'torch', 'transformers'} & set(sys.modules))\n"
    )
    place = tmp_path / "store" / "versions" / version
    done = subprocess.run(
        [sys.executable, "-c", script, str(place)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "i0 set()"


def test_parts_of_titles_are_in_titles() -> None:
    found = cuts(TITLES, 50, np.random.default_rng(0))
    assert len(found) == 50
    assert all(any(part in title for title in TITLES) for part in found)
    assert cuts(["", " "], 5, np.random.default_rng(0)) == []


def test_agreement_counts_what_stays() -> None:
    judge = Judge(np.eye(4, dtype=np.float32), ["a", "b"], None)
    before = np.array([[0, 1], [2, 3]])
    same, half = (
        judge.verdict(before, before[:, ::-1]),
        judge.verdict(before, np.array([[0, 1], [0, 1]])),
    )
    assert (same.after, same.holds) == (1.0, True)
    assert (half.after, half.holds) == (0.5, False)


@pytest.mark.parametrize(
    ("measure", "after", "message"),
    [
        (
            "ndcg@10",
            0.39,
            r"nDCG@10 falls from 0.4000 to 0.3900 on 9 judged queries, and 1% may be lost",
        ),
        (
            "kept@10",
            0.39,
            r"39.0% of the ten best items stay on 9 parts of titles.*give judged queries",
        ),
    ],
)
def test_what_loses_too_much_is_refused(measure: str, after: float, message: str) -> None:
    before = 0.4 if measure == "ndcg@10" else 1.0
    check(Verdict(measure, 9, before, before * 0.991, None, None), "'x'")
    with pytest.raises(InputError, match=message):
        check(Verdict(measure, 9, before, after, None, None), "'x'")


def test_pruning_takes_what_says_least(model: str) -> None:
    made = ranker(model)
    network, tokenizer = made.reader()
    whole, pieces = merged(network), shrink.cutter(tokenizer, 32)
    layer = shrink.layers_of(whole)[0]
    import torch

    with torch.no_grad():
        # Head 0 and the first half of the neurons are silenced: without them nothing changes.
        for one in shrink.layers_of(whole):
            size = one.attention.self.attention_head_size
            one.attention.output.dense.weight[:, :size] = 0
            one.output.dense.weight[:, : one.output.dense.in_features // 2] = 0
    small = shrink.pruned(whole, TITLES, pieces, 0.5, 0.5)
    words = pieces(TITLES[:5])
    torch.testing.assert_close(small(words), whole(words), atol=1e-5, rtol=0)
    count = [sum(p.numel() for p in net.encoder.encoder.parameters()) for net in (whole, small)]
    assert count[1] < 0.6 * count[0]
    assert shrink.layers_of(small)[0].attention.self.num_attention_heads == 1
    assert layer.attention.self.num_attention_heads == 2, "the whole one stays"


def test_a_student_comes_nearer_to_its_teacher(model: str) -> None:
    made = ranker(model)
    network, tokenizer = made.reader()
    whole, pieces = merged(network), shrink.cutter(tokenizer, 32)
    texts = readings(TITLES, 64, np.random.default_rng(0))
    student = shrink.shallow(whole, 1)
    words = pieces(TITLES)
    before = float((student(words) - whole(words)).square().sum(1).mean())
    told = shrink.places(whole, texts, pieces)
    shrink.taught(student, told, texts, pieces, 20, Run(quiet=True), "test")
    after = float((student(words) - whole(words)).square().sum(1).mean())
    assert after < 0.8 * before
    with pytest.raises(
        SettingError, match=r"has 2 layers, and --layers is 2: give a number from 1 to 1"
    ):
        shrink.shallow(whole, 2)


def test_compressing_writes_what_serves(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressing, "TURNS", 1)
    how = Compression(layers=1, updates=6, texts=64, heads=0.5)
    told = compress(bundle, tmp_path / "small", judged=shop(), how=how, run=Run(quiet=True))
    rows = {row["name"]: row for row in told["encoders"]}
    assert [*rows] == [
        "f32",
        "int8",
        "pruned",
        "pruned-int8",
        "distilled",
        "distilled-int8",
        "magnitude",
    ]
    assert json.loads((tmp_path / "small" / TABLE).read_text())["measure"] == "ndcg@10"
    assert rows["distilled"]["mebibytes"] < rows["f32"]["mebibytes"]
    assert rows["f32"]["verdict"]["after"] == rows["f32"]["verdict"]["before"]
    assert {p.name for p in (tmp_path / "small").iterdir() if p.is_dir()} == {*rows} - {"magnitude"}
    # Weights that are 0 make no file smaller.
    assert rows["magnitude"]["mebibytes"] == pytest.approx(rows["f32"]["mebibytes"], rel=0.01)
    small = onnx.load(str(tmp_path / "small" / "int8" / MODEL))
    assert any("Integer" in node.op_type for node in small.graph.node)
    recall = {row["name"]: row["recall"] for row in told["vectors"]}
    assert recall["int8, the best again in f32"] == 1.0

    version, _ = publish(
        bundle,
        tmp_path / "store",
        "home",
        how=How(encoder=str(tmp_path / "small" / "int8"), judged=shop()),
    )
    opened = Version.open(tmp_path / "store" / "versions" / version)
    assert opened.told["encoder"]["is"] == "int8"
    assert opened.told["encoder"]["holds"]
    assert len(opened.served.top(np.zeros(0, np.int32), "red lamp", 3)[0]) == 3


@pytest.mark.parametrize("by", ["zscore", "rrf"])
def test_a_fusion_of_words_and_vectors_answers_without_torch_as_it_ranks(
    model: str, tmp_path: Path, by: str
) -> None:
    own = {"model": model, "tuning": "none", "fields": "title"}
    made: Any = RANKERS.make(
        "fusion",
        members=("bm25", "bi_encoder"),
        member_settings={"bm25": {"fields": "title"}, "bi_encoder": own},
        weights={"bi_encoder": 0.5},
        spelling=False,
        by=by,
    ).fit(shop(), Run(quiet=True))
    write_served(made, tmp_path / "served")
    served = Served.open(tmp_path / "served")
    assert (served.form.kind, served.form.reads) == ("fusion", True)
    assert not (tmp_path / "served" / "rankers").exists()
    none = np.zeros(0, np.int32)
    for query in ("red lamp", "blue", "lamp shoe zz", "qq", "", "  "):
        wanted = made.score(replace(Requests.sessions([[]]), queries=[query]))[0]
        codes, scores = served.top(none, query, len(served))
        assert sorted(codes) == list(range(len(served)))
        np.testing.assert_allclose(scores, wanted[codes], atol=1e-4 if by == "zscore" else 2e-4)
        assert list(scores) == sorted(scores, reverse=True)
        # Each member is heard: neither alone gives this.
        if query == "red lamp" and by == "zscore":
            for member in made.members_.values():
                alone = member.score(replace(Requests.sessions([[]]), queries=[query]))[0]
                assert np.abs(alone[codes] - scores).max() > 0.1
    assert served.form.waits(Asked(none, "red cup"))
    assert not served.form.waits(Asked(none))
    parts = served.parts(Asked(none, "red lamp"), int(served.top(none, "red lamp", 1)[0][0]))
    assert {part.cause for part in parts} == {"red", "lamp"}
    # Corrected for slips, or of members that have no form of their own, it is asked itself.
    assert own_form(replace_settings(made, spelling=True)) == "itself"


def replace_settings(made: Any, **settings: Any) -> Any:
    other = copy.copy(made)
    for name, value in settings.items():
        setattr(other, name, value)
    return other


def test_another_encoder_that_answers_otherwise_is_not_published(
    bundle: Path, tmp_path: Path
) -> None:
    # It gives vectors of the same size, and they mean something else.
    other = ranker(str(write_encoder(tmp_path / "other", [*COLOURS, *THINGS], seed=9)))
    write_onnx(*other.reader(), other.longest, tmp_path / "bad")
    for judged, message in (
        (shop(), "nDCG@10 falls from"),
        (None, "give judged queries with --judged SHOP"),
    ):
        with pytest.raises(InputError, match=message):
            publish(
                bundle,
                tmp_path / "store",
                "home",
                how=How(encoder=str(tmp_path / "bad"), judged=judged),
            )
    assert not list((tmp_path / "store" / "slots").iterdir())


def test_what_cannot_be_compressed_or_swapped_is_refused(bundle: Path, tmp_path: Path) -> None:
    popular = RANKERS.make("popularity").fit(shop(), Run(quiet=True))
    written(tmp_path / "popular", popular, shop())
    with pytest.raises(
        InputError, match=r"is served by 'popularity', which reads no query by an encoder"
    ):
        compress(tmp_path / "popular", tmp_path / "out")
    with pytest.raises(SourceError, match="no bundle"):
        compress(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(
        InputError,
        match=r"'popularity' reads no query by an encoder: publish without --encoder int8",
    ):
        publish(tmp_path / "popular", tmp_path / "store", "home", how=How(encoder="int8"))
    with pytest.raises(SourceError, match=r"is no encoder: it has no encoder.onnx"):
        publish(bundle, tmp_path / "store", "home", how=How(encoder=str(tmp_path)))
    with pytest.raises(
        SettingError, match=r"compress: only names 'int4': give some of int8, pruned"
    ):
        Compression(only=("int4",))
    events = shop()
    with pytest.raises(InputError, match="has no judgments"):
        Judge.of(
            pl.Series(["i0"]), np.zeros((1, 2)), Shop({"items": events.table("items")}), TITLES
        )
    damaged = tmp_path / "damaged"
    shutil.copytree(bundle, damaged)
    (damaged / "items.parquet").write_bytes(b"no")
    with pytest.raises(SourceError):
        compress(damaged, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_encoder_of_other_vectors_is_refused(bundle: Path, tmp_path: Path) -> None:
    for name in (MODEL, WORDS):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / HEAD).write_text('{"size": 7, "longest": 8, "bits": "f32"}')
    with pytest.raises(SourceError, match=r"gives vectors of 7 numbers, the items have 32"):
        publish(bundle, tmp_path / "store", "home", how=How(encoder=str(tmp_path)))


def test_a_bundle_that_keeps_more_than_may_be_served_is_refused(tmp_path: Path) -> None:
    knn = RANKERS.make("user_knn").fit(shop(), Run(quiet=True))
    written(tmp_path / "b", knn, shop())
    with pytest.raises(RefusedError, match=r"keeps people; counts is the most"):
        publish(tmp_path / "b", tmp_path / "store", "home", how=How(most="counts"))
