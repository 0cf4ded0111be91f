"""Training steps as compiled code for the processors."""
