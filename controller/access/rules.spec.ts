import { createRequire } from 'node:module'
import { join } from 'node:path'
import { loadSync } from '@grpc/proto-loader'
import { protoPath as healthProto } from 'grpc-health-check'
import { expect, it } from 'vitest'
import * as proto from '../../proto/index.ts'
import { rules } from './rules.ts'

const reflectionProtos = ['v1', 'v1alpha'].map((version) =>
  join(
    createRequire(import.meta.url).resolve('@grpc/reflection'),
    `../../proto/grpc/reflection/${version}/reflection.proto`,
  ),
)

it('there is one rule for each method that a controller serves, and no other', () => {
  const own = Object.values(proto)
    .filter((one): one is typeof one & proto.Service => 'methods' in one && 'name' in one)
    // Served by agents, on their sockets.
    .filter((service) => service !== proto.AgentService)
    .flatMap(({ methods }) => Object.values(methods).map(({ path }) => path))
  expect(own).toContain('/overlay.v1.Networks/Create')
  const standard = [healthProto, ...reflectionProtos].flatMap(pathsIn)
  expect([...rules.keys()].toSorted()).toEqual([...own, ...standard].toSorted())
})

it('strangers may call one method', () => {
  const open = [...rules].filter(([, { strangers }]) => strangers).map(([path]) => path)
  expect(open).toEqual(['/overlay.v1.Enrolment/Join'])
})

it.each([...rules])('%s: says what it does, as part of a sentence', (_, { does }) => {
  expect(does).toMatch(/^[a-z][a-z' ]+$/)
})

function pathsIn(file: string): string[] {
  const loaded = Object.values(loadSync(file, { includeDirs: [join(file, '../../../..')] }))
  return loaded.flatMap((one) =>
    'format' in one ? [] : Object.values(one as Record<string, { path: string }>).map(({ path }) => path),
  )
}
