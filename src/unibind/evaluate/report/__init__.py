"""The report of an evaluation: one HTML page that works offline, and `report.json` with every figure."""

from .examples import ExplainedItem, Search
from .tables import recognition_rows, retrieval_rows
from .write import REPORT, write_report

__all__ = ["REPORT", "ExplainedItem", "Search", "recognition_rows", "retrieval_rows", "write_report"]
