/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the unit tests of all pure files.
 *
 *     unit              everything
 *     unit method       the cases whose name contains "method"
 *     CK_RUN_CASE=order, CK_RUN_SUITE=core, CK_FORK=no: as libcheck has them
 *     LBX_SEED=n        the random tests of an earlier run
 *
 * A filter that fits no test is an error: a green run has tested something.
 *
 * Not here: tests.
 */
#include "unit.h"

#include <stdio.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

uint64_t unit_seed;

/* Slow machines and sanitizers: a limit against hanging, not a budget. */
enum { TIMEOUT_SECONDS = 60 };

/* The address sanitizer looks for leaks whenever a process ends: a process for
 * each test would take minutes. */
#ifdef __SANITIZE_ADDRESS__
enum { LEAKS_COST = 1 };
#else
enum { LEAKS_COST = 0 };
#endif

static const struct {
    const char *suite; /* the module folder */
    const char *name;  /* the pure file, without lbx_ */
    TCase *(*make)(void);
} cases[] = {
    {"core", "segment", case_segment},
    {"core", "vals", case_vals},
    {"core", "store", case_store},
    {"core", "eligible", case_eligible},
    {"core", "order", case_order},
    {"core", "roster", case_roster},
    {"core", "fair", case_fair},
    {"core", "method", case_method},
    {"core", "method_byrequests", case_method_byrequests},
    {"core", "method_bybusyness", case_method_bybusyness},
    {"core", "method_bytraffic", case_method_bytraffic},
    {"core", "intent", case_intent},
    {"core", "words", case_words},
    {"core", "events", case_events},
    {"core", "retry", case_retry},
    {"core", "limit", case_limit},
    {"core", "trial", case_trial},
    {"core", "lend", case_lend},
    {"core", "queue", case_queue},
    {"sticky", "cookie", case_cookie},
    {"sticky", "route", case_route},
    {"sticky", "token", case_token},
    {"sticky", "setcookie", case_setcookie},
    {"sticky", "learn", case_learn},
    {"sticky", "attrs", case_attrs},
    {"hcheck", "hc_fsm", case_hc_fsm},
    {"hcheck", "hc_sched", case_hc_sched},
    {"hcheck", "hc_spec", case_hc_spec},
    {"hcheck", "hc_eject", case_hc_eject},
    {"hcheck", "hc_retry", case_hc_retry},
    {"hcheck", "slowstart", case_slowstart},
    {"hcheck", "outlier", case_outlier},
    {"hcheck", "hc_day", case_hc_day},
    {"manager", "apipath", case_apipath},
    {"manager", "json", case_json},
    {"manager", "prom", case_prom},
    {"manager", "state", case_state},
    {"manager", "form", case_form},
    {"manager", "markup", case_markup},
    {"manager", "legacy", case_legacy},
};

enum { CASES_N = sizeof(cases) / sizeof(cases[0]) };

volatile sig_atomic_t unit_meddled;
static void (*volatile meddler)(void *);
static void *volatile meddler_baton;
static struct sigaction before_meddling; /* libcheck uses the signal, too */

static void on_timer(int sig)
{
    (void)sig;
    if (meddler) {
        meddler(meddler_baton);
        unit_meddled = unit_meddled + 1;
    }
}

void unit_meddle(void (*meddle)(void *), void *baton)
{
    struct sigaction act = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 200}, {0, 200}};

    meddler_baton = baton;
    unit_meddled = 0;
    meddler = meddle;
    sigaction(SIGALRM, &act, &before_meddling);
    setitimer(ITIMER_REAL, &often, NULL);
}

void unit_meddle_no_more(void)
{
    struct itimerval off = {{0, 0}, {0, 0}};

    setitimer(ITIMER_REAL, &off, NULL);
    sigaction(SIGALRM, &before_meddling, NULL);
    meddler = NULL;
}

static uint64_t choose_seed(void)
{
    const char *given = getenv("LBX_SEED");
    struct timespec now;

    if (given && *given) {
        return strtoull(given, NULL, 0);
    }
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_nsec << 20 ^ (uint64_t)now.tv_sec ^ (uint64_t)getpid() << 40)
           & 0xffffffff;
}

/* All cases that <filter> fits (NULL: all), one suite a folder. */
static SRunner *collect(const char *filter)
{
    SRunner *runner = srunner_create(NULL);
    Suite *suite = NULL;

    for (unsigned i = 0; i < CASES_N; i++) {
        TCase *tc;

        if (!suite || strcmp(cases[i].suite, cases[i - 1].suite) != 0) {
            suite = suite_create(cases[i].suite);
            srunner_add_suite(runner, suite);
        }
        if (filter && !strstr(cases[i].name, filter)) {
            continue;
        }
        tc = cases[i].make();
        tcase_set_timeout(tc, TIMEOUT_SECONDS);
        suite_add_tcase(suite, tc);
    }
    return runner;
}

int main(int argc, char **argv)
{
    SRunner *runner;
    int run, failed;

    if (argc > 2) {
        fprintf(stderr, "usage: %s [part of a case's name]\n", argv[0]);
        return 2;
    }
    unit_seed = choose_seed();
    printf("random tests: LBX_SEED=%" PRIu64 "\n", unit_seed);
    fflush(stdout);

    runner = collect(argc == 2 && *argv[1] ? argv[1] : NULL);
    if (LEAKS_COST && !getenv("CK_FORK")) {
        srunner_set_fork_status(runner, CK_NOFORK);
    }
    srunner_run_all(runner, CK_ENV);
    run = srunner_ntests_run(runner);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (!run) {
        fprintf(stderr, "no test has such a name\n");
        return 2;
    }
    return failed ? 1 : 0;
}
