"""What customers write, analysed beside the stream: docs/messages.md."""
