"""A runner of named cases.

A case passes when its body returns within the time limit, nothing went wrong beside it, and every peer that it opened
could still leave in good order. Each case prints one line, "ok ..." or "FAIL ...".
"""

import sys
import traceback

from autobahn.wamp.exception import ApplicationError

import framework

LIMIT = 30  # seconds per case; every case takes only a fraction of it

passed = 0
failed = 0
stray = []  # errors outside the body of the case, such as in an event handler


def complain(what):
    stray.append(what)


class Case:
    def __init__(self):
        self._cleanups = []

    def after(self, f):
        """Runs the coroutine function f when the case is over."""
        self._cleanups.append(f)

    async def clean_up(self):
        problem = None
        for f in reversed(self._cleanups):
            late = await _problem_of(f)
            problem = problem or (late and "afterwards: " + late)
        return problem


async def check(name, body):
    """Runs one case: body(t), where t is its Case."""
    global passed, failed
    stray.clear()
    t = Case()
    problem = await _problem_of(lambda: body(t))
    late = await t.clean_up()
    problem = problem or late
    if stray:
        problem = "%sbeside the case: %s" % (problem + "; " if problem else "", stray[0])
    if problem:
        failed += 1
        print("FAIL %s: %s" % (name, problem.replace("\n", " ")), flush=True)
    else:
        passed += 1
        print("ok   %s" % name, flush=True)


def finish(suite):
    """Prints that the suite is complete, and returns the exit status."""
    print("end  %s: %d passed, %d failed" % (suite, passed, failed), flush=True)
    return 1 if failed else 0


def main(suite, body):
    """Runs body, then ends the process."""
    status = []

    async def run():
        await body()
        status.append(finish(suite))

    framework.run(run, complain)
    sys.exit(status[0])


async def _problem_of(f):
    try:
        await framework.within(LIMIT, f())
        return None
    except Exception as e:
        where = [s for s in traceback.extract_tb(e.__traceback__) if s.filename.endswith(("cases.py", "cross.py", "proofs.py"))]
        return "%s: %s%s" % (type(e).__name__, e, " (line %d)" % where[-1].lineno if where else "")


def equal(got, want, what):
    """Compares by value and kind: True is not 1, a tuple is a list."""
    if not same(got, want):
        raise AssertionError("%s is %s, not %s" % (what, show(got), show(want)))


def truth(condition, what):
    if condition is not True:
        raise AssertionError("not so: %s" % what)


def same(a, b):
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b
    return type(a) is type(b) and a == b


def show(value):
    text = repr(value)
    return text if len(text) <= 400 else text[:400] + "..."


async def rejection(awaitable, what):
    """Returns the ApplicationError that awaitable fails with. It is an error if awaitable succeeds."""
    try:
        value = await awaitable
    except ApplicationError as e:
        return e
    raise AssertionError("%s was answered with %s, not refused" % (what, show(value)))
