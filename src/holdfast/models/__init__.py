"""Models that are deployed, served and stored."""
