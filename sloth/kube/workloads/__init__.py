"""What is done with workloads and nodes: delete, scale, rollouts, drain, events, describe, top, views. Calls without I/O.

Every call takes an `Api` and is carried out by either client: `client.run(scale(client.api, "deploy", "web", 3))`.
"""
