"""What MLflow runs to load a registered model: the code is kept with the model, and nothing is pickled."""

from mlflow.models import set_model

from ml.registry.flavour import Scoring

set_model(Scoring())
