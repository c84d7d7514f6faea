"""A PostgreSQL server that is stopped, killed, frozen and started again."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any


class Server:
    """The one whose socket stands in `folder`. Only processes of it are ever signalled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._again: list[str] = []
        self._user: dict[str, Any] = {}
        self._started: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """The server and all that it started, as when its machine goes away."""
        family = self._family()
        self._remember()
        for pid in family:
            os.kill(pid, signal.SIGKILL)
        self._await_end(family[0])

    def freeze(self) -> None:
        for pid in self._family():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._family():
            os.kill(pid, signal.SIGCONT)

    def start(self) -> None:
        """Answers when this returns."""
        with (self.folder / "log").open("ab") as log:
            self._started = subprocess.Popen(self._again, stdout=log, stderr=log, **self._user)
        ready = [Path(self._again[0]).with_name("pg_isready"), "-q", "-h", self.folder]
        for _ in range(400):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError("the server does not start")

    def close(self) -> None:
        """What was started here again ends here."""
        if self._started is not None and self._started.poll() is None:
            self._started.send_signal(signal.SIGINT)
            self._started.wait(20)

    def _remember(self) -> None:
        process = Path(f"/proc/{self.pid}")
        self._again = process.joinpath("cmdline").read_text().rstrip("\0").split("\0")
        if os.geteuid() == 0:
            state = process.stat()
            self._user = {"user": state.st_uid, "group": state.st_gid, "extra_groups": []}

    def _end(self, number: signal.Signals) -> None:
        pid = self.pid
        self._remember()
        os.kill(pid, number)
        self._await_end(pid)

    def _await_end(self, pid: int) -> None:
        for _ in range(400):
            # As long as nobody has asked for its end it holds the lock file of the next one.
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if not Path(f"/proc/{pid}").exists():
                return
            time.sleep(0.05)
        raise RuntimeError("the server does not end")

    def _family(self) -> list[int]:
        first = self.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]
