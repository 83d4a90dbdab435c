"""Weights and tokenizer files of a model, in and out."""
