"""A real gunicorn with two workers on a free loopback port."""

import socket
import subprocess
import sys
from contextlib import AbstractContextManager
from types import TracebackType

from workday.project import EXAMPLE, Project, StepFailedError

WORKERS = 2
STOP_SECONDS = 30


class Server(AbstractContextManager["Server"]):
    """Serves the project inside a `with` block, and stops gracefully after it.

    The listening socket is made here and inherited by gunicorn: the port cannot
    be taken by somebody else in between, and a request that comes before the
    workers are up waits for them.
    """

    def __init__(self, project: Project) -> None:
        self._access_log = project.home / "access.log"
        self._server_log = project.home / "server.log"

    def __enter__(self) -> "Server":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._process = subprocess.Popen(
                [
                    *[sys.executable, "-m", "gunicorn", "invoicing.wsgi"],
                    *["--bind", f"fd://{listener.fileno()}", "--workers", str(WORKERS)],
                    *["--access-logfile", str(self._access_log)],
                    *["--access-logformat", "%(p)s %(m)s %(U)s %(s)s"],
                    *["--log-file", str(self._server_log)],
                ],
                cwd=EXAMPLE,
                pass_fds=[listener.fileno()],
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            status = None
        if status != 0:
            ended = "did not stop" if status is None else f"ended with status {status}"
            raise StepFailedError(f"gunicorn {ended}: see {self._server_log}")

    def answered(self) -> tuple[int, int]:
        """How many requests were answered, and by how many workers."""
        lines = self._access_log.read_text().splitlines()
        return len(lines), len({line.split()[0] for line in lines})
