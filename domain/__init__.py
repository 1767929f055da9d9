"""The business in plain Python: standard library only, no clock, no input or output beyond the contracts."""
