"""Certificates: what a release promises, digests of its files, a signature; made inside, verified by anybody."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wareloom._version import __version__
from wareloom.core.parse import read_json
from wareloom.core.state import json_text
from wareloom.errors import RefusedError, SettingError, SourceError, needed
from wareloom.privacy.ledger import UNIT
from wareloom.release.moment import now
from wareloom.release.policy import Policy
from wareloom.shop.keeping import HOLDS_PEOPLE

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

FORMAT = "wareloom certificate 1"
NAME = "certificate.json"
ALGORITHM = "Ed25519"
LIMITS = (
    "A digest shows that no file was changed since; a signature shows by whom it was made. Neither shows that the "
    "generator did what it says."
)
BLOCK = 1 << 20
WHAT = "Signatures of a certificate"


def drawn_up(
    folder: Path, policy: Policy, keeps: str, stamp: Mapping[str, Any] | None, gates: list[str]
) -> dict[str, Any]:
    """The certificate for the files that lie in `folder`, unsigned. `gates`: names of those that were passed.

    No number that was measured on real users is in it: which gates were passed, and nothing of by how much.
    """
    import polars as pl

    private = stamp if keeps == "private" and stamp else {}
    return {
        "format": FORMAT,
        "policy": policy.to_json(),
        "gates": gates,
        "keeps": keeps,
        "unit": UNIT,
        "epsilon": private.get("epsilon"),
        "delta": private.get("delta"),
        "mechanisms": list(private.get("mechanisms", [])),
        "public": sorted({*policy.public, *private.get("public", [])}),
        "versions": {
            "wareloom": __version__,
            "python": platform.python_version(),
            "polars": pl.__version__,
        },
        "issued": now().date().isoformat(),
        "files": _digests(folder),
        "limits": LIMITS,
        "signature": None,
    } | ({"note": HOLDS_PEOPLE} if keeps == "people" else {})


def signed(certificate: dict[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """The certificate with a signature over all else in it."""
    public = key.public_key().public_bytes_raw().hex()
    mark = {"algorithm": ALGORITHM, "public_key": public}
    value = key.sign(_body(certificate | {"signature": mark})).hex()
    return certificate | {"signature": mark | {"value": value}}


def private_key(path: Path) -> Ed25519PrivateKey:
    """Read an Ed25519 key from a PEM file; raises `SourceError` or `SettingError` that names it."""
    return _key(path, "load_pem_private_key", "Ed25519PrivateKey", password=None)


def public_key(path: Path) -> Ed25519PublicKey:
    """Read an Ed25519 public key from a PEM file; raises `SourceError` or `SettingError` that names it."""
    return _key(path, "load_pem_public_key", "Ed25519PublicKey")


def _key(path: Path, reader: str, kind: str, **how: Any) -> Any:
    serialization = needed("cryptography.hazmat.primitives.serialization", "release", WHAT)
    ed25519 = needed("cryptography.hazmat.primitives.asymmetric.ed25519", "release", WHAT)
    try:
        held = path.read_bytes()
    except OSError as error:
        raise SourceError(f"The key {path} cannot be read: {error.strerror or error}.") from error
    part = "private" if "private" in reader else "public"
    try:
        key = getattr(serialization, reader)(held, **how)
    except (ValueError, TypeError) as error:
        raise SettingError(
            f"{path} is no {part} key in PEM without a password. openssl genpkey -algorithm ed25519 -out key.pem makes "
            "one, openssl pkey -in key.pem -pubout -out pub.pem takes its public part."
        ) from error
    if not isinstance(key, getattr(ed25519, kind)):
        raise SettingError(f"{path} is a {part} key of another sort than {ALGORITHM}.")
    return key


def verify(folder: str | Path, key: str | Path | None = None) -> dict[str, Any]:
    """Hold a release beside its certificate; needs nothing of the real shop.

    Returns what it promises, and by whom it is signed. Raises `RefusedError` where a file or the certificate was
    changed, lacks or was added, or where the signature is not that of `key`; `SourceError` without a certificate.
    """
    folder = Path(folder)
    path = folder / NAME
    if not path.is_file():
        raise SourceError(f"{folder} is no release: it has no {NAME}. wareloom release makes one.")
    public = public_key(Path(key)) if key is not None else None
    text = path.read_bytes()
    certificate = _certificate(path)
    if json_text(certificate).encode() != text:
        raise RefusedError(
            f"{path} was changed since it was written: it is not laid out as Wareloom does."
        )
    _files(folder, certificate["files"])
    signer = _signature(path, certificate, public)
    head = read_json(folder / "shop.json")
    if isinstance(head, dict) and head.get("keeps") != certificate["keeps"]:
        raise RefusedError(
            f"{path} says that it keeps {certificate['keeps']}, {folder / 'shop.json'} {head.get('keeps')}."
        )
    told = {
        name: certificate[name]
        for name in ("keeps", "unit", "epsilon", "delta", "public", "gates", "issued")
    }
    return told | {
        "files": len(certificate["files"]),
        "signed_by": signer,
        "known_signer": public is not None,
        "limits": LIMITS,
    }


def _certificate(path: Path) -> dict[str, Any]:
    try:
        held = read_json(path)
    except SourceError as error:
        raise RefusedError(f"{path} was changed since it was written: {error}") from error
    if not isinstance(held, dict) or held.get("format") != FORMAT:
        raise SourceError(f"{path} is no certificate of this version of Wareloom ({FORMAT!r}).")
    wanted = (
        "files",
        "keeps",
        "unit",
        "epsilon",
        "delta",
        "public",
        "gates",
        "issued",
        "digest",
        "signature",
    )
    lacking = [name for name in wanted if name not in held]
    if lacking or not isinstance(held["files"], dict):
        raise RefusedError(
            f"{path} was changed since it was written: it lacks {', '.join(lacking) or 'files'}."
        )
    if held["digest"] != digest(held):
        raise RefusedError(f"{path} was changed since it was written: its digest is another one.")
    return held


def digest(certificate: Mapping[str, Any]) -> str:
    """SHA-256 over all of a certificate but this digest itself and the value of its signature."""
    return hashlib.sha256(
        _body({k: v for k, v in certificate.items() if k != "digest"})
    ).hexdigest()


def _body(certificate: Mapping[str, Any]) -> bytes:
    """What is signed: the certificate without the value of its signature, in one spelling."""
    mark = certificate.get("signature")
    bare = {k: v for k, v in mark.items() if k != "value"} if isinstance(mark, dict) else mark
    return json.dumps(
        {**certificate, "signature": bare}, sort_keys=True, ensure_ascii=False
    ).encode()


def _signature(
    path: Path, certificate: Mapping[str, Any], public: Ed25519PublicKey | None
) -> str | None:
    """By which key it is signed, as hexadecimal digits; None where it is not."""
    mark = certificate["signature"]
    if mark is None:
        if public is not None:
            raise RefusedError(f"{path} is not signed; the key cannot be held beside it.")
        return None
    ed25519 = needed("cryptography.hazmat.primitives.asymmetric.ed25519", "release", WHAT)
    invalid = needed("cryptography.exceptions", "release", WHAT).InvalidSignature
    try:
        own = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(mark["public_key"]))
        (public or own).verify(
            bytes.fromhex(mark["value"]),
            _body({k: v for k, v in certificate.items() if k != "digest"}),
        )
    except (invalid, ValueError, KeyError, TypeError) as error:
        who = "the key that was given" if public is not None else "the key that it names"
        raise RefusedError(
            f"The signature of {path} is not of {who}: it was changed, or signed by another."
        ) from error
    return str(mark["public_key"])


def _digests(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }


def _digest(path: Path) -> dict[str, Any]:
    whole, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            whole.update(block)
            size += len(block)
    return {"bytes": size, "sha256": whole.hexdigest()}


def _files(folder: Path, said: Mapping[str, Any]) -> None:
    """Raise `RefusedError` for the first file that is not as the certificate says."""
    there = {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if not p.is_dir() or p.is_symlink()
    }
    if links := [p for p in folder.rglob("*") if p.is_symlink()]:
        raise RefusedError(f"{links[0]} is a link; a release holds files alone.")
    if lost := sorted(set(said) - there):
        raise RefusedError(
            f"{folder / lost[0]} is missing, and the certificate lists it: copy the release whole."
        )
    if more := sorted(there - set(said) - {NAME}):
        raise RefusedError(f"{folder / more[0]} is not in the certificate: somebody added it.")
    for name, wanted in said.items():
        if _digest(folder / name) != wanted:
            raise RefusedError(
                f"{folder / name} was changed since the certificate was written: its SHA-256 is another one."
            )
