"""One viewer, one pipeline: the pieces that show a pipeline's planes live."""
