"""Derivatives of the loss, its curvature and spectra."""
