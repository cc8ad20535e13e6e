"""Figures and tables, each drawn from finished runs."""
