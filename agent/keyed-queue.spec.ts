import { describe, expect, it } from 'vitest'
import { createKeyedQueue } from './keyed-queue.ts'

/** An action that says when it begins and ends only when it is told to. */
function actions() {
  const said: string[] = []
  const ends = new Map<string, () => void>()
  return {
    said,
    end: (name: string) => ends.get(name)?.(),
    action: (name: string) => async () => {
      said.push(`${name} began`)
      await new Promise<void>((resolve) => ends.set(name, resolve))
      said.push(`${name} ended`)
      return name
    },
  }
}

const bounds = { mostOfKey: 2, most: 3 }
const stays = new AbortController().signal
const turn = () => new Promise(setImmediate)

describe('createKeyedQueue', () => {
  it('runs actions of one key one after the other, those of others beside them', async () => {
    const queue = createKeyedQueue(bounds)
    const { said, end, action } = actions()
    const first = queue.run('web', action('first'))
    const second = queue.run('web', action('second'))
    const third = queue.run('web', action('third'))
    const other = queue.run('db', action('other'))
    await turn()
    expect(said).toEqual(['first began', 'other began'])
    end('first')
    expect(await first).toBe('first')
    await turn()
    expect(said.slice(2)).toEqual(['first ended', 'second began'])
    end('second')
    await second
    await turn()
    expect(said.slice(4)).toEqual(['second ended', 'third began'])
    end('third')
    end('other')
    expect(await Promise.all([third, other])).toEqual(['third', 'other'])
  })

  it('a failure is the caller’s own; the next one has its turn', async () => {
    const queue = createKeyedQueue(bounds)
    const failed = queue.run('web', async () => Promise.reject(new Error('mine')))
    const next = queue.run('web', async () => 'next')
    await expect(failed).rejects.toThrow('mine')
    expect(await next).toBe('next')
    const thrown = queue.run('web', () => {
      throw new Error('at once')
    })
    await expect(thrown).rejects.toThrow('at once')
    expect(await queue.run('web', async () => 'again')).toBe('again')
  })

  it('begins at once when nobody waits', async () => {
    const queue = createKeyedQueue(bounds)
    const { said, end, action } = actions()
    const only = queue.run('web', action('only'))
    expect(said).toEqual(['only began'])
    end('only')
    await only
  })
})

describe('callers', () => {
  const refused = { code: 'unavailable', retryAfter: expect.any(Number) }

  it('take their turns with our own work, in the order in which they came', async () => {
    const queue = createKeyedQueue(bounds)
    const { said, end, action } = actions()
    const all = [
      queue.offer('web', stays, action('first')),
      queue.run('web', action('own')),
      queue.offer('web', stays, action('last')),
    ]
    for (const name of ['first', 'own', 'last']) {
      await turn()
      end(name)
    }
    expect(await Promise.all(all)).toEqual(['first', 'own', 'last'])
    expect(said.filter((text) => text.endsWith('began'))).toEqual(['first began', 'own began', 'last began'])
  })

  it('that are too many for a key, or for all, are refused at once; our own work never is', async () => {
    const queue = createKeyedQueue(bounds)
    const { said, end, action } = actions()
    const web = ['web 1', 'web 2', 'web 3'].map((name) => queue.offer('web', stays, action(name)))
    await expect(queue.offer('web', stays, action('web 4'))).rejects.toMatchObject({
      ...refused,
      message: expect.stringMatching(/^2 calls wait for their turn in web on this host: try again in \d\.\d s$/),
    })
    const db = ['db 1', 'db 2'].map((name) => queue.offer('db', stays, action(name)))
    await expect(queue.offer('db', stays, action('db 3'))).rejects.toMatchObject({
      ...refused,
      message: expect.stringMatching(/^3 calls wait for their turn on this host: /),
    })
    const own = queue.run('web', action('own'))
    const other = queue.offer('other', stays, action('other'))
    for (const name of ['web 1', 'web 2', 'web 3', 'own', 'db 1', 'db 2', 'other']) {
      end(name)
      await turn()
    }
    await Promise.all([...web, ...db, own, other])
    expect(said).not.toContain('web 4 began')
    expect(said).not.toContain('db 3 began')
  })

  it('who are gone before their turn have none, and make room', async () => {
    const queue = createKeyedQueue(bounds)
    const { said, end, action } = actions()
    const leaving = new AbortController()
    const first = queue.offer('web', leaving.signal, action('first'))
    const second = queue.offer('web', leaving.signal, action('second'))
    const third = queue.offer('web', stays, action('third'))
    leaving.abort()
    await expect(second).rejects.toMatchObject({ code: 'deadline' })
    await expect(queue.offer('db', leaving.signal, action('late'))).rejects.toMatchObject({ code: 'deadline' })
    const fourth = queue.offer('web', stays, action('fourth'))
    for (const name of ['first', 'third', 'fourth']) {
      end(name)
      await turn()
    }
    expect(await Promise.all([first, third, fourth])).toEqual(['first', 'third', 'fourth'])
    expect(said.filter((text) => text.endsWith('began'))).toEqual(['first began', 'third began', 'fourth began'])
  })
})
