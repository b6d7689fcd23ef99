"""The program under test: its workspace, its review server, and what its database says."""
import http.client
import json
import pathlib
import signal
import sqlite3
import subprocess
import urllib.parse
import uuid

REVIEWER = "expert"


class Program:
    def __init__(self, executable, folder):
        self.executable, self.workspace = executable, pathlib.Path(folder) / "ws"
        self.server, self.address = None, None

    def run(self, *arguments):
        done = subprocess.run([self.executable, *arguments], capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise SystemExit(f"scatterloop {' '.join(map(str, arguments))}: {done.stderr}")
        return done.stdout

    def make_workspace(self, images, side_px):
        self.run("init", self.workspace)
        self.run("-w", self.workspace, "-q", "simulate", "-n", str(images), "--size", str(side_px), "--unreal", "0.5")

    def connect(self, mode="ro"):
        return sqlite3.connect(f"file:{self.workspace}/scatterloop.db?mode={mode}", uri=True, timeout=20)

    def rows(self, query, *values):
        database = self.connect()
        try:
            return database.execute(query, values).fetchall()
        finally:
            database.close()

    def make_queue(self, length, is_blind):
        """A round's queue for the reviewer: every image, then the same again; each with a score and a test result."""
        database = self.connect("rw")
        images = [i for (i,) in database.execute("SELECT id FROM image ORDER BY id")]
        with database:
            database.execute("INSERT OR IGNORE INTO reviewer(id, name, role, simulated) VALUES(1, ?, 'reviewer', 0)", (REVIEWER,))
            database.execute("INSERT INTO round(id, number, config, seed, state, created)"
                             " VALUES(1, 1, '{}', 0, 'running', 1)")
            database.execute("INSERT INTO model(id, hash, kind, name, path, created)"
                             " VALUES(1, ?, 'classifier', 'c', 'c', 1)", ("0" * 64,))
            for i in images:
                database.execute("INSERT INTO prediction VALUES(?, 1, -1, 0.25, -1.1, 0.1, 1)", (i,))
                database.execute("INSERT INTO physical_test VALUES(?, 'noise statistics', '1', 3, 0, 2, 0, 1)", (i,))
            database.executemany(
                "INSERT INTO assignment(id, round, image, reviewer, queue, propensity, blind, position)"
                " VALUES(?, 1, ?, 1, 'audit_pool', 0.5, ?, ?)",
                [(k + 1, images[k % len(images)], int(is_blind(k)), k + 1) for k in range(length)])
        database.close()

    def start(self):
        self.server = subprocess.Popen(
            [self.executable, "-w", self.workspace, "--json", "review", "--reviewer", REVIEWER],
            stdout=subprocess.PIPE, text=True)
        self.address = json.loads(self.server.stdout.readline())["address"]
        return self.address

    def kill(self):
        """As a crash would end it: no warning, nothing flushed."""
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def stop(self):
        if self.server and self.server.poll() is None:
            self.server.terminate()
            return self.server.wait(timeout=20)
        return None

    @property
    def host(self):
        return urllib.parse.urlsplit(self.address).netloc

    @property
    def token(self):
        return urllib.parse.parse_qs(urllib.parse.urlsplit(self.address).query)["token"][0]

    @property
    def cookie(self):
        return f"scatterloop{self.host.split(':')[1]}={self.token}"

    def ask(self, method, path, body=None, **headers):
        """(status, headers) of a request with exactly these headers; '_' stands for '-'."""
        line = http.client.HTTPConnection(self.host, timeout=20)
        line.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = line.getresponse()
        answer.read()
        line.close()
        return answer.status, dict(answer.getheaders())

    def decisions(self):
        """All rows of the decision log: (assignment, label, reasons, note)."""
        return self.rows("SELECT assignment, label, reasons, ifnull(note, '') FROM decision ORDER BY id")

    def standing(self):
        """assignment -> what counts now."""
        return {a: (label, reasons, note) for a, label, reasons, note in self.rows(
            "SELECT assignment, label, reasons, ifnull(note, '') FROM counting_decision")}


def new_uuid():
    return str(uuid.uuid4())
