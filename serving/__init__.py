"""The platform's HTTP face: analytics, health, metrics and the live page."""
