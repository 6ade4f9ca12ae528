"""The tables of a report as Markdown, LaTeX and CSV, against the rows and against what each format forbids."""

from __future__ import annotations

import csv
import io
import re

import pytest

from masln.reporting import make_report
from masln.reporting.report_tables import report_csv, report_latex, report_markdown
from tests.experiments.run_folders import write_runs

NASTY = r"50% of A&B_c #1 $x$ {y} ~z^2 \end{table} <script>alert(1)</script> | `q` [k]"

INSTANCE = {"relevance": "instance"}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    runs = [
        write_runs(folder / "plain"),
        write_runs(folder / "named", {"masln": 1.5}, hyperparameters={"note": NASTY}),
        write_runs(folder / "pairs", {"pls": 1.0, "cca": 1.0}, splits=1, data=NASTY, protocol=INSTANCE),
    ]
    return make_report(runs)


def test_csv_has_every_figure_whole(report):
    rows = list(csv.DictReader(io.StringIO(report_csv(report).decode())))
    expected = [row for table in report.tables for row in table.rows]
    assert len(rows) == len(expected) == 5 * 4 + 5 * 2
    for found, row in zip(rows, expected, strict=True):
        assert float(found["average"]) == row["average"] and found["method"] == row["method"]
        assert (float(found["p"]) if found["p"] else None) == row["p"]
    assert rows[-3]["data"] == NASTY and rows[0]["R@1 i2t"] == "" and float(rows[-3]["median_rank t2i"]) >= 1
    assert rows[0]["protocol"] != rows[-1]["protocol"] and rows[0]["class_splits"] == "3"


def test_markdown_is_a_table_for_each_and_no_html(report):
    text = report_markdown(report).decode()
    assert text.count("\n## ") + text.startswith("## ") == 2 and "<script>" not in text
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.M)
    assert len(tables) == 2
    for table, made in zip(tables, report.tables, strict=True):
        lines = table.splitlines()
        assert len(lines) == 2 + len(made.rows)
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, "every line has the same cells"
    assert all(f"- {note}\n" in text for table in report.tables for note in table.joined.notes)
    assert "R@1" in tables[1] and "R@1" not in tables[0] and report.tables[0].joined.protocol.hash in text
    assert all(split in text for table in report.tables for split in table.joined.class_splits)


def test_latex_is_whole_and_escaped(report):
    text = report_latex(report).decode()
    begun, ended = re.findall(r"\\begin\{(\w+)\}", text), re.findall(r"\\end\{(\w+)\}", text)
    assert sorted(begun) == sorted(ended) and begun.count("tabular") == 10
    opened: list[str] = []
    for kind, name in re.findall(r"(?<!\\)\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    depth = 0
    for brace in re.findall(r"(?<!\\)(?:\\\\)*([{}])", re.sub(r"%\n", "\n", text)):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert r"50\% of A\&B\_c \#1 \$x\$ \{y\} \textasciitilde{}z\textasciicircum{}2 \textbackslash{}end\{table\}" in text
    assert "→" not in text and "–" not in text
    labels = re.findall(r"\\label\{([^}]*)\}", text)
    assert len(set(labels)) == len(labels) == 10
    assert all(re.fullmatch(r"tab:masln-\d-[\w-]+", label) for label in labels)


def test_latex_rows_have_the_columns_of_their_head_and_the_best_is_bold(report):
    found = re.findall(r"\\begin\{tabular\}\{(lr+)\}\n(.*?)\\end\{tabular\}", report_latex(report).decode(), re.S)
    assert len(found) == 10
    for columns, body in found:
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        cells = [re.split(r"(?<!\\)&", line) for line in lines]
        assert {len(row) for row in cells} == {len(columns)}
        bold = [float(found) for line in lines for found in re.findall(r"\\textbf\{([\d.]+)\}", line)]
        averages = [float(re.sub(r"[^\d.]", "", row[3])) for row in cells[1:]]
        assert bold and set(bold) == {max(averages)}
