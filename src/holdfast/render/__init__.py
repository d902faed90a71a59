"""A plain dictionary becomes HTML or JUnit XML."""
