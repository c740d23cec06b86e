/** Runs actions of one key one after the other, those of different keys side by side. */
export interface KeyedQueue {
  run<T>(key: string, action: () => Promise<T>): Promise<T>
}

export function createKeyedQueue(): KeyedQueue {
  const tails = new Map<string, Promise<unknown>>()
  return {
    async run(key, action) {
      const before = tails.get(key)
      const mine = before ? before.then(action, action) : action()
      tails.set(key, mine)
      try {
        return await mine
      } finally {
        if (tails.get(key) === mine) tails.delete(key)
      }
    },
  }
}
