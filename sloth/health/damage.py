"""Whether an etcd member that does not run says that its own data is damaged, from the last lines that it printed.

Only words that stand for data that no restart can bring back are signs; a full disk, a port that is taken or peers out of reach
are none. Sources: bbolt, errors/errors.go (a file that is no database, checksum); etcd 3.6, server/storage/wal/wal.go and
server/etcdserver/api/snap/snapshotter.go (CRC, files that are missing), server/etcdserver/corrupt.go (it differs from its peers),
server/storage/backend/backend.go; raft, log.go (an index that the log does not have: its data was deleted); the Go runtime, for
a file that was cut off while it was mapped; etcd's tracker, issues 15834, 10254 and 11949, for how these look in a log.
"""

from __future__ import annotations

import re

_SIGNS = re.compile(
    r"invalid database"
    r"|database isn't correctly mapped"
    r"|checksum error"
    r"|file size too small"
    r"|(?:wal|walpb|snap): (?:crc mismatch|slice bounds out of range|empty snapshot|file not found)"
    r"|failed to find database snapshot file"
    r"|failed to get all reachable pages"
    r"|invalid (?:page|freelist) (?:type|page)[^\"]*"
    r"|found data inconsistency with peers"
    r"|tocommit\(\d+\) is out of range"
    r"|unexpected fault address"
    r"|SIGBUS: bus error"
    # A record of the log that is none: while it starts, etcd parses nothing but its own files.
    r"|(?<=bootstrap failed\",\"error\":\")(?:proto: [^\"]*|unexpected EOF)"
    r"|(?<=discovery failed\",\"error\":\")(?:proto: [^\"]*|unexpected EOF)",
)


def damage(words: str) -> str:
    """The newest sign of damaged data in these words, as etcd put it; "" = there is none."""
    found = [line[match.start() : match.end()] for line in words.splitlines() if (match := _SIGNS.search(line))]
    return found[-1] if found else ""
