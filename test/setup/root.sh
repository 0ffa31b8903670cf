#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Trials in a bare Debian: a root made by debootstrap under build/root, entered by chroot.
# Needs root and the network; nothing outside build/ is changed, no service is started.
#
#   root.sh deb      the package of `make deb`: install, use, upgrade, remove, purge
#   root.sh clean    from nothing but make: the two commands of the README
#
# The bare root is kept as build/root/bare.tar for the next run.
set -eu
TOP=$(cd "$(dirname "$0")/../.." && pwd)
WHERE=$TOP/build/root
SUITE=${SUITE:-bookworm}
# where this system itself gets its packages; MIRROR= says another place
MIRROR=${MIRROR:-$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 2>/dev/null |
    awk -v suite="$SUITE" '$1 == suite { sub("/$", "", $2); print $2; exit }')}
ROOT=$WHERE/$1.$$

[ "$(id -u)" = 0 ] || { echo "root.sh needs root: chroot" >&2; exit 1; }
[ -n "$MIRROR" ] || { echo "root.sh: no archive of $SUITE in apt's sources, set MIRROR=" >&2; exit 1; }

passed=0
ok() { passed=$((passed + 1)); echo "  ok: $*"; }
bad() { echo "FAILED: $*" >&2; echo "$passed passed, 1 failed"; exit 1; }
in_root() { chroot "$ROOT" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive "$@"; }

leave() {
    for place in "$ROOT/proc" "$ROOT/dev/shm"; do
        mountpoint -q "$place" 2>/dev/null && umount -l "$place"
    done
    [ -n "${KEEP:-}" ] || rm -rf --one-file-system "$ROOT"
}
trap leave EXIT
trap 'exit 1' INT TERM

bare() {
    mkdir -p "$WHERE"
    if [ ! -f "$WHERE/bare.tar" ]; then
        echo "== a bare $SUITE by debootstrap"
        debootstrap --variant=minbase "$SUITE" "$WHERE/bare" "$MIRROR" >"$WHERE/debootstrap.log" 2>&1 ||
            { tail "$WHERE/debootstrap.log"; bad debootstrap; }
        {
            echo "deb $MIRROR $SUITE main"
            echo "deb $MIRROR $SUITE-updates main"
            echo "deb $MIRROR-security $SUITE-security main"
        } >"$WHERE/bare/etc/apt/sources.list"
        tar -C "$WHERE/bare" -cf "$WHERE/bare.tar.new" . && mv "$WHERE/bare.tar.new" "$WHERE/bare.tar"
        rm -rf --one-file-system "$WHERE/bare"
    fi
    mkdir -p "$ROOT"
    tar -C "$ROOT" -xf "$WHERE/bare.tar"
    cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
    cp /etc/apt/apt.conf.d/*proxy* "$ROOT/etc/apt/apt.conf.d/" 2>/dev/null || true
    # where mounting is possible; apt and httpd do without
    mount -t proc proc "$ROOT/proc" 2>/dev/null || true
    mount -t tmpfs tmpfs "$ROOT/dev/shm" 2>/dev/null || true
    # services are not started in a root like this; what would be started is written down
    printf '#!/bin/sh\necho "$@" >>/service.log\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d"
    chmod 755 "$ROOT/usr/sbin/policy-rc.d"
    in_root apt-get -q update >"$WHERE/apt.log" 2>&1 || { tail "$WHERE/apt.log"; bad "apt-get update"; }
}

apt_install() { in_root apt-get -qy install --no-install-recommends "$@" >>"$WHERE/apt.log" 2>&1; }

ask() { in_root curl -fsS --noproxy '*' --max-time 10 "$1"; }

# Starts the root's apache2, asks it, stops it.  $1: what the answer must be like.
serve() {
    in_root apache2ctl configtest || bad "configtest"
    in_root apache2ctl start || bad "start"
    n=0 answer=
    until answer=$(ask http://127.0.0.1:18080/ 2>&1); do
        n=$((n + 1))
        [ $n -lt 100 ] || { cat "$ROOT/var/log/apache2/error.log"; bad "no answer: $answer"; }
    done
    all=$(for _ in 1 2 3 4; do ask http://127.0.0.1:18080/; done | sort | uniq -c | tr -s ' \n' ' ')
    pid=$(cat "$ROOT/run/apache2/apache2.pid" 2>/dev/null || cat "$ROOT/var/run/apache2/apache2.pid")
    in_root apache2ctl stop
    timeout 30 tail --pid="$pid" -f /dev/null || bad "it does not stop"
    [ "$all" = "$1" ] || bad "answers '$all' instead of '$1'"
    ok "it balances:$all"
}

deb() {
    package=$(ls "$TOP"/build/deb/libapache2-mod-lbx_*_*.deb) || bad "no package: make deb"
    bare
    echo "== install"
    apt_install apache2 curl || { tail "$WHERE/apt.log"; bad "apt-get install apache2"; }
    in_root a2enmod -q proxy_balancer lbmethod_byrequests proxy_http
    cp "$package" "$ROOT/lbx.deb"
    apt_install /lbx.deb || { tail "$WHERE/apt.log"; bad "apt-get install the package"; }
    [ ! -e "$ROOT/etc/apache2/mods-enabled/lbx.load" ] || bad "installing has enabled it"
    in_root apache2ctl configtest 2>/dev/null || bad "installed, not enabled: configtest"
    ok "installed, nothing enabled"

    if in_root a2enmod lbx >"$WHERE/said" 2>&1; then bad "enabled beside proxy_balancer"; fi
    grep -q 'Module proxy_balancer is enabled - cannot proceed due to conflicts' "$WHERE/said" || { cat "$WHERE/said"; bad "conflict not named"; }
    ok "a2enmod names the conflict"
    in_root a2dismod -qf proxy_balancer lbmethod_byrequests
    in_root a2enmod -q lbx
    [ -e "$ROOT/etc/apache2/mods-enabled/proxy.load" ] || bad "proxy is not enabled"
    ok "a2enmod lbx"

    echo "== use"
    for n in 1 2; do
        mkdir -p "$ROOT/var/www/n$n"
        echo "n$n" >"$ROOT/var/www/n$n/index.html"
    done
    cat >"$ROOT/etc/apache2/conf-available/try.conf" <<'CONF'
ServerName localhost
Listen 127.0.0.1:18080
Listen 127.0.0.1:18081
Listen 127.0.0.1:18082
<VirtualHost 127.0.0.1:18081>
    ServerName localhost
    DocumentRoot /var/www/n1
</VirtualHost>
<VirtualHost 127.0.0.1:18082>
    ServerName localhost
    DocumentRoot /var/www/n2
</VirtualHost>
<VirtualHost 127.0.0.1:18080>
    ServerName localhost
    <Proxy balancer://mycluster>
        BalancerMember http://127.0.0.1:18081
        BalancerMember http://127.0.0.1:18082
    </Proxy>
    ProxyPass / balancer://mycluster/
</VirtualHost>
CONF
    : >"$ROOT/etc/apache2/ports.conf"
    in_root a2dissite -q 000-default
    in_root a2enconf -q try
    serve ' 2 n1 2 n2 '

    echo "== upgrade"
    mkdir "$ROOT/newer"
    dpkg-deb -R "$package" "$ROOT/newer"
    sed -i 's/^Version: .*/&+1/' "$ROOT/newer/DEBIAN/control"
    dpkg-deb -b "$ROOT/newer" "$ROOT/newer.deb" >/dev/null
    echo '# a line of the administrator' >>"$ROOT/etc/apache2/mods-available/lbx.conf"
    : >"$ROOT/service.log"
    apt_install /newer.deb || { tail "$WHERE/apt.log"; bad upgrade; }
    grep -q '^apache2 (*restart' "$ROOT/service.log" ||
        { cat "$ROOT/service.log"; bad "the upgrade does not restart apache2"; }
    ok "an upgrade restarts, not reloads"
    [ -e "$ROOT/etc/apache2/mods-enabled/lbx.conf" ] || bad "the upgrade has disabled it"
    grep -q administrator "$ROOT/etc/apache2/mods-available/lbx.conf" || bad "a conffile was overwritten"
    ok "what was edited stays"
    serve ' 2 n1 2 n2 '

    echo "== remove and purge"
    in_root a2disconf -q try
    in_root apt-get -qy remove libapache2-mod-lbx >>"$WHERE/apt.log" 2>&1 || bad remove
    [ ! -e "$ROOT/etc/apache2/mods-enabled/lbx.load" ] || bad "removed, still enabled"
    in_root apache2ctl configtest 2>/dev/null || bad "removed: configtest"
    ok "removed; apache2 starts without it"
    in_root apt-get -qy purge libapache2-mod-lbx >>"$WHERE/apt.log" 2>&1 || bad purge
    left=$(find "$ROOT/etc" "$ROOT/usr" "$ROOT/var/lib/apache2" -name '*lbx*' ! -path '*/dpkg/*')
    [ -z "$left" ] || bad "purged, but left: $left"
    ok "purged, nothing left"
    apt_install /lbx.deb && in_root a2enmod -q lbx || bad "installed again"
    ok "installed again"
}

clean() {
    bare
    apt_install make || bad "apt-get install make"
    mkdir "$ROOT/src"
    git -C "$TOP" ls-files -z --cached --others --exclude-standard |
        tar -C "$TOP" --null -T - -cf - | tar -C "$ROOT/src" -xf -
    echo "== make demo"
    in_root make --no-print-directory -C /src demo DEMO_SECONDS=3 2>&1 | tee "$WHERE/demo.log" | tail -n 25
    grep -q 'backend-3 ' "$WHERE/demo.log" || bad "make demo"
    ok "make demo"
    echo "== make check ${T:+T=$T}"
    in_root make --no-print-directory -C /src check ${T:+"T=$T"} 2>&1 | tee "$WHERE/check.log" | tail -n 25
    tail -n 1 "$WHERE/check.log" | grep -Eq '^[1-9][0-9]* passed, 0 failed' || bad "make check"
    ok "make check"
}

"$1"
echo "$passed passed, 0 failed"
