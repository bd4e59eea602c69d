#!/bin/sh
# Tries the installed package on a booted system, as a service of its systemd; see booted.rs. After
# each step come the lines `ok NAME` or `not ok NAME`, below what it printed.

exec >/dev/ttyS1 2>&1
PATH=/usr/sbin:/usr/bin:/sbin:/bin
CONFIGURATION=/etc/memtrace/memtrace.toml
SOURCE=127.0.0.1:9435
# The most that memtrace.service may have resident, in KiB. All that it has is locked into memory.
MEMORY=40960

unprivileged() {
    setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all "$@"
}

step() {
    name=$1
    shift
    if "$@"; then echo "ok $name"; else echo "not ok $name"; fi
}

# Asks until a command succeeds, for a minute at most.
soon() {
    for _ in $(seq 60); do
        "$@" >/run/soon 2>&1 && return 0
        sleep 1
    done
    cat /run/soon
    return 1
}

property() {
    systemctl show --property="$2" --value "$1"
}

main_pid() {
    property "$1" MainPID
}

# A capability set is named as systemd names it for the unit, and read from the kernel.
status() {
    sed -n "s/^$2:[[:space:]]*//p" "/proc/$(main_pid "$1")/status"
}

untouched() {
    for unit in memtrace memtrace-exporter memtrace-record; do
        [ "$(systemctl is-enabled $unit)" = disabled ] || return 1
        [ "$(systemctl is-active $unit)" = inactive ] || return 1
    done
}

started() {
    if systemctl start "$1" && [ "$(systemctl is-active "$1")" = active ]; then
        return 0
    fi
    journalctl --no-pager -n 30 -u "$1"
    return 1
}

effective() {
    [ "$(status "$1" CapEff)" = "$2" ]
}

# Bits of capabilities(7): 1 and 2 DAC, 5 KILL, 6 SETGID, 7 SETUID, 14 IPC_LOCK, 19 SYS_PTRACE,
# 23 SYS_NICE, 24 SYS_RESOURCE, 38 PERFMON, 39 BPF. memtrace gives up 23 and 24 of its unit's once
# its programs are attached; systemd calls the recorder started before that.
privileges() {
    unit=$1
    bounds=$2
    kept=$3
    soon effective "$unit" "$kept"
    echo "CapEff $(status "$unit" CapEff) CapBnd $(status "$unit" CapBnd)"
    echo "Seccomp $(status "$unit" Seccomp) NoNewPrivs $(status "$unit" NoNewPrivs)"
    effective "$unit" "$kept" && [ "$(status "$unit" CapBnd)" = "$bounds" ] &&
        [ "$(status "$unit" Seccomp)" = 2 ] && [ "$(status "$unit" NoNewPrivs)" = 1 ]
}

slice() {
    folder=/sys/fs/cgroup/memtrace.slice
    cat $folder/memory.min
    [ "$(cat $folder/memory.min)" = 134217728 ] && [ -d $folder/memtrace.service ] &&
        [ "$(cat "/proc/$(main_pid memtrace)/oom_score_adj")" = -900 ]
}

memory() {
    for part in VmRSS RssAnon RssFile RssShmem VmLck Threads; do
        echo "$part $(status memtrace $part)"
    done
    [ "$(status memtrace VmRSS | tr -dc 0-9)" -le $MEMORY ]
}

status_tells() {
    memtrace status
    memtrace status | grep -q '^memtrace mitigate runs: observe'
}

logged() {
    journalctl --no-pager -u memtrace | grep -q "$1"
}

said() {
    journalctl --no-pager -n 20 -u memtrace
    logged "$1"
}

# What is valid is taken up, and what isn't leaves the running one.
reload() {
    pid=$(main_pid memtrace)
    sed -i '1i interval = "2s"' $CONFIGURATION
    systemctl reload memtrace && soon logged 'reloaded' || return 1
    sed -i '1i intervall = 3' $CONFIGURATION
    systemctl reload memtrace
    soon logged "memtrace.toml.*intervall" || return 1
    sed -i '1d' $CONFIGURATION
    [ "$(systemctl is-active memtrace)" = active ] && [ "$(main_pid memtrace)" = "$pid" ]
}

# A hung service is ended and started again.
watchdog() {
    pid=$(main_pid memtrace)
    kill -STOP "$pid"
    soon restarted "$pid" && [ "$(property memtrace NRestarts)" = 1 ]
}

restarted() {
    new=$(main_pid memtrace)
    [ "$new" != "$1" ] && [ "$new" != 0 ] && [ "$(systemctl is-active memtrace)" = active ]
}

stopped() {
    begun=$(date +%s)
    systemctl stop "$1"
    echo "$(property "$1" Result), $(($(date +%s) - begun)) s"
    [ "$(systemctl is-active "$1")" = inactive ] && [ "$(property "$1" Result)" = success ]
}

# What an operator's command may do is what any service may: it writes where it wants.
command_runs() {
    cat >/etc/memtrace/memtrace.d/command.toml <<TOML
[alert]
command = ["/bin/sh", "-c", "cat /proc/self/status /proc/self/oom_score_adj >/etc/command; exec cat"]
TOML
    started memtrace && soon test -s /etc/command || return 1
    grep -E '^(CapEff|Seccomp|NoNewPrivs):' /etc/command
    tail -n 1 /etc/command
    systemctl list-units --no-pager --plain 'memtrace-command-*'
    grep -q '^Seccomp:[[:space:]]*0' /etc/command && grep -q '^NoNewPrivs:[[:space:]]*0' /etc/command &&
        [ "$(tail -n 1 /etc/command)" = 0 ] &&
        [ "$(systemctl list-units --no-legend --plain 'memtrace-command-*' | wc -l)" = 1 ]
}

command_ends() {
    stopped memtrace && soon no_command
    good=$?
    rm /etc/memtrace/memtrace.d/command.toml
    return $good
}

no_command() {
    [ -z "$(systemctl list-units --no-legend --plain 'memtrace-command-*')" ]
}

# One that isn't valid: no start, and no second try.
invalid() {
    sed -i '1i intervall = 3' $CONFIGURATION
    ! systemctl start memtrace || return 1
    echo "status $(property memtrace ExecMainStatus), $(property memtrace NRestarts) restarts"
    [ "$(property memtrace ExecMainStatus)" = 78 ] && [ "$(systemctl is-active memtrace)" = failed ]
    good=$?
    sed -i '1d' $CONFIGURATION
    systemctl reset-failed memtrace
    return $good
}

guest() {
    soon sh -c 'memtrace top --once | tee /run/top | grep -q "a-guest"'
    good=$?
    cat /run/top
    return $good
}

exported() {
    soon unprivileged memtrace zabbix discover --source $SOURCE
    good=$?
    cat /run/soon
    [ $good = 0 ] && grep -q a-guest /run/soon
}

checked() {
    unprivileged memtrace check --source $SOURCE
    [ $? -le 2 ]
}

recorded() {
    soon sh -c 'ls -s /var/lib/memtrace/recordings/* | grep -v "^0"'
    cat /run/soon
}

removed() {
    systemctl start memtrace && apt-get -q -y remove memtrace && ! pgrep -x memtrace
}

echo "kernel $(uname -r), systemd $(systemctl --version | head -n 1)"
LD_LIBRARY_PATH=/opt/guest/lib QEMU_MODULE_DIR=/opt/guest/lib /opt/guest/qemu-system-x86_64 -L /opt/guest/bios -accel tcg -S -name a-guest -m 64 -nodefaults -display none \
    -device virtio-balloon-pci -qmp unix:/run/a-guest.qmp,server=on,wait=off &
step "nothing runs, and nothing is enabled" untouched
step "memtrace starts" started memtrace
step "its capabilities and system calls" privileges memtrace 000000c0018840e6 000000c0000840e6
step "its slice protects it" slice
step "status tells of it" status_tells
step "top shows a guest" guest
step "its memory" memory
step "reload" reload
step "the watchdog" watchdog
step "memtrace stops" stopped memtrace
step "a configuration that isn't valid" invalid
step "a command for alerts runs outside of the sandbox" command_runs
step "it ends with memtrace" command_ends
step "the exporter starts" started memtrace-exporter
step "the exporter's capabilities and system calls" privileges memtrace-exporter 000000c001884006 000000c000084006
step "numbers for anybody" exported
step "a check for anybody" checked
step "the exporter stops" stopped memtrace-exporter
step "the recorder starts" started memtrace-record
step "the recorder's capabilities and system calls" privileges memtrace-record 000000c001884006 000000c000084006
step "the recorder stops" stopped memtrace-record
step "it has recorded" recorded
step "removal ends what runs" removed
echo "end"
systemctl poweroff --force --force
