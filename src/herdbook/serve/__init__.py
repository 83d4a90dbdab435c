"""Room `serve`: a model over HTTP, by an OpenAI-compatible API and a chat page."""
