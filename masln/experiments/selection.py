"""Model selection on validation classes, the same way for every method; unseen classes are never touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masln.data import ClassSplit, PairedDataset
from masln.evaluation import Protocol, retrieval_map
from masln.experiments.search import number_tried, search_space_of, try_configurations
from masln.experiments.tried import TriedCandidates
from masln.models import DeepMethod, Method, ValidationScore, make_method
from masln.nn import remembering
from masln.training import Runtime, progress_bar

__all__ = ["Selection", "fit_selected", "validation_score"]


@dataclass(frozen=True)
class Selection:
    """What the validation classes chose.

    Attributes:
        hyperparameters: All that the final fit uses beyond the method's defaults.
        candidates: Each candidate's searched values, validation mAP and, with early stopping, best epoch.
    """

    hyperparameters: dict[str, Any]
    candidates: list[dict[str, Any]] = field(default_factory=list)


def validation_score(protocol: Protocol, validation: PairedDataset) -> ValidationScore:
    """How validation codes are scored: mAP of both directions, averaged, normalised as the protocol says.

    With relevance ``shared-label`` validation pairs too are relevant to each other where they share a label, and with
    ``instance`` where they show one picture, so that what is chosen is what will be measured.
    """
    by_protocol = {"shared-label": validation.label_sets, "instance": validation.pictures}.get(protocol.relevance)

    def score(image: NDArray[Any], text: NDArray[Any], labels: NDArray[np.int64]) -> float:
        relevance = labels if by_protocol is None else by_protocol
        both = retrieval_map(image, text, relevance, normalize=protocol.normalize, similarity=protocol.similarity)
        return float(np.mean(both))

    return score


def fit_selected(
    name: str,
    hyperparameters: Mapping[str, Any],
    dataset: PairedDataset,
    class_split: ClassSplit,
    *,
    protocol: Protocol,
    runtime: Runtime,
    seed: int,
    select: bool = True,
    budget: int = 0,
    search: str = "random",
) -> tuple[Method, Selection]:
    """Choose by validation classes, then fit on the training pairs of all seen classes.

    Every combination of the method's search space, less what ``hyperparameters`` fixes, or as many as the budget says,
    is fitted on the seen classes that do not validate and scored on those that do. With early stopping (patience above
    0) the epoch is taken from there too. A pair with several classes is fitted on, or scored, only where all of them
    are of the classes in question, as in the final evaluation.

    Args:
        name: Registered name of the method.
        hyperparameters: Fixed values.
        dataset: All pairs; only training pairs of seen classes are read.
        class_split: Seen, validation and unseen classes.
        protocol: Normalisation, similarity and relevance of the validation score.
        runtime: Device, precision, files; checkpoints of candidates stand beside that of the final fit.
        seed: Of the method, unless ``hyperparameters`` sets one.
        select: False fits at once with the defaults and ``hyperparameters``.
        budget: Configurations tried at the most, see ``RunConfig``; 0 tries the plain search space whole.
        search: How they are picked; what is drawn depends on the class split and the method's seed.

    Returns:
        The fitted method and what was chosen.
    """
    base = dict(hyperparameters)
    probe = make_method(name, **base)
    if "seed" in probe.get_params():
        base.setdefault("seed", seed)
    rows = dataset.rows("train")
    seen = dataset.of_classes(class_split.seen, rows)
    space = search_space_of(probe, hyperparameters, budget=budget)
    count = number_tried(space, budget)
    stops_early = isinstance(probe, DeepMethod) and probe.patience > 0
    if not select or (count == 1 and not stops_early):  # nothing to choose
        return make_method(name, **base).fit(seen, runtime=runtime), Selection(base)
    fitting = dataset.of_classes(class_split.fitting, rows)
    validation = dataset.of_classes(class_split.validation, rows)
    score = validation_score(protocol, validation)
    tried = TriedCandidates(runtime, f"{probe.fingerprint(fitting, validation, runtime)} {protocol.hash} {seed}")
    with progress_bar(f"{name}: selecting", count, show=runtime.progress) as advance:

        def attempt(searched: dict[str, Any]) -> float:
            found = tried.found(searched)
            if found is None:
                own = runtime.beside(f"candidate{len(tried.all)}")
                method = make_method(name, **base | searched).fit(fitting, validation, runtime=own, score=score)
                found = _found(method, validation, score)
            tried.add(searched | found)
            advance()
            return float(found["validation_map"])

        # With the class split, so that the luck of a draw is averaged over class splits.
        drawn_by = (base.get("seed", 0), int(class_split.hash, 16))
        with remembering():  # what configurations have in common is worked out once
            try_configurations(space, attempt, budget=budget, search=search, seed=drawn_by)
    best = max(tried.all, key=lambda candidate: candidate["validation_map"])
    chosen = {key: value for key, value in best.items() if key != "validation_map"} | base
    return make_method(name, **chosen).fit(seen, runtime=runtime), Selection(chosen, tried.all)


def _found(method: Method, validation: PairedDataset, score: ValidationScore) -> dict[str, Any]:
    if isinstance(method, DeepMethod):
        found: dict[str, Any] = {"validation_map": method.best_score_}
        return found | ({"stop_epoch": method.best_epoch_} if method.patience else {})
    codes = method.encode_image(validation.image), method.encode_text(validation.text, validation.text_mask)
    return {"validation_map": score(*codes, validation.labels)}
