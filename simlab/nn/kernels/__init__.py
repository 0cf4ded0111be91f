"""Training steps as compiled code: on the processors, and on a GPU."""
