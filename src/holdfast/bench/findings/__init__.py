"""Rows of the store become measures."""
