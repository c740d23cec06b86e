/** etcd by its JSON gateway: keys and values as any bytes, and nothing of the code under test. */

export interface RawEtcd {
  put(key: Buffer, value: Buffer): Promise<void>
  get(key: Buffer): Promise<Buffer | undefined>
  remove(key: Buffer): Promise<void>
  /** All keys that begin so, with their values. */
  below(prefix: string): Promise<readonly { readonly key: Buffer; readonly value: Buffer }[]>
}

interface RangeAnswer {
  readonly kvs?: readonly { readonly key: string; readonly value?: string }[]
}

export function openGateway(url: string): RawEtcd {
  const ask = async <T>(what: string, body: Readonly<Record<string, Buffer>>): Promise<T> => {
    const encoded = Object.entries(body).map(([name, bytes]) => [name, bytes.toString('base64')])
    const answer = await fetch(`${url}/v3/kv/${what}`, {
      method: 'POST',
      body: JSON.stringify(Object.fromEntries(encoded)),
    })
    if (!answer.ok) throw new Error(`etcd: ${what}: ${await answer.text()}`)
    return (await answer.json()) as T
  }
  const range = async (body: Readonly<Record<string, Buffer>>) => {
    const { kvs = [] } = await ask<RangeAnswer>('range', body)
    return kvs.map(({ key, value = '' }) => ({ key: Buffer.from(key, 'base64'), value: Buffer.from(value, 'base64') }))
  }
  return {
    put: async (key, value) => void (await ask('put', { key, value })),
    get: async (key) => (await range({ key }))[0]?.value,
    remove: async (key) => void (await ask('deleterange', { key })),
    below(prefix) {
      const key = Buffer.from(prefix)
      return range({ key, range_end: Buffer.concat([key.subarray(0, -1), Buffer.from([(key.at(-1) ?? 0) + 1])]) })
    },
  }
}
