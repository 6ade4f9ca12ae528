"""Recipes that turn the raw files of a dataset into a bundle; they use `masln` and are not part of the wheel."""

from __future__ import annotations
