"""Reading experiments: does the challenger do better than the champion, and how sure is that? Pure statistics."""
