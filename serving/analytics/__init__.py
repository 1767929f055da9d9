"""Figures of the gold layer over HTTP."""
