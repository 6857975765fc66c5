#!/usr/bin/env python3
"""Runs the demo under strace, deploys a release through its API, and checks that the process connected to nothing but the
simulator's port: only_simulator.py BINARY. Prints what it saw; exit 1 otherwise."""
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

PATIENCE = 120  # seconds; reached only when something hangs


def call(url, token, body=None):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
        return json.load(answer)


def main():
    binary = sys.argv[1]
    with tempfile.TemporaryDirectory() as directory:
        trace = f"{directory}/trace"
        demo = [binary, "demo", "--json", "--listen", "127.0.0.1:0", "--aws-listen", "127.0.0.1:0", "--speed", "200", "--data-dir", f"{directory}/data"]
        process = subprocess.Popen(["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", trace, *demo], stdout=subprocess.PIPE, text=True)
        try:
            ready = json.loads(process.stdout.readline())
            url, token = ready["url"], ready["token"]
            release = call(f"{url}/api/v1/apps/stateless-app/releases", token, {"tag": "v5"})["number"]
            number = call(f"{url}/api/v1/apps/stateless-app/environments/staging/changes", token, {"kind": "deploy", "release": release})["number"]
            begun, state = time.monotonic(), "queued"
            while state not in ("succeeded", "failed", "undone", "undo_failed", "cancelled", "expired"):
                if time.monotonic() - begun > PATIENCE:
                    sys.exit(f"the deploy hangs in {state}")
                time.sleep(0.2)
                state = call(f"{url}/api/v1/changes/{number}", token)["state"]
        finally:
            # strace hands SIGTERM to nobody: the demo is its child.
            children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
            subprocess.run(["kill", *children]) if children else process.terminate()
            process.wait(timeout=30)
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


if __name__ == "__main__":
    main()
