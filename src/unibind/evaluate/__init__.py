"""Evaluation: metrics, controls, protocols, plots and the report."""
