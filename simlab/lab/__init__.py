"""The frame of a study: its runner, claims, records, figures and command line."""
