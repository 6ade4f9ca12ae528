"""What ``masln encode``, ``masln index`` and ``masln search`` print."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from masln.reporting.tables import print_table

if TYPE_CHECKING:
    from masln.retrieval import Answer, Codes, Gallery

__all__ = ["print_answers", "print_codes", "print_gallery"]

_TEXT = 80  # characters of a text in a table; ours


def print_codes(
    codes: Codes, out: str, *, notes: Sequence[str] = (), as_json: bool = False, quiet: bool = False
) -> None:
    """Print what a folder of codes holds.

    Args:
        codes: As read back.
        out: The folder, as it was asked for.
        notes: What a person should know.
        as_json: Print one JSON object instead.
        quiet: Print the table alone.
    """
    rows = [
        {"modality": name, "codes": len(own.values), "width": own.values.shape[1]} for name, own in codes.sets.items()
    ]
    if as_json:
        value = {"codes": out, "model": codes.model.to_dict(), "sets": rows}
        print(json.dumps(value | {"notes": list(notes), "skipped": list(codes.skipped)}, indent=1))
        return
    lines = [*notes]
    if codes.skipped:
        lines.append(f"{len(codes.skipped)} items were skipped, the first {codes.skipped[0]}; codes.json lists them")
    lines.append(f"codes: {out}, by {codes.model.method} (model {codes.model.hash[:12]}) of {codes.model.run}")
    print_table(rows, notes=() if quiet else lines)


def print_gallery(
    gallery: Gallery,
    *,
    changed: Mapping[str, Mapping[str, int]] | None = None,
    as_json: bool = False,
    quiet: bool = False,
) -> None:
    """Print what a gallery holds.

    Args:
        gallery: An open one.
        changed: What was done to it: ``added`` or ``removed``, and how many of each modality.
        as_json: Print one JSON object instead.
        quiet: Print the table alone.
    """
    facts = gallery.info()
    if as_json:
        print(json.dumps({"gallery": str(gallery.folder), **facts, **(changed or {})}, indent=1, ensure_ascii=False))
        return
    rows = []
    for modality, side in facts["sides"].items():
        row: dict[str, Any] = {"modality": modality, "items": side["items"], "removed": side["removed"]}
        row |= {"classes": len(side["classes"])}
        if any(own["recall@10"] is not None for own in facts["sides"].values()):
            row["recall@10 against exact"] = side["recall@10"]
        rows.append(row)
    backend = ", ".join(f"{key}={value}" for key, value in facts["backend"].items() if key != "name")
    model = facts["model"]
    lines = [
        f"{what} {', '.join(f'{n} {name}s' for name, n in counts.items())}" for what, counts in (changed or {}).items()
    ]
    lines += [
        f"gallery: {gallery.folder}, {facts['bytes'] / 1e6:.1f} MB, {facts['backend']['name']} ({backend})",
        f"model: {model['method']} of {model['run']}, trained on {model['data']} (model {model['hash'][:12]})",
    ]
    print_table(rows, notes=() if quiet else lines)


def print_answers(answers: Sequence[Answer], *, as_json: bool = False, quiet: bool = False) -> None:
    """Print what was found, a table a query.

    Args:
        answers: One a query.
        as_json: Print one JSON object a query instead, each on a line.
        quiet: Name no unknown words.
    """
    for answer in answers:
        if as_json:
            print(json.dumps(answer.to_dict(), ensure_ascii=False))
            continue
        rows = [
            {
                "rank": hit.rank,
                "joint score" if hit.reranked else "score": hit.score,
                "id": hit.item.id,
                "class": hit.item.label,
                "text": hit.item.text if len(hit.item.text) <= _TEXT else hit.item.text[: _TEXT - 1] + "…",
                "picture": str(hit.picture or hit.item.image),
            }
            for hit in answer.hits
        ]
        notes = []
        if answer.unknown_words and not quiet:
            notes.append(f"not known, and so not looked for: {', '.join(answer.unknown_words)}")
        print_table(rows, title=answer.query if len(answers) > 1 else "", notes=notes)
