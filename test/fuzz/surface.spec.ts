import { expect, it } from 'vitest'
import * as messages from '../../proto/index.ts'
import { allRpcs } from './surface.ts'

it('has every method of every service, with its path and kind', () => {
  const services = Object.entries(messages).filter(([name]) => name.endsWith('Service'))
  const methods = services.flatMap(([, service]) => Object.values((service as messages.Service).methods))
  const kindOf = ({ requestStream, responseStream }: { requestStream: boolean; responseStream: boolean }) =>
    requestStream ? 'duplex' : responseStream ? 'server-stream' : 'unary'
  const found = allRpcs().map((rpc) => `${rpc.path} ${kindOf(rpc)} ${rpc.input.fullName.slice(1)}`)
  expect(found.toSorted()).toEqual(methods.map(({ path, kind, input }) => `${path} ${kind} ${input.name}`).toSorted())
})

it('tells the agent’s from the controller’s', () => {
  const sides = new Map(allRpcs().map(({ name, side }) => [name, side]))
  expect([sides.get('Agent/Attach'), sides.get('Endpoints/Attach'), sides.get('AgentLink/Connect')]).toEqual([
    'agent',
    'controller',
    'controller',
  ])
})
