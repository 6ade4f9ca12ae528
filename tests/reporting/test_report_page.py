"""The page of ``masln report``: whole in one file, safe whatever stands in the data, told where all comes from."""

from __future__ import annotations

import html
import shutil
import subprocess

import numpy as np
import pytest
import yaml

from masln.errors import DataError
from masln.experiments import run_experiment
from masln.reporting import make_report
from masln.reporting.report_page import report_page
from tests.experiments.run_folders import NAMES, write_runs
from tests.experiments.small import small_config, write_small_bundle
from tests.reporting.page_reader import Reader

pytest.importorskip("matplotlib")

HOSTILE = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>'{{ 7*7 }}&amp;</style></svg><!--"
FIGURES = ["mAP by method", "Seen against unseen classes", "Critical differences", "Precision and recall", "Classes"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_runs(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def page(run):
    return report_page(make_report([run]), maps=False).decode()


@pytest.fixture(scope="module")
def reader(page):
    return Reader(page)


def test_the_table_has_every_row_under_its_part(run, reader):
    (table,) = make_report([run]).tables
    text = " ".join(reader.text.split())
    for part in table.parts:
        own = " ".join(part.split()) + " "
        for cells in (c for c in table.cells() if c["part"] == part):
            own += "".join(cell for key, cell in cells.items() if key != "part") + " "
        assert own.strip() in text
    assert all(note in text for note in table.notes)
    assert "3 class splits, random, 50% of the classes unseen" in text


def test_every_figure_is_told_where_it_comes_from(run, page, reader):
    heads = [figure for figure in FIGURES if f">{figure}</h4>" in page]
    assert heads == FIGURES
    assert len(reader.all("details")) == 1 + len(FIGURES), "the table has one too"
    report = make_report([run])
    joined = report.tables[0].joined
    for value in (joined.data_hash, joined.protocol.hash, *joined.class_splits):
        assert reader.text.count(value) > len(FIGURES)
    assert reader.text.count("numpy " + np.__version__) == 1 + len(FIGURES)
    assert reader.text.count("cca: ridge=0.100 (×3)") == 1 + len(FIGURES), "what selection chose"
    saved = yaml.safe_load((run / "config.yaml").read_text())
    block = page.split("<pre")[1].split(">", 1)[1].split("</pre>")[0]
    assert yaml.safe_load(block) == saved | {"data": "toy"}, "all of it, but the place of the data on this machine"


def test_panels_are_drawn_and_described(page, reader):
    pictures = reader.all("svg")
    assert len(pictures) == 3 + 2 + 2 + 4 + 2
    labels = [picture["aria-label"] for picture in pictures]
    assert all(labels) and any(label.startswith("mAP, unseen: masln ") for label in labels)
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in reader.elements:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_it_asks_nothing_of_the_network_and_runs_nothing(page, reader):
    assert not {"script", "link", "iframe", "object", "form", "base", "image"} & {tag for tag, _ in reader.elements}
    for tag, attributes in reader.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        assert all(attributes[name].startswith("#") for name in ("src", "href") if name in attributes), tag
    assert "http:" not in page and "https:" not in page and "@import" not in page
    assert all(place.startswith("#") for place in page.split("url(")[1:])
    (policy,) = [meta["content"] for meta in reader.all("meta") if meta.get("http-equiv")]
    assert policy.startswith("default-src 'none'")
    assert "@media (prefers-color-scheme: dark)" in page and "@media print" in page


def test_whatever_stands_in_the_data_is_text(tmp_path):
    names = (HOSTILE, "javascript:alert(3)", "\u202eevil\0", "a & b", *NAMES[4:])
    run = write_runs(tmp_path / "run", data=HOSTILE, class_names=names, hyperparameters={"note": HOSTILE})
    other = write_runs(tmp_path / "other", {"masln": 1.0}, data=HOSTILE, class_names=names)
    reader = Reader(report_page(make_report([run, other])).decode())
    assert not {"script", "img"} & {tag for tag, _ in reader.elements}
    for _, attributes in reader.elements:
        assert not any(name.startswith("on") for name in attributes)
    assert f"masln, note={HOSTILE}" in reader.text and "{{ 7*7 }}" in reader.text, "as it is, and not 49"
    assert HOSTILE[:31] in reader.text and "a & b" in reader.text, "in the figure of classes"


def test_shares_of_unseen_classes_are_a_figure_where_runs_differ_in_them(tmp_path):
    runs = [write_runs(tmp_path / str(share), splits=2, unseen_share=share) for share in (0.5, 0.25)]
    report = make_report(runs)
    page = report_page(report).decode()
    assert page.count(">Shares of unseen classes</h4>") == 1 and len(report.tables) == 2
    assert page.index("25% of the classes unseen") < page.index("50% of the classes unseen")
    shares = page.split(">Shares of unseen classes</h4>")[1].split("</section>")[0]
    assert "share of unseen classes" in shares and shares.count("<svg") == 2
    assert "unseen_share" in shares and "0.250" in shares and "What differs among the run directories" in shares


def test_shares_of_the_training_pairs_are_a_figure_for_each_protocol(tmp_path):
    runs = [
        write_runs(tmp_path / f"{share}{gallery}", splits=2, train_share=share, protocol={"gallery": gallery})
        for share in (1.0, 0.5)
        for gallery in ("test", "train")
    ]
    report = make_report([*runs, write_runs(tmp_path / "alone", splits=2, data="other")])
    page = html.unescape(report_page(report, maps=False).decode())
    assert [len(tables) for tables in report.datasets.values()] == [4, 1]
    words = [table.joined.protocol.describe() for table in report.tables]
    assert page.count(">Shares of the training pairs</h4>") == 2 and "Shares of unseen classes" not in page
    for curve, described in zip(page.split(">Shares of the training pairs</h4>")[1:], words[::2], strict=False):
        own = curve.split("</section>")[0]
        assert "share of the training pairs" in own and own.count("<svg") == 2
        assert f"All with 50% of unseen classes, {described}." in own
    ends = [table.about_splits.endswith(", 50% of the training pairs") for table in report.tables]
    assert ends == [True, False, True, False, False]
    swept, other = page.split("<h2")[1:]
    assert swept.count(f">{words[0]}</p>") == swept.count(f">{words[2]}</p>") == 2, "one above each table"
    assert other.count(f">{words[4]}</p>") == 1, "one for all"


def test_shares_of_two_lists_of_classes_make_no_curve(tmp_path):
    listed = {1.0: NAMES[:4], 0.5: NAMES[4:]}
    runs = [
        write_runs(tmp_path / str(share), splits=1, train_share=share, class_split="listed", listed=names)
        for share, names in listed.items()
    ]
    assert "Shares of the training pairs" not in report_page(make_report(runs), maps=False).decode()


def test_few_class_splits_and_the_standard_setting_are_told(tmp_path):
    alone = report_page(make_report([write_runs(tmp_path / "alone", splits=1)]), maps=False).decode()
    assert "that needs two of both; here are 1 class splits and 2 methods." in alone
    assert "one class split alone: such figures carry no claim" in alone
    many = {"masln": 2.0, "cca": 1.0, "pls": 1.5, "eszsl": 0.5, "kcca": 0.7, "sae": 0.1}
    few = report_page(make_report([write_runs(tmp_path / "few", many, splits=2)]), maps=False).decode()
    assert "Too few class splits: with 2, not even the first and the last of 6 methods could" in few
    standard = write_runs(tmp_path / "standard", splits=1, seeds=2, protocol={"setting": "standard"})
    page = report_page(make_report([standard]), maps=False).decode()
    assert "The standard setting has no unseen classes." in page and "all classes" in page


def test_maps_need_the_data_and_the_model(tmp_path):
    bundle = write_small_bundle(tmp_path / "bundle")
    values = {"method": "cca", "hyperparameters": {"ridge": 1.0}, "baselines": ["chance"]}
    config = small_config(bundle, splits=1, select=False, **values)
    run_experiment(config, tmp_path / "run")
    report = make_report([tmp_path / "run"])
    page = report_page(report).decode()
    assert ">Map of codes: cca</h4>" in page and "Map of codes: chance" not in page and "(test pairs)" in page
    assert "Map of codes" not in report_page(report, maps=False).decode()
    assert report_page(report, maps=True).decode().count(">Map of codes") == 1, "chance has none"
    write_small_bundle(tmp_path / "other", seed=1)
    shutil.rmtree(bundle)
    assert "Not drawn: " in report_page(report).decode()
    with pytest.raises(DataError):
        report_page(report, maps=True)
    (tmp_path / "other").rename(bundle)
    with pytest.raises(DataError, match=r"has hash \w+ but the run was made on"):
        report_page(report, maps=True)


def test_without_matplotlib_the_tables_stand_alone(run, monkeypatch):
    monkeypatch.setattr("masln.reporting.report_page.plots_available", lambda: False)
    reader = Reader(report_page(make_report([run])).decode())
    assert not reader.all("svg") and "No figures: drawing the figures needs matplotlib" in reader.text
    assert "generalized unseen" in reader.text


@pytest.fixture(scope="module")
def file(page, tmp_path_factory):
    path = tmp_path_factory.mktemp("browser") / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


class TestInABrowser:
    """What only a browser knows: that nothing is blocked or overflows, and that both schemes show."""

    def look(self, file, *options):
        browser = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
        if browser is None:
            pytest.skip("no chromium or chrome on this machine")
        profile = file.parent / "profile"
        base = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        return subprocess.run([*base, *options, file.as_uri()], capture_output=True, timeout=240, check=True, text=True)

    def shot(self, file, scheme: int):
        from matplotlib.image import imread

        target = file.parent / f"{scheme}.png"
        options = ("--hide-scrollbars", f"--blink-settings=preferredColorScheme={scheme}", "--window-size=1200,3000")
        self.look(file, *options, f"--screenshot={target}")
        return imread(target)[..., :3]

    def test_light_and_dark(self, file):
        light, dark = self.shot(file, 1), self.shot(file, 0)
        assert light[2, 2].min() > 0.9 and dark[2, 2].max() < 0.2, "the page"
        lower = slice(1500, None)  # where the figures are
        assert light[lower].min() < 0.3 and dark[lower].max() > 0.8, "their ink"

    def test_it_prints(self, file):
        target = file.parent / "print.pdf"
        self.look(file, f"--print-to-pdf={target}")
        assert target.read_bytes().startswith(b"%PDF-") and target.stat().st_size > 20_000

    def test_the_browser_reads_it_as_it_was_written(self, file):
        seen = Reader(self.look(file, "--dump-dom").stdout)
        own = Reader(file.read_text(encoding="utf-8"))
        assert len(seen.all("svg")) == len(own.all("svg")) and len(seen.all("td")) == len(own.all("td"))
        assert len(seen.all("use")) == len(own.all("use"))
