"""Training steps as CUDA text for a GPU."""
