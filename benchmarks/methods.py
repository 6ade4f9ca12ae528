"""Speed of methods against peers that solve the same problem, and that both find the same correlations, in one run.

    python -m benchmarks.methods [--parts cca,kcca] [--rounds 2] [--out benchmarks/results/methods.json]

Pairs as many and as wide as those of Wikipedia with VGG and word vectors (2,173 x 4,096/300) are drawn from a
linear-Gaussian model with 20 shared directions. Each fit is timed from raw features to a method that encodes: seconds
of processor time on one thread, which neighbours on a shared machine do not lengthen as they do the wall clock, all
in turns, the best of each. Ratios above 1 say that ours is faster. Parts that are not run keep their figures.

Ours works in float64, and so do peers; cca-zoo keeps float32 when it is given that, which is timed too. Its fits end
with maps for ``predict`` and the importance of every feature, which retrieval has no use for (those of a kernel take
minutes): they are left out. scikit-learn's CCA has no ridge, so ours is timed with ridge 0
there; its iterations stop at its own ``max_iter`` of 500. With more features than pairs all of its
correlations are 1; that both find the same is therefore also checked on the first ``FEW_FEATURES`` of each image, and
there with iterations until nothing moves: by their own limits they stop 2e-3 away.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cca_zoo
import click
import numpy as np
import sklearn
import torch
from cca_zoo import nonparametric
from cca_zoo._base import BaseModel
from cca_zoo.linear import RidgeCCA
from numpy.typing import NDArray
from sklearn import cross_decomposition
from sklearn.metrics.pairwise import rbf_kernel

from benchmarks.evaluation import best_of, processor
from masln.data import PairedDataset
from masln.models import CCA, KCCA, Method
from masln.training import write_atomically

PAIRS, D_IMAGE, D_TEXT, SHARED = 2173, 4096, 300, 20
COMPONENTS = 10
RIDGE = 1.0
FEW_FEATURES = 400
KERNEL_RIDGE = 0.01


def draw_pairs() -> PairedDataset:
    """Two views of shared directions, the later ones weaker, so that each has a correlation of its own."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(PAIRS, SHARED)) * np.linspace(2, 0.5, SHARED)
    image, text = (
        (latent @ rng.normal(size=(SHARED, width)) + 4 * rng.normal(size=(PAIRS, width))).astype(np.float32)
        for width in (D_IMAGE, D_TEXT)
    )
    labels = np.zeros(PAIRS, dtype=np.int64)
    return PairedDataset(name="drawn", image=image, text=text, labels=labels, class_names=("one",))


def measure_cca(rounds: int) -> dict[str, Any]:
    """Ridge CCA against cca-zoo, unregularised CCA against scikit-learn."""
    pairs = draw_pairs()
    views, singles = _doubles(pairs), [pairs.image, pairs.text]
    shrinkage = [_shrinkage(RIDGE * float(V.var(axis=0).mean())) for V in views]
    fits: dict[str, Callable[[], Any]] = {
        "ours": lambda: _plain(CCA, ridge=RIDGE).fit(pairs),
        "ours, ridge 0": lambda: _plain(CCA, ridge=0.0).fit(pairs),
        "cca-zoo": lambda: RidgeCCA(COMPONENTS, shrinkage=shrinkage).fit(views),
        "cca-zoo, float32": lambda: RidgeCCA(COMPONENTS, shrinkage=shrinkage).fit(singles),
    }
    fitted: dict[str, Any] = {}
    seconds = best_of(_keeping(fits, fitted), rounds, time.process_time)
    seconds |= best_of(_keeping({"scikit-learn": lambda: _scikit_learn(views)}, fitted), 1, time.process_time)
    few = PairedDataset(**{**vars(pairs), "image": pairs.image[:, :FEW_FEATURES]})
    same = {
        "cca-zoo": _compare(_codes(fitted["ours"], pairs), fitted["cca-zoo"].transform(views)),
        "scikit-learn": _compare(_codes(fitted["ours, ridge 0"], pairs), fitted["scikit-learn"].transform(*views)),
        f"scikit-learn, {FEW_FEATURES} image features": _compare(
            _codes(_plain(CCA, ridge=0.0).fit(few), few),
            _scikit_learn(_doubles(few), max_iter=20_000, tol=1e-14).transform(*_doubles(few)),
        ),
    }
    ratios = {
        "cca-zoo": seconds["cca-zoo"] / seconds["ours"],
        "cca-zoo, float32": seconds["cca-zoo, float32"] / seconds["ours"],
        "scikit-learn": seconds["scikit-learn"] / seconds["ours, ridge 0"],
    }
    return {"ridge": RIDGE, "seconds": seconds, "ours_faster_by": ratios, "correlations": same}


def measure_kcca(rounds: int) -> dict[str, Any]:
    """Exact kernel CCA with RBF kernels against cca-zoo."""
    pairs = draw_pairs()
    views = [V - V.mean(axis=0) for V in _doubles(pairs)]
    gammas = [1 / (2 * float(V.var(axis=0).sum())) for V in views]
    means = [float(rbf_kernel(V, gamma=gamma).mean()) for V, gamma in zip(views, gammas, strict=True)]
    peer = nonparametric.KCCA(
        COMPONENTS,
        kernel="rbf",
        gamma=gammas,
        shrinkage=[_shrinkage(KERNEL_RIDGE * (1 - mean)) for mean in means],  # 1 - mean: the total variance
    )
    fits: dict[str, Callable[[], Any]] = {
        "ours": lambda: _plain(KCCA, ridge=KERNEL_RIDGE).fit(pairs),
        "cca-zoo": lambda: peer.fit(views),
    }
    fitted: dict[str, Any] = {}
    seconds = best_of(_keeping(fits, fitted), rounds, time.process_time)
    return {
        "ridge": KERNEL_RIDGE,
        "seconds": seconds,
        "ours_faster_by": {"cca-zoo": seconds["cca-zoo"] / seconds["ours"]},
        "correlations": {"cca-zoo": _compare(_codes(fitted["ours"], pairs), fitted["cca-zoo"].transform(views))},
    }


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {"cca": measure_cca, "kcca": measure_kcca}


def _plain(cls: type[Method], **values: Any) -> Method:
    return cls(n_components=COMPONENTS, input_scaling="none", **values)


def _scikit_learn(views: list[NDArray[np.float64]], **values: Any) -> Any:
    return cross_decomposition.CCA(COMPONENTS, scale=False, **values).fit(*views)


def _doubles(pairs: PairedDataset) -> list[NDArray[np.float64]]:
    return [pairs.image.astype(np.float64), pairs.text.astype(np.float64)]


def _shrinkage(ridge: float) -> float:
    """cca-zoo blends (1 - c) S + c I with S over n - 1; ours adds the ridge to S over n."""
    t = ridge * PAIRS / (PAIRS - 1)
    return t / (1 + t)


def _keeping(fits: dict[str, Callable[[], Any]], fitted: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """The same calls, each of which leaves what it fitted under its name."""

    def keep(name: str) -> None:
        fitted[name] = fits[name]()

    return {name: lambda name=name: keep(name) for name in fits}  # type: ignore[misc]


def _codes(method: Method, pairs: PairedDataset) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return method.encode_image(pairs.image), method.encode_text(pairs.text)


def _compare(ours: Any, theirs: Any) -> dict[str, Any]:
    """Correlation of the training pairs' codes in each direction, and how far apart ours and theirs are."""
    found = [
        [float(np.corrcoef(left, right)[0, 1]) for left, right in zip(a.T, b.T, strict=True)] for a, b in (ours, theirs)
    ]
    return {"ours": found[0], "theirs": found[1], "most_apart": float(np.abs(np.subtract(*found)).max())}


@click.command()
@click.option("--parts", default=",".join(PARTS), show_default=True, help="Which to measure.")
@click.option("--rounds", default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/methods.json"))
def main(parts: str, rounds: int, out: Path) -> None:
    """Measure and write the JSON."""
    BaseModel._fit_maps_and_importances = lambda self, views: None
    warnings.filterwarnings("ignore", category=sklearn.exceptions.ConvergenceWarning)
    report: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    for name in parts.split(","):
        facts = {
            "pairs": PAIRS,
            "d_image": D_IMAGE,
            "d_text": D_TEXT,
            "components": COMPONENTS,
            "rounds": rounds,
            "processor": processor(),
            "threads": torch.get_num_threads(),
            "cca-zoo": cca_zoo.__version__,
            "scikit-learn": sklearn.__version__,
            "torch": torch.__version__,
            "load_before": os.getloadavg(),
        }
        started = time.perf_counter()
        report[name] = facts | PARTS[name](rounds) | {"load_after": os.getloadavg()}
        click.echo(f"{name}: ours faster by {report[name]['ours_faster_by']}, {time.perf_counter() - started:.0f} s")
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, (json.dumps(report, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
