/** What Linux says of this host. */
import { readFileSync } from 'node:fs'

/** Made by the kernel at each boot (random(4)). */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

/** machine-id(5); empty where there is none. */
export function readMachineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim()
  } catch {
    return ''
  }
}
