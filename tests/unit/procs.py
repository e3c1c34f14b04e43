"""Work in a forked child: for what only real processes show, without the cost of a new interpreter."""

import os
import signal
import traceback


def fork(work):
    """Run `work` in a child and return its pid. The child ends with 0, or with 1 and a traceback on stderr."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def wait(pid):
    """The child's exit code; negative for the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill(pid):
    """SIGKILL, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    assert wait(pid) == -signal.SIGKILL
