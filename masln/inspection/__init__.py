"""A bundle looked at: near-duplicates across its split, and pairs drawn for a person to see."""

from __future__ import annotations

from masln.inspection.check import check_dataset
from masln.inspection.drawing import draw_pairs
from masln.inspection.pictures import Pictures, find_pictures

__all__ = ["Pictures", "check_dataset", "draw_pairs", "find_pictures"]
