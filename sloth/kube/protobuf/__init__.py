"""Kubernetes' protobuf form as an option of the client: answers for built-in kinds, as the same plain dicts that JSON gives.

Nothing here is imported before a client asks for it (`Client(…, protobuf=True)`).
"""
