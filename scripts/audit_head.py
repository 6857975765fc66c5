#!/usr/bin/env python3
"""Recomputes the head of the audit chain: audit_head.py FILE.db (canonical form: src/domain/audit.rs)."""
import hashlib
import sqlite3
import sys

COLUMNS = "seq, at, actor, actor_kind, action, target, change, result, before, after, reason, address, request, aws_request"
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None)
db.execute("begin")  # rows and head of one instant
seq, head = 0, "0" * 64
net = lambda v: b"~," if v is None else b"%d:%s," % (len(b := str(v).encode()), b)
for *fields, previous, own in db.execute(f"select {COLUMNS}, previous, hash from audit order by seq"):
    digest = hashlib.sha256(b"".join(map(net, [head, *fields]))).hexdigest()
    if fields[0] != seq + 1 or previous != head or own != digest:
        sys.exit(f"entry {fields[0]} is bad: it does not follow entry {seq} or was altered")
    seq, head = fields[0], own
stored = db.execute("select audit_seq, audit_hash from heads").fetchone()
print(seq, head)
if stored != (seq, head):
    sys.exit(f"entry {seq} is the last there is, but the head names entry {stored[0]} {stored[1]}")
