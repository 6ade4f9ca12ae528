"""Distillation: a teacher's codes of the training pairs guide a student of two plain encoders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from masln.data import PairedDataset
from masln.errors import ConfigError
from masln.losses import (
    info_nce_loss,
    relational_angle_loss,
    relational_distance_loss,
    similarity_transfer_loss,
    teacher_distance_loss,
)
from masln.models.base import Arrays, ValidationScore, method_resolver
from masln.models.deep import TwoTower
from masln.models.teachers import Teacher, TeacherCodes, find_teacher
from masln.models.two_encoders import TwoEncoderMethod, TwoEncoders
from masln.saving import add_arrays
from masln.training import Batch, Objective, PairBatches, Runtime

__all__ = ["Distillation", "DistillationNetwork"]


class DistillationNetwork(TwoEncoders):
    """Two encoders, and a linear map of a student's codes to those of its teacher where their width is another.

    One map serves both modalities, so that codes which it takes to the same place are the same, unless the teacher's
    codes are of two widths (ours; CLIP-KD has two maps. With two, the distance alone aligned nothing: a validation mAP
    of .22 for .36 on emoji and .29 for .48 on fashion; beside the other losses it did not matter).

    Args:
        method: Whose hyper-parameters are taken.
        d_image: Width of the scaled image features.
        d_text: Width of the scaled text features.
        teacher_widths: Of the teacher's codes, by modality.
    """

    def __init__(self, method: Distillation, d_image: int, d_text: int, teacher_widths: Mapping[str, int]) -> None:
        super().__init__(method, d_image, d_text)
        self.weights = {name: getattr(method, name) for name in method.LOSSES if getattr(method, name)}
        self.mask_same_class = method.mask_same_class
        self.temperature, self.teacher_temperature = method.temperature, method.teacher_temperature
        maps = {width: nn.Linear(method.code_width, width) for width in sorted({*teacher_widths.values()})}
        others = {name: width for name, width in teacher_widths.items() if width != method.code_width}
        self.maps = nn.ModuleDict({name: maps[width] for name, width in others.items() if method.teacher_distance})

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """The weighted sum of the losses that are switched on."""
        image, text = self.encoders["image"](batch.image), self.encoders["text"](batch.text)
        teacher = batch.teacher or ()  # a student alone has none
        losses: dict[str, Callable[[], Tensor]] = {
            "contrastive": lambda: info_nce_loss(
                image, text, batch.labels, scale=1 / self.temperature, mask_same_class=self.mask_same_class
            ),
            "teacher_distance": lambda: _of_both(
                teacher_distance_loss, (self._mapped(image, "image"), self._mapped(text, "text")), teacher
            ),
            "relational_distance": lambda: _of_all(relational_distance_loss, (image, text), teacher),
            "relational_angle": lambda: _of_all(relational_angle_loss, (image, text), teacher),
            "similarity": lambda: similarity_transfer_loss(
                *(image, text, *teacher), temperature=self.temperature, teacher_temperature=self.teacher_temperature
            ),
        }
        figures = {name: losses[name]() for name in self.weights}
        total = sum((self.weights[name] * loss for name, loss in figures.items()), image.new_zeros(()))
        yield Objective("network", total, figures)

    def _mapped(self, codes: Tensor, modality: str) -> Tensor:
        return self.maps[modality](codes) if modality in self.maps else codes


def _of_both(loss: Callable[[Tensor, Tensor], Tensor], codes: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    image, text = (loss(own, other) for own, other in zip(codes, teacher, strict=True))
    return image + text


def _of_all(loss: Callable[[Tensor, Tensor], Tensor], codes: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Relations among the codes of both modalities together, where the teacher's are of one width.

    They are those of directions, which are what retrieval compares.
    """
    student, other = ([functional.normalize(z.float(), dim=-1) for z in both] for both in (codes, teacher))
    if other[0].shape == other[1].shape:
        return loss(torch.cat(student), torch.cat(other))
    return _of_both(loss, student, other)


@dataclass(kw_only=True, eq=False, repr=False)
class Distillation(TwoEncoderMethod):
    """A student of two plain encoders that learns its pairs, and from the codes that a teacher gives them.

    With codes u, v of the n pairs of a batch and u*, v* those of the teacher, it minimises the sum of

        ``contrastive``          InfoNCE of u and v, both ways, at ``temperature``
        ``teacher_distance``     the mean of ||P u / ||P u|| - u* / ||u*|| ||^2, and the same of v
        ``similarity``           KL of the softmax of u*'s cosines with all v* from that of u's with all v, and back
        ``relational_distance``  Huber's function of ||w_i - w_j|| less ||w*_i - w*_j||, each over its mean
        ``relational_angle``     the same of the cosine of the angle that w_i, w_j, w_k make

    each times its weight. The 2n codes w are u and v together, where the teacher's are in one space (ours; relations
    within a modality tell nothing of the other). P is a linear map, learned and then left aside, where the width of the
    codes is not the teacher's. A teacher's codes are made once, before the first step; they get no gradient, and the
    fitted student needs its teacher no more.

    Who teaches. A registered method is fitted with its defaults and the student's seed on the student's own training
    pairs, so that it knows no more than these: that is what a table over several class splits needs. A saved one must
    not know a class that the fit holds out. What a model behind feature files was trained on cannot be known, and the
    record of a run says so.

    Args:
        teacher: A registered method; or a folder: that of a finished run or of a saved method, or one with
            ``image.npy`` and ``text.npy`` of a large model, whose rows belong to the pairs named in the column ``id``
            of the ``pairs.csv`` beside them (a bundle of the same pairs is such a folder).
        contrastive: Weight; 0 leaves a loss out, and likewise below. All but this at 0 is the student alone.
        teacher_distance: Weight.
        similarity: Weight; it needs teacher codes of one width in both modalities.
        relational_distance: Weight; of teacher codes of two widths, the relations within each modality are added up.
        relational_angle: Weight, as above; it takes memory for 8 n^3 angles.
        temperature: Of the student's cosines.
        teacher_temperature: Of the teacher's, in ``similarity``.
        mask_same_class: Take other pairs of a pair's class out of its negatives.

    The other hyper-parameters are those of ``TwoEncoderMethod``. Nothing is searched on validation classes, since a
    saved teacher may know them.

    References:
        Yang, C., An, Z., Huang, L., Bi, J., Yu, X., Yang, H., Diao, B., Xu, Y.: CLIP-KD: an empirical study of CLIP
        model distillation. CVPR 2024 (distance and similarity). Park, W., Kim, D., Lu, Y., Cho, M.: Relational
        knowledge distillation. CVPR 2019.
    """

    summary: ClassVar[str] = "knowledge distillation: a teacher's codes, distances and similarities guide a student"
    reference: ClassVar[str] = "Yang et al., CVPR 2024; Park et al., CVPR 2019"
    search_space: ClassVar[dict[str, tuple[Any, ...]]] = {}
    budget_space: ClassVar[dict[str, tuple[Any, ...]]] = {
        "teacher": ("masln", "cca"),
        "temperature": (0.2, 0.07),
        "teacher_temperature": (0.2, 0.07),
        "similarity": (1.0, 0.1, 10.0),
        "learning_rate": (1e-3, 3e-4),
    }
    LOSSES: ClassVar[tuple[str, ...]] = (
        *("contrastive", "teacher_distance", "similarity"),
        *("relational_distance", "relational_angle"),
    )

    teacher: str = "masln"  # ours, as all below; validation mAP of emoji / fashion: .37 / .46, by cca .33 / .38
    contrastive: float = 1.0
    teacher_distance: float = 1.0
    similarity: float = 1.0
    relational_distance: float = 0.0
    relational_angle: float = 0.0
    temperature: float = 0.2  # both at .07: .37 / .46 there, at .2: .38 / .48
    teacher_temperature: float = 0.2
    mask_same_class: bool = True

    def __post_init__(self) -> None:
        self._taught: TeacherCodes | None = None
        self._teacher_widths: dict[str, int] = {}
        self._teacher_remark = ""

    @property
    def _guided(self) -> bool:
        return any(getattr(self, name) for name in self.LOSSES if name != "contrastive")

    def _find(self) -> Teacher:
        return find_teacher(os.fspath(self.teacher), student=method_resolver.normalize_cls(type(self)))

    def check(self, pairs: PairedDataset) -> None:
        """See ``TwoEncoderMethod.check``; also finds the teacher and asks whether it can encode such pairs."""
        super().check(pairs)
        if self._guided:
            self._find().check(pairs)

    def check_classes(self, class_names: Sequence[str]) -> None:
        """Refuse a teacher that knows of other classes."""
        if self._guided:
            self._find().check_classes(class_names)

    def remarks(self) -> list[str]:
        """What the teacher may have known, where it cannot be told."""
        return [self._teacher_remark] if self._teacher_remark else []

    def fingerprint(self, train: PairedDataset, validation: PairedDataset | None, runtime: Runtime) -> str:
        """See ``Method.fingerprint``; with the teacher's codes, which may change under the same name."""
        digest = hashlib.sha256(super().fingerprint(train, validation, runtime).encode())
        if self._taught is not None:
            add_arrays(digest, {"image": self._taught.image, "text": self._taught.text})
        return digest.hexdigest()[:12]

    def _fit(
        self,
        train_pairs: PairedDataset,
        validation: PairedDataset | None,
        runtime: Runtime,
        score: ValidationScore,
    ) -> None:
        self.__post_init__()
        if self._guided:
            self._learn_of(self._find().codes(train_pairs, seed=self.seed, runtime=runtime))
        super()._fit(train_pairs, validation, runtime, score)
        self._taught = None  # the codes of all training pairs are of no use to a fitted student

    def _learn_of(self, taught: TeacherCodes) -> None:
        widths = {"image": taught.image.shape[1], "text": taught.text.shape[1]}
        if self.similarity and widths["image"] != widths["text"]:
            raise ConfigError(
                f"teacher {self.teacher} has image codes of {widths['image']} and text codes of {widths['text']} "
                f"dimensions, which cannot be compared; set similarity=0"
            )
        self._taught, self._teacher_remark, self._teacher_widths = taught, taught.remark, widths

    def _initialise(self, data: PairBatches) -> None:
        if self._taught is not None:
            data.set_teacher(self._taught.image, self._taught.text)

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        self._require_not_negative(*self.LOSSES)
        if not any(getattr(self, name) for name in self.LOSSES):
            raise ConfigError(f"{', '.join(self.LOSSES)} are all 0: nothing to learn from")
        for name in ("temperature", "teacher_temperature"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive, got {getattr(self, name)}")
        return DistillationNetwork(self, d_image, d_text, self._teacher_widths)

    def _state(self) -> tuple[Arrays, dict[str, Any]]:
        arrays, facts = super()._state()
        return arrays, {**facts, "teacher_widths": self._teacher_widths, "teacher_remark": self._teacher_remark}

    def _restore(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        self._teacher_widths, self._teacher_remark = facts["teacher_widths"], facts["teacher_remark"]
        super()._restore(arrays, facts)
