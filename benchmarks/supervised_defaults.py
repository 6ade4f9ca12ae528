"""How the defaults of the supervised methods were chosen: candidates scored on validation classes of two feature sets.

    python -m benchmarks.supervised_defaults --data-root DIR [--methods deepsm,dscmr,...] [--splits 1] [--jobs 2]

Pairs, class splits and scores are those of ``benchmarks.masln_defaults``: no unseen class and no test pair is read.
Each candidate changes some of what is the method's default now; what a paper or its code gives is not tried. The rows
of a method are ordered by the mean over datasets of the validation mAP's ratio to that of the first candidate, the
default. The figures in ``benchmarks/results`` are of one class split a set, so differences under .03 of that ratio are
noise; where candidates tie, the published value, or the cheaper one, stands. Those of CADA-VAE and MDVAE were tried on
emoji alone, with two splits (``--datasets emoji --splits 2``), those of the contrastive methods on three sets
(``--datasets emoji,fashion,rsicd``), those of fusion embedding on the word and region sequences of the RSICD photos
(``--datasets photos-sequences-first``), and the first ones of distillation (both sets, one split), whose present
candidates have not been run to the end; their figures stand beside the defaults.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import json
import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.datasets import photo_bundles, research_bundles
from benchmarks.masln_defaults import score_candidates
from masln.models import make_method
from masln.training import write_atomically

CANDIDATES: dict[str, tuple[dict[str, Any], ...]] = {
    "deepsm": (
        {},
        *({"input_scaling": kind} for kind in ("l2", "standardize")),
        {"image_hidden": (512,)},
        {"text_hidden": ()},
        *({"epochs": epochs} for epochs in (20, 80)),
        {"dropout": 0.5},
        {"batch_size": 64},
        {"weight_decay": 0.3},
        {"learning_rate": 3e-4},
    ),
    "dscmr": (
        {},
        *({"input_scaling": kind} for kind in ("l2", "standardize")),
        *({"epochs": epochs} for epochs in (10, 100)),
    ),
    "acmr": (
        {},
        *({"input_scaling": kind} for kind in ("l2", "standardize")),
        *({"triplet": weight} for weight in (0.1, 10.0)),
        *({"classification": weight} for weight in (0.1, 10.0)),
        *({"negative": weight} for weight in (0.1, 10.0)),
        *({"margin": margin} for margin in (0.3, 3.0)),
        {"triplets": "hinge", "margin": 0.1},
        {"triplets": "hinge", "margin": 1.0, "positive": 1.0},
        {"adversarial": 0.0},
        {"adversary": "alternating"},
        *({"epochs": epochs} for epochs in (100, 200)),
        {"weight_decay": 0.0},
    ),
    "dadn": (
        {},
        {"distribution": 0.0},
        {"metric": 0.1},
        {"metric": 10.0},
        {"reconstruction": 0.0},
        {"reconstruction": 0.1},
        {"reconstruction": 10.0},
        {"hidden": (512, 512)},
        {"hidden": (128,)},
        {"initial_deviation": 0.02},
        {"learning_rate": 3e-4},
        {"learning_rate": 1e-4},
        {"input_scaling": "standardize"},
        {"input_scaling": "l2"},
        {"weight_decay": 0.01},
        *({"epochs": epochs} for epochs in (5, 10)),
    ),
    "featuregan": (
        {},
        *({"input_scaling": kind} for kind in ("l2", "standardize")),
        *({"alignment": weight} for weight in (0.0, 0.3, 3.0)),
        *({"correlation": weight} for weight in (0.1, 10.0)),
        *({"classification": weight} for weight in (0.1, 10.0)),
        *({"adversarial": weight} for weight in (0.0, 10.0)),
        *({"epochs": epochs} for epochs in (20, 80)),
        {"code_width": 64},
    ),
    "distillation": (
        {},
        {"teacher_distance": 0.0, "similarity": 0.0},  # the student alone
        {"contrastive": 0.0},
        {"contrastive": 0.0, "similarity": 0.0},
        {"teacher": "cca"},
        *({"teacher_distance": weight} for weight in (0.0, 4.0)),
        *({"similarity": weight} for weight in (0.0, 4.0)),
        {"relational_distance": 10.0},
        {"relational_distance": 10.0, "relational_angle": 20.0, "batch_size": 128},
        {"teacher_temperature": 0.07, "temperature": 0.07},
        {"teacher_temperature": 0.5, "temperature": 0.5},
        {"teacher_temperature": 0.1},
        {"mask_same_class": False},
        {"encoder": "residual"},
    ),
    "cadavae": (
        {},
        *({"input_scaling": "center-l2", "alignment": weight} for weight in (0.3, 1.0, 8.13)),
        *({"input_scaling": "center-l2", **values} for values in ({"cycle": 1.0}, {"divergence": 0.025})),
    ),
    "fusionembedding": (
        {},
        *({"classification": weight} for weight in (0.0, 1.0)),
        {"text_context": "transformer"},
        {"text_context": "none", "text_pooling": "mean"},
        {"text_pooling": "attention"},
        {"image_pooling": "attention"},
        {"negatives": "all"},
        {"mask_same_class": False},
        {"input_scaling": "l2"},
        {"dropout": 0.3},
        {"learning_rate": 3e-4},
        {"epochs": 80},
    ),
    "mdvae": (
        {},
        {"alignment": 3.0},
        {
            "input_scaling": "center-l2",
            "reconstruction": 10.0,
            "cross_reconstruction": 10.0,
            "fused_reconstruction": 1.0,
        },
    ),
    "infonce": (
        {},
        {"temperature": 0.1},
        *({"temperature": value, "mask_same_class": True} for value in (0.1, 0.3, 1.0)),
        {"learn_temperature": True},
        {"memory": 512},
        *({"code_width": 256, "temperature": value} for value in (1.0, 2.0)),
    ),
    "siglip": (
        {},
        {"mask_same_class": True},
        {"epochs": 80},
        {"code_width": 64},
        {"code_width": 64, "temperature": 0.3},
        *({"code_width": 64, "bias": value} for value in (0.0, -5.0)),
        {"code_width": 64, "memory": 512},
        {"code_width": 64, "encoder": "linear"},
    ),
    "supcon": (
        {},
        *({"temperature": value} for value in (0.3, 1.0)),
        {"code_width": 256},
        {"memory": 512},
    ),
    "triplet": (
        {},
        *({"margin": 0.2, "negatives": rule} for rule in ("all", "semi-hard", "hardest", "top-k")),
        {"negatives": "hardest"},
        {"mask_same_class": False},
        {"class_positives": True},
        {"code_width": 256},
        {"memory": 512},
    ),
}


@click.command()
@click.option("--data-root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--methods", default=",".join(CANDIDATES), show_default=True)
@click.option("--splits", default=1, show_default=True)
@click.option("--jobs", default=2, show_default=True, help="Processes, one thread each.")
@click.option("--datasets", default="emoji,fashion", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("benchmarks/results/supervised_defaults.json"))
def main(data_root: Path, methods: str, splits: int, jobs: int, datasets: str, out: Path) -> None:
    """Score every candidate and write the JSON, best first within a method."""
    names = datasets.split(",")
    result: dict[str, Any] = {"splits": splits, "methods": {}}
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(jobs) as pool:
        bundles = research_bundles(data_root, Path(folder))
        for captions in ("each", "first"):
            if {f"photos-{captions}", f"photos-sequences-{captions}"} & set(names):
                bundles |= photo_bundles(data_root, Path(folder), captions=captions)
        for method in methods.split(","):
            candidates = CANDIDATES[method]
            chosen = {name: bundles[name] for name in names}
            configurations = [(method, values) for values in candidates]
            means = score_candidates(pool, chosen, configurations, splits=splits, title=f"{method}: candidates")
            rows = [
                {
                    "changed": values,
                    "ratio_to_default": float((means[i, :, 0] / means[0, :, 0]).mean()),
                    "validation_map": dict(zip(names, means[i, :, 0].round(4).tolist(), strict=True)),
                    "seen_map": dict(zip(names, means[i, :, 1].round(4).tolist(), strict=True)),
                }
                for i, values in enumerate(candidates)
            ]
            rows.sort(key=lambda row: -row["ratio_to_default"])
            result["methods"][method] = {"defaults": make_method(method).get_params(), "rows": rows}
            out.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(out, (json.dumps(result, indent=1) + "\n").encode())
            for row in rows:
                click.echo(
                    f"{method} {row['ratio_to_default']:.3f} {row['changed']} {row['validation_map']} {row['seen_map']}"
                )


if __name__ == "__main__":
    main()
