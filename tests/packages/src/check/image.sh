#!/bin/sh
# Makes the disk of a Debian system with memtrace installed, from a chroot; see booted.rs. Runs in a
# mount namespace of its own. Arguments: the chroot, a folder to work in, the package, the script to
# run there, a folder with a program for guests, the image.
set -e
CHROOT=$1 WORK=$2 PACKAGE=$3 SCRIPT=$4 GUEST=$5 IMAGE=$6

mount -t tmpfs -o size=1g tmpfs "$WORK"
mkdir "$WORK/upper" "$WORK/work" "$WORK/root"
mount -t overlay -o "lowerdir=$CHROOT,upperdir=$WORK/upper,workdir=$WORK/work" overlay "$WORK/root"
ROOT=$WORK/root
mount -t proc proc "$ROOT/proc"
cp "$PACKAGE" "$ROOT/memtrace.deb"
DEBIAN_FRONTEND=noninteractive chroot "$ROOT" apt-get -q -y install --no-install-recommends /memtrace.deb
umount "$ROOT/proc"
rm "$ROOT/memtrace.deb"
cp -r "$GUEST" "$ROOT/opt/guest"
install -m 0755 "$SCRIPT" "$ROOT/opt/try.sh"
echo tried >"$ROOT/etc/hostname"
cat >"$ROOT/etc/systemd/system/try.service" <<UNIT
[Unit]
After=multi-user.target
[Service]
Type=exec
ExecStart=/opt/try.sh
[Install]
WantedBy=default.target
UNIT
ln -sf /lib/systemd/system/multi-user.target "$ROOT/etc/systemd/system/default.target"
mkdir -p "$ROOT/etc/systemd/system/multi-user.target.wants"
ln -s ../try.service "$ROOT/etc/systemd/system/multi-user.target.wants/try.service"
truncate -s 1500M "$IMAGE"
mkfs.ext4 -q -E lazy_itable_init=1 -d "$ROOT" "$IMAGE"
