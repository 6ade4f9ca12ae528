"""Tests of masln.evaluation."""
