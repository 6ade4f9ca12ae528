"""The runs of one method on one class split that differ in the seed, trained in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masln.data import PairedDataset
from masln.experiments.config import RunConfig
from masln.experiments.directory import RunDirectory
from masln.experiments.run_data import run_data
from masln.experiments.runs import Run, leave_run, runtime_of
from masln.experiments.selection import Selection
from masln.experiments.stopwatch import Stopwatch
from masln.models import Method, fit_seeds, fit_together, make_method
from masln.training import NotBatchedError, Runtime, TrainingInterruptedError

__all__ = ["passes_of", "run_seeds_here"]


def passes_of(runs: Sequence[Run], config: RunConfig) -> list[list[Run]]:
    """The runs that are made together, in order: those of one method and class split, or each by itself."""
    if not config.batch_seeds:
        return [[run] for run in runs]
    together: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        together.setdefault((run.method, run.number), []).append(run)
    return list(together.values())


def run_seeds_here(
    runs: Sequence[Run],
    config: RunConfig,
    dataset: PairedDataset,
    directory: Path,
    *,
    resume: bool,
    progress: bool = False,
    tensorboard: bool = False,
) -> None:
    """Fit the runs of a method and class split in one pass, and leave the files of each as if it had run alone.

    Nothing is chosen on validation classes. The record of each has its share of the time, and says how many shared it,
    or why they were fitted one after another. A run that is finished already takes part once more, so that the others
    come out as before, and its files stay.

    Raises:
        TrainingInterruptedError: Ctrl-C; the message says how to go on.
    """
    import torch

    first = runs[0]
    class_split = config.make_split(dataset.class_names, first.number)
    hyperparameters = dict(config.hyperparameters) if first.method == config.method else {}
    data = run_data(dataset, config, class_split)
    seen = data.pairs.of_classes(class_split.seen, data.pairs.rows("train"))
    own = {run: RunDirectory(directory / run.place) for run in runs}
    lacking = [run for run in runs if not own[run].finished]
    shown = {"progress": progress, "tensorboard": tensorboard}
    runtimes = {run: runtime_of(own[run], config, resume=resume, **shown) for run in lacking}
    silent = Runtime(device=config.device, precision=config.precision, progress=progress)
    method = make_method(first.method, **hyperparameters)
    fitted: dict[Run, Method] = {}
    shared: dict[str, Any]
    stopwatch = Stopwatch(taken_up=resume and any(own[run].begun for run in lacking))
    try:
        try:
            of_each = [runtimes.get(run, silent) for run in runs]
            methods = fit_together(method, [run.seed for run in runs], seen, runtimes=of_each)
            fitted, shared = dict(zip(runs, methods, strict=True)), {"seeds_together": len(runs)}
        except NotBatchedError as error:
            shared = {"seeds_apart": str(error)}
            for run in lacking:
                fitted[run] = fit_seeds(method, [run.seed], seen, runtime=runtimes[run]).methods[0]
    except TrainingInterruptedError as error:
        raise TrainingInterruptedError(f"{error}: masln train --resume --out {directory}") from error
    facts = {
        **stopwatch.facts(shared_by=len(fitted)),
        "threads": torch.get_num_threads(),
        **shared,
        **data.facts,
    }
    for run in lacking:
        selection = Selection({**hyperparameters, "seed": run.seed})
        leave_run(run, config, dataset, class_split, fitted[run], selection, own[run], fitted=facts)
