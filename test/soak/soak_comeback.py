# SPDX-License-Identifier: Apache-2.0
"""One of three members refuses, again and again, under load: nobody notices, at most a few attempts
fail, none reaches it before a probe has passed, it is back within a probe's interval and a second,
and its share rises over slowstart.

    make soak T=comeback          LBX_ROUNDS=10 rounds, 200 requests a second

Not here: the same once and without load (test_hcheck_20_recovery.py).
"""
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scenario"))

from core_help import balancer_conf, member_state, members  # noqa: E402
from lab import Lab, eventually  # noqa: E402

ROUNDS = int(os.environ.get("LBX_ROUNDS", "10"))
RATE, RETRY_S, SLOW_S, DEAD_S = 200, 1, 4, 3
LATE_S = 1.0  # beside the probe's interval
NOISE = "LBX0182|AH00957|AH01114|AH00959|AH01102|AH00898|AH01095"


def let_pass(seconds: float) -> None:
    """Let the load run on."""
    end = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= end, seconds + 5)


def one_round(web, one) -> dict:
    failures = member_state(web, one)["failures"]
    one.refuse()
    eventually(lambda: member_state(web, one)["inelig"], 5, "b1 is out")
    let_pass(DEAD_S)
    one.reset_stats()
    one.accept_again()
    back = time.monotonic_ns()
    eventually(lambda: not member_state(web, one)["inelig"], 10, "b1 is back")
    returned = time.monotonic_ns()
    arrivals = [a.ns for a in one.arrivals()]
    eventually(lambda: member_state(web, one)["ramp"] == 10000, SLOW_S + 10, "b1 has its weight")
    seen = [a.ns for a in one.arrivals() if a.ns < returned + SLOW_S * 10**9]
    half = returned + SLOW_S * 10**9 // 2
    early, late = sum(ns < half for ns in seen), sum(ns >= half for ns in seen)
    # the last look may be a moment after the return; a request is not there before it
    too_early = sum(ns < back for ns in arrivals)
    return {"back_s": (returned - back) / 1e9, "failed": member_state(web, one)["failures"] - failures,
            "early": early, "late": late, "too_early": too_early}


def main() -> int:
    lab = Lab()
    bad = 0
    try:
        three = members(lab, 3)
        web = lab.httpd(balancer_conf(three, per_member=f"retry={RETRY_S} slowstart={SLOW_S}"),
                        suite=("core", "hcheck"))
        web.expect_log(NOISE)
        load = lab.load(web, rate=RATE, seconds=ROUNDS * (DEAD_S + SLOW_S + 4)).start()
        print("round  back after s  failed attempts  requests in the first and second half of slowstart")
        for n in range(1, ROUNDS + 1):
            r = one_round(web, three[0])
            good = (r["back_s"] <= RETRY_S + LATE_S and r["early"] < r["late"]
                    and not r["too_early"] and r["failed"] <= 8)
            bad += not good
            print(f"{n:5}  {r['back_s']:12.2f}  {r['failed']:15}  {r['early']:6} {r['late']:6}"
                  f"{'' if good else '   NOT AS PROMISED'}", flush=True)
        result = load.wait()
        print(result)
        bad += not result.all_ok
        problems = lab.finish()
        print("\n".join(problems))
        bad += len(problems)
    finally:
        lab.finish()
        lab.remove()
    print("as promised" if not bad else f"{bad} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
