"""The servers that the tests are given: gone when the command is, however it ends."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

SCRIPTS = Path(__file__).resolve().parents[1]
TELL = "echo $TRAILKEEPER_TEST_DATABASE_URL; echo $AWS_ENDPOINT_URL"


def start(script: str, command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [SCRIPTS / script, "bash", "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A run in the background is started deaf to it, and a shell cannot hear again by itself.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def port_told_by(process: "subprocess.Popen[str]", scheme: str) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        url = urlsplit(line.strip())
        if url.scheme == scheme:
            assert url.hostname == "127.0.0.1"
            assert url.username == (None if scheme == "http" else "trailkeeper")
            assert url.port is not None
            return url.port
    pytest.skip("no server can be had here")


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


SERVERS = pytest.mark.parametrize(
    ("script", "scheme"),
    [("postgres.sh", "postgres"), ("mariadb.sh", "mysql"), ("s3.sh", "http")],
)


@SERVERS
def test_the_exit_code_is_the_commands_and_the_server_is_gone(script: str, scheme: str) -> None:
    with start(script, f"{TELL}; cat; exit 7") as process:
        port = port_told_by(process, scheme)
        assert is_listening(port)
        process.communicate()
    assert process.returncode == 7
    assert not is_listening(port)


@SERVERS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_server_is_gone_when_the_run_is_ended(
    script: str, scheme: str, number: signal.Signals
) -> None:
    with start(script, f"{TELL}; cat") as process:
        port = port_told_by(process, scheme)
        os.killpg(process.pid, number)
        process.communicate()
    assert process.returncode == 128 + number
    assert not is_listening(port)


@pytest.mark.parametrize(("required", "code"), [("0", 0), ("1", 1)])
def test_without_a_server_it_is_said_aloud(tmp_path: Path, required: str, code: int) -> None:
    for program in ("bash", "dirname", "id"):
        found = shutil.which(program)
        assert found is not None
        (tmp_path / program).symlink_to(found)
    run = subprocess.run(
        [SCRIPTS / "mariadb.sh", sys.executable, "-c", "print('the command runs')"],
        env={"PATH": str(tmp_path), "TRAILKEEPER_REQUIRE_MARIADB": required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == code
    assert "NOT TESTED on MariaDB" in run.stderr
    assert "the command runs" not in run.stdout
