"""Running `unibind` in a test: as the installed command, or faster in this process."""

import contextlib
import io
import json
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

from unibind.cli import main

COMMAND = Path(sys.executable).parent / "unibind"


def run_installed(*arguments, code=0):
    """Run the installed command in a process of its own; it must exit with `code`."""
    done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False)
    return _checked(done, code)


def run(*arguments, code=0):
    """Run the command's entry point in this process; it must exit with `code`."""
    argv = ["unibind", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = _exit_status(main)
    return _checked(subprocess.CompletedProcess(argv, status, out.getvalue(), err.getvalue()), code)


def run_json(*arguments, code=0):
    """What `run` prints with `--json`."""
    return json.loads(run(*arguments, "--json", code=code).stdout)


def _exit_status(entry_point):
    try:
        entry_point()
    except SystemExit as done:
        return int(done.code or 0)
    return 0


def _checked(done, code):
    assert done.returncode == code, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return done


def takes_interrupts():
    """For `preexec_fn`: Ctrl-C reaches the new process, also where tests run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
