"""Soft targets for networks."""
