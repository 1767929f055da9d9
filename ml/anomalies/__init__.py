"""Finds what is unusual in approval, latency, volume and declines, and says since when, where and why."""
