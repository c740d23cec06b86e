import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bindRestricted, prepareDirectory, socketGroup } from './socket-access.ts'

let directory = ''

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-socket-'))
})
afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

const access = (path: string) => {
  const { mode, gid } = statSync(path)
  return `${(mode & 0o7777).toString(8)} ${gid}`
}
const own = process.getgid?.() ?? 0

describe('the group', () => {
  it('is the one that is named, or overlay where there is one', async () => {
    const groups = join(directory, 'group')
    writeFileSync(groups, 'root:x:0:\noverlay:x:990:a,b\nnetwork:x:991:\n')
    expect(await socketGroup(undefined, groups)).toBe(990)
    expect(await socketGroup('network', groups)).toBe(991)
    expect(await socketGroup(undefined, join(directory, 'none'))).toBeUndefined()
    // Not in the file: whoever else knows groups is asked.
    expect(await socketGroup('root', join(directory, 'none'))).toBe(0)
    await expect(socketGroup('overlay-nobody', groups)).rejects.toThrow(
      '--socket-group overlay-nobody: this host has no',
    )
  })
})

describe('the directory', () => {
  it('is made for the owner, and for the group', () => {
    const [alone, shared] = [join(directory, 'a'), join(directory, 'b')]
    prepareDirectory(alone, undefined)
    prepareDirectory(shared, own)
    expect([access(alone), access(shared)]).toEqual([`700 ${own}`, `750 ${own}`])
  })

  it('of somebody else stays as it is; our default one is closed', () => {
    const theirs = join(directory, 'tmp')
    mkdirSync(theirs)
    chmodSync(theirs, 0o1777)
    prepareDirectory(theirs, own)
    expect(access(theirs)).toBe(`1777 ${own}`)
    const ours = join(directory, 'overlay')
    mkdirSync(ours)
    for (const [group, expected] of [
      [undefined, '700'],
      [own, '750'],
    ] as const) {
      chmodSync(ours, 0o755)
      prepareDirectory(ours, group, ours)
      expect(access(ours)).toBe(`${expected} ${own}`)
    }
  })

  it('that cannot be made is told', () => {
    writeFileSync(join(directory, 'file'), '')
    expect(() => prepareDirectory(join(directory, 'file', 'x'), undefined)).toThrow("the agent's socket: ")
  })
})

it('what is bound is nobody else’s from the first moment on', async () => {
  const before = process.umask()
  const socket = join(directory, 'agent.sock')
  let meanwhile = ''
  await bindRestricted(socket, own, async () => {
    writeFileSync(socket, '', { mode: 0o777 })
    meanwhile = access(socket)
  })
  expect([meanwhile, access(socket)]).toEqual([`600 ${own}`, `660 ${own}`])
  expect(process.umask()).toBe(before)
  chownSync(socket, process.getuid?.() ?? 0, own)
  await bindRestricted(socket, undefined, async () => undefined)
  expect(access(socket)).toBe(`600 ${own}`)
})
