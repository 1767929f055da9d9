"""The fraud score of every purchase, with the history and the velocity that it takes."""
