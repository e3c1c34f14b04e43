"""Streams into pods: exec and attach, port-forward, copies. State machines without I/O, thin sync and async fronts.

`channels`: WebSocket frames that carry numbered channels; `remote` and `ports`: what the channels mean; `handshake`: the
upgrade; `asking`: requests, and which pod and container. The sync front is `line`, `session`, `process`, `verbs`; the async one
`asession`, `aprocess`, `averbs`, `listener`. Copies: `pack` (a folder as a tar stream), `untar` and `landing` (safely back),
`copying`.
"""
