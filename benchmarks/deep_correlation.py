"""DCCA per epoch against cca-zoo's at equal sizes, and the canonical correlation that both reach.

    python -m benchmarks.deep_correlation [--epochs 20] [--rounds 3] [--out benchmarks/results/deep_correlation.json]

Both learn the same pairs, drawn from one latent seen through two nonlinear maps, with encoders of one shape, Adam at
one rate, batches of one size and no weight decay, in one process on one thread. Times are CPU seconds of the process,
which other work on the machine does not stretch. Seconds an epoch are what the later epochs of a fit add: fits of two
lengths are timed in turns and their difference divided, so that what either library does once is left out. masln is
timed in bf16 too, which its loss in float64 allows. The canonical correlations are those of the learned codes,
unregularised, summed, on the training pairs and on as many held out. cca-zoo maximises the sum of their squares, where
the paper has their sum: "masln, squared" is masln with that objective, so that what is left between the two is the
numerics. ``most_that_is_possible_in_fp32`` is the ratio that a library would reach that does nothing but the matrix
products of the network.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import itertools
import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.machine import machine_facts
from masln.data import PairedDataset
from masln.losses import canonical_correlations
from masln.models import DCCA, TwoTower
from masln.models.dcca import DCCANetwork
from masln.nn import ProjectedEncoder, build_encoder
from masln.training import Batch, Objective, Runtime, progress_bar, write_atomically

LEARNING_RATE, RIDGE, LATENT = 1e-3, 1e-3, 24
Encode = Callable[[Tensor, Tensor], list[Tensor]]


@dataclass(frozen=True)
class Sizes:
    """Pairs, widths of the features, and the network."""

    n: int
    d_image: int
    d_text: int
    hidden: tuple[int, ...]
    code_width: int
    batch_size: int


# ours: SIFT and LDA of Wikipedia; pooled EfficientNet-Lite0 and MiniLM; VGG-19 fc7 and doc2vec.
STUDIES = {
    "wikipedia, mini-batch": Sizes(2173, 128, 10, (512,), 8, 256),
    "wikipedia, whole batch": Sizes(2173, 128, 10, (512,), 8, 2173),
    "rsicd, mini-batch": Sizes(2000, 1280, 384, (512,), 16, 256),
    "rsicd, whole batch": Sizes(2000, 1280, 384, (512,), 16, 2000),
    "fc7, mini-batch": Sizes(2173, 4096, 300, (512,), 16, 256),
}


def make_pairs(sizes: Sizes) -> tuple[PairedDataset, PairedDataset]:
    """Training pairs and as many held out."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(2 * sizes.n, LATENT))
    views = {
        name: np.tanh(latent @ rng.normal(size=(LATENT, width)) / 3) + 0.5 * rng.normal(size=(2 * sizes.n, width))
        for name, width in (("image", sizes.d_image), ("text", sizes.d_text))
    }
    both = PairedDataset(
        name="latent",
        **{name: X.astype(np.float32) for name, X in views.items()},
        labels=np.zeros(2 * sizes.n, dtype=np.int64),
        class_names=("one",),
    )
    return both.take(np.arange(sizes.n)), both.take(np.arange(sizes.n, 2 * sizes.n))


class SquaredNetwork(DCCANetwork):
    """The network of DCCA with the objective of cca-zoo."""

    def objectives(self, batch: Batch, progress: float) -> Iterator[Objective]:
        """Minus the sum of the squared canonical correlations."""
        loss = -canonical_correlations(*self.learned_codes(batch), ridge=self.ridge).square().sum()
        yield Objective("network", loss, {"canonical_correlation": loss})


class SquaredDCCA(DCCA):
    """DCCA with the objective of cca-zoo."""

    def _build(self, d_image: int, d_text: int, n_classes: int, d_class: int) -> TwoTower:
        return SquaredNetwork(self, d_image, d_text)


def fit_ours(
    pairs: PairedDataset, sizes: Sizes, epochs: int, *, method: type[DCCA] = DCCA, precision: str = "fp32"
) -> Encode:
    """Fit masln's DCCA; returns what its encoders learned."""
    fitted = method(
        code_width=sizes.code_width,
        hidden=sizes.hidden,
        batch_size=sizes.batch_size,
        epochs=epochs,
        learning_rate=LEARNING_RATE,
        ridge=RIDGE,
        weight_decay=0.0,
        dropout=0.0,
        schedule="constant",
        input_scaling="none",
    ).fit(pairs, runtime=Runtime(device="cpu", precision=precision))
    encoders = [fitted.network_.encoders[name] for name in ("image", "text")]
    return lambda *views: [
        encoder.learned(X) for encoder, X in zip(encoders, views, strict=True) if isinstance(encoder, ProjectedEncoder)
    ]


def fit_theirs(pairs: PairedDataset, sizes: Sizes, epochs: int) -> Encode:
    """Fit cca-zoo's DCCA as its documentation does, with everything switched off that only reports."""
    import lightning.pytorch as pl
    from cca_zoo import deep
    from torch.utils.data import DataLoader

    torch.manual_seed(0)
    encoders: list[nn.Module] = [
        build_encoder("mlp", width, sizes.code_width, hidden=sizes.hidden) for width in (sizes.d_image, sizes.d_text)
    ]
    model = deep.DCCA(n_components=sizes.code_width, encoders=encoders, learning_rate=LEARNING_RATE, reg_covar=RIDGE)
    loader = DataLoader(deep.MultiviewDataset([pairs.image, pairs.text]), batch_size=sizes.batch_size, shuffle=True)
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(model, loader)
    return lambda *views: [encoder(X) for encoder, X in zip(encoders, views, strict=True)]


@torch.no_grad()
def correlation(encode: Encode, pairs: PairedDataset) -> float:
    """Sum of the canonical correlations of the learned codes."""
    codes = encode(torch.from_numpy(pairs.image), torch.from_numpy(pairs.text))
    return float(canonical_correlations(*codes, ridge=0.0).sum())


def seconds_of_products(sizes: Sizes) -> float:
    """CPU seconds of the matrix products of one epoch, forward and backward, and nothing else."""
    n = min(sizes.n, sizes.batch_size)
    shapes = []
    for d_in in (sizes.d_image, sizes.d_text):
        widths = [d_in, *sizes.hidden, sizes.code_width]
        for i, (p, q) in enumerate(itertools.pairwise(widths)):
            # The codes, the gradient of the weights, and that of the input but for the first layer.
            shapes += [((n, p), (p, q)), ((p, n), (n, q)), *([((n, q), (q, p))] if i else [])]
    factors = [(torch.randn(*left), torch.randn(*right)) for left, right in shapes]
    started = time.process_time()
    for _ in range(10):
        for left, right in factors:
            left @ right
    return (time.process_time() - started) / 10 * sizes.n / n


def measure(sizes: Sizes, epochs: int, rounds: int) -> dict[str, Any]:
    """Seconds an epoch of each, in turns, and the correlations that they reach."""
    train, held_out = make_pairs(sizes)
    fits = {
        "masln": fit_ours,
        "masln bf16": partial(fit_ours, precision="bf16"),
        "masln, squared": partial(fit_ours, method=SquaredDCCA),
        "cca_zoo": fit_theirs,
    }
    short = max(1, epochs // 4)
    seconds: dict[tuple[str, int], float] = {}
    learned: dict[str, Encode] = {}
    products = np.inf
    for _ in range(rounds):
        for name, fit in fits.items():
            for count in (short, epochs):
                started = time.process_time()
                learned[name] = fit(train, sizes, count)
                passed = time.process_time() - started
                seconds[name, count] = min(passed, seconds.get((name, count), np.inf))
        products = min(products, seconds_of_products(sizes))
    an_epoch = {name: (seconds[name, epochs] - seconds[name, short]) / (epochs - short) for name in fits}
    return {
        "sizes": vars(sizes),
        "seconds_an_epoch": an_epoch,
        "times_faster": {name: an_epoch["cca_zoo"] / an_epoch[name] for name in fits},
        "most_that_is_possible_in_fp32": an_epoch["cca_zoo"] / products,
        "train_correlation": {name: correlation(encode, train) for name, encode in learned.items()},
        "held_out_correlation": {name: correlation(encode, held_out) for name, encode in learned.items()},
    }


@click.command()
@click.option("--epochs", default=20, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--studies", default="", help="Names, separated by ';'.  [default: all]")
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/deep_correlation.json"))
def main(epochs: int, rounds: int, studies: str, out: Path) -> None:
    """Measure and write the JSON."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    torch.set_num_threads(1)
    chosen = {name: STUDIES[name] for name in studies.split(";") if name} or STUDIES
    result: dict[str, Any] = {**machine_facts(), "threads": torch.get_num_threads(), "epochs": epochs, "studies": {}}
    with progress_bar("studies", len(chosen), show=True) as advance:
        for name, sizes in chosen.items():
            result["studies"][name] = measure(sizes, epochs, rounds)
            advance()
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
    click.echo(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
