"""Which model made some codes: what a folder of codes and a gallery say of it, and hold a query against."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from masln.data import file_sha256
from masln.errors import CheckpointError, DataError
from masln.saving import CONFIG, WEIGHTS

__all__ = ["ModelFacts", "model_hash"]


@dataclass(frozen=True)
class ModelFacts:
    """What identifies the model of a run.

    Attributes:
        hash: SHA-256 over the saved model and the data that it was made on; 64 hexadecimal digits.
        run: The run's folder.
        method: Registered name.
        data: Name of the dataset.
        data_hash: Of the dataset, extractors included.
        code_width: Of a code.
        similarity: By which the run's codes are compared.
    """

    hash: str
    run: str
    method: str
    data: str
    data_hash: str
    code_width: int
    similarity: str

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form that ``from_dict`` reads back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str | Path) -> Self:
        """Read them.

        Raises:
            CheckpointError: a key is missing; ``where`` names the file.
        """
        try:
            kept = {field.name: values[field.name] for field in dataclasses.fields(cls)}
            return cls(**kept | {"code_width": int(kept["code_width"])})
        except (KeyError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__} {error}"
            raise CheckpointError(f"{where} does not say which model its codes are of ({reason}); make it again") from (
                error
            )

    def require(self, other: ModelFacts, *, what: str) -> None:
        """Refuse codes of another model.

        Args:
            other: The model of the codes that come.
            what: What these are, for the message.

        Raises:
            DataError: it is another one; codes of two models have nothing in common.
        """
        if other.hash != self.hash:
            raise DataError(
                f"{what}: these codes are of {other.method} of {other.run} (model {other.hash[:12]}), the gallery's of "
                f"{self.method} of {self.run} (model {self.hash[:12]}); only codes of one model can be compared"
            )


def model_hash(folder: Path, data_hash: str) -> str:
    """SHA-256 of a saved model's files and of the data whose extractors feed it.

    Raises:
        CheckpointError: a file is missing.
    """
    try:
        files = [file_sha256(folder / name) for name in (CONFIG, WEIGHTS)]
    except OSError as error:
        raise CheckpointError(f"saved model {folder} cannot be read ({error.strerror or error}); train it again") from (
            error
        )
    return hashlib.sha256(json.dumps([*files, data_hash]).encode()).hexdigest()
