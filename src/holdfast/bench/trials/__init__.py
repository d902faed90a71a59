"""A trial: what is trained and measured once."""
