"""Stores keep what was put first, whole, whoever writes at the same moment; pieces notice damage."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wareloom.errors import MissingExtraError, OutputError, ServiceError, SettingError
from wareloom.evaluation.ranking import Evaluation
from wareloom.experiment import store as store_module
from wareloom.experiment.pieces import Pieces
from wareloom.experiment.store import BucketStore, FolderStore, Store, store_at

SECRET = "c2VjcmV0LW9mLWEtdGVzdA"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an object store on this machine, with one bucket, and credentials for it."""
    boto3 = pytest.importorskip("boto3")
    moto = pytest.importorskip("moto.server")
    served = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    served.start()
    host, port = served.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "someone")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="pieces")
        yield f"http://{host}:{port}"
    served.stop()


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return store_at(tmp_path / "deep" / "store")
    request.getfixturevalue("server")
    return store_at(f"s3://pieces/of/{tmp_path.name}")


def test_what_was_put_first_is_kept_until_it_is_discarded(store: Store) -> None:
    assert list(store.keys()) == []
    assert store.get("a") is None
    store.discard("a")
    store.put("a", b"first")
    store.put("a", b"second")
    store.put("b.json", b"")
    store.put("c", bytes(range(256)) * 5000)
    assert store.get("a") == b"first"
    assert store.get("b.json") == b""
    assert store.get("c") == bytes(range(256)) * 5000
    assert sorted(store.keys()) == ["a", "b.json", "c"]
    if isinstance(store, FolderStore):
        (store.path / "folder").mkdir()
        assert sorted(store.keys()) == ["a", "b.json", "c"]
    store.discard("a")
    assert store.get("a") is None
    store.put("a", b"third")
    assert store.get("a") == b"third"


def test_an_address_opens_the_same_store(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", b"here")
    monkeypatch.chdir(tmp_path)
    again = store_at(store.address)
    assert (again.get("a"), again.address, type(again)) == (b"here", store.address, type(store))


@pytest.mark.parametrize("key", ["", ".", "..", "../a", "a/b", ".hidden", "a\n", "ä", "x" * 201])
def test_a_key_that_is_no_file_name_is_refused(store: Store, key: str) -> None:
    for call in (lambda: store.get(key), lambda: store.put(key, b""), lambda: store.discard(key)):
        with pytest.raises(SettingError, match="is no key"):
            call()


def test_of_eight_that_put_one_key_one_wins_whole(store: Store) -> None:
    values = [bytes([65 + i]) * (200_000 + i) for i in range(8)]
    gate, seen = threading.Barrier(9), set[bytes]()

    def put(value: bytes) -> None:
        gate.wait()
        store.put("one", value)

    threads = [threading.Thread(target=put, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    gate.wait()
    while any(thread.is_alive() for thread in threads):
        seen |= {found} if (found := store.get("one")) is not None else set()
    for thread in threads:
        thread.join()
    last = store.get("one")
    assert last in values
    assert seen <= set(values), "half a value was seen"
    if isinstance(store, FolderStore):  # the stand-in for a bucket checks and writes in two steps
        assert seen <= {last}
        assert [path.name for path in store.path.iterdir()] == ["one"]
    store.put("one", b"later")
    assert store.get("one") == last


def test_a_writer_that_is_killed_leaves_no_value_and_is_swept_away(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from wareloom.experiment import store\n"
        "os.fsync = lambda file: os.kill(os.getpid(), 9)\n"
        "store.FolderStore(Path(sys.argv[1])).put('a', b'half')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=_environment())
    assert done.returncode == -9
    (partial,) = tmp_path.iterdir()
    store = FolderStore(tmp_path)
    assert store.get("a") is None
    assert list(store.keys()) == []
    store.put("b", b"")
    assert partial.exists(), "another may be writing it"
    long_ago = time.time() - 2 * store_module.ABANDONED
    os.utime(partial, (long_ago, long_ago))
    FolderStore(tmp_path).put("a", b"whole")
    assert not partial.exists()
    assert store.get("a") == b"whole"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_without_hard_links_the_name_is_still_given_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*paths: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    store = FolderStore(tmp_path)
    store.put("a", b"first")
    store.put("a", b"second")
    assert store.get("a") == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match=r"Cannot keep a finished piece in .*taken"):
        FolderStore(tmp_path / "taken").put("a", b"")


@pytest.mark.parametrize(
    "address", ["s3://", "s3://ab", "s3://Big/x", "s3://me:pw@here/x", "s3:///x"]
)
def test_a_wrong_bucket_is_refused(address: str) -> None:
    with pytest.raises(SettingError, match="give s3://bucket/prefix"):
        store_at(address)


def test_another_kind_of_address_is_refused() -> None:
    with pytest.raises(SettingError, match="cannot be kept at gs://"):
        store_at("gs://bucket/prefix")


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        (["409", "409", ""], None),
        (["409", "412"], None),
        (["409"] * store_module.CONFLICTS, r"\(ConditionalRequestConflict\)"),
        (["403"], r"\(AccessDenied\)"),
    ],
)
def test_a_write_that_crosses_ours_is_waited_for_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, answers: list[str], outcome: str | None
) -> None:
    stub = pytest.importorskip("botocore.stub")
    codes = {
        "409": "ConditionalRequestConflict",
        "412": "PreconditionFailed",
        "403": "AccessDenied",
    }
    store, waited = BucketStore("s3://pieces/x"), list[float]()
    monkeypatch.setattr(store_module.time, "sleep", waited.append)
    with stub.Stubber(store._client) as stubbed:
        for answer in answers:
            if answer:
                stubbed.add_client_error("put_object", codes[answer], http_status_code=int(answer))
            else:
                stubbed.add_response("put_object", {})
        if outcome is None:
            store.put("a", b"value")
        else:
            with pytest.raises(ServiceError, match=outcome):
                store.put("a", b"value")
        stubbed.assert_no_pending_responses()
    assert len(waited) == min(answers.count("409"), store_module.CONFLICTS - 1)


@pytest.mark.usefixtures("server")
def test_a_bucket_that_is_not_there_is_one_sentence_without_secrets() -> None:
    store = BucketStore("s3://nowhere/x")
    for call in (lambda: store.get("a"), lambda: store.put("a", b""), lambda: list(store.keys())):
        with pytest.raises(
            ServiceError, match=r"s3://nowhere/x cannot be \w+ \(NoSuchBucket\)"
        ) as e:
            call()
        assert SECRET not in str(e.value)
        assert "\n" not in str(e.value)
        assert e.value.__cause__ is None


@pytest.mark.usefixtures("server")
def test_a_server_that_is_not_there_is_said_without_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://me:{SECRET}@127.0.0.1:9")
    store = BucketStore("s3://pieces/x")
    with pytest.raises(ServiceError, match="cannot be read") as caught:
        store.get("a")
    assert SECRET not in str(caught.value)


def test_without_boto3_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'wareloom\[s3\]'"):
        store_at("s3://pieces/x")


# Pieces


def evaluation() -> Evaluation:
    rows = {"ndcg@10/all": np.array([0.25, np.nan, 1.0]), "mrr/cold": np.array([0.1, 0.2, 0.3])}
    return Evaluation(rows, {"ndcg@10": 0.625, "coverage@10": 0.5}, {"events": 3})


def same(a: Any, b: Any) -> bool:
    if not isinstance(b, Evaluation):
        return bool(a == b)
    assert list(a.per_request) == list(b.per_request)
    for name, values in b.per_request.items():
        np.testing.assert_array_equal(a.per_request[name], values)
    return (a.overall, a.training) == (b.overall, b.training)


VALUES = [evaluation(), Evaluation({}, {"a": 1.0}), {"a": [1, 2.5, None, "ä"]}, [], 0, "", False]


@pytest.mark.parametrize("value", VALUES, ids=str)
@pytest.mark.parametrize("kept", [True, False])
def test_a_piece_comes_back_as_it_was(tmp_path: Path, value: Any, kept: bool) -> None:
    pieces = Pieces(FolderStore(tmp_path) if kept else None, "base", {})
    key = pieces.key(["arm", 1])
    assert pieces.get(key) is None
    pieces.put(key, value)
    pieces.put(key, "another")
    assert same(pieces.get(key), value)


def test_the_same_piece_has_the_same_bytes(tmp_path: Path) -> None:
    stores = [FolderStore(tmp_path / name) for name in "ab"]
    for one in stores:
        Pieces(one, "base", {}).put("k", evaluation())
    assert stores[0].get("k") == stores[1].get("k")


def test_a_key_hangs_on_everything_that_touches_the_piece() -> None:
    settings = {"ranker": "ease", "ratios": [1, 2]}
    key = Pieces(None, ["shop", 0], settings).key(["arm"])
    assert len(key) == 24
    assert set(key) <= set("0123456789abcdef")
    assert Pieces(None, ["shop", 0], dict(reversed(settings.items()))).key(["arm"]) == key
    others = [
        Pieces(None, ["shop", 1], settings).key(["arm"]),
        Pieces(None, ["shop", 0], settings | {"ranker": "als"}).key(["arm"]),
        Pieces(None, ["shop", 0], settings).key(["other"]),
        Pieces(None, ["shop", 0], settings).key(["arm"], untouched=["ratios"]),
    ]
    assert len({key, *others}) == 5
    shared = Pieces(None, ["shop", 0], settings | {"ratios": [3]}).key(
        ["arm"], untouched=["ratios"]
    )
    assert shared == others[3]


@given(st.data())
def test_any_damage_is_noticed(data: st.DataObject) -> None:
    pieces = Pieces(None, "base", {})
    value = data.draw(st.sampled_from([evaluation(), {"a": [1, 2, 3]}]))
    pieces.put("k", value)
    whole = pieces._memory["k"]
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(
        st.sampled_from(
            [
                whole[:place],
                whole[place + 1 :],
                whole + b"x",
                whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
            ]
        )
    )
    pieces._memory["k"] = damaged
    assert pieces.get("k") is None
    assert pieces._memory == {}


def test_a_damaged_piece_is_said_removed_and_may_be_put_again(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    pieces = Pieces(store, "base", {})
    store.put("k", b"wareloom-piece-1 json 00\n[1]")
    with caplog.at_level(logging.WARNING, "wareloom"):
        assert pieces.get("k") is None
    (record,) = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert (
        record.getMessage()
        == f"k in {store.address} is damaged (its digest differs): it is computed again"
    )
    assert list(store.keys()) == []
    pieces.put("k", [2])
    assert pieces.get("k") == [2]


def test_a_piece_of_another_kind_that_says_it_is_ours_is_not_run(tmp_path: Path) -> None:
    import hashlib
    import io

    file = io.BytesIO()
    np.savez(file, names=np.array([{}], dtype=object), values=np.zeros(1))
    body = file.getvalue()
    store = FolderStore(tmp_path)
    store.put(
        "k", b"wareloom-piece-1 npz %s\n%s" % (hashlib.sha256(body).hexdigest().encode(), body)
    )
    assert Pieces(store, "base", {}).get("k") is None
