comment on column ops.drift.feature is 'Feature of the model; score or rarer_outcome; calibration or log_loss';
