"""Benchmarks that anyone can rerun; README.md beside this file says how."""
