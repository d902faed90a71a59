"""The promotion gate: two registered models are compared, and the alias moves."""
