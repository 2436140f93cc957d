"""Evaluation: pure metrics, protocols that apply them to a model, and reports people want to look at."""
