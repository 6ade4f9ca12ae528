"""RunRecord: the figures of one run, as values that go to disk and come back unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from masln.evaluation import DIRECTIONS, Evaluation

__all__ = ["RunRecord", "record_of"]

GENERALIZED, RERANKED = "generalized ", "reranked "
_PER_QUERY = ("part", "direction", "row", "id", "label", "average_precision")


@dataclass(frozen=True, eq=False)
class RunRecord:
    """One method on one class split with one seed.

    Attributes:
        facts: ``method``, ``split``, ``seed``, hashes, chosen hyper-parameters, seconds of the clock and of
            the processor.
        parts: Part name to direction (``i2t``, ``t2i``, ``average``) to its figures, as in ``metrics.json``; those of
            a joint scorer are there twice, the second time with ``reranked`` before their names.
        per_query: Columns ``part``, ``direction``, ``row``, ``id``, ``label``, ``average_precision``; with relevance
            ``instance`` also ``picture``, equal where captions describe one picture, and ``first_rank``. Without rows
            where the figures alone were kept.
    """

    facts: Mapping[str, Any]
    parts: Mapping[str, Any]
    per_query: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(_PER_QUERY)))

    @property
    def method(self) -> str:
        """Registered name of the method."""
        return str(self.facts["method"])

    def as_methods(self) -> list[RunRecord]:
        """The record, parted in two where the run re-ranked, as if by a method of its own under the same parts."""
        again = {part.removeprefix(RERANKED): figures for part, figures in self.parts.items() if _is_reranked(part)}
        if not again:
            return [self]
        chosen = self.per_query["part"].map(_is_reranked)
        own = RunRecord(
            self.facts,
            {part: figures for part, figures in self.parts.items() if not _is_reranked(part)},
            self.per_query[~chosen].reset_index(drop=True),
        )
        table = self.per_query[chosen].reset_index(drop=True)
        table["part"] = table["part"].str.removeprefix(RERANKED)
        method = f"{self.method}, top {self.facts['rerank']} re-ranked"
        return [own, RunRecord({**self.facts, "method": method}, again, table)]

    def map(self, part: str, direction: str = "average") -> float:
        """mAP@all of a part and direction."""
        figures = self.parts[part][direction]
        return float(figures.get("metrics", figures)["mAP"])

    def average_precision(self, part: str) -> pd.Series:
        """Average precision of each query of a part, mean of both directions, by dataset row.

        With relevance ``instance`` it is that of each picture and its captions, by picture.
        """
        chosen = self.per_query[self.per_query["part"] == part]
        query = "picture" if "picture" in chosen else "row"
        directions = chosen.groupby([query, "direction"], sort=True)["average_precision"].mean()
        return directions.groupby(level=query, sort=True).mean().rename_axis("row")


def record_of(
    facts: Mapping[str, Any],
    evaluations: Mapping[str, Evaluation],
    ids: NDArray[np.str_] | None,
    *,
    pictures: NDArray[np.int64] | None = None,
) -> RunRecord:
    """Gather the evaluations of a run.

    Args:
        facts: What the run was.
        evaluations: Prefix of the part names to evaluation: ``""`` and, for the joint gallery, ``"generalized "``;
            of a joint scorer the same again after ``"reranked "``.
        ids: Name of each dataset row.
        pictures: (n,) of each dataset row, as of ``PairedDataset.pictures``; each its own by default.
    """
    parts: dict[str, Any] = {}
    tables = []
    for prefix, evaluation in evaluations.items():
        for part, figures in evaluation.to_dict()["parts"].items():
            parts[(prefix.removesuffix(GENERALIZED) if part == "harmonic" else prefix) + part] = figures
        for part, results in evaluation.parts.items():
            for direction in DIRECTIONS:
                scores = results[direction]
                columns = {
                    "part": prefix + part,
                    "direction": direction,
                    "row": scores.rows,
                    "id": scores.rows.astype(str) if ids is None else ids[scores.rows],
                    "label": scores.labels,
                    "average_precision": scores.average_precision,
                }
                if evaluation.protocol.relevance == "instance":
                    columns["picture"] = scores.rows if pictures is None else pictures[scores.rows]
                    columns["first_rank"] = scores.per_query["first_rank"]
                tables.append(pd.DataFrame(columns))
    return RunRecord(dict(facts), parts, pd.concat(tables, ignore_index=True))


def _is_reranked(part: str) -> bool:
    return part.startswith(RERANKED)
