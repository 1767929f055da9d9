"""Windowed gold tables over Silver, computed beside the stream: docs/windows.md, docs/adr/0006."""
