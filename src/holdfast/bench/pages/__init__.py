"""Measures become tables, figures and pages."""
