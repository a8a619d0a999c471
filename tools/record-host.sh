#!/bin/bash
# Records a scenario in the form of docs/recording.md: what the host is before, what everybody says while a VM is started,
# and what the host is after.
#
#   sudo tools/record-host.sh DIRECTORY [COMMAND…]
#
# COMMAND is what is to be recorded (virsh start 'Windows 11'); without it, do it in another terminal and press Enter.
# Serial numbers are not recorded and MAC addresses of VMs are masked; look for other private things before you publish it.
set -euo pipefail
out=${1:?where to: a directory that does not exist yet}
shift
[ ! -e "$out" ] || { echo "$out is there already; name a new directory." >&2; exit 1; }
# For the test, which has a host of files.
root=${RECORD_ROOT:-}

value() { tr -d '\n' 2>/dev/null <"$1" || true; }
target() { basename "$(readlink "$1" || true)"; }

asks_libvirt() { [ -z "$root" ] && virsh list --name >/dev/null 2>&1; }

devices() {
  local place key said class id subsystem driver start end flags
  for place in "$root"/sys/bus/pci/devices/*; do
    [ -r "$place/uevent" ] || continue
    class=0 id=: subsystem=: driver=
    while IFS='=' read -r key said; do
      case $key in
        PCI_CLASS) class=$said ;;
        PCI_ID) id=${said,,} ;;
        PCI_SUBSYS_ID) subsystem=${said,,} ;;
        DRIVER) driver=$said ;;
      esac
    done <"$place/uevent"
    printf '%s vendor=0x%s device=0x%s class=0x%06x subsystem=0x%s:0x%s driver=%s override=%s group=%s boot_vga=%s reset_method=%s\n' \
      "${place##*/}" "${id%:*}" "${id#*:}" "0x$class" "${subsystem%:*}" "${subsystem#*:}" "$driver" \
      "$(value "$place/driver_override")" "$(target "$place/iommu_group")" "$(value "$place/boot_vga")" \
      "$(value "$place/reset_method")"
    [ ! -r "$place/resource" ] || while read -r start end flags; do
      [ "$((flags))" -eq 0 ] || echo "    resource $start $end $flags"
    done <"$place/resource"
  done
}

groups() {
  local place unit
  for place in $(find "$root/sys/kernel/iommu_groups" -mindepth 1 -maxdepth 1 2>/dev/null | sort -V); do
    echo "group ${place##*/} type=$(value "$place/type") name=$(value "$place/name")"
    printf '  devices:'
    for unit in "$place"/devices/*; do printf ' %s' "${unit##*/}"; done
    echo
    echo "  reserved_regions:"
    sed 's/^/    /' "$place/reserved_regions" 2>/dev/null || true
  done
  for unit in "$root"/sys/class/iommu/*; do
    [ ! -e "$unit" ] || echo "iommu: ${unit##*/}"
  done
}

modules() {
  local place
  for place in "$root"/sys/module/{vfio,kvm,iommufd,irqbypass}*; do
    [ ! -e "$place" ] || echo "${place##*/}"
  done
  echo "allow_unsafe_interrupts=$(value "$root/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts")"
}

snapshot() {
  mkdir -p "$out/$1"
  devices >"$out/$1/pci-devices.txt"
  groups >"$out/$1/iommu-groups.txt"
  modules >"$out/$1/vfio-modules.txt"
  # The replay knows what `ls` says where there is none.
  LC_ALL=C ls -la "$root/dev/vfio" >"$out/$1/dev-vfio.txt" 2>&1 || true
}

# What holds for the whole boot.
boot() {
  local to=$out/snap-before name
  cp "$root/proc/cmdline" "$to/cmdline.txt"
  cp "$root/proc/version" "$to/version.txt"
  cp "$root/proc/iomem" "$to/iomem.txt" 2>/dev/null || true
  for name in bios_date bios_release bios_vendor bios_version board_name board_vendor board_version product_name \
    sys_vendor; do
    [ ! -r "$root/sys/class/dmi/id/$name" ] || echo "$name=$(value "$root/sys/class/dmi/id/$name")"
  done >"$to/dmi-id.txt"
  for name in IVRS DMAR; do
    [ ! -r "$root/sys/firmware/acpi/tables/$name" ] || install -D -m 644 "$root/sys/firmware/acpi/tables/$name" "$to/acpi/$name"
  done
  echo "realtime=$(date +%s.%N) uptime=$(value "$root/proc/uptime") boot_id=$(value "$root/proc/sys/kernel/random/boot_id")" >"$to/clock.txt"
}

# Every VM's definition and state, with the logs of libvirt and QEMU.
libvirt() {
  local vm
  mkdir -p "$out/libvirt"
  cp "$root"/var/log/libvirt/qemu/*.log "$out/libvirt/" 2>/dev/null || true
  cp "$root/var/log/libvirt/libvirtd.log" "$out/" 2>/dev/null || true
  asks_libvirt || return 0
  virsh list --all --name | while IFS= read -r vm; do
    [ -n "$vm" ] || continue
    virsh dumpxml --inactive "$vm" | sed "s/<mac address='[^']*'/<mac address='52:54:00:00:00:00'/" >"$out/libvirt/$vm.xml"
    virsh domstate --reason "$vm" >"$out/libvirt/$vm.state.txt"
  done
}

mkdir -p "$out"
snapshot snap-before
boot
events=
if asks_libvirt; then
  virsh event --all --loop --timestamp >"$out/virsh-events.txt" 2>/dev/null &
  events=$!
fi
if [ $# -gt 0 ]; then
  "$@" || echo "It ended with $?." >&2
else
  read -r -p "Do now what is to be recorded, once, in another terminal. Then press Enter. " _
fi
# libvirt and QEMU write their last words a moment after.
sleep "${RECORD_PATIENCE:-5}"
[ -z "$events" ] || kill "$events" 2>/dev/null || true
snapshot snap-after
libvirt
# Reads what there is; at the end the kernel says that it would have to wait.
dd if="$root/dev/kmsg" of="$out/kmsg.txt" iflag=nonblock bs=64K status=none 2>/dev/null || true
[ -s "$out/kmsg.txt" ] || echo "/dev/kmsg gave nothing: run it as root." >&2
echo "Recorded in $out. See it with: vfio-watch replay $out" >&2
