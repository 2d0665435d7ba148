"""Runs the cases of a suite: each prints "ok SECTION NAME" or "not ok SECTION NAME: what was expected and what came"."""
import argparse
import importlib
import os
import pkgutil
import signal
import sys
import traceback

from support.process import has_test_clock
from support.registry import CASES, Failure


def run_case(lab, case):
    """None, or why it failed."""
    try:
        case.run(lab)
        why = None
    except Failure as failure:
        why = str(failure)
    except Exception:  # of the test itself, or of a gateway that is gone
        why = traceback.format_exc()
    why = "\n".join(filter(None, [why, lab.end_case()])) or None
    if why is None and lab.healthy():
        return None
    finding = lab.stop()  # the next case does not suffer from what is left of this one
    lab.start()
    return "\n".join(filter(None, [why, finding])) or "the gateway has ended"


def reason_to_skip(lab, case, clock):
    if case.needs_clock and not clock:
        return "this build has no test clock"
    return lab.reason_to_skip(case)


def run_cases(lab, chosen):
    failed = 0
    clock = has_test_clock()
    passed = 0
    for case in chosen:
        reason = reason_to_skip(lab, case, clock)
        if reason:
            print(f"skipped {case}: {reason}", flush=True)
            continue
        why = run_case(lab, case)
        print(f"ok {case}" if why is None else f"not ok {case}: {why}", flush=True)
        passed += why is None
        failed += why is not None
    return passed, failed


def load_cases(folder):
    for module in sorted(one.name for one in pkgutil.iter_modules([os.path.join(folder, "cases")])):
        importlib.import_module(f"cases.{module}")


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("substring", nargs="?", default="", help="only the cases whose line has it")
    parser.add_argument("--binary", metavar="PATH", help="the gateway; else what SALLYPORT_BINARY names, or build/asan/sallyport")
    parser.add_argument("--list", action="store_true", help="print the names of the cases, run none")
    return parser


def main(folder, make_lab, options):
    """The exit status: 0 if cases were run and all of them passed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # what was started ends, too
    if options.binary:
        os.environ["SALLYPORT_BINARY"] = os.path.abspath(options.binary)
    load_cases(folder)
    chosen = [case for case in CASES if options.substring in str(case)]
    if options.list:
        print("\n".join(str(case) for case in chosen))
        return 0
    lab = make_lab()
    try:
        lab.prepare()
        lab.start()
        passed, failed = run_cases(lab, chosen)
        finding = lab.stop()
        if finding:
            print(f"not ok at the end, {finding}")
        failed += finding is not None
    finally:
        lab.close()
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if failed == 0 and passed > 0 else 1
