import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, credentials, Metadata, ServerCredentials } from '@grpc/grpc-js'
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader'
import { protoPath as healthProto } from 'grpc-health-check'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EventsService } from '../proto/index.ts'
import { createRpcServer, type RpcServer } from './rpc-server.ts'

const reflectionProto = join(
  createRequire(import.meta.url).resolve('@grpc/reflection'),
  '../../proto/grpc/reflection/v1/reflection.proto',
)

let directory = ''
let server: RpcServer
let client: Client

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'overlay-rpc-'))
  const address = `unix:${join(directory, 'test.sock')}`
  server = createRpcServer(pino({ level: 'silent' }))
  server.add(EventsService, {
    watch: async function* (_, { signal }) {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      yield* []
    },
  })
  await server.listen(address, ServerCredentials.createInsecure())
  client = new Client(address, credentials.createInsecure())
})

afterAll(async () => {
  client.close()
  await server.close(0)
  rmSync(directory, { recursive: true, force: true })
})

describe('health', () => {
  const check = methodOf(healthProto, 'grpc.health.v1.Health', 'Check')
  const statusOf = (service: string) =>
    new Promise<unknown>((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = check
      const answered = (error: Error | null, answer?: object) => (error ? reject(error) : resolve(answer))
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, new Metadata(), answered)
    })

  it.each(['', 'overlay.v1.Events'])('of %j is SERVING', async (service) => {
    expect(await statusOf(service)).toMatchObject({ status: 'SERVING' })
  })

  it('of what is not served is not found', async () => {
    await expect(statusOf('overlay.v1.Agent')).rejects.toMatchObject({ details: expect.stringMatching(/unknown/i) })
  })
})

describe('reflection', () => {
  const info = methodOf(reflectionProto, 'grpc.reflection.v1.ServerReflection', 'ServerReflectionInfo')
  const ask = async (question: object): Promise<Record<string, unknown>> => {
    const call = client.makeBidiStreamRequest(info.path, info.requestSerialize, info.responseDeserialize)
    call.write(question)
    call.end()
    for await (const answer of call) return answer as Record<string, unknown>
    throw new Error('reflection did not answer')
  }

  it('lists our services', async () => {
    const { listServicesResponse } = await ask({ listServices: '' })
    const { service } = listServicesResponse as { service: { name: string }[] }
    expect(service.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['overlay.v1.Networks', 'overlay.v1.Agent', 'overlay.v1.Events']),
    )
  })

  it('tells what a message is made of', async () => {
    const { fileDescriptorResponse } = await ask({ fileContainingSymbol: 'overlay.v1.Network' })
    const { fileDescriptorProto } = fileDescriptorResponse as { fileDescriptorProto: Buffer[] }
    expect(Buffer.concat(fileDescriptorProto).includes('vni')).toBe(true)
  })
})

function methodOf(proto: string, service: string, method: string): MethodDefinition<object, object> {
  const definition = loadSync(proto, { enums: String, includeDirs: [join(proto, '../../../..')] })[service]
  const found = (definition as ServiceDefinition | undefined)?.[method]
  if (!found) throw new Error(`${proto} has no ${service}.${method}`)
  return found
}
