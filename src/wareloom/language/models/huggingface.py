"""Any decoder in Hugging Face's layout: a folder, or one that is in the local cache already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wareloom.core.run import Run
from wareloom.errors import SettingError, SourceError, missing_extra
from wareloom.language.models.local import LocalModel, parts_of


@dataclass(kw_only=True, eq=False)
class HuggingFace(LocalModel):
    """Write and judge with a decoder of your own, from files alone: nothing is fetched.

    Raises `SourceError` where there is none, `SettingError` where the device cannot do the arithmetic asked for.
    """

    model: str = ""
    """A folder with config.json, tokenizer and weights, or an id such as "Qwen/Qwen3-4B" that was downloaded before."""

    def _folder(self, run: Run) -> str:
        return str(self._where())

    def _source(self, run: Run) -> list[Path]:
        return parts_of(self._where())

    def _where(self) -> Path:
        """Find the folder of the model."""
        if not self.model:
            raise SettingError(
                'huggingface: model is empty; give a folder, or an id such as "Qwen/Qwen3-4B".'
            )
        folder = Path(self.model)
        if not folder.is_dir():
            folder = _cached(self.model)
        if not (folder / "config.json").is_file():
            raise SourceError(
                f"The text model 'huggingface': the folder {self.model!r} has no config.json."
            )
        return folder


def _cached(name: str) -> Path:
    """Return the folder in the local cache that holds the model of this id."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ModuleNotFoundError as error:
        raise missing_extra(str(error.name), "text", "The text model 'huggingface'") from error
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise SourceError(
            f"The text model 'huggingface': {name!r} is no folder, and no model of this id was downloaded. "
            f"Give a folder, or run: hf download {name}"
        ) from error
