"""How one estimator is fitted to soft targets."""
