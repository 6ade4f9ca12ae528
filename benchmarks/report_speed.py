"""Lines of the README's table of speed, memory, recall and servers, from the benchmarks' JSON."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from masln.reporting import markdown_table

__all__ = ["read_result", "speed_block"]

RESULTS = Path(__file__).parent / "results"


def read_result(name: str) -> dict[str, Any]:
    """What a benchmark wrote; empty where it has not run."""
    path = RESULTS / f"{name}.json"
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return result


def speed_block() -> str:
    """Ratios of evaluation and training speed, each within one run."""
    lines = []
    evaluation, training, preparation = read_result("evaluation"), read_result("training"), read_result("preparation")
    for part, found in read_result("methods").items():
        faster = ", ".join(f"{ratio:.1f} ({peer})" for peer, ratio in found["ours_faster_by"].items())
        lines.append(
            {
                "measured": f"{part.upper()}, {found['pairs']:,} x {found['d_image']:,}/{found['d_text']}, "
                f"{found['components']} components, one thread",
                "figure": f"at equal correlations, times as fast as its peers: {faster}",
            }
        )
    if deep := read_result("deep_correlation"):
        lines += _deep_correlation_lines(deep)
    if selection := read_result("selection"):
        faster = ", ".join(f"{found['faster_by']:.1f} ({name})" for name, found in selection["methods"].items())
        lines.append(
            {
                "measured": f"choosing on validation classes, {selection['data']}, one thread",
                "figure": f"times as fast as fitting each configuration for itself: {faster}",
            }
        )
    for setting, rows in evaluation.get("speed", {}).items():
        for row in rows:
            lines.append(
                {
                    "measured": f"exact mAP@all, {row['queries']:,} x {row['gallery']:,} x {row['width']}, "
                    f"{row['classes']} classes, sort: {setting}",
                    "figure": f"{row['ours_to_product']:.1f} times the bare matrix product; scikit-learn takes "
                    f"{row['scikit-learn_to_ours']:.0f}, torchmetrics {row['torchmetrics_to_ours']:.0f} times as long",
                }
            )
    if training:
        lines.append(
            {
                "measured": "MASLN training step, fp32",
                "figure": f"{training['fp32_share_of_floor']:.0%} of the matrix-product floor",
            }
        )
        lines.append(
            {
                "measured": "MASLN training step, bf16",
                "figure": f"{training['bf16_speed_over_fp32']:.2f} times as fast as fp32 (the bare matrix product: "
                f"{training['bf16_matrix_product_over_fp32']:.2f})",
            }
        )
    for method, found in read_result("freed_memory").get("methods", {}).items():
        lines.append(
            {
                "measured": f"`{method}`, fit in a process that keeps the memory it frees",
                "figure": f"{found['faster_by']:.2f} times as fast as where glibc hands it back; "
                f"peak memory {found['peak_grows_by']:.2f} times",
            }
        )
    for setting, found in read_result("batched_seeds").get("speed", {}).get("settings", {}).items():
        faster = ", ".join(f"{ratio:.2f} ({name})" for name, ratio in found["pass_faster_by"].items())
        most = max(found["most_by_processor_time"].values())
        lines.append(
            {
                "measured": f"ten seeds of MASLN in one pass, {setting}",
                "figure": f"times as fast as ten runs: {faster}; {most:.1f} if nothing but matrix products took time",
            }
        )
    if preparation:
        speed, memory = preparation["speed"], preparation["memory"]
        lines += [
            {
                "measured": f"`masln prepare`, {speed['images']:,} photos, {text}",
                "figure": f"{share:.0%} of the bare forward of its network{'s' * (text == 'sentence')}",
            }
            for text, share in speed["share_of_bare_forward"].items()
        ]
        copies = max(memory.keys() - {"growth"}, key=lambda key: memory[key]["images"])
        lines.append(
            {
                "measured": f"its memory at {memory[copies]['images']:,} photos",
                "figure": f"{memory['growth']['anonymous']:.2f} times that at {memory['1x']['images']:,}",
            }
        )
    if reranking := read_result("reranking"):
        lines += _reranking_lines(reranking)
    if galleries := read_result("galleries"):
        lines += _gallery_lines(galleries)
    if served := read_result("serving"):
        lines += _serving_lines(served)
    if exported := read_result("exported"):
        lines += _exported_lines(exported)
    names = ("methods", "deep_correlation", "selection", "evaluation", "training", "freed_memory", "batched_seeds")
    names = (*names, "preparation", "reranking", "galleries", "serving", "exported")
    scripts = ", ".join(f"`benchmarks/{name}.py`" for name in names if read_result(name))
    return f"Two cores ({scripts}):\n\n{markdown_table(lines)}" if lines else ""


def _deep_correlation_lines(result: dict[str, Any]) -> list[dict[str, Any]]:
    lines = []
    for study, found in result["studies"].items():
        faster, held_out = found["times_faster"], found["held_out_correlation"]
        lines.append(
            {
                "measured": f"an epoch of DCCA, sizes of {study}, one thread",
                "figure": f"{faster['masln']:.1f} times as fast as cca-zoo's "
                f"({found['most_that_is_possible_in_fp32']:.1f} if nothing but matrix products took time); correlation "
                f"held out {held_out['masln']:.2f} to its {held_out['cca_zoo']:.2f}, "
                f"with its objective {held_out['masln, squared']:.2f}",
            }
        )
    return lines


def _reranking_lines(result: dict[str, Any]) -> list[dict[str, Any]]:
    lines = []
    if speed := result.get("speed"):
        lines.append(
            {
                "measured": f"re-ranking 1,000 queries x top 50 by `attentionmatching`, {speed['pairs']:,} pairs",
                "figure": f"{speed['share_of_bare_forward']:.0%} of the bare attention forward's throughput",
            }
        )
    if memory := result.get("memory"):
        growth = ", ".join(f"{mib:.0f} MiB ({name})" for name, mib in memory["growth_mib"].items())
        lines.append({"measured": "memory that this adds at its peak, features apart", "figure": growth})
    for part, found in result.get("accuracy", {}).get("instance_level", {}).items():
        gains = " / ".join(
            f"{found[direction]['codes']['R@1']:.3f} to {found[direction]['reranked']['R@1']:.3f}"
            for direction in ("i2t", "t2i")
        )
        where = "training pictures" if part == "training" else f"{part} test pictures"
        lines.append(
            {
                "measured": f"R@1 of {where}, RSICD photos, image→text / text→image, by codes and re-ranked",
                "figure": f"{gains} (p = {found['p_both_directions']:.4f})",
            }
        )
    return lines


def _gallery_lines(result: dict[str, Any]) -> list[dict[str, Any]]:
    exact, real = result["exact"], result["approximate"]
    faster = " / ".join(f"{ratio:.1f}" for ratio in exact["times_as_fast_as_faiss"].values())
    size = f"{exact['items']:,} x {exact['width']}, {exact['queries']} queries, k={exact['k']}"
    lines = [
        {
            "measured": f"exact search, {size}, {' / '.join(exact['times_as_fast_as_faiss'])}",
            "figure": f"{faster} times as fast as FAISS IndexFlatIP; {exact['rows_as_of_faiss']:.2%} of its answers",
        }
    ]
    for way, index in itertools.product(("as they are", "tiled with noise"), ("hnsw", "ivfpq")):
        if found := real.get(way, {}).get(index):
            seconds = found["seconds"]
            lines.append(
                {
                    "measured": f"{index} over {real[way]['items']:,} codes ({real['codes']}, {way})",
                    "figure": f"recall@10 {found['recall@10']:.3f}, "
                    f"{seconds['exact'] / seconds[index]:.1f} times as fast as exact search",
                }
            )
    return lines


def _serving_lines(result: dict[str, Any]) -> list[dict[str, Any]]:
    lines = []
    for query, found in result["figures"].items():
        many, bare = found["16 clients"], found["bare search"]
        lines.append(
            {
                "measured": f"`masln serve`, {many['calls']:,} requests of 16 clients by {query}, {result['data']}, "
                f"{result['items']['image']:,} pictures",
                "figure": f"{many['errors']} errors, p99 {many['p99 ms']:,.0f} ms, {many['a second']:.1f} a second; "
                f"the bare call: p99 {bare['p99 ms']:,.0f} ms, {bare['a second']:.1f} a second",
            }
        )
    return lines


def _exported_lines(result: dict[str, Any]) -> list[dict[str, Any]]:
    lines = []
    for name, found in result["methods"].items():
        lines.append(
            {
                "measured": f"`{name}` exported as ONNX, {result['data']}",
                "figure": f"codes within {max(found['largest_difference'].values()):.1e}, "
                f"{found['top_10_ids_equal']:.2%} of the first ten ids, "
                f"{found['times_as_fast_as_torch']:.1f} times as fast as in torch",
            }
        )
    return lines
