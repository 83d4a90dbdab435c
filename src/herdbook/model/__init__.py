"""The Llama 3 model: arguments, layers, heads and the key/value cache. Importing this package does not import torch."""
