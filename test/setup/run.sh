#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs built tests and ends with one line "N passed, N failed".  It builds nothing.
#
#   run.sh unit [BINARY]        a libcheck program; with T=name only the test cases of that name
#   run.sh programs [PROGRAM..] each program is one test: exit status 0 is a pass
#
# Scenarios are run by scenarios.py.
set -u
T=${T:-}
kind=$1
shift

# The libcheck cases of the files whose name, or one of whose test functions, contains T.
cases() {
    for file in test/unit/test_*.c; do
        [ -f "$file" ] || continue
        case $file in
        *"$T"*) ;;
        *) grep -Eq "(START_TEST|tcase_create) *\(\"?[A-Za-z0-9_ ]*$T" "$file" || continue ;;
        esac
        sed -n 's/.*tcase_create *( *"\([^"]*\)".*/\1/p' "$file"
    done
}

# Shows libcheck's output and adds up its "Checks: 7, Failures: 0, Errors: 0".
sum() {
    awk '{ print }
        / Checks: / { gsub(",", ""); for (i = 1; i < NF; i++) n[$i] += $(i + 1) }
        END { bad = n["Failures:"] + n["Errors:"]
              printf "%d passed, %d failed\n", n["Checks:"] - bad, bad; exit bad > 0 }'
}

unit() {
    [ $# = 0 ] && { echo "0 passed, 0 failed"; return 0; }
    if [ -n "$T" ]; then
        chosen=$(cases)
        [ -z "$chosen" ] && { echo "no unit test case is named like '$T'" >&2; return 1; }
    fi
    # libcheck's own status is kept beside the sum: a program that dies has no sum.
    status=$(mktemp) || return 1
    {
        if [ -z "$T" ]; then
            "$1" || echo $? >"$status"
        else
            echo "$chosen" | while read -r c; do CK_RUN_CASE=$c "$1" || echo $? >"$status"; done
        fi
    } 2>&1 | sum
    result=$?
    [ -s "$status" ] && result=1
    rm -f "$status"
    return $result
}

# The thread sanitizer of older compilers cannot live with much address randomisation.
fixed() {
    if setarch -R true 2>/dev/null; then setarch -R "$@"; else "$@"; fi
}

programs() {
    passed=0 failed=0
    for p in "$@"; do
        if fixed "$p"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED: $p"
        fi
    done
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
}

"$kind" "$@"
