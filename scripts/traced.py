#!/usr/bin/env python3
"""What the demo does, seen by the kernel: traced.py BINARY [POSTS]. Two runs under strace, each with a demo of its own.

1. A deploy through the API, to its end: the process connected to nothing but the simulator's port.
2. POSTS requests (20) that change something: between each accepted POST and its answer the database's log was synced to the disk.

Prints what it saw; exit 1 where it saw something else."""
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

PATIENCE = 120  # seconds; reached only when something hangs
APP = "/api/v1/apps/stateless-app"


def call(url, token, body=None):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
        return json.load(answer)


@contextlib.contextmanager
def demo(binary, calls, speed):
    """A demo under strace; hands out what it printed, and the file that holds the trace once it has ended."""
    with tempfile.TemporaryDirectory() as directory:
        trace = f"{directory}/trace"
        words = [binary, "demo", "--json", "--listen", "127.0.0.1:0", "--aws-listen", "127.0.0.1:0", "--speed", str(speed), "--data-dir", f"{directory}/data"]
        strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-s", "64", "-e", f"trace={calls}", "-o", trace]
        process = subprocess.Popen([*strace, *words], stdout=subprocess.PIPE, text=True)
        try:
            yield json.loads(process.stdout.readline()), trace
        finally:
            stop(process)


def stop(process):
    if process.poll() is None:
        # strace hands SIGTERM to nobody: the demo is its child.
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
        subprocess.run(["kill", *children]) if children else process.terminate()
    process.wait(timeout=30)


def only_simulator(binary):
    with demo(binary, "connect,sendto,sendmsg", 200) as (ready, trace):
        url, token = ready["url"], ready["token"]
        release = call(f"{url}{APP}/releases", token, {"tag": "v5"})["number"]
        number = call(f"{url}{APP}/environments/staging/changes", token, {"kind": "deploy", "release": release})["number"]
        begun, state = time.monotonic(), "queued"
        while state not in ("succeeded", "failed", "undone", "undo_failed", "cancelled", "expired"):
            if time.monotonic() - begun > PATIENCE:
                sys.exit(f"the deploy hangs in {state}")
            time.sleep(0.2)
            state = call(f"{url}/api/v1/changes/{number}", token)["state"]
        if state != "succeeded":
            sys.exit(f"the deploy of the demo ended as {state}")
        port = ready["aws_endpoint"].rsplit(":", 1)[1]
        seen = {}
        for line in open(trace, errors="replace"):
            for family, rest in re.findall(r"sa_family=(AF_\w+)(.*?)\}", line):
                if family in ("AF_INET", "AF_INET6"):
                    found = re.search(r"htons\((\d+)\)", rest), re.search(r'inet_\w+\((?:AF_INET6, )?"([^"]+)"', rest)
                    peer = f"{found[1][1] if found[1] else '?'}:{found[0][1] if found[0] else '?'}"
                else:
                    peer = family + rest
                seen[peer] = seen.get(peer, 0) + 1
    for peer, times in sorted(seen.items()):
        print(f"{times:6d} x {peer}")
    strangers = [p for p in seen if p != f"127.0.0.1:{port}" and "AF_UNSPEC" not in p]
    if not seen or strangers:
        sys.exit(f"contacted besides the simulator at 127.0.0.1:{port}: {strangers}" if seen else "strace saw no connection at all")
    print(f"a deploy to its end, and nothing contacted but the simulator at 127.0.0.1:{port}")


def durable(binary, posts):
    # As fast as AWS: what the worker does by itself is seldom, and no sync of its own stands in for one that is missing.
    with demo(binary, "recvfrom,read,sendto,write,writev,fsync,fdatasync", 1) as (ready, trace):
        url, token = ready["url"], ready["token"]
        release = call(f"{url}{APP}/releases", token, {"tag": "v5"})["number"]
        sent = 1
        while sent < posts:
            # Asked for and withdrawn: production waits for an approval, so that AWS hears of nothing.
            asked = call(f"{url}{APP}/environments/production/changes", token, {"kind": "deploy", "release": release, "reason": "traced"})
            call(f"{url}/api/v1/changes/{asked['number']}/cancel", token, {"mode": "stop"})
            sent += 2
        lines = open(trace, errors="replace").readlines
        stopped = time.monotonic()
        while sum("POST /api" in line for line in lines()) < sent and time.monotonic() - stopped < PATIENCE:
            time.sleep(0.1)
        accepted, without, syncs = check_syncs(open(trace, errors="replace"))
    print(f"{accepted} of {sent} POSTs accepted, {syncs} syncs of the log between them and their answers, {without} answered without one")
    if accepted != sent or without:
        sys.exit("an answer went out before what it says was on the disk")


def check_syncs(trace):
    """Walks the trace in order: accepted POSTs, how many were answered without a sync before, and syncs in between."""
    accepted = without = syncs = 0
    asked = {}  # socket -> syncs since its POST came
    reading = {}  # thread -> the socket that it is reading from
    syncing = set()  # threads inside a sync of the log
    for line in trace:
        thread, _, text = line.partition(" ")
        text = text.strip()
        if re.match(r"f(data)?sync\(.*-wal>", text):
            if "unfinished" in text:
                syncing.add(thread)
                continue
            done = text.endswith("= 0")
        else:
            done = "sync resumed" in text and thread in syncing and text.endswith("= 0")
            if "sync resumed" in text:
                syncing.discard(thread)
        if done:
            for socket in asked:
                asked[socket] += 1
            continue
        found = re.search(r"^\w+\((\d+)<(?:TCP|socket)", text)
        socket = found[1] if found else reading.pop(thread, None) if "resumed" in text else None
        if found and "unfinished" in text and text.startswith("re"):
            # What was read is printed when the call returns.
            reading[thread] = socket
        if socket and '"POST /api' in text:
            asked[socket] = 0
        elif socket in asked and '"HTTP/1.1 ' in text:
            since = asked.pop(socket)
            if '"HTTP/1.1 2' in text:
                accepted += 1
                syncs += since
                without += since == 0
    return accepted, without, syncs


def main():
    binary, posts = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    only_simulator(binary)
    durable(binary, posts)


if __name__ == "__main__":
    main()
