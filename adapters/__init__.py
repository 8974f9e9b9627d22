"""Platforms: each translates in, translates out, and nothing else."""
