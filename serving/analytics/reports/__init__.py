"""Figures over any range of hours: one declaration per endpoint, one composer of their SQL."""
