"""Output tensors to answers: one file a task."""
