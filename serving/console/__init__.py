"""The live page: rendered on the server, kept live by the event stream."""
