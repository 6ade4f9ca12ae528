"""Write the README's tables from the benchmarks' JSON, a run directory and the catalogue; nothing is typed in.

python -m benchmarks.report --run RUN [--readme README.md]
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from benchmarks.report_speed import read_result, speed_block
from masln.data import data_sources
from masln.experiments import read_experiment
from masln.models import method_resolver
from masln.reporting import markdown_table
from masln.reporting.experiments import experiment_rows, experiment_title


def run_block(run: Path) -> str:
    """The table that ``masln train`` printed, as Markdown under its protocol line."""
    experiment = read_experiment(run)
    return f"```text\n{experiment_title(experiment)}\n```\n\n{markdown_table(experiment_rows(experiment))}"


def sets_block() -> str:
    """The public sets, from the catalogue: what is in each, who has it, and the recipe that reads it."""
    rows = [
        {
            "set": f"[{source.title}]({source.home})",
            "contents": source.contents,
            "files": f"`masln data fetch {name}`" if source.files else "by hand",
            "recipe": f"`python -m data_prep.{source.recipe}`",
        }
        for name, source in data_sources().items()
    ]
    return markdown_table(rows)


def methods_block() -> str:
    """The registered methods, from the registry."""
    known = method_resolver.lookup_dict
    return markdown_table(
        [{"method": f"`{name}`", "what it is": cls.summary, "after": cls.reference} for name, cls in known.items()]
    )


def accuracy_block() -> str:
    """MASLN against ridge CCA on every dataset of ``all_methods.json``, over all class splits that both have."""
    result = read_result("all_methods")
    rows = []
    for name, study in result.get("masln", {}).items():
        if "relevance=class" not in study["protocol"]:
            continue
        found = {(row["part"], row["method"]): row for row in study["rows"]}
        for part in ("unseen", "seen"):
            ours, cca, chance = (found[part, method] for method in ("masln", "cca", "chance"))
            rows.append(
                {
                    "dataset": name,
                    "classes": part,
                    "class splits": study["splits"],
                    "chance": chance["average"],
                    "ridge CCA": _with_interval(cca),
                    "MASLN": _with_interval(ours),
                    "ratio": f"{ours['average'] / cca['average']:.2f}",
                    "splits won": ours["wins"],
                    "p (splits)": f"{ours['p_splits']:.4f}" if ours["p_splits"] >= 1e-4 else "<0.0001",
                }
            )
    return (
        "mAP@all, both directions averaged, mean over random class splits with its 95% Student interval; queries "
        "search the test items, codes block-normalised (transductive). Each run chooses on validation classes, MASLN "
        "of two settings and ridge CCA of forty; the class splits are seeded from "
        f"{result['first_split']} on, apart from those that MASLN's defaults were chosen on "
        "(`benchmarks/all_methods.py`).\n\n"
        f"{markdown_table(rows)}\n"
        if rows
        else ""
    )


def all_methods_block() -> str:
    """Every method on every dataset of ``all_methods.json``, the best on unseen classes first."""
    result = read_result("all_methods")
    studies = {
        name: study for name, study in result.get("tables", {}).items() if "relevance=class" in study["protocol"]
    }
    if not studies:
        return ""
    table: dict[str, dict[str, Any]] = {}
    ratios: dict[str, list[float]] = {}
    for dataset, study in studies.items():
        for method, (cell, ratio) in _on_unseen(study).items():
            table.setdefault(method, {"method": f"`{method}`"} | dict.fromkeys(studies))[dataset] = cell
            ratios.setdefault(method, []).append(ratio)
    ordered = sorted(table, key=lambda method: -sum(ratios[method]) / len(ratios[method]))
    sizes = {dataset: len(_on_unseen(study)) for dataset, study in studies.items()}
    counts = ", ".join(
        f"{dataset} {study['splits']}" + f", of {sizes[dataset]} methods alone" * (sizes[dataset] < max(sizes.values()))
        for dataset, study in studies.items()
    )
    fewer = "".join(
        f"On {study['splits']} class splits of {dataset}: "
        + ", ".join(f"`{method}` {cell}" for method, (cell, _) in _on_unseen(study).items())
        + ".\n\n"
        for dataset, study in result.get("fewer", {}).items()
        if dataset in studies
    )
    return (
        f"Every method: unseen mAP (seen mAP), mean over class splits ({counts}) seeded from {result['first_split']} "
        "on; queries search the test items, codes block-normalised; each run chooses on validation classes from a "
        "search space of its own. + and -: above or below ridge CCA by the paired t test over class splits at "
        ".05, Holm-corrected over the dataset's table. Intervals, p, wins, time and memory of each are in "
        "[benchmarks/results/all_methods.md](benchmarks/results/all_methods.md) (`benchmarks/all_methods.py`).\n\n"
        f"{markdown_table([table[method] for method in ordered])}\n{fewer}"
    )


def _on_unseen(study: dict[str, Any]) -> dict[str, tuple[str, float]]:
    """For each method of a table, best first: what the README tells of it, and its ratio to ridge CCA."""
    found = {(row["part"], row["method"]): row for row in study["rows"]}
    cca, told = found["unseen", "cca"]["average"], {}
    for (part, method), row in found.items():
        if part == "unseen":
            differs = row["p_splits"] is not None and row["p_splits"] < 0.05
            mark = ("+" if row["average"] > cca else "-") if differs else ""
            cell = f"{row['average']:.3f}{mark} ({found['seen', method]['average']:.3f})"
            told[method] = cell, row["average"] / cca
    return told


def instances_block() -> str:
    """How well each method finds the very picture or caption, from the instance tables of ``all_methods.json``."""
    result = read_result("all_methods")
    blocks = []
    for name, study in result.get("tables", {}).items():
        if "relevance=instance" not in study["protocol"]:
            continue
        rows = []
        for row in study["rows"]:
            if row["part"] == "unseen":
                cells = {"method": f"`{row['method']}`"}
                for figure in ("R@1", "R@5", "R@10"):
                    cells[figure] = f"{row[figure]['i2t']:.3f} / {row[figure]['t2i']:.3f}"
                ranks = row["median_rank"]
                rows.append(cells | {"median rank": f"{ranks['i2t']:.1f} / {ranks['t2i']:.1f}"})
        blocks.append(
            f"Instance retrieval on {name.split('-')[0]}: the query's own picture or caption among the test pairs of "
            f"unseen classes, image to text / text to image, mean over {study['splits']} class splits; methods that "
            "take sequences get regions and words, others their means (`benchmarks/all_methods.py --relevance "
            f"instance`):\n\n{markdown_table(rows)}\n"
        )
    return "".join(blocks)


def ablation_block() -> str:
    """One part of MASLN switched off at a time, from ``ablation.json``."""
    result = read_result("ablation")
    if not result:
        return ""
    names = list(result["datasets"])
    table: dict[str, dict[str, Any]] = {}
    for name in names:
        for row in result["datasets"][name]["rows"]:
            cell = table.setdefault(row["method"], {"MASLN": row["method"]} | dict.fromkeys(names, ""))
            cell[name] = f"{row['average']:.3f}" if row["part"] == "unseen" else f"{cell[name]} ({row['average']:.3f})"
    return (
        f"Ablation, unseen mAP (seen mAP), mean over {result['splits']} class splits, defaults without selection; "
        "unseen classes search the training items (`benchmarks/ablation.py`):\n\n"
        f"{markdown_table(list(table.values()))}\n"
    )


def distillation_block() -> str:
    """A narrow student alone and taught, and its teachers, from ``distillation.json``."""
    result = read_result("distillation")
    if not result:
        return ""
    tables = []
    for name, study in result["datasets"].items():
        found = {(row["part"], row["method"]): row for row in study["rows"]}
        methods = list(dict.fromkeys(run["method"] for run in study["runs"]))
        rows: list[dict[str, Any]] = []
        for method in methods:
            unseen, seen = found["unseen", method], found["seen", method]
            p = "–" if unseen["p"] is None else f"{unseen['p']:.4f}"
            row = {name: method, "unseen": _with_interval(unseen), "won": unseen["wins"], "p (queries)": p}
            rows.append(row | {"seen": _with_interval(seen)})
        tables.append(markdown_table(rows))
    return (
        "Distillation: mAP@all of a student with codes of 16 dimensions, alone and taught (`by ...`), mean over "
        f"{result['splits']} class splits, defaults without selection, otherwise as the ablation "
        "(`benchmarks/distillation.py`); won and p against the student alone:\n\n" + "\n".join(tables) + "\n"
    )


def preparation_block() -> str:
    """What each text extractor is good for on photos prepared by ``masln prepare``, from ``preparation.json``."""
    result = read_result("preparation")
    if "figures" not in result:
        return ""
    rows = []
    runs = [run for study in result["figures"].values() for run in study["runs"] if run["method"] == "cca"]
    width = "" if all("n_components" in run["hyperparameters"] for run in runs) else ", ridge CCA with 64 components"
    for text, study in result["figures"].items():
        found = {(row["part"], row["method"]): row for row in study["rows"]}
        row: dict[str, Any] = {"text": text}
        for part in ("unseen", "seen"):
            ours, cca, chance = (found[part, method] for method in ("masln", "cca", "chance"))
            row |= {f"{part}: chance": chance["average"], f"{part}: CCA": _with_interval(cca)}
            row |= {f"{part}: MASLN": _with_interval(ours)}
        rows.append(row | {"unseen won": found["unseen", "masln"]["wins"]})
    return (
        f"From files to figures: {result['photos']:,} RSICD photos with five captions each through `masln prepare` "
        f"(EfficientNet-Lite0 and each text extractor, one that learns fitted on the training texts of seen classes), "
        f"protocol of the ablation{width}, mean over {result['splits']} class splits (`benchmarks/preparation.py`):\n\n"
        f"{markdown_table(rows)}\n"
    )


def care_block() -> str:
    """What ``masln prepare`` does with damage and kills, and how near its extractors are to others' code."""
    damaged, killed, oracles = (
        read_result("damaged_inputs"),
        read_result("killed_extraction"),
        read_result("extractor_oracles"),
    )
    lines = []
    if damaged:
        for way, counts in damaged["outcomes"].items():
            lines.append(
                {
                    "measured": f"{sum(counts.values()):,} damaged files, {way.replace(', ', ', --on-error ')} "
                    "(`damaged_inputs.py`)",
                    "outcome": ", ".join(f"{name} {count}" for name, count in counts.items()),
                }
            )
    if killed:
        lines.append(
            {
                "measured": f"killed and given again, {killed['trials']} trials, {killed['kills']} kills "
                "(`killed_extraction.py`)",
                "outcome": f"{killed['trials with the same bytes']} with the bytes of the straight run",
            }
        )
    if added := read_result("killed_index_add"):
        outcomes = ", ".join(f"{name} {count}" for name, count in added["outcomes"].items())
        lines.append(
            {"measured": f"`masln index add`, {added['kills']} kills (`killed_index_add.py`)", "outcome": outcomes}
        )
    if oracles:
        held = [found for own in oracles["extractors"].values() for found in own.values() if "agrees" in found]
        lines.append(
            {
                "measured": f"{len(oracles['extractors'])} extractors against scikit-learn, gensim, transformers or a "
                "direct forward (`extractor_oracles.py`)",
                "outcome": f"{sum(found['agrees'] for found in held)} of {len(held)} comparisons agree",
            }
        )
    title = (
        "Damage and kills, on real photos and captions; `undetectable` is another picture or table that is as whole "
        "and valid as the first, which only a checksum can tell (`masln prepare --checksums`)"
    )
    return f"{title}:\n\n{markdown_table(lines)}\n" if lines else ""


def _with_interval(row: dict[str, Any]) -> str:
    return f"{row['average']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def _fill(text: str, name: str, body: str) -> str:
    pattern = rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)"
    return re.sub(pattern, lambda match: f"{match[1]}{body}{match[2]}", text, flags=re.DOTALL)


@click.command()
@click.option("--run", type=click.Path(path_type=Path, exists=True), help="Run directory of the main job.")
@click.option("--readme", type=click.Path(path_type=Path, exists=True), default=Path("README.md"))
def main(run: Path | None, readme: Path) -> None:
    """Fill the marked blocks of the README."""
    text = readme.read_text(encoding="utf-8")
    if run:
        text = _fill(text, "result", run_block(run))
    blocks = (
        *(accuracy_block(), all_methods_block(), instances_block(), ablation_block(), distillation_block()),
        *(preparation_block(), care_block(), speed_block()),
    )
    for name, block in (("sets", sets_block()), ("methods", methods_block()), ("figures", "".join(blocks))):
        text = _fill(text, name, block)
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
