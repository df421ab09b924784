"""The index: in step, and thrown away."""
