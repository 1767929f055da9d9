"""What every program of the platform shares: how it reads its settings, says why it ends, and is told to stop."""
