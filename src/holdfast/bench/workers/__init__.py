"""Trials that the store lacks, run here or on a cluster."""
