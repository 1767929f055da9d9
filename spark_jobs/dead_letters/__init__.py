"""Messages that the stream refused: counted, listed, looked into, and sent again after a fix."""
