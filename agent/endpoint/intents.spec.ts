import { describe, expect, it } from 'vitest'
import { OverlayError } from '../../lib/errors.ts'
import type { Intent } from '../node/intent-file.ts'
import { endpointOf, idOf, viewOf } from '../testing/views.ts'
import { createIntents } from './intents.ts'

const intentOf = (digits: string, kind: Intent['kind'] = 'claim'): Intent => {
  return { kind, network: 'web', endpointId: idOf(digits), bootId: 'boot-1', cookie: `1${digits}` }
}

function intentsOver(...before: Intent[]) {
  const files = new Map(before.map((intent) => [intent.endpointId, intent]))
  const view = viewOf({ endpoints: [endpointOf('02'), endpointOf('03')] })
  const stateDir = {
    readIntents: () => [...files.values()],
    writeIntent: (intent: Intent) => void files.set(intent.endpointId, intent),
    removeIntent: (id: string) => void files.delete(id),
  }
  const intents = createIntents(stateDir, (network, id, open) => view.setOpenIntent(network, id, open))
  return { files, view, stateDir, intents }
}

describe('createIntents', () => {
  it('takes up what a former run left open', () => {
    const { view, intents } = intentsOver(intentOf('02', 'release'))
    expect(intents.open()).toEqual([intentOf('02', 'release')])
    expect(intents.isOpen(idOf('02'))).toBe(true)
    expect(view.hasOpenIntent(idOf('02'))).toBe(true)
    expect(view.hasOpenIntent(idOf('03'))).toBe(false)
  })

  it('keeps one in file and view until it ends, and says what becomes dirty', () => {
    const { view, files, intents } = intentsOver()
    expect(intents.begin(intentOf('02'))).toEqual([`endpoint web ${idOf('02')}`])
    expect([files.size, view.hasOpenIntent(idOf('02')), intents.isOpen(idOf('02'))]).toEqual([1, true, true])
    expect(intents.end(intentOf('02'))).toEqual([`endpoint web ${idOf('02')}`])
    expect([files.size, view.hasOpenIntent(idOf('02')), intents.isOpen(idOf('02'))]).toEqual([0, false, false])
    expect(intents.open()).toEqual([])
  })

  it('one of an endpoint at a time: a release takes the place of its claim', () => {
    const { files, intents } = intentsOver(intentOf('02'))
    intents.begin(intentOf('02', 'release'))
    expect(intents.open()).toEqual([intentOf('02', 'release')])
    expect([...files.values()]).toEqual([intentOf('02', 'release')])
  })

  it('is not open when it could not be written', () => {
    const { view, stateDir, intents } = intentsOver()
    stateDir.writeIntent = () => {
      throw new OverlayError('failed_precondition', 'disk full')
    }
    expect(() => intents.begin(intentOf('02'))).toThrow('disk full')
    expect([intents.isOpen(idOf('02')), view.hasOpenIntent(idOf('02'))]).toEqual([false, false])
  })
})
