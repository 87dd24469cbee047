"""A key outside the ledgers' folder: who can write the folder alone can neither edit, cut, swap nor begin one anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from private_shops import crowd, shop_of
from typer.testing import CliRunner

from wareloom.cli import app
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.privacy.accounting import Gaussian
from wareloom.privacy.ledger import PLACE, Ledger
from wareloom.privacy.ledger_key import NAMED
from wareloom.privacy.ledger_lines import SEAL, hashed
from wareloom.synthesis.behaviour.private_walk import PrivateWalk

SHOP, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ledgers"


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "safe").mkdir()
    path = tmp_path / "safe" / "ledger.key"
    path.write_bytes(b"k" * 32)
    monkeypatch.setenv(NAMED, str(path))
    return path


def begun(folder: Path, *purposes: str, shop: str = SHOP) -> Ledger:
    ledger = Ledger.open(folder, shop)
    ledger.allow(3.0, 1e-6)
    for purpose in purposes:
        ledger.spend(purpose, Gaussian(0.1))
    return ledger


def anew(ledger: Ledger, lines: list[dict[str, object]]) -> None:
    """Write a ledger anew without the key, as somebody would who knows how its lines are hashed."""
    held = b""
    head = ""
    for line in lines:
        bare = {k: v for k, v in line.items() if k not in ("hash", "before")}
        piece, head = hashed(held, bare, None)
        held += piece
    ledger.path.write_bytes(held)
    ledger.path.with_suffix(".head").write_text(head + "\n")


def lines(ledger: Ledger) -> list[dict[str, object]]:
    return [json.loads(line) for line in ledger.path.read_text().splitlines()]


def test_without_a_key_a_ledger_that_is_written_anew_is_believed(folder: Path) -> None:
    """The limit that the key is for; if this fails, the docs say too little."""
    ledger = begun(folder, "hours", "steps")
    anew(ledger, lines(ledger)[:-1])
    assert [entry.purpose for entry in Ledger.open(folder, SHOP).entries()] == ["hours"]


def test_with_a_key_it_is_read_and_spent_as_before(folder: Path, key: Path) -> None:
    begun(folder, "hours").spend("steps", Gaussian(0.2))
    again = Ledger.open(folder, SHOP)
    assert [entry.purpose for entry in again.entries()] == ["hours", "steps"]
    assert not again.path.with_suffix(".head").exists()
    assert SHOP in next((key.parent / "ledger.key.heads").iterdir()).name


@pytest.mark.parametrize("seals", ["none", "old"])
def test_a_ledger_that_is_written_anew_is_refused(folder: Path, key: Path, seals: str) -> None:
    ledger = begun(folder, "hours", "steps")
    cheaper = lines(ledger)
    cheaper[-1]["purpose"] = "nothing much"
    anew(ledger, [{k: v for k, v in x.items() if seals == "old" or k != SEAL} for x in cheaper])
    said = "lacks lines that it had" if seals == "none" else "was changed"
    with pytest.raises(SourceError, match=said):
        Ledger.open(folder, SHOP)
    ledger.path.with_suffix(".head").unlink()
    with pytest.raises(SourceError):
        Ledger.open(folder, SHOP)


@pytest.mark.parametrize("how", ["cut", "older copy", "gone"])
def test_a_ledger_that_was_cut_or_put_back_is_refused(folder: Path, key: Path, how: str) -> None:
    """Naive: a seal for each line, so that whole lines may go; each older copy has good seals."""
    ledger = begun(folder, "hours")
    before = ledger.path.read_bytes()
    ledger.spend("steps", Gaussian(0.2))
    held = ledger.path.read_bytes()
    cut = held[: held.rindex(b"\n", 0, -1) + 1]
    assert cut == before
    if how == "gone":
        ledger.path.unlink()
    else:
        ledger.path.write_bytes(cut)
    with pytest.raises(SourceError, match=r"lacks lines that it had|has lost its lines"):
        Ledger.open(folder, SHOP).entries()


def test_a_line_that_was_added_without_the_key_is_refused(
    folder: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = begun(folder, "hours")
    piece, _ = hashed(ledger.path.read_bytes(), {"purpose": "raised", "costs": []}, None)
    with ledger.path.open("ab") as file:
        file.write(piece)
    with pytest.raises(SourceError, match="entry 4 has not the seal of this key"):
        Ledger.open(folder, SHOP)


def test_a_sealed_ledger_is_not_read_without_its_key(
    folder: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(folder, "hours")
    key.write_bytes(b"x" * 32)
    with pytest.raises(SourceError, match="sealed by another key than WARELOOM_LEDGER_KEY names"):
        Ledger.open(folder, SHOP)
    monkeypatch.delenv(NAMED)
    with pytest.raises(SourceError, match="is sealed by a key: name its file by WARELOOM_LEDGER_K"):
        Ledger.open(folder, SHOP)


def test_an_old_ledger_is_sealed_once_and_read_as_it_stood(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = begun(folder, "hours", "steps")
    with pytest.raises(SettingError, match="There is no key to seal by"):
        ledger.seal()
    (tmp_path / "key").write_bytes(b"k" * 32)
    monkeypatch.setenv(NAMED, str(tmp_path / "key"))
    with pytest.raises(SourceError, match=r"has no seal, .*--seal takes it as it stands"):
        Ledger.open(folder, SHOP)
    shutil.copytree(folder, tmp_path / "before")
    Ledger.unread(folder, SHOP).seal()
    Ledger.unread(folder, SHOP).seal()  # once more changes nothing
    sealed = Ledger.open(folder, SHOP)
    assert [entry.purpose for entry in sealed.entries()] == ["hours", "steps"]
    sealed.spend("more", Gaussian(0.1))
    # What stood before the first seal is covered by it.
    shutil.copy(tmp_path / "before" / sealed.path.name, sealed.path)
    with pytest.raises(SourceError, match="lacks lines that it had"):
        Ledger.open(folder, SHOP)


def test_an_edited_old_ledger_is_not_sealed(folder: Path, tmp_path: Path) -> None:
    ledger = begun(folder, "hours")
    ledger.path.write_bytes(ledger.path.read_bytes().replace(b"hours", b"hourz"))
    with pytest.MonkeyPatch.context() as patch:
        (tmp_path / "key").write_bytes(b"k" * 32)
        patch.setenv(NAMED, str(tmp_path / "key"))
        with pytest.raises(SourceError, match="was changed in line 3"):
            Ledger.unread(folder, SHOP).seal()


def test_which_shops_share_a_ledger_is_kept_beside_the_key(folder: Path, key: Path) -> None:
    """Naive: a file in the folder says that a shop has the ledger of another, with more budget left."""
    ledger = begun(folder, "hours")
    assert ledger.share(OTHER).entries() == ledger.entries()
    (folder / f"{'ef' * 32}.same").write_text(SHOP + "\n")
    assert Ledger.open(folder, "ef" * 32).budget is None


def test_keys_that_are_none_are_refused(folder: Path, key: Path) -> None:
    key.write_bytes(b"short")
    with pytest.raises(InputError, match="has 5 bytes; 16 at least"):
        Ledger.open(folder, SHOP)
    key.unlink()
    with pytest.raises(SourceError, match=r"The key .* cannot be read: No such file"):
        Ledger.open(folder, SHOP)


def test_a_key_in_the_folder_of_ledgers_is_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    (folder / "key").write_bytes(b"k" * 32)
    monkeypatch.setenv(NAMED, str(folder / "key"))
    with pytest.raises(InputError, match="lies in"):
        Ledger.open(folder, SHOP)


def test_a_rehearsal_leaves_the_shops_sealed_ledger_alone(
    folder: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Naive: the ledger of a rehearsal has the shop's fingerprint, so that its newest hash takes that one's place."""
    monkeypatch.setenv(PLACE, str(folder))
    shop = shop_of(crowd(120))
    begun(folder, "hours", shop=shop.fingerprint)
    PrivateWalk(noise_seed=1, epsilon=8.0, shoppers=120, public=("items.title",)).fit(shop, Run())
    assert len(Ledger.open(folder, shop.fingerprint).entries()) == 1


def test_the_command_seals(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLACE, str(folder))
    shop = shop_of(crowd(5)).save(tmp_path / "shop")
    begun(folder, shop=shop.fingerprint)
    (tmp_path / "key").write_bytes(b"k" * 32)
    monkeypatch.setenv(NAMED, str(tmp_path / "key"))
    words = ["budget", str(tmp_path / "shop")]
    assert isinstance(CliRunner().invoke(app, words).exception, SourceError)
    assert CliRunner().invoke(app, [*words, "--seal"]).exit_code == 0
    assert CliRunner().invoke(app, words).exit_code == 0
