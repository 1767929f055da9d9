"""The request of each model and what is derived from it: one definition for training and for serving.

Pure Python and numpy. Training encodes columns, serving encodes rows; both call the same functions on the same cleaned
values, so that both get the same bits.
"""
