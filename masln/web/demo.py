"""The demo: a run on the bundled emoji and a gallery of it, made once and kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from masln._version import __version__
from masln.data import DEFAULT_DATASET, bundle_hash, load_dataset
from masln.errors import ConfigError, MissingExtraError
from masln.experiments import RunConfig, open_encoder, run_experiment
from masln.features.journal import Journal
from masln.retrieval import build_gallery, make_backend, of_dataset, write_codes

__all__ = ["Demo", "demo_folder", "make_demo"]

# Default settings of MASLN, no choice among them: 13 s on one core, and what the README's first table shows.
_CONFIG = RunConfig(method="masln", data=DEFAULT_DATASET, baselines=(), select=False, device="cpu")
_ARTIST = "noto"  # either of the two: both drawings of a concept are shown as the same character


@dataclass(frozen=True)
class Demo:
    """Where the demo lies."""

    gallery: Path
    run: Path


def demo_folder() -> Path:
    """Where the demo is kept by default: the user's cache, by what it is made of.

    Raises:
        MissingExtraError: platformdirs, which knows the place on each system, is not installed.
    """
    try:
        from platformdirs import user_cache_path
    except ImportError as error:
        raise MissingExtraError("platformdirs", "web", "the demo") from error
    told = [__version__, bundle_hash(load_dataset(DEFAULT_DATASET)), _CONFIG.to_dict(), _ARTIST]
    key = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]
    return Path(user_cache_path("masln", appauthor=False)) / f"demo-{key}"


def make_demo(folder: str | Path | None = None, *, progress: bool = False) -> Demo:
    """Train the demo's run and build its gallery, or find them made already.

    Args:
        folder: Where they are kept; None for ``demo_folder``.
        progress: Show bars.

    Raises:
        ConfigError: the folder cannot be written.
        CheckpointError: another process makes the demo there, or Ctrl-C.
    """
    own = demo_folder() if folder is None else Path(folder)
    made = Demo(own / "gallery", own / "run")
    try:
        own.mkdir(parents=True, exist_ok=True)
        with Journal(own / "lock.journal", {"lock": "demo"}):
            if not made.gallery.is_dir():  # it is made last, and whole or not at all
                _make(made, own / "codes", progress=progress)
    except OSError as error:
        raise ConfigError(
            f"cannot keep the demo in {own} ({error.strerror or error}); choose another --cache"
        ) from error
    return made


def _make(demo: Demo, codes: Path, *, progress: bool) -> None:
    for unfinished in (demo.run, codes):
        shutil.rmtree(unfinished, ignore_errors=True)
    run_experiment(_CONFIG, demo.run, progress=progress)
    encoder = open_encoder(demo.run)
    dataset = load_dataset(DEFAULT_DATASET)
    assert dataset.ids is not None
    rows = [row for row, name in enumerate(dataset.ids.tolist()) if name.endswith(f"-{_ARTIST}")]
    written = write_codes(
        of_dataset(encoder, dataset.take(np.array(rows))), codes, model=encoder.facts, progress=progress
    )
    build_gallery(written, demo.gallery, backend=make_backend("exact"))
    shutil.rmtree(codes, ignore_errors=True)
