"""Measures a running server: ``script/bench``."""
