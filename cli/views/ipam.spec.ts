import { expect, it } from 'vitest'
import { Finding } from '../../proto/index.ts'
import { barText, countOfDigits, findingName, percentText } from './ipam.ts'

it.each([
  [0, '[..........]', '0 %'],
  [0.01, '[#.........]', '<0.1 %'],
  [0.1, '[#.........]', '0.1 %'],
  [14.9, '[#.........]', '14.9 %'],
  [15, '[##........]', '15 %'],
  [50, '[#####.....]', '50 %'],
  [99.99, '[#########.]', '99.9 %'],
  [100, '[##########]', '100 %'],
  [101, '[##########]', '100 %'],
])('%d percent is %s %s', (percent, bar, text) => {
  expect([barText(percent), percentText(percent)]).toEqual([bar, text])
})

it.each([
  ['0', '0'],
  ['', ''],
  ['254', '254'],
  ['999999999999999', '999999999999999'],
  ['1000000000000000', '1.0e15'],
  ['18446744073709551615', '1.8e19'],
])('%j is shown as %j', (digits, text) => {
  expect(countOfDigits(digits)).toBe(text)
})

it.each([
  [{ kind: 'LEFTOVER', network: 'web' }, 'leftover/web'],
  [
    { kind: 'DUPLICATE', network: 'web', subject: '02:11:22:33:44:55', endpointId: '3f' },
    'duplicate/web/02:11:22:33:44:55',
  ],
  [{ kind: 'ENDPOINT_WITHOUT_OWNER', network: 'web', endpointId: '3f' }, 'endpoint-without-owner/web/3f'],
  [{ kind: 'LEFTOVER', node: 'host1' }, 'leftover/host1'],
] as const)('a finding is named %j: %s', (finding, name) => {
  expect(findingName(Finding.create(finding))).toBe(name)
})
