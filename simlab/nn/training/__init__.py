"""Training of stacks of nets: the loop, its engines, optimisers, records and checkpoints."""
