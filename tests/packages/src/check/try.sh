#!/bin/sh
# Installs, upgrades, removes and purges the package, in a chroot without a running systemd. After
# each step come the lines `ok NAME` or `not ok NAME`, below what it printed.

exec 2>&1
export DEBIAN_FRONTEND=noninteractive

UNPRIVILEGED="setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all"
CONFIGURATION=/etc/memtrace/memtrace.toml
STATE=/var/lib/memtrace

step() {
    name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}

# All files but those of dpkg, apt and systemd, which note what they did, and backups of /etc/group.
files() {
    find / -xdev \( -path /proc -o -path /sys -o -path /tmp -o -path /run/systemd -o -path /packages \
        -o -path /var/log -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache/apt \) \
        -prune -o -print | grep -v '^/etc/g\(roup\|shadow\)-$' | sort
}

install_old() {
    files >/packages/before
    apt-get -q -y install --no-install-recommends /packages/old.deb
}

installed() {
    [ "$(stat -c '%a %U:%G' $STATE $STATE/recordings | sort -u)" = "750 root:memtrace" ] &&
        [ -d /etc/memtrace/memtrace.d ] && getent group memtrace
}

# Nothing is enabled, and nothing acts.
inert() {
    [ -f $CONFIGURATION ] && [ -z "$(find /etc/systemd -name 'memtrace*')" ] &&
        ! grep -q '^mode *= *"enforce"' $CONFIGURATION
}

version() {
    memtrace --version | grep '^memtrace [0-9]'
}

# What it finds here may be bad, but it finds it: 0 to 3 are its results.
doctor() {
    memtrace doctor >/packages/doctor
    code=$?
    cat /packages/doctor
    [ $code -le 3 ] && [ -s /packages/doctor ]
}

unprivileged() {
    said=$($UNPRIVILEGED memtrace top --once 2>&1)
    code=$?
    echo "$code: $said"
    [ $code -eq 77 ] && echo "$said" | grep -q CAP_BPF
}

verify() {
    said=$(systemd-analyze verify --man=no /usr/lib/systemd/system/memtrace*.service \
        /usr/lib/systemd/system/memtrace.slice 2>&1)
    code=$?
    echo "$said"
    # It also complains of units that aren't memtrace's.
    [ $code -eq 0 ] && ! echo "$said" | grep -q memtrace
}

upgrade() {
    sed -i '1i # Of this host.' $CONFIGURATION
    echo kept >$STATE/journal.test
    dpkg --force-confold --install /packages/new.deb
}

kept() {
    head -n 1 $CONFIGURATION | grep 'Of this host' && grep kept $STATE/journal.test
}

remove() {
    apt-get -q -y remove memtrace && [ ! -e /usr/bin/memtrace ]
}

purge() {
    apt-get -q -y purge memtrace
}

nothing_left() {
    files >/packages/after
    diff /packages/before /packages/after && ! getent group memtrace
}

step install install_old
step "folders and group" installed
step "nothing is started or enforced" inert
step version version
step doctor doctor
step "top without privileges" unprivileged
if command -v systemd-analyze >/dev/null; then
    step "units: systemd-analyze verify" verify
fi
step upgrade upgrade
step "an upgrade keeps configuration and state" kept
step "nothing is enabled by an upgrade" inert
step remove remove
step "removal keeps configuration and state" kept
step purge purge
step "purge leaves nothing" nothing_left
