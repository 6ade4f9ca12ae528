"""Fixtures that several rooms share: the research data folder, a small synthetic dataset, and a server of files."""

from __future__ import annotations

import os
from collections.abc import Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does, before torch is imported
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers share the cores
import dataclasses
import signal
from pathlib import Path

import numpy as np
import pytest

from masln.data import PairedDataset
from tests.data.file_server import FileServer, running_server
from tests.retrieval.trained import Trained, train_on_pictures

ROOT = Path(__file__).parents[1]

# A program that is started in the background is often told to ignore Ctrl-C, and its children are too; tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = Path(os.environ.get("MASLN_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the research data folder is absent (set MASLN_SHARED_DATA to its path)")
    return folder


def make_pairs(
    *, classes: int = 6, per_class: int = 20, d_image: int = 24, d_text: int = 16, seed: int = 0
) -> PairedDataset:
    """Draw pairs from a linear-Gaussian model: class means and a shared latent seen through two noisy maps."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per_class)
    means = rng.normal(size=(classes, 8))
    latent = means[labels] + 0.5 * rng.normal(size=(len(labels), 8))
    image = latent @ rng.normal(size=(8, d_image)) + 0.3 * rng.normal(size=(len(labels), d_image))
    text = latent @ rng.normal(size=(8, d_text)) + 0.3 * rng.normal(size=(len(labels), d_text))
    split = np.where(np.arange(len(labels)) % 4 == 3, "test", "train")
    return PairedDataset(
        name="synthetic",
        image=image.astype(np.float32),
        text=text.astype(np.float32),
        labels=labels,
        class_names=tuple(f"class{i}" for i in range(classes)),
        class_embeddings=(means @ rng.normal(size=(8, 10))).astype(np.float32),
        split=split,
    )


def make_sequences(*, regions: int = 4, tokens: int = 7, seed: int = 0, **values: int) -> PairedDataset:
    """The pairs of ``make_pairs`` as image regions and text tokens, their features and noise; texts of all lengths."""
    pairs = make_pairs(seed=seed, **values)
    rng = np.random.default_rng(seed + 1)
    image = pairs.image[:, None] + 0.3 * rng.normal(size=(len(pairs), regions, pairs.image.shape[1]))
    text = pairs.text[:, None] + 0.3 * rng.normal(size=(len(pairs), tokens, pairs.text.shape[1]))
    mask = np.arange(tokens) < rng.integers(1, tokens + 1, size=(len(pairs), 1))
    text = np.where(mask[:, :, None], text, 0.0)
    return dataclasses.replace(pairs, image=image.astype(np.float32), text=text.astype(np.float32), text_mask=mask)


def add_label_sets(pairs: PairedDataset, *, share: float = 0.3, seed: int = 0) -> PairedDataset:
    """Let some of the pairs carry one class more, drawn at random, beside their main one."""
    rng = np.random.default_rng(seed)
    n, classes = len(pairs), len(pairs.class_names)
    sets = np.zeros((n, classes), dtype=bool)
    sets[np.arange(n), pairs.labels] = True
    chosen = np.flatnonzero(rng.random(n) < share)
    sets[chosen, (pairs.labels[chosen] + rng.integers(1, classes, len(chosen))) % classes] = True
    return dataclasses.replace(pairs, label_sets=sets)


@pytest.fixture
def pairs() -> PairedDataset:
    return make_pairs()


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    """Pictures, texts, their bundle and a run; not to be written to."""
    return train_on_pictures(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def file_server(monkeypatch) -> Iterator[FileServer]:
    """A server of tiny files on this machine; asked directly, whatever proxy the environment names."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running_server() as server:
        yield server
