"""Soft targets for gradient boosting."""
