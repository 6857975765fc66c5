#!/usr/bin/env python3
"""How long a page takes to render with 100 environments, beside a static file of the same server in the same run.

    cargo build --release --workspace && python3 scripts/bench_pages.py [target/release/fleetgate]

Starts a demo, copies its environments in its database until there are 100, signs in, and asks for each page in turn over one kept
connection. Prints p50 and p95 in milliseconds, and p50 as a multiple of the static file's. Asks 127.0.0.1 alone; every loop is
bounded.
"""

import http.client
import json
import sqlite3
import statistics
import subprocess
import sys
import time
import urllib.parse

WANTED = 100
ROUNDS = 60
APP = "stateless-app"


def copy_environments(path):
    """Copies `production` with its local copy, its good releases and a group of its own name, until there are WANTED."""
    db = sqlite3.connect(path, timeout=30)
    db.row_factory = sqlite3.Row
    source = db.execute("select * from environments where name = 'production'").fetchone()
    observed = db.execute("select * from observations where env = ?", (source["id"],)).fetchone()
    good = db.execute("select * from good_releases where env = ?", (source["id"],)).fetchall()
    have = db.execute("select count(*) from environments").fetchone()[0]

    def insert(table, row):
        names = list(row)
        marks = ", ".join("?" for _ in names)
        db.execute(f"insert into {table} ({', '.join(names)}) values ({marks})", [row[n] for n in names])

    for n in range(have, WANTED):
        number = 1000 + n
        insert("environments", dict(source) | {"id": number, "name": f"copy-{n}", "protected": n % 2, "asg_arn": f"{source['asg_arn']}-{n}"})
        insert("observations", dict(observed) | {"env": number})
        for g in good:
            insert("good_releases", dict(g) | {"id": number * 10 + g["id"], "env": number})
    db.commit()
    db.close()


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/fleetgate"
    command = [binary, "demo", "--listen", "127.0.0.1:0", "--aws-listen", "127.0.0.1:0", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        ready = json.loads(server.stdout.readline())
        copy_environments(f"{ready['data_dir']}/fleetgate.db")
        run(ready)
    finally:
        server.terminate()
        server.wait(timeout=20)


def run(ready):
    host = urllib.parse.urlsplit(ready["url"]).netloc
    person = next(p for p in ready["people"] if p["name"] == "dan")
    connection = http.client.HTTPConnection(host, timeout=30)
    form = urllib.parse.urlencode({"username": "dan", "password": person["password"]})
    connection.request("POST", "/login", form, {"content-type": "application/x-www-form-urlencoded", "origin": ready["url"]})
    answer = connection.getresponse()
    answer.read()
    cookie = answer.getheader("set-cookie").split(";")[0]
    connection.request("GET", "/", headers={"cookie": cookie})
    page = connection.getresponse().read().decode()
    static = page.split('rel="stylesheet" href="')[1].split('"')[0]
    addresses = [static, "/", "/apps", f"/apps/{APP}", f"/apps/{APP}/images", f"/apps/{APP}/production", f"/apps/{APP}/production/deploy",
                 f"/apps/{APP}/production/rollback", f"/apps/{APP}/production/capacity?desired=3", "/approvals", "/deployments", "/deployments/5",
                 "/audit", "/audit/40", "/me", "/help"]
    times = {a: [] for a in addresses}
    sizes = {}
    for _ in range(ROUNDS):
        for address in addresses:
            begun = time.perf_counter()
            connection.request("GET", address, headers={"cookie": cookie, "accept-encoding": "identity"})
            answer = connection.getresponse()
            body = answer.read()
            times[address].append((time.perf_counter() - begun) * 1000)
            assert answer.status == 200, (address, answer.status, body[:300])
            sizes[address] = len(body)
    base = statistics.median(times[static])
    print(f"{WANTED} environments, {ROUNDS} rounds, one connection; the server's observer and the measuring share the machine")
    print(f"{'page':<46} {'p50 ms':>8} {'p95 ms':>8} {'x static':>9} {'bytes':>9}")
    for address in addresses:
        p50 = statistics.median(times[address])
        p95 = sorted(times[address])[int(ROUNDS * 0.95) - 1]
        print(f"{address.split('?')[0]:<46} {p50:>8.2f} {p95:>8.2f} {p50 / base:>9.1f} {sizes[address]:>9}")


if __name__ == "__main__":
    main()
