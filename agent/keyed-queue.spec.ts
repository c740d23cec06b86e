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

const turn = () => new Promise(setImmediate)

describe('createKeyedQueue', () => {
  it('runs actions of one key one after the other, those of others beside them', async () => {
    const queue = createKeyedQueue()
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
    const queue = createKeyedQueue()
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
    const queue = createKeyedQueue()
    const { said, end, action } = actions()
    const only = queue.run('web', action('only'))
    expect(said).toEqual(['only began'])
    end('only')
    await only
  })
})
