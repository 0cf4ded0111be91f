"""The mathematics: sympy where it can carry a derivation, scipy where there is no closed form.

Imports nothing above it.
"""
