"""The lake kept in order beside running writers, by delta-rs: no JVM, and never in the stream's own process."""
