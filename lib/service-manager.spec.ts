import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createServiceManager, openServiceManager } from './service-manager.ts'
import { AF_UNIX, bind, MessageReceiver, openSocket, SOCK_DGRAM } from './syscalls.ts'

let directory = ''

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-notify-'))
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(directory, { recursive: true, force: true })
})

/** A socket as systemd has one. @returns what it was told since it was asked last. */
function listenAt(name: Buffer) {
  const socket = openSocket(AF_UNIX, SOCK_DGRAM, 0)
  const family = Buffer.alloc(2)
  family.writeUInt16LE(AF_UNIX)
  bind(socket, Buffer.concat([family, name]))
  const receiver = new MessageReceiver(4096, 64)
  return {
    take() {
      const heard: string[] = []
      for (let got = receiver.receive(socket); got; got = receiver.receive(socket))
        heard.push(receiver.datagram.toString('utf8', 0, got.datagram))
      return heard
    },
    close: () => closeSync(socket),
  }
}

describe('the service manager', () => {
  it('is told by datagrams, at a path and at an abstract name, and children are not told of it', async () => {
    const path = join(directory, 'notify')
    const abstract = `overlay-notify-${process.pid}`
    for (const [address, name] of [
      [path, Buffer.from(`${path}\0`)],
      [`@${abstract}`, Buffer.from(`\0${abstract}`)],
    ] as const) {
      const systemd = listenAt(name)
      const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: '20000', WATCHDOG_PID: String(process.pid), HOME: '/' }
      const manager = await openServiceManager(env)
      try {
        expect(env).toEqual({ HOME: '/' })
        expect(manager.isThere).toBe(true)
        manager.status('waiting for\nthe store')
        manager.status('waiting for the store')
        manager.ready()
        manager.ready()
        manager.stopping()
        expect(systemd.take().filter((text) => text !== 'WATCHDOG=1')).toEqual([
          'EXTEND_TIMEOUT_USEC=60000000',
          'STATUS=waiting for the store',
          'READY=1',
          'STOPPING=1',
        ])
        await vi.waitUntil(() => systemd.take().includes('WATCHDOG=1'), { timeout: 5_000, interval: 5 })
      } finally {
        manager.close()
        systemd.close()
      }
    }
  })

  it('is nobody where none is named, nor feeds the watchdog of another process', async () => {
    const none = await openServiceManager({})
    expect(none.isThere).toBe(false)
    none.ready()
    none.close()
    vi.useFakeTimers()
    const told: string[] = []
    const manager = createServiceManager((text) => told.push(text) > 0, 0)
    manager.ready()
    vi.advanceTimersByTime(600_000)
    manager.close()
    expect(told).toEqual(['EXTEND_TIMEOUT_USEC=60000000', 'READY=1'])
  })

  it('hears again what it did not take, of several states the last, and of a start that lasts', () => {
    vi.useFakeTimers()
    const told: string[] = []
    let takes = false
    const manager = createServiceManager((text) => takes && told.push(text) > 0, 2_000)
    manager.status('one')
    manager.status('two')
    takes = true
    vi.advanceTimersByTime(999)
    expect(told).toEqual(['EXTEND_TIMEOUT_USEC=60000000', 'STATUS=two'])
    vi.advanceTimersByTime(15_000)
    expect(told.filter((text) => text === 'WATCHDOG=1')).toHaveLength(15)
    expect(told.filter((text) => text.startsWith('EXTEND'))).toHaveLength(2)
    manager.close()
    vi.advanceTimersByTime(60_000)
    expect(told).toHaveLength(18)
  })
})
