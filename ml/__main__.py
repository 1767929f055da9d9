"""`python -m ml`."""

import os

# Training has one thread: set before numpy and scikit-learn are loaded, which read it once.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from ml.cli import app

app()
