"""Tables and plots of results, the report of runs, and the page that shows a bundle."""

from __future__ import annotations

from masln.reporting.attention_map import PairAttention, check_attention_target, draw_attention, pair_attention
from masln.reporting.bundle_page import BundlePage, make_bundle_page, print_bundle_page
from masln.reporting.comparison import comparison_cells, print_comparison
from masln.reporting.counts import count_rows, count_totals
from masln.reporting.experiments import print_experiment
from masln.reporting.fetched import print_fetched, print_sources
from masln.reporting.galleries import print_answers, print_codes, print_gallery
from masln.reporting.model_card import model_card, print_export
from masln.reporting.pages import check_page_target, write_page
from masln.reporting.plots import draw_plots, plots_available
from masln.reporting.prepared import print_prepared
from masln.reporting.report import Report, make_report, print_report
from masln.reporting.report_formats import check_report_target, render_report
from masln.reporting.reproduction import (
    print_published_tables,
    print_reproduction,
    reproduction_value,
    write_reproduction,
)
from masln.reporting.tables import markdown_table, print_facts, print_table

__all__ = [
    "BundlePage",
    "PairAttention",
    "Report",
    "check_attention_target",
    "check_page_target",
    "check_report_target",
    "comparison_cells",
    "count_rows",
    "count_totals",
    "draw_attention",
    "draw_plots",
    "make_bundle_page",
    "make_report",
    "markdown_table",
    "model_card",
    "pair_attention",
    "plots_available",
    "print_answers",
    "print_bundle_page",
    "print_codes",
    "print_comparison",
    "print_experiment",
    "print_export",
    "print_facts",
    "print_fetched",
    "print_gallery",
    "print_prepared",
    "print_published_tables",
    "print_report",
    "print_reproduction",
    "print_sources",
    "print_table",
    "render_report",
    "reproduction_value",
    "write_page",
    "write_reproduction",
]
