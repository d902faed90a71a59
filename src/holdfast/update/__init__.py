"""An update under a budget, from checked rows to a served model."""
