/** How qemu is started. */
import { packageRoot } from '../../../lib/version.ts'
import type { Image } from './image.ts'

export interface Hardware {
  readonly image: Image
  /** 1 and so on: in the MAC of its network card. */
  readonly number: number
  /** Its host name and IPv4 address, which guest.sh sets. */
  readonly name: string
  readonly address: string
  /** MiB. */
  readonly memory: number
  /** The network device of the host that its cable leads to. */
  readonly tap: string
  /** A file: /var/lib/overlay. */
  readonly disk: string
  /** The socket of the file server. */
  readonly files: string
  /** The socket that qemu will listen on, for a CommandPort. */
  readonly commands: string
  /** The file for what the kernel says. */
  readonly console: string
}

/**
 * Emulated, so that it also works where virtualisation does not. With -icount
 * the machine's clock counts its instructions, a nanosecond each, while it is
 * at work, and goes with ours while it waits: to those inside it is a machine
 * of ordinary speed, and deadlines mean what they mean elsewhere.
 */
export function qemuCommand(hardware: Hardware): readonly string[] {
  const { image, memory, number, tap, disk, files, commands, console } = hardware
  const options: readonly (readonly [string, string?])[] = [
    // By default each takes up to a gigabyte for translated code.
    ['-accel', 'tcg,tb-size=256'],
    ['-icount', 'shift=0'],
    ['-cpu', 'qemu64'],
    ['-smp', '1'],
    ['-m', String(memory)],
    ['-nodefaults'],
    ['-no-reboot'],
    ['-display', 'none'],
    ['-object', `memory-backend-memfd,id=memory,size=${memory}M,share=on`],
    ['-machine', 'q35,memory-backend=memory'],
    ['-device', 'virtio-rng-pci'],
    ['-netdev', `tap,id=net,ifname=${tap},script=no,downscript=no`],
    ['-device', `virtio-net-pci,netdev=net,mac=02:00:00:00:c8:${number.toString(16).padStart(2, '0')}`],
    ['-drive', `file=${disk},format=raw,if=none,id=disk,cache=unsafe`],
    ['-device', 'virtio-blk-pci,drive=disk'],
    ['-chardev', `socket,id=files,path=${files}`],
    ['-device', 'vhost-user-fs-pci,chardev=files,tag=hostroot,queue-size=1024'],
    ['-chardev', `socket,id=commands,path=${commands},server=on,wait=on`],
    ['-device', 'virtio-serial-pci'],
    ['-device', 'virtserialport,chardev=commands,name=commands'],
    ['-serial', `file:${console}`],
    ['-kernel', image.kernel],
    ['-initrd', image.initrd],
    ['-append', kernelLine(hardware)],
  ]
  return ['qemu-system-x86_64', ...options.flat().filter((word) => word !== undefined)]
}

/** init.sh and guest.sh read it too. */
function kernelLine({ name, address, image }: Hardware): string {
  const own = [`vm.name=${name}`, `vm.address=${address}`, `vm.modules=${image.modules}`, `vm.checkout=${packageRoot}`]
  return ['console=ttyS0 panic=-1 quiet net.ifnames=0', ...own].join(' ')
}

/** Serves a read-only view of this host's files, in a mount namespace that ends with it. */
export function fileServerCommand(root: string, socket: string): readonly string[] {
  const script = `set -e
    for each in "" "$2" "$3"; do
      mount --bind "\${each:-/}" "$0$each"
      mount -o remount,bind,ro "$0$each"
    done
    exec /usr/lib/qemu/virtiofsd -o source="$0" -o sandbox=chroot -o cache=always -o no_posix_lock \\
      --rlimit-nofile=0 --thread-pool-size=2 --socket-path="$1"`
  // They may be mounts of their own.
  const others = [packageRoot, '/var/cache']
  return ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, root, socket, ...others]
}
