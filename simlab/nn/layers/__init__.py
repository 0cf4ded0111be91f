"""Layers, and nets made of them."""
