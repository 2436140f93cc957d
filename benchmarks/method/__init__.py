"""The figures of docs/results.md: what is planned, the beds, what is measured on them, and the page."""
