"""Real servers for a session: redis, postgres and nginx, in a directory of their own, with some load on them."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from benchmarks.routines import Ports, die_with_parent

_PATIENCE = 20.0  # seconds for a server to come up

_NGINX = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log; user {user};
events {{ worker_connections 512; }}
http {{
  access_log {folder}/access.log; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {folder}/pages; }}
}}
"""


class Services:
    """Starts them all; :meth:`close` ends them. Every process is a child of this one, and ends with it.

    ``clients`` are the pids of all that asked the servers for something so far, ``sessions`` the database sessions.
    """

    def __init__(self, folder: Path, base: int) -> None:
        self.ports = Ports(redis=base, http=base + 1)
        self._pg = base + 2
        self._folder = folder
        self._running: list[subprocess.Popen[str]] = []
        self._passing: list[subprocess.Popen[str]] = []
        self.clients: list[int] = []
        folder.chmod(0o755)
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None  # postgres refuses to run as root
        self.redis = self._start("redis-server", "--port", str(base), "--save", "", "--dir", str(folder), "--lua-time-limit", "60000").pid
        self.nginx = self._nginx()
        self._postgres()
        self.sessions = [Session(self._psql()) for _ in range(3)]
        self.clients.extend(session.process.pid for session in self.sessions)
        self.clients.append(self._start("pgbench", *self._where(), "-c", "2", "-R", "20", "-T", "100000", "bench", mine=True).pid)

    def nginx_workers(self) -> list[int]:
        with open(f"/proc/{self.nginx}/task/{self.nginx}/children") as file:
            return [int(pid) for pid in file.read().split()]

    def load(self, kind: str) -> int:
        """A burst of requests by a client that ends by itself; its pid. ``flood`` asks as fast as it can."""
        url = f"http://127.0.0.1:{self.ports.http}/"
        command = {
            "redis-benchmark": ("redis-benchmark", "-p", str(self.ports.redis), "-q", "-n", "300", "-c", "3", "-t", "set,get,lpush"),
            "ab": ("ab", "-q", "-n", "150", "-c", "3", url + "small.html"),
            "flood": ("wrk", "-t1", "-c16", "-d14s", url + "large.html"),
        }[kind]
        self._passing = [process for process in self._passing if process.poll() is None]
        self._passing.append(self._spawn(command))
        self.clients.append(self._passing[-1].pid)
        return self.clients[-1]

    def command(self, text: bytes) -> socket.socket:
        """Send redis a command and do not wait for what it says."""
        connection = socket.create_connection(("127.0.0.1", self.ports.redis), 5.0)
        connection.sendall(text)
        return connection

    def close(self) -> None:
        for process in reversed([*self._running, *self._passing, *(s.process for s in self.sessions)]):
            process.terminate()
        for process in [*self._running, *self._passing]:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()

    def _spawn(self, command: Sequence[str], *, mine: bool = False, stdout: int | IO[str] = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """A child that says nothing; ``mine``: as the owner of the database."""
        uid, gid = (self._user.pw_uid, self._user.pw_gid) if mine and self._user else (None, None)
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            text=True,
            preexec_fn=die_with_parent,
            cwd="/",
            user=uid,
            group=gid,
        )

    def _start(self, *command: str, mine: bool = False) -> subprocess.Popen[str]:
        process = self._spawn(command, mine=mine)
        self._running.append(process)
        return process

    def _nginx(self) -> int:
        pages = self._folder / "pages"
        pages.mkdir()
        (pages / "small.html").write_text("x" * 500)
        (pages / "large.html").write_text("x" * 60_000)
        config = self._folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=self._folder, port=self.ports.http, user="www-data"))
        pid = self._start("nginx", "-c", str(config)).pid
        _answers(self.ports.http)
        return pid

    def _where(self) -> tuple[str, ...]:
        return "-h", "127.0.0.1", "-p", str(self._pg), "-U", "bench"

    def _postgres(self) -> None:
        data = self._folder / "pg"
        data.mkdir()
        if self._user:
            shutil.chown(data, self._user.pw_uid, self._user.pw_gid)
        _run(self._spawn(["initdb", "-D", str(data), "-U", "bench", "-A", "trust", "-N"], mine=True))
        where = ("-D", str(data), "-p", str(self._pg), "-k", str(data), "-h", "127.0.0.1")
        self.postgres = self._start("postgres", *where, "-c", "fsync=off", mine=True).pid
        _answers(self._pg)
        for _ in range(40):  # it listens before it is ready
            if self._spawn(["createdb", *self._where(), "bench"]).wait() == 0:
                break
            time.sleep(0.25)
        _run(self._spawn(["pgbench", *self._where(), "-i", "-q", "bench"]))

    def _psql(self) -> subprocess.Popen[str]:
        return self._spawn(["psql", *self._where(), "-qAt", "bench"], stdout=subprocess.PIPE)


class Session:
    """A client of the database that stays connected; ``backend`` is the pid of the server process that serves it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.busy_until = 0.0
        self.ask("select pg_backend_pid();")
        assert process.stdout is not None
        self.backend = int(process.stdout.readline())
        self.ask("\\o /dev/null")

    def ask(self, query: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(query + "\n")
        self.process.stdin.flush()


def _run(process: subprocess.Popen[str]) -> None:
    if code := process.wait():
        raise SystemExit(f"{process.args!r} ended with {code}")


def _answers(port: int) -> None:
    """Wait until somebody listens."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise SystemExit(f"nobody answers on port {port}") from None
            time.sleep(0.1)
