"""How one estimator is fitted to soft targets: one module a library."""
