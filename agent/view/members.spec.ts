import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { EndpointView } from '../state/view.ts'
import { endpointOf, idOf } from '../testing/views.ts'
import { Members } from './members.ts'

const step = fc.record({
  digits: fc.constantFrom('02', '03', '04', '05'),
  node: fc.constantFrom('host-1', 'host-2', 'host-3'),
  unplugged: fc.boolean(),
  gone: fc.boolean(),
})

it('other nodes are those of the plugged in endpoints, and told when they change, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const members = new Members('host-1')
      const all = new Map<string, EndpointView>()
      let before = ''
      for (const { digits, node, unplugged, gone } of steps) {
        const known = members.get(idOf(digits))
        const endpoint = endpointOf(digits, { node, unplugged })
        if (gone && !known) continue
        const changed = gone && known ? members.delete(known) : members.put(endpoint)
        if (gone) all.delete(digits)
        else all.set(digits, endpoint)
        const plugged = [...all.values()].filter((one) => one.node !== 'host-1' && one.sandbox)
        const nodes = [...new Set(plugged.map((one) => one.node))].toSorted().join()
        expect([...members.otherNodes()].toSorted().join()).toBe(nodes)
        expect(['host-1', 'host-2', 'host-3'].filter((one) => members.hasOn(one)).join()).toBe(nodes)
        expect(changed).toBe(nodes !== before)
        before = nodes
      }
    }),
  )
})
