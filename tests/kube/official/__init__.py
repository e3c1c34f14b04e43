"""The official Python client as a check of ours: same request, same result, call by call."""
