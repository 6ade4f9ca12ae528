"""A tiny collection of pictures and texts, prepared and trained on: what every search of raw items begins with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from masln.experiments import RunConfig, run_experiment
from masln.preparation import prepare
from tests.preparation.collection import make_collection, settings_of


@dataclass(frozen=True)
class Trained:
    """Folders under one: ``photos``, ``table.csv``, the bundle and the run of ridge CCA."""

    folder: Path

    @property
    def photos(self) -> Path:
        return self.folder / "photos"

    @property
    def table(self) -> Path:
        return self.folder / "table.csv"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def other_run(self) -> Path:
        return self.folder / "other"


def train_on_pictures(folder: Path) -> Trained:
    """Real extractors, a linear method; two runs whose codes have nothing in common."""
    made = Trained(folder)
    prepare(settings_of(folder, make_collection(folder, per_class=6)), made.bundle)
    for run, seed in ((made.run, 0), (made.other_run, 5)):
        config = RunConfig(method="cca", data=str(made.bundle), baselines=(), select=False, device="cpu", seed=seed)
        run_experiment(config, run)
    return made


def train_joint_scorer(trained: Trained, folder: Path) -> Path:
    """Regions and tokens of the same pictures and texts in ``bundle``, and in ``run`` a method that scores pairs."""
    settings = replace(
        settings_of(trained.folder, text_columns=("caption_1",)),
        image_settings={"layout": "regions"},
        text_settings={"layout": "tokens", "max_tokens": 8},
    )
    prepare(settings, folder / "bundle")
    tiny = {"epochs": 1, "batch_size": 16, "code_width": 6, "heads": 2}
    data = str(folder / "bundle")
    config = RunConfig(
        method="attentionmatching", data=data, hyperparameters=tiny, baselines=(), select=False, device="cpu"
    )
    run_experiment(config, folder / "run")
    return folder
