# SPDX-License-Identifier: Apache-2.0
"""Passive verdicts: which failures take a member out, and that no request reaches it then.

How members come back is in test_hcheck_20_recovery.py.
"""
import pytest

from core_help import balancer_conf, change, member_state, members, who
from lab import eventually

EJECTED = "LBX0420: .*is ejected"


def start(lab, conf, **kw):
    web = lab.httpd(conf, suite=("core", "hcheck"), **kw)
    web.expect_log("LBX0182|LBX0184|AH00957|AH01114|AH00959|AH01102|AH00898|AH01095|LBX0162")
    return web


def is_out(web, member):
    m = member_state(web, member)
    return m["inelig"] != 0


def test_hcheck_01_one_refused_connection_is_enough(lab):
    """The client notices nothing, nobody else gets there, and one line says why."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member="retry=600"))
    who(web, 4)
    one.refuse()
    assert set(who(web, 20)) == {"b2"}
    assert is_out(web, one) and not is_out(web, two)
    assert member_state(web, one)["failures"] == 1
    lines = web.log_lines(EJECTED)
    assert len(lines) == 1 and f"{one.port}" in lines[0] and "balancer://mycluster" in lines[0]
    assert "no connection" in lines[0] and ":notice]" in lines[0]
    one.accept_again()
    before = one.requests
    assert set(who(web, 20)) == {"b2"}
    assert one.requests == before, "a user's request was the probe"


@pytest.mark.parametrize("kind, options, params", [
    ("answer", {"status": 503}, ""),
    ("close", {}, "disablereuse=On"),
    ("hang", {}, "timeout=1"),
])
def test_hcheck_01_three_in_a_row(lab, kind, options, params):
    """Gateway errors, closed connections, timeouts: the third one takes the member out, when
    nothing good came in between."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member=f"retry=600 {params}")
                + "LBXRetryOn balancer://mycluster none\n", threads=4)
    one.behave("/bad", kind, **options)
    client = lab.client(web)

    def fail_at_one():
        """A failed request at b1: the turn is b1's or the next one's."""
        before = member_state(web, one)["elected"]
        for _ in range(2):
            client.close()
            client.get("/bad")
            if member_state(web, one)["elected"] > before:
                return
        raise AssertionError("b1 got no request")

    fail_at_one()
    if kind != "hang":
        fail_at_one()
        who(web, 2)
        fail_at_one()
    fail_at_one()
    assert not is_out(web, one)
    fail_at_one()
    assert is_out(web, one)
    assert set(who(web, 6)) == {"b2"}
    assert len(web.log_lines(EJECTED)) == 1


def bad(web, n):
    for _ in range(n):
        web.get("/bad")


def test_hcheck_01_consecutive(lab):
    """LBXEject consecutive=: failures of every kind, a good answer begins anew."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member="retry=600", params="maxattempts=0")
                + "LBXEject balancer://mycluster consecutive=5 status=500,503\n")
    one.behave("/bad", "answer", status=500)
    bad(web, 8)  # four each
    who(web, 2)
    bad(web, 8)
    assert not is_out(web, one)
    bad(web, 2)
    assert is_out(web, one) and len(web.log_lines(EJECTED)) == 1


def test_hcheck_01_failures_in_a_window(lab):
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member="retry=600", params="maxattempts=0")
                + "LBXEject balancer://mycluster failures=4/10min\n")
    one.behave("/bad", "answer", status=502)
    for _ in range(3):
        bad(web, 2)
        who(web, 4)
    assert not is_out(web, one)
    bad(web, 2)
    assert is_out(web, one)


def test_hcheck_01_ratio(lab):
    """Half of the requests, once there were ten of them."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member="retry=600", params="maxattempts=0")
                + "LBXEject balancer://mycluster ratio=50% min=10 window=10min\n")
    one.behave("/bad", "answer", status=502)
    bad(web, 8)
    who(web, 8)
    assert not is_out(web, one), "four of eight, but too few"
    who(web, 4)
    bad(web, 2)
    assert not is_out(web, one), "five of eleven"
    bad(web, 2)
    assert is_out(web, one), "six of twelve"


def test_hcheck_01_off_and_never(lab):
    """LBXEject Off, retry=0 and status=+I: whatever happens."""
    a, b, c = members(lab, 3)
    conf = (balancer_conf((a, b), name="off", path="/off/", per_member="retry=600")
            + balancer_conf((a, b), name="zero", path="/zero/", per_member="retry=0")
            + balancer_conf((a, b), name="ign", path="/ign/",
                            per_member=["retry=600 status=+I", "retry=600"])
            + "LBXEject balancer://off off\n")
    web = start(lab, conf)
    a.refuse()
    for name in ("off", "zero", "ign"):
        for _ in range(8):
            assert web.get(f"/{name}/").backend == "b2"
        assert member_state(web, a, name)["inelig"] == 0, name
        assert member_state(web, a, name)["failures"] >= 3, name
    assert not web.log_lines(EJECTED)


def test_hcheck_01_max_ejected(lab):
    """No more than LBXMaxEjected percent are out, but one always may be."""
    all_of = members(lab, 4)
    web = start(lab, balancer_conf(all_of, per_member="retry=600")
                + "LBXMaxEjected balancer://mycluster 50%\n")
    for m in all_of[:3]:
        m.refuse()
    for _ in range(12):
        assert web.get("/").backend == "b4"
    assert sum(is_out(web, m) for m in all_of) == 2
    assert len(web.log_lines(EJECTED)) == 2


def test_hcheck_01_nobody_else_is_left(lab):
    """With forcerecovery= (the default) the last one stays, the others are tried again, and the
    log does not drown."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member="retry=600"))
    one.refuse()
    who(web, 4)
    assert is_out(web, one)
    two.refuse()
    for _ in range(20):
        assert web.get("/").status == 503
    assert not is_out(web, one) and not is_out(web, two)
    assert len(web.log_lines("LBX0420")) <= 4
    one.accept_again()
    assert who(web, 6) == ["b1"] * 6
    assert is_out(web, two)
    assert len(web.log_lines("LBX0420")) <= 6


def test_hcheck_01_nobody_else_without_recovery(lab):
    """forcerecovery=Off: all of them may be out, and nobody is asked."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member="retry=600",
                                   params="forcerecovery=Off"))
    one.refuse()
    two.refuse()
    for _ in range(5):
        assert web.get("/").status == 503
    one.accept_again()
    two.accept_again()
    for _ in range(5):
        assert web.get("/").status == 503
    assert one.requests == two.requests == 0


@pytest.mark.parametrize("suite", [("core",), ("core", "hcheck")])
def test_hcheck_01_failonstatus(lab, suite):
    """The same with and without the checker: the first answer with the status is enough, and the
    client gets it."""
    one, two = members(lab, 2)
    web = lab.httpd(balancer_conf((one, two), params="failonstatus=418,500 failontimeout=On",
                                  per_member="retry=600 timeout=1"), suite=suite)
    web.expect_log("LBX0182|AH01102|AH00898")
    web.expect_log("LBX0184", must=True)
    one.behave("/bad", "answer", status=418, times=1)
    assert sorted(web.get("/bad").status for _ in range(2)) == [200, 418]
    assert is_out(web, one)
    assert member_state(web, one)["error_at_us"] > 0
    assert set(who(web, 6)) == {"b2"}


@pytest.mark.parametrize("suite", [("core",), ("core", "hcheck")])
def test_hcheck_01_failontimeout(lab, suite):
    one, two = members(lab, 2)
    web = lab.httpd(balancer_conf((one, two), params="failontimeout=On maxattempts=0",
                                  per_member="retry=600 timeout=1"), suite=suite)
    web.expect_log("LBX0182|AH01102|AH00898")
    web.expect_log("LBX0184", must=True)
    one.behave("/bad", "hang", times=1)
    assert 200 in [web.get("/bad").status for _ in range(2)]
    assert is_out(web, one)
    assert set(who(web, 6)) == {"b2"}


def test_hcheck_01_disabled_others_are_nobody(lab):
    """A member that the operator has taken out is no help."""
    one, two = members(lab, 2)
    web = start(lab, balancer_conf((one, two), per_member="retry=600"))
    change(web, two, "disabled", "on")
    one.refuse()
    assert web.get("/").status == 503
    assert not is_out(web, one)
    one.accept_again()
    eventually(lambda: web.get("/").status == 200)


BAD_VALUES = [
    ("LBXEject", ""), ("LBXEject", "consecutive=0"), ("LBXEject", "failures=3"),
    ("LBXEject", "ratio=101%"), ("LBXEject", "consecutive=3 ratio=5%"), ("LBXEject", "maybe"),
    ("LBXMaxEjected", "0%"), ("LBXMaxEjected", "101"), ("LBXPanic", "half"),
    ("LBXSlowStart", "soon"), ("LBXSlowStart", "30s aggression=0"),
    ("LBXSlowStart", "30s minimum=0"), ("LBXOutlier", "hosts=3"),
    ("LBXOutlier", "latency=1"), ("LBXOutlier", "success-rate=1.9 base=60s max=30s"),
]


def test_hcheck_01_bad_values(lab):
    """Refused with directive, value and what is allowed; as are those of members."""
    one = lab.backend("b1")
    web = lab.httpd(balancer_conf([one]), suite=("core", "hcheck"), start=False)
    for directive, value in BAD_VALUES:
        web.rewrite(balancer_conf([one]) + f"{directive} balancer://mycluster {value}\n")
        code, said = web.configtest()
        assert code and f"{directive} {value}" in said and "must be" in said, said
    web.rewrite(balancer_conf([one]) + "LBXPanic 50%\n")
    code, said = web.configtest()
    assert code and "LBXPanic must stand in" in said, said
    for param in ("slowstart=soon", "aggression=11", "minimum=0"):
        web.rewrite(balancer_conf([one], per_member=param))
        code, said = web.configtest()
        assert code and param in said and "must be" in said, said
    web.rewrite(balancer_conf([one], per_member="slowstart=30s aggression=1.5 minimum=20%")
                + "<Proxy balancer://mycluster>\nLBXEject ratio=10%\nLBXPanic Off\n"
                "LBXOutlier success-rate latency=3\nLBXSlowStart 1min\n</Proxy>\n")
    assert web.configtest()[0] == 0
