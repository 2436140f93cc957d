"""The report of an evaluation: one HTML page that works offline, and `report.json` with every figure."""

from .examples import ExplainedItem, Search
from .tables import gain_rows, recognition_rows, retrieval_rows, same_object_rows, tables, unity_rows
from .write import REPORT, write_report

__all__ = [
    "REPORT",
    "ExplainedItem",
    "Search",
    "gain_rows",
    "recognition_rows",
    "retrieval_rows",
    "same_object_rows",
    "tables",
    "unity_rows",
    "write_report",
]
