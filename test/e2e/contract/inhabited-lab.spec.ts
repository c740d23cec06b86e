/** What one test leaves does not fail the next, and what cannot be put right is told. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/lab.ts'
import { detachIfThere } from '../attach-calls.ts'
import { keysBelow } from '../store-content.ts'
import { attachWorkload } from '../workload.ts'
import { inhabitedLab, mend } from './inhabited-lab.ts'

let lab: Lab

beforeAll(async () => {
  lab = (await inhabitedLab({ hosts: 1 })).lab
})
afterAll(() => lab?.down())

const names = async () => (await keysBelow(lab.etcd, 'endpoints/')).map(({ value }) => value['name'])

test('what was left ended, frozen or attached is put right', async () => {
  const { agent } = lab.host(1)
  await attachWorkload(lab, lab.host(1), 'web', 'stray')
  expect(await names()).toHaveLength(2)
  await Promise.all(lab.controllers.map((each) => each.kill()))
  await agent.freeze()
  await mend(lab)
  expect(await names()).toEqual(['on-h1'])
  expect([...lab.controllers, agent].every(({ running }) => running)).toBe(true)
})

test('what is gone already is detached, what is refused is told', async () => {
  await detachIfThere(lab.host(1), '0'.repeat(32))
  await expect(detachIfThere(lab.host(1), '')).rejects.toMatchObject({ code: 'invalid' })
})
