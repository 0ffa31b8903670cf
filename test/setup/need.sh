#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Finds out what is missing on this system and installs it, or names the one command
# that does.  Not a configure script: it says yes or no, it decides nothing.
#
#   need.sh LEVEL           install what is missing (root, or sudo without password)
#   need.sh --tell LEVEL    only tell
#   LEVEL is one of: build demo check soak bench fuzz browser deb
set -u

PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
[ -x /usr/bin/python3 ] && system_python=/usr/bin/python3 || system_python=python3
PYTHON=${PYTHON:-$system_python}

# level, probe, packages for apt | dnf | zypper | apk ("-": comes with another one)
facts() {
    cat <<'TABLE'
build  cmd:cc              gcc                  gcc                gcc                     gcc
build  header:stdio.h      libc6-dev            glibc-devel        glibc-devel             musl-dev
build  apxs                apache2-dev          httpd-devel        apache2-devel           apache2-dev
build  apr                 libapr1-dev          apr-devel          libapr1-devel           apr-dev
build  apu                 libaprutil1-dev      apr-util-devel     libapr-util1-devel      apr-util-dev
build  cmd:pkg-config      pkg-config           pkgconf-pkg-config pkgconf-pkg-config      pkgconf
build  pc:jansson          libjansson-dev       jansson-devel      libjansson-devel        jansson-dev
build  pc:libcurl          libcurl4-openssl-dev libcurl-devel      libcurl-devel           curl-dev
build  pc:libcrypto        libssl-dev           openssl-devel      libopenssl-devel        openssl-dev
demo   cmd:make            make                 make               make                    make
demo   python              python3              python3            python3                 python3
demo   httpd               apache2-bin          httpd              apache2                 apache2
demo   httpdmod:mod_proxy  apache2-bin          httpd              apache2                 apache2-proxy
check  pc:check            check                check-devel        check-devel             check-dev
check  cmd:nm              binutils             binutils           binutils                binutils
check  python:pytest       python3-pytest       python3-pytest     python3-pytest          py3-pytest
check  python:xdist        python3-pytest-xdist python3-pytest-xdist python3-pytest-xdist py3-pytest-xdist
check  python:jsonschema   python3-jsonschema   python3-jsonschema python3-jsonschema      py3-jsonschema
check  clang-format        clang-format         clang-tools-extra  clang                   clang-extra-tools
check  cmd:curl            curl                 curl               curl                    curl
check  cmd:openssl         openssl              openssl            openssl                 openssl
peer   tomcat              tomcat10-common      tomcat             tomcat10                -
peer   phpfpm              php-fpm              php-fpm            php8-fpm                php-fpm
peer   python:ansible_collections ansible   ansible            ansible                 ansible
peer   python:bs4          python3-bs4          python3-beautifulsoup4 python3-beautifulsoup4 py3-beautifulsoup4
peer   cmd:promtool        prometheus           -                  -                       prometheus
peer   cmd:redis-server    redis-server         redis                redis                   redis
peer   cmd:memcached       memcached            memcached            memcached               memcached
peer   cmd:jq              jq                   jq                 jq                      jq
deb    cmd:dpkg-buildpackage dpkg-dev           -                  -                       -
deb    cmd:dh              debhelper            -                  -                       -
deb    cmd:lintian         lintian              -                  -                       -
deb    cmd:debootstrap     debootstrap          -                  -                       -
fuzz   cmd:clang           clang                clang              clang                   clang
fuzz   libfuzzer           libclang-rt-dev      compiler-rt        clang                   compiler-rt
browser python:pytest      python3-pytest       python3-pytest     python3-pytest          py3-pytest
browser python:selenium    python3-selenium     python3-selenium   python3-selenium        py3-selenium
browser chromium           chromium             chromium           chromium                chromium
browser cmd:chromedriver   chromium-driver      chromedriver       chromedriver            chromium-chromedriver
soak   cmd:redis-server    redis-server         redis                redis                   redis
soak   cmd:memcached       memcached            memcached            memcached               memcached
bench  cmd:wrk             wrk                  wrk                wrk                     wrk
TABLE
}

find_apxs() {
    for a in "${APXS:-apxs}" apxs apxs2; do
        command -v "$a" >/dev/null 2>&1 && { echo "$a"; return 0; }
    done
    return 1
}

ask_apxs() {
    a=$(find_apxs) && "$a" -q "$1" 2>/dev/null
}

have() {
    what=${1#*:}
    case $1 in
    cmd:*)      command -v "$what" ;;
    header:*)   [ -f "/usr/include/$what" ] || [ -n "$(find /usr/include -maxdepth 2 -name "$what")" ] ;;
    apxs)       find_apxs && [ -f "$(ask_apxs INCLUDEDIR)/httpd.h" ] ;;
    apr)        command -v apr-1-config || [ -x "$(ask_apxs APR_CONFIG)" ] ;;
    apu)        command -v apu-1-config || [ -x "$(ask_apxs APU_CONFIG)" ] ;;
    httpd)      [ -x "$(ask_apxs SBINDIR)/$(ask_apxs PROGNAME)" ] ;;
    httpdmod:*) [ -f "$(ask_apxs LIBEXECDIR)/$what.so" ] ;;
    pc:*)       pkg-config --exists "$what" ;;
    python)     "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 8))' ;;
    python:*)   "$PYTHON" -c "import sys, importlib.util as u; sys.exit(not u.find_spec('$what'))" ;;
    libfuzzer)  echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n){return 0;}' | clang -fsanitize=fuzzer,address -x c - -o /dev/null ;;
    tomcat)     ls /usr/share/tomcat*/bin/bootstrap.jar && command -v java ;;
    phpfpm)     ls /usr/sbin/php-fpm* ;;
    chromium)   command -v chromium || command -v chromium-browser ;;
    clang-format) command -v "${CLANG_FORMAT:-clang-format}" || command -v clang-format-14 || command -v clang-format ;;
    esac >/dev/null 2>&1
}

# Sets manager, column and install: how this system gets a package.
system() {
    for row in apt-get:3:"apt-get install -y --no-install-recommends" dnf:4:"dnf install -y" \
        zypper:5:"zypper --non-interactive install" apk:6:"apk add"; do
        manager=${row%%:*}
        row=${row#*:}
        column=${row%%:*}
        install=${row#*:}
        command -v "$manager" >/dev/null 2>&1 && return 0
    done
    manager='' column=3 install='(install these with your package manager; names are those of Debian:)'
}

# The packages of the missing things of the levels "$@", each once.
missing() {
    facts | while read -r level probe packages; do
        case " $* " in *" $level "*) ;; *) continue ;; esac
        have "$probe" && continue
        echo "$level $probe $packages" | awk -v c="$column" '$c != "-" { print $c }'
    done | sort -u | paste -sd ' ' -
}

run_install() {
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    [ "$(id -u)" = 0 ] && sudo='' || sudo='sudo -n'
    # shellcheck disable=SC2086
    $sudo $install $1 && return 0
    # shellcheck disable=SC2086
    [ "$manager" = apt-get ] && $sudo apt-get update && $sudo $install $1
}

can_install() {
    [ "$tell" = no ] && [ -n "$manager" ] && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

# Programs of others that a few scenarios talk to.  Nothing fails without them: those
# scenarios are skipped and say so.
peers() {
    case $levels in *check*) ;; *) return 0 ;; esac
    wanted=$(missing peer)
    [ -z "$wanted" ] && return 0
    if can_install; then
        echo "Installing what some scenarios use: $wanted"
        run_install "$wanted" >/dev/null 2>&1
        wanted=$(missing peer)
    fi
    [ -z "$wanted" ] || echo "note: without $wanted a few scenarios will be skipped"
}

tell=no
[ "${1:-}" = --tell ] && { tell=yes; shift; }
case ${1:-} in
build) levels='build' ;;
demo)  levels='build demo' ;;
check) levels='build demo check' ;;
soak)  levels='build demo check soak' ;;
bench) levels='build demo bench' ;;
fuzz)  levels='build fuzz' ;;
deb)   levels='build deb' ;;
browser) levels='build demo browser' ;;
*)     echo "usage: need.sh [--tell] build|demo|check|soak|bench|fuzz|browser|deb" >&2; exit 2 ;;
esac

system
# shellcheck disable=SC2086
packages=$(missing $levels)
[ -z "$packages" ] && { peers; exit 0; }

if can_install; then
    echo "Installing what is missing: $packages"
    run_install "$packages" >&2
    # shellcheck disable=SC2086
    packages=$(missing $levels)
    [ -z "$packages" ] && { peers; exit 0; }
fi

[ "$(id -u)" = 0 ] || [ -z "$manager" ] || install="sudo $install"
echo "Something is missing on this system. Run:" >&2
echo "    $install $packages" >&2
exit 1
