"""The engine of a cluster: Ray Data reads, encodes and writes; this process plans, and commits."""
