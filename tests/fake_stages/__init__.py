"""Tiny stages that behave like real ones: they read inputs, checkpoint, resume, and fail on demand."""
