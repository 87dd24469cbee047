"""What a release writes, what it leaves inside, what verifies it, and that it is whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from leaving import USERS, Leaving, built, evidence, stamp
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.state import json_text
from wareloom.errors import (
    GateError,
    InputError,
    OutputError,
    RefusedError,
    SettingError,
    SourceError,
)
from wareloom.preparing.splits import SplitSettings, split
from wareloom.privacy import STAMP
from wareloom.privacy.accounting import Gaussian, compose
from wareloom.privacy.ledger import Ledger
from wareloom.privacy.private import Private, Release
from wareloom.release.certificate import verify
from wareloom.release.earlier import RELEASE, opened
from wareloom.release.gates import GATES
from wareloom.release.issue import Released, judged, release
from wareloom.release.places import inside_of
from wareloom.shop import Log, Shop

SRC = Path(__file__).resolve().parents[3] / "src"


@pytest.fixture
def ledgers(tmp_path: Path) -> Path:
    return tmp_path / "ledgers"


@pytest.fixture
def of(tmp_path: Path, ledgers: Path) -> Leaving:
    return built(tmp_path / "shops", ledgers)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return written_keys(tmp_path / "keys")


def written_keys(place: Path) -> tuple[Path, Path]:
    place.mkdir()
    key = Ed25519PrivateKey.generate()
    mine, theirs = place / "key.pem", place / "pub.pem"
    mine.write_bytes(pem(key))
    theirs.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return mine, theirs


def pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def released(
    of: Leaving, ledgers: Path, out: Path, key: Path | None = None, **policy: Any
) -> Released:
    return release(evidence(of, of.honest, ledgers, **policy), out, key)


def test_a_release_holds_rows_and_nothing_of_how_they_were_made(
    of: Leaving, ledgers: Path, out: Path
) -> None:
    released(of, ledgers, out, min_users=1)
    assert sorted(p.name for p in out.iterdir()) == [
        "certificate.json", "events.parquet", "items.parquet", "searches.parquet", "shop.json"
    ]  # fmt: skip
    events = pl.read_parquet(out / "events.parquet")
    assert set(events.columns) == {"user_id", "item_id", "event", "time", "value", "origin"}
    assert events["origin"].unique().to_list() == ["synthetic"]
    everything = b"".join(p.read_bytes() for p in out.iterdir())
    for word in (b"markov", b"edits@1", b"-beef", b"/secret/place", of.real.fingerprint.encode()):
        assert word not in everything
    head = json.loads((out / "shop.json").read_text())
    certificate = json.loads((out / "certificate.json").read_text())
    # The mark that bundles of it carry: a random number.
    assert head["meta"] == {"release": certificate["release"]}
    assert head["keeps"] == "counts"
    assert pl.read_parquet(out / "items.parquet").columns == ["item_id", "origin"]
    opened = Shop.open(out)
    opened.verify()
    assert opened.keeps == "counts"
    assert len(Log.of(opened)) == of.honest.rows("events")


def test_the_rows_are_those_of_the_sample_under_other_names(
    of: Leaving, ledgers: Path, out: Path
) -> None:
    released(of, ledgers, out)
    was, now = of.honest.table("events"), pl.read_parquet(out / "events.parquet")

    def lives(events: pl.DataFrame) -> list[Any]:
        order = (
            events.sort("user_id", "time", maintain_order=True)
            .group_by("user_id")
            .agg("item_id", "time")
        )
        return sorted(zip(order["item_id"].to_list(), order["time"].to_list(), strict=True))

    assert lives(was) == lives(now)
    both = pl.read_parquet(out / "searches.parquet").join(now, on="user_id", how="anti")
    assert both.is_empty(), "a user has one name in all tables"


def test_ids_are_numbered_at_random_and_not_by_a_seed(
    of: Leaving, ledgers: Path, out: Path, tmp_path: Path
) -> None:
    released(of, ledgers, out)
    released(of, ledgers, tmp_path / "again")

    def first(folder: Path) -> list[Any]:
        events = pl.read_parquet(folder / "events.parquet")
        assert sorted(events["user_id"].unique()) == [f"u{n:03d}" for n in range(USERS)]
        return events["item_id"].head(40).to_list()

    sampled = of.honest.table("events").sort("user_id", "time")["item_id"].head(40).to_list()
    assert first(out) != sampled
    assert first(out) != first(tmp_path / "again")


def test_inside_all_columns_stay_but_who_made_them(of: Leaving, ledgers: Path, out: Path) -> None:
    made = released(of, ledgers, out, preset="inside")
    assert "note" not in made.certificate
    real = evidence(of, of.honest.keeping("people"), ledgers, preset="inside")
    assert release(real, out).certificate["note"] == "holds real users"
    events = pl.read_parquet(out / "events.parquet")
    assert {"propensity", "weight"} <= set(events.columns)
    assert events["weight"].unique().to_list() == [2.0]
    assert events["origin"].unique().to_list() == ["synthetic"]
    assert "price" in pl.read_parquet(out / "items.parquet").columns


def test_public_columns_of_items_leave_where_they_are_named(
    of: Leaving, ledgers: Path, out: Path
) -> None:
    made = released(of, ledgers, out, public=["items.title", "items.price"])
    items = pl.read_parquet(out / "items.parquet")
    assert items.columns == ["item_id", "title", "price", "origin"]
    assert made.certificate["public"] == ["items.price", "items.title"]
    with pytest.raises(RefusedError, match="what people did"):
        released(of, ledgers, out, public=["events.time"])


def test_what_was_measured_stays_inside(of: Leaving, ledgers: Path, out: Path) -> None:
    made = released(of, ledgers, out, attack_area=0.7, fidelity={"hours": 90.0}, attacks=["rhythm"])
    inside = json.loads(inside_of(out).read_text())
    assert inside["attacks"]["worst"] == "rhythm"
    assert inside["shops"]["real"]["fingerprint"] == of.real.fingerprint
    assert inside["shops"]["real"]["rows"]["events"] == of.real.rows("events")
    assert {one["name"] for one in inside["checks"]} >= {"attack_area", "fidelity", "keeps"}
    # Digests hold any digits.
    promised = {k: v for k, v in made.certificate.items() if k not in ("files", "digest")}
    said = json.dumps(promised)
    assert str(of.real.rows("events")) not in said
    assert "measured" not in said
    assert (
        str(next(c for c in inside["checks"] if c["name"] == "attack_area")["measured"]) not in said
    )
    assert made.certificate["gates"] == [one["name"] for one in inside["checks"]]
    assert inside_of(out).parent == out.parent


def test_a_private_sample_tells_its_mechanisms(of: Leaving, ledgers: Path, out: Path) -> None:
    release(evidence(of, of.private, ledgers, preset="public"), out)
    told = verify(out)
    assert (told["keeps"], told["epsilon"], told["delta"]) == ("private", 2.0, 1e-5)
    assert told["unit"] == "user: all rows in all tables"
    held = json.loads((out / "certificate.json").read_text())
    assert [one["purpose"] for one in held["mechanisms"]] == ["histogram"]
    assert held["public"] == ["items.title"]


def test_what_a_private_generator_says_of_itself_is_understood(
    of: Leaving, tmp_path: Path, out: Path
) -> None:
    """The stamp of `wareloom.privacy` itself, put where generators put it."""
    ledger = Ledger.open(tmp_path / "own", of.real.fingerprint)
    ledger.allow(3.0, 1e-5)
    private = Private(of.real, ledger, Release(epsilon=2.0, delta=1e-5), users=USERS)
    private.bounded(5)
    private.histogram("events", lambda rows: (rows.all, rows.all * 0), 1, share=0.5)
    synth = of.private.keeping("private")
    synth.meta = {STAMP: private.stamp()}
    release(evidence(of, synth, tmp_path / "own", preset="public"), out)
    told = verify(out)
    assert told["epsilon"] == pytest.approx(ledger.total(1e-5).epsilon)
    # As much again for another sample: together they pass what the policy takes.
    tight = told["epsilon"] * 1.2
    release(
        evidence(of, synth, tmp_path / "own", preset="public", epsilon=tight), tmp_path / "again"
    )
    other = Private(of.real, ledger, Release(epsilon=1.0, delta=1e-5), users=USERS)
    other.bounded(5)
    other.histogram("events again", lambda rows: (rows.all, rows.all * 0), 1, share=1.0)
    with pytest.raises(GateError, match="was spent of this shop"):
        release(
            evidence(of, synth, tmp_path / "own", preset="public", epsilon=tight),
            tmp_path / "third",
        )
    seeded = Private(of.real, ledger, Release(epsilon=0.1, delta=1e-5, noise_seed=1), users=USERS)
    synth.meta = {STAMP: seeded.stamp()}
    with pytest.raises(GateError, match="the noise came from a seed"):
        release(evidence(of, synth, tmp_path / "own", preset="public"), tmp_path / "fourth")


def test_a_private_generator_may_release_what_it_draws(
    of: Leaving, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the budget to what somebody else verifies, with nothing made by hand."""
    monkeypatch.setenv("WARELOOM_LEDGERS", str(tmp_path / "own"))
    ledger = Ledger.open(tmp_path / "own", of.real.fingerprint)
    # So few users stand out of the noise by a budget alone that nobody should grant.
    much = 200.0
    ledger.allow(much, 1e-5)
    public = ("items.title", "items.category")
    settings = {"epsilon": much, "delta": 1e-5, "public": public, "shoppers": USERS}
    walk = SYNTHESIZERS.make("private_walk", **settings).fit(of.real, Run(threads=1))
    synth = walk.sample(50, Run(threads=1)).save(tmp_path / "walk")
    release(
        evidence(of, synth, tmp_path / "own", preset="public", epsilon=much, public=public), out
    )
    told = verify(out)
    assert (told["keeps"], told["public"]) == ("private", sorted(public))
    assert told["epsilon"] == pytest.approx(ledger.total().epsilon)
    assert told["epsilon"] <= much * (1 + 1e-9)
    assert pl.read_parquet(out / "events.parquet")["user_id"].n_unique() == 50
    seeded = SYNTHESIZERS.make("private_walk", **settings, noise_seed=1).fit(
        of.real, Run(threads=1)
    )
    drawn = seeded.sample(50, Run(threads=1)).save(tmp_path / "seeded")
    with pytest.raises(GateError, match="keeps counts"):
        release(
            evidence(of, drawn, tmp_path / "own", preset="public", epsilon=much, public=public),
            tmp_path / "no",
        )


def test_what_only_says_private_leaves_as_counts(of: Leaving, ledgers: Path, out: Path) -> None:
    release(evidence(of, of.honest.keeping("private"), ledgers), out)
    assert verify(out)["keeps"] == Shop.open(out).keeps == "counts"


def test_people_may_not_leave_and_nothing_is_written(of: Leaving, ledgers: Path, out: Path) -> None:
    ledger = Ledger.open(ledgers, of.real.fingerprint)
    before = len(ledger.entries())
    for preset in ("public", "partner"):
        with pytest.raises(
            GateError, match=r"keeps: the sample keeps people.*\n.*structure=learned"
        ):
            release(evidence(of, of.honest.keeping("people"), ledgers, preset=preset), out)
    assert not out.exists()
    assert not inside_of(out).exists()
    assert sorted(p.name for p in out.parent.iterdir()) == ["ledgers", "shops"]
    assert len(ledger.entries()) == before, "what was not released is not counted"


def test_ten_small_releases_are_ten_releases(
    of: Leaving, ledgers: Path, out: Path, tmp_path: Path
) -> None:
    for number in range(3):
        released(of, ledgers, tmp_path / f"out{number}", releases=3)
    with pytest.raises(GateError, match="this is release 4 of this shop"):
        released(of, ledgers, out, releases=3)
    purposes = [e.purpose for e in Ledger.open(ledgers, of.real.fingerprint).entries()]
    assert sum(p.startswith(RELEASE) for p in purposes) == 3
    # A copy of the shop is the same shop.
    shutil.copytree(of.place / "real", tmp_path / "copy")
    with pytest.raises(GateError, match="this is release 4"):
        released(of._replace(real=Shop.open(tmp_path / "copy")), ledgers, out, releases=3)


def test_ten_small_releases_are_attacked_as_one(of: Leaving, ledgers: Path, tmp_path: Path) -> None:
    """Each holds a tenth of the users as they are, among others: alone it passes, and so would all ten."""
    real, drawn = of.real.table("events"), of.honest.table("events")
    users = real["user_id"].unique(maintain_order=True)
    bars: dict[str, Any] = {
        "attack_area": 0.75,
        "attack_tpr": 0.35,
        "attacks": ["rhythm"],
        "releases": 20,
    }
    gone: list[Path] = []

    def small(number: int) -> Shop:
        slice_ = real.filter(pl.col("user_id").is_in(users[number::10].implode()))
        copied = slice_.with_columns(origin=pl.lit("markov@1"), user_id="c" + pl.col("user_id"))
        events = pl.concat(
            [drawn, copied.select(c for c in drawn.columns if c in copied.columns)], how="diagonal"
        )
        return of.honest.with_tables(events=events)

    for number in range(10):
        alone = evidence(of, small(number), ledgers, earlier="ignored", **bars)
        assert all(check.passed for check in judged(alone)), (
            "what a gate sees that looks at one alone"
        )
        together = evidence(
            of, small(number), ledgers, earlier="joined", shown=opened(gone), **bars
        )
        try:
            gone.append(release(together, tmp_path / f"out{number}").folder)
        except GateError:
            assert (
                not GATES["attack_area"](together).passed
                or not GATES["attack_tpr"](together).passed
            )  # type: ignore[union-attr]
            break
    assert 1 <= len(gone) < 10
    with pytest.raises(
        GateError, match=rf"{len(gone)} earlier releases of this shop were not shown"
    ):
        release(evidence(of, of.honest, ledgers, earlier="joined", **bars), tmp_path / "other")
    (gone[0] / "events.parquet").unlink()
    with pytest.raises(RefusedError, match="is missing"):
        opened(gone)


def test_a_release_that_stays_inside_is_none_that_left(
    of: Leaving, ledgers: Path, out: Path
) -> None:
    released(of, ledgers, out, preset="inside")
    assert evidence(of, of.honest, ledgers).releases() == 0
    assert evidence(of, of.honest, ledgers).unseen == []


def test_parts_of_one_shop_are_one_shop(
    of: Leaving, ledgers: Path, out: Path, tmp_path: Path
) -> None:
    """Users dealt anew make other parts with other fingerprints, and tell of the same people."""
    for seed in range(3):
        split(of.real, SplitSettings(by="user", seed=seed), tmp_path / f"parts{seed}")
    parts = [Shop.open(tmp_path / f"parts{seed}" / "train") for seed in range(3)]
    assert len({part.fingerprint for part in parts}) == 3
    for number, part in enumerate(parts[:2]):
        released(of._replace(real=part), ledgers, tmp_path / f"out{number}", releases=2)
    with pytest.raises(GateError, match="this is release 3 of this shop"):
        released(of._replace(real=parts[2]), ledgers, out, releases=2)


def test_what_was_spent_of_the_whole_counts_for_its_parts(
    of: Leaving, ledgers: Path, tmp_path: Path
) -> None:
    split(of.real, SplitSettings(by="user"), tmp_path / "parts")
    part = Shop.open(tmp_path / "parts" / "train")
    ledger = Ledger.open(ledgers, part.fingerprint)
    ledger.allow(3.0, 1e-5)
    ledger.spend("histogram", Gaussian(0.5))
    synth = of.private.keeping("private")
    synth.meta = {STAMP: stamp(ledger)}
    found = GATES["epsilon"](evidence(of._replace(real=part), synth, ledgers, epsilon=8.0))
    both = compose([Gaussian(0.5), Gaussian(0.5)], 1e-5).epsilon
    assert found is not None
    assert found.measured == pytest.approx(both)
    assert both > ledger.total(1e-5).epsilon


def test_a_folder_of_another_kind_is_never_replaced(of: Leaving, ledgers: Path, out: Path) -> None:
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"it has no certificate\.json"):
        released(of, ledgers, out)
    (out / "thesis.txt").unlink()
    released(of, ledgers, out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds notes\.txt.* a release takes no other file"):
        released(of, ledgers, out)
    (out / "notes.txt").unlink()
    released(of, ledgers, out)
    verify(out)


@pytest.mark.parametrize("where", ["real", "honest", "holdout"])
def test_a_release_lies_in_no_shop(of: Leaving, ledgers: Path, where: str) -> None:
    for place in (of.place / where, of.place / where / "out", of.place):
        with pytest.raises(OutputError, match="lie in one another"):
            released(of, ledgers, place)


def test_a_holdout_that_is_the_shop_is_refused(of: Leaving, ledgers: Path, out: Path) -> None:
    with pytest.raises(InputError, match="The holdout is the shop itself"):
        released(of._replace(holdout=of.real), ledgers, out)


def test_a_sample_that_was_edited_is_refused(of: Leaving, ledgers: Path, out: Path) -> None:
    path = of.place / "honest" / "events.parquet"
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(bytes(held))
    with pytest.raises(SourceError, match="is not what was written"):
        released(of, ledgers, out)
    assert not out.exists()


def test_a_signature_is_verified_by_the_signers_key_alone(
    of: Leaving, ledgers: Path, out: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    mine, theirs = keys
    released(of, ledgers, out, mine)
    told = verify(out, theirs)
    assert told["known_signer"]
    public = serialization.load_pem_public_key(theirs.read_bytes())
    assert told["signed_by"] == public.public_bytes_raw().hex()  # type: ignore[union-attr]
    assert not verify(out)["known_signer"]
    _, others = written_keys(tmp_path / "other")
    with pytest.raises(RefusedError, match="not of the key that was given"):
        verify(out, others)
    shutil.rmtree(out)
    released(of, ledgers, out)
    assert verify(out)["signed_by"] is None
    with pytest.raises(RefusedError, match="is not signed"):
        verify(out, theirs)


def test_every_byte_counts(of: Leaving, ledgers: Path, out: Path, keys: tuple[Path, Path]) -> None:
    """One byte of a file changed, anywhere, with and without the signer's key."""
    released(of, ledgers, out, keys[0])
    verify(out, keys[1])
    for path in sorted(out.iterdir()):
        held = path.read_bytes()
        every = path.name == "certificate.json"
        for at in range(0, len(held), 7 if every else max(1, len(held) // 5)):
            path.write_bytes(held[:at] + bytes([held[at] ^ 1]) + held[at + 1 :])
            for key in (None, keys[1]):
                with pytest.raises((RefusedError, SourceError)) as error:
                    verify(out, key)
                assert str(out) in str(error.value)
        path.write_bytes(held)
    verify(out, keys[1])


def test_a_certificate_that_is_written_anew_needs_the_key(
    of: Leaving, ledgers: Path, out: Path, keys: tuple[Path, Path]
) -> None:
    """Whoever changes a file can make a new digest; a signature they cannot."""
    from wareloom.release import certificate

    released(of, ledgers, out, keys[0])
    path = out / "certificate.json"
    held = json.loads(path.read_text())
    forged = held | {"epsilon": 0.1}
    path.write_text(json_text(forged | {"digest": certificate.digest(forged)}))
    for key in (None, keys[1]):
        with pytest.raises(RefusedError, match="The signature"):
            verify(out, key)
    stripped = forged | {"signature": None}
    path.write_text(json_text(stripped | {"digest": certificate.digest(stripped)}))
    assert verify(out)["signed_by"] is None
    with pytest.raises(RefusedError, match="is not signed"):
        verify(out, keys[1])


def test_files_that_lack_or_were_added_are_seen(
    of: Leaving, ledgers: Path, out: Path, tmp_path: Path
) -> None:
    released(of, ledgers, out)
    (out / "more.txt").write_text("!")
    with pytest.raises(RefusedError, match=r"more\.txt is not in the certificate"):
        verify(out)
    (out / "more.txt").unlink()
    held = (out / "events.parquet").read_bytes()
    (out / "events.parquet").unlink()
    with pytest.raises(RefusedError, match=r"events\.parquet is missing"):
        verify(out)
    (tmp_path / "elsewhere").write_bytes(held)
    (out / "events.parquet").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="is a link"):
        verify(out)
    with pytest.raises(SourceError, match="is no release"):
        verify(tmp_path)


def test_keys_that_cannot_sign_are_refused(
    of: Leaving, ledgers: Path, out: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.pem"
    for held, said in (
        (b"not a key", "no private key in PEM"),
        (pem(generate_private_key(SECP256R1())), "of another sort than Ed25519"),
    ):
        wrong.write_bytes(held)
        with pytest.raises(SettingError, match=said):
            released(of, ledgers, out, wrong)
    with pytest.raises(SourceError, match="cannot be read"):
        released(of, ledgers, out, tmp_path / "none.pem")
    inside = of.place / "real" / "key.pem"
    inside.write_bytes(pem(Ed25519PrivateKey.generate()))
    with pytest.raises(InputError, match="keep it in another place"):
        released(of, ledgers, out, inside)
    assert not out.exists()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from leaving import Leaving, evidence
from wareloom.privacy.ledger import Ledger
from wareloom.release import certificate, issue, tables
from wareloom.shop import Log, Shop

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

{how}
place = Path({place!r})
shops = [Shop.open(place / name) for name in ("real", "holdout", "honest", "copied", "private")]
of = Leaving(place, *shops)
issue.release(evidence(of, of.honest, Path({ledgers!r})), Path({out!r}))
"""


STEPS = (
    "tables.write_head",
    "certificate.drawn_up",
    "Ledger.note",
    "issue._check_count",
    "issue.write_whole",
)


@pytest.mark.parametrize(
    ("step", "old"), [*((step, False) for step in STEPS), (STEPS[1], True), (STEPS[-1], True)]
)
def test_a_process_that_is_killed_leaves_all_or_nothing(
    of: Leaving, ledgers: Path, out: Path, step: str, old: bool
) -> None:
    if old:
        released(of, ledgers, out)
    before = {p.name: p.read_bytes() for p in out.iterdir()} if old else {}
    code = KILLED.format(
        tests=str(SRC.parent / "tests"),
        how=f"{step} = die",
        place=str(of.place),
        ledgers=str(ledgers),
        out=str(out),
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr[-500:]
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before if old else not out.exists()
    counted = [
        e
        for e in Ledger.open(ledgers, of.real.fingerprint).entries()
        if e.purpose.startswith(RELEASE)
    ]
    assert len(counted) - old == (step in STEPS[3:])
    released(of, ledgers, out)
    verify(out)
    assert [p.name for p in out.parent.iterdir() if "partial" in p.name] == []
