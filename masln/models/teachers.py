"""Teachers: the codes that a student is guided by, from a method fitted on its own pairs, a saved one, or files."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from masln.data import PairedDataset
from masln.errors import ConfigError, DataError, SplitError, unknown_name
from masln.models.base import Method, load_method, make_method, method_resolver
from masln.saving import CONFIG
from masln.training import Runtime
from masln.training.checkpoint import load_checkpoint, save_checkpoint

__all__ = ["FeatureFiles", "FittedTeacher", "SavedTeacher", "Teacher", "TeacherCodes", "find_teacher"]

_SHOWN = 3


@dataclass(frozen=True, eq=False)
class TeacherCodes:
    """What a teacher makes of some pairs, and what a record should say of it.

    Attributes:
        image: (n, d) float32, of any width, or (n, d') where the two modalities of files have their own.
        text: (n, d), row by row of the same pairs.
        remark: One line on what the teacher knew; empty where it knew these pairs alone.
    """

    image: NDArray[np.float32]
    text: NDArray[np.float32]
    remark: str = ""


class Teacher(ABC):
    """Where codes come from."""

    @abstractmethod
    def check(self, pairs: PairedDataset) -> None:
        """Find early, without fitting anything, what ``codes`` would refuse in pairs such as these."""

    def check_classes(self, class_names: Sequence[str]) -> None:  # noqa: B027 - most teachers have nothing to refuse
        """Refuse a teacher that knows more classes than these; by default nothing is known.

        Raises:
            SplitError: naming the classes.
        """

    @abstractmethod
    def codes(self, pairs: PairedDataset, *, seed: int, runtime: Runtime) -> TeacherCodes:
        """The codes of the training pairs, row by row.

        Args:
            pairs: What the student is fitted on.
            seed: Of the student.
            runtime: Of the student; a teacher that is trained has a checkpoint of its own beside it.
        """


def find_teacher(name: str, *, student: str) -> Teacher:
    """What a teacher's name stands for.

    Args:
        name: A registered method; else the folder of a finished run, of a saved method, or of feature files.
        student: The registered name of the student, which cannot teach itself.

    Raises:
        ConfigError: nothing is known or lies under that name.
        CheckpointError: a saved method cannot be loaded.
        DataError: feature files do not go together.
    """
    key = method_resolver.normalize(name)
    if key == student:
        raise ConfigError(f"teacher {name!r} would need a teacher itself; name another method, or a saved run")
    if key in method_resolver.lookup_dict:
        return FittedTeacher(name)
    folder = Path(name)
    if not folder.is_dir():
        others = [known for known in method_resolver.lookup_dict if known != student]
        raise ConfigError(f"{unknown_name('teacher', name, others)}; and no folder of that name is there")
    for place in (folder, folder / "model"):
        if (place / CONFIG).is_file():
            return SavedTeacher(place)
    if all((folder / file).is_file() for file in FeatureFiles.FILES):
        return FeatureFiles(folder)
    raise ConfigError(
        f"teacher {folder} holds neither a saved method, as the folder of a run does (such as "
        f"RUN/masln/split0-seed0), nor feature files ({', '.join(FeatureFiles.FILES)})"
    )


class FittedTeacher(Teacher):
    """A registered method, fitted with its defaults on the student's own training pairs: it cannot know more.

    Args:
        name: Of the method.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def _make(self, seed: int) -> Method:
        seeded = "seed" in make_method(self.name).get_params()
        return make_method(self.name, **({"seed": seed} if seeded else {}))

    def check(self, pairs: PairedDataset) -> None:
        """What the method itself would refuse."""
        self._make(0).check(pairs)

    def codes(self, pairs: PairedDataset, *, seed: int, runtime: Runtime) -> TeacherCodes:
        """Fit and encode; codes once made are kept beside the checkpoint, so that a resumed run does not fit again."""
        method = self._make(seed)
        fingerprint, kept = method.fingerprint(pairs, None, runtime), runtime.beside("teacher-codes").checkpoint
        if runtime.resume and kept is not None and kept.exists():
            saved = load_checkpoint(kept, fingerprint=fingerprint, device=torch.device("cpu"))
            return TeacherCodes(saved["image"].numpy(), saved["text"].numpy())
        method.fit(pairs, runtime=replace(runtime.beside("teacher"), progress=runtime.progress))
        codes = method.encode_image(pairs.image), method.encode_text(pairs.text)
        if kept is not None:
            image, text = (torch.from_numpy(values) for values in codes)
            save_checkpoint(kept, {"fingerprint": fingerprint, "image": image, "text": text})
        return TeacherCodes(*codes)


class SavedTeacher(Teacher):
    """A saved method, which encodes the student's own features.

    Args:
        folder: Where its ``config.json`` lies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.method = folder, load_method(folder)

    def check(self, pairs: PairedDataset) -> None:
        """Features of other widths than the teacher's, and classes that these pairs do not have."""
        widths = pairs.image.shape[-1], pairs.text.shape[-1]
        if widths != (self.method.d_image_, self.method.d_text_):
            raise DataError(
                f"teacher {self.folder} takes image and text features of {self.method.d_image_} and "
                f"{self.method.d_text_} dimensions, but {pairs.name} has {widths[0]} and {widths[1]}; fit it on these"
            )
        self.check_classes(pairs.class_names)

    def check_classes(self, class_names: Sequence[str]) -> None:
        """A teacher that was fitted on a class which these do not hold would tell the student of it."""
        more = [name for name in self.method.class_names_ or () if name not in set(class_names)]
        if more:
            shown = ", ".join(more[:_SHOWN]) + (f" and {len(more) - _SHOWN} more" if len(more) > _SHOWN else "")
            raise SplitError(
                f"teacher {self.folder} was fitted on {shown}, which this fit holds out (unseen or validation classes) "
                f"or does not know; give one fitted on no other classes, or a method's name (teacher=masln)"
            )

    def codes(self, pairs: PairedDataset, *, seed: int, runtime: Runtime) -> TeacherCodes:
        """Encode; what the teacher has to say of its own teacher is passed on."""
        image, text = self.method.encode_image(pairs.image), self.method.encode_text(pairs.text)
        unknown = [] if self.method.class_names_ else [f"which classes teacher {self.folder} was fitted on is unknown"]
        return TeacherCodes(image, text, "; ".join([*unknown, *self.method.remarks()]))


class FeatureFiles(Teacher):
    """Features that a large model made of the same pairs: ``image.npy``, ``text.npy`` and ``pairs.csv``.

    Row i of both arrays belongs to the pair that line i of ``pairs.csv`` names in its column ``id``, so that each
    training pair finds its own rows whatever the order; other rows are not read. A bundle of the same pairs is such a
    folder.

    Args:
        folder: Where they lie.

    Raises:
        DataError: a file cannot be read, or they do not go together.
    """

    FILES = ("image.npy", "text.npy", "pairs.csv")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ids = _read_ids(folder / "pairs.csv")
        self.rows = {name: row for row, name in enumerate(ids)}
        if len(self.rows) != len(ids):
            repeated = next(name for row, name in enumerate(ids) if self.rows[name] != row)
            raise DataError(f"{folder / 'pairs.csv'} has the id {repeated!r} more than once; each pair needs its own")
        self.arrays = {name: _read_features(folder / f"{name}.npy", len(ids)) for name in ("image", "text")}

    def _rows_of(self, ids: Sequence[str]) -> NDArray[np.intp]:
        missing = [name for name in ids if name not in self.rows]
        if missing:
            raise DataError(
                f"teacher {self.folder} has no row for {len(missing)} of {len(ids)} training pairs, such as "
                f"{missing[0]!r}; put the ids of the pairs that its rows belong to into pairs.csv"
            )
        return np.array([self.rows[name] for name in ids], dtype=np.intp)

    def check(self, pairs: PairedDataset) -> None:
        """Training pairs without a row."""
        assert pairs.ids is not None
        self._rows_of(pairs.ids[slice(None) if pairs.split is None else pairs.rows("train")].tolist())

    def codes(self, pairs: PairedDataset, *, seed: int, runtime: Runtime) -> TeacherCodes:
        """The rows of the pairs."""
        assert pairs.ids is not None
        rows = self._rows_of(pairs.ids.tolist())
        codes = {name: np.asarray(values[rows], dtype=np.float32) for name, values in self.arrays.items()}
        for name, values in codes.items():
            finite = np.isfinite(values).all(axis=1)
            if not finite.all():
                row = int(rows[np.argmin(finite)])
                raise DataError(f"{self.folder / f'{name}.npy'} row {row} is not finite; make the features again")
        remark = f"what the model behind the features of teacher {self.folder} was trained on is unknown"
        return TeacherCodes(codes["image"], codes["text"], f"{remark}, unseen classes perhaps among it")


def _read_ids(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            if "id" not in (reader.fieldnames or ()):
                raise DataError(f"{path} has no column id; name the pair of each row there")
            return [str(line["id"]) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as UTF-8 CSV ({error}); write it again") from error


def _read_features(path: Path, rows: int) -> NDArray[np.floating]:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}); write it again with numpy.save") from error
    if values.ndim != 2 or values.dtype.kind != "f" or len(values) != rows or not values.shape[1]:
        raise DataError(
            f"{path} is {values.dtype} {values.shape}, but ({rows}, d) floating-point features are needed, a row for "
            f"each line of pairs.csv"
        )
    return values  # type: ignore[no-any-return]
