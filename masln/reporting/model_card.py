"""The model card of an export, and what ``masln export`` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from masln._version import __version__
from masln.experiments import Export, ExportedEncoder, summary_rows
from masln.experiments.yaml_text import dump_yaml
from masln.models import OPSET, JointScorer
from masln.reporting.experiments import INSTANCE_NOTE, shown_row
from masln.reporting.tables import markdown_table, print_table

__all__ = ["model_card", "print_export"]

_DIRECTIONS = {"i2t": "image to text", "t2i": "text to image", "average": "both directions"}

_ONNX = """\
```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
{inputs}
(codes,) = session.run(["code"], {{{feed}}})  # {codes}
```
"""

_RAW = """\
The features of raw {modality}s, by the extractor in this folder (`pip install 'masln[features]'`):

```python
from masln.features import load_extractor

features = load_extractor("extractors/{modality}").extract([{item}])  # .values, and .mask of a sequence
```
"""

_SAFETENSORS = """\
```python
from masln.models import load_method

method = load_method(".")
```

`method.encode_image` and `method.encode_text` take features. A gallery that `masln index build` made of the run takes
the queries of this folder, which needs neither the run nor its data:

```sh
masln encode . --bundle BUNDLE --out CODES
masln search GALLERY "..." --run .
```
"""


def model_card(export: Export) -> str:
    """Write the card in Markdown, with the front matter that the Hugging Face hub reads."""
    front = dump_yaml(_front_matter(export))
    facts, split, method = export.record.facts, export.class_split, type(export.method)
    blocks = [
        f"---\n{front}---\n\n# {method.__name__} on {export.model.data}\n\n"
        f"Encoders of images and texts into one space of {export.model.code_width} dimensions, for retrieval across "
        f"modalities, of classes not seen in training too. Exported by masln {__version__}.\n",
        "## Model\n\n"
        + _facts(
            {
                "method": f"`{export.model.method}`, {method.summary}",
                "reference": method.reference,
                "hyper-parameters": f"`{json.dumps(export.method.get_params(), default=str)}`",
                "model": f"`{export.model.hash}`, run `{export.model.run}`, seed {facts['seed']}",
                "similarity": f"{export.model.similarity}: by this the codes are to be compared",
            }
        ),
        "## Data\n\n"
        + _facts(
            {
                "dataset": f"{export.model.data} (`{export.model.data_hash}`)",
                "source": export.manifest.get("source") or "not told",
                "licence of the data": export.manifest.get("licence") or "not told",
                "training pairs": f"{facts.get('training_pairs', export.pairs)}, of seen classes",
                "class split": f"`{split.hash}`, {split.rule}, seed {split.seed}",
                "seen classes": _classes(export, split.seen),
                "unseen classes": _classes(export, split.unseen),
            }
        ),
        _figures(export),
        _inputs(export),
        _use(export),
        "## Limits\n\n" + "".join(f"- {line}\n" for line in _limits(export)),
    ]
    return "\n".join(blocks)


def print_export(export: Export, *, as_json: bool = False, quiet: bool = False) -> None:
    """Print what was exported and how far its codes are from those of the model.

    Args:
        export: What was made.
        as_json: Print one JSON object instead.
        quiet: Print the table alone.
    """
    if as_json:
        print(json.dumps({"folder": str(export.folder), **export.to_dict()}, indent=1, ensure_ascii=False))
        return
    rows = [
        {
            "modality": own.modality,
            "file": own.file,
            "input": _shape(own),
            "code": export.model.code_width,
            "rows checked": own.checked,
            "largest difference": f"{own.difference:.1e}",
        }
        for own in export.encoders.values()
    ]
    opset = f", opset {OPSET}" * (export.format == "onnx")
    notes = [
        f"exported: {export.folder} ({export.format}{opset}), with a model card, README.md",
        f"model: {export.model.method} of {export.model.run} (model {export.model.hash[:12]})",
    ]
    print_table(rows, notes=() if quiet else notes)


def _front_matter(export: Export) -> dict[str, Any]:
    tags = ["cross-modal-retrieval", "image-text-retrieval", "zero-shot", export.model.method, export.format]
    results = []
    for part, figures in export.record.parts.items():
        for direction, words in _DIRECTIONS.items():
            if direction not in figures:
                continue
            results.append(
                {
                    "task": {"type": "cross-modal-retrieval", "name": f"{words}, {part} classes"},
                    "dataset": {"type": export.model.data, "name": export.model.data},
                    "metrics": [
                        {"type": "mAP", "name": "mAP@all", "value": round(export.record.map(part, direction), 6)}
                    ],
                }
            )
    return {
        "library_name": "masln",
        "license": "other",
        "license_name": "see-licence-of-the-data",
        "license_link": "README.md",
        "pipeline_tag": "feature-extraction",
        "tags": list(dict.fromkeys(tags)),
        "model-index": [{"name": f"{export.model.method} on {export.model.data}", "results": results}],
    }


def _facts(facts: Mapping[str, Any]) -> str:
    return "".join(f"- **{name}**: {' '.join(str(value).split())}\n" for name, value in facts.items())


def _classes(export: Export, chosen: tuple[int, ...]) -> str:
    return f"{len(chosen)}: {', '.join(export.class_split.class_names[c] for c in chosen) or 'none'}"


def _figures(export: Export) -> str:
    records = [own for record in (export.record, *export.beside) for own in record.as_methods()]
    rows = [shown_row(row) for row in summary_rows(records, baseline=export.baseline)]
    # Of one class split there is no test over splits, and no wins to count.
    rows = [{key: cell for key, cell in row.items() if key not in ("p (splits)", "wins")} for row in rows]
    notes = [
        export.protocol.describe(),
        "mAP@all of this model on its own class split, and of others on the same; intervals are over what stands "
        "behind them",
    ]
    if export.baseline:
        notes.append(
            f"p: paired permutation test over queries against {export.baseline}, Holm-corrected over the table, "
            "whether these fitted models differ"
        )
    if export.protocol.relevance == "instance":
        notes.append(INSTANCE_NOTE)
    return f"## Figures\n\n{markdown_table(rows)}\n" + "".join(f"- {note}\n" for note in notes)


def _inputs(export: Export) -> str:
    rows = [
        {
            "input": own.modality,
            "shape": _shape(own),
            "type": "float32" + ", and `text_mask` bool: True where there is a token" * own.masked,
            "made by": _extractor(own),
            "largest difference of codes": f"{own.difference:.1e} on {own.checked} rows of {export.model.data}",
        }
        for own in export.encoders.values()
    ]
    return (
        f"## Inputs\n\n{markdown_table(rows)}\nInput scaling is part of the encoders: features go in as the extractor "
        "gives them. The differences are between the codes of this folder and those of the model that was trained, "
        f"whose largest absolute values are {', '.join(f'{own.largest:.3g}' for own in export.encoders.values())}.\n"
    )


def _shape(own: ExportedEncoder) -> str:
    return f"({', '.join(['batch', *map(str, own.shape)])})"


def _extractor(own: ExportedEncoder) -> str:
    told = own.extractor
    if isinstance(told, Mapping):
        settings = ", ".join(f"{key}={value}" for key, value in (told.get("hyperparameters") or {}).items())
        return f"`{told.get('name')}` ({settings}), hash `{told.get('hash')}`"
    return "not told" if told is None else str(told)


def _use(export: Export) -> str:
    blocks = ["## Use\n"]
    if export.format == "safetensors":
        blocks.append(_SAFETENSORS)
    for own in export.encoders.values():
        if export.format == "onnx":
            shape = ", ".join(map(str, own.shape))
            lines = [f"features = np.zeros((2, {shape}), dtype=np.float32)  # yours"]
            feed = f'"{own.modality}": features'
            if own.masked:
                lines.append(f"mask = np.ones((2, {own.shape[0]}), dtype=bool)  # where there is a token")
                feed += ', "text_mask": mask'
            codes = f"(2, {export.model.code_width})"
            blocks.append(_ONNX.format(file=own.file, inputs="\n".join(lines), feed=feed, codes=codes))
        if own.raw:
            item = '"a plane on a runway"' if own.modality == "text" else '"plane.jpg"'
            blocks.append(_RAW.format(modality=own.modality, item=item))
    return "\n".join(blocks)


def _limits(export: Export) -> list[str]:
    split = export.class_split
    lines = [
        f"Trained on {len(split.seen)} classes. {len(split.unseen)} others were held out and stand for classes not "
        "seen in training; of others still nothing is known.",
        "One class split and one seed: such figures carry no claim about the method.",
        "Features of another extractor, or of other settings of it, give codes without meaning.",
        "Codes can be compared with codes of this model alone.",
    ]
    if export.format == "onnx" and isinstance(export.method, JointScorer):
        lines.append("The joint score by which the method re-ranks is not among the graphs; the figures say which.")
    lines += [f"{' '.join(str(remark).split())}." for remark in export.record.facts.get("remarks", ())]
    return [*lines, "The licence of the data may bind what is learned from them."]
