#!/bin/busybox sh
# The first process of a machine: makes a root of the host's own, read-only over
# virtiofs, with a layer in memory that takes the writes, and goes on there.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
mount -t virtiofs -o ro hostroot /lower || exec poweroff -f
mount -t tmpfs -o size=75% tmpfs /writes
mkdir /writes/upper /writes/work
mount -t overlay -o lowerdir=/lower,upperdir=/writes/upper,workdir=/writes/work overlay /root || exec poweroff -f
cp /guest.sh /root/guest.sh
for each in proc sys dev; do mount --move /$each /root/$each; done
exec switch_root /root /bin/sh /guest.sh
