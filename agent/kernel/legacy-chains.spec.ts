import { expect, test } from 'vitest'
import { legacyCommands, readChains } from './legacy-chains.ts'

const ours = '-A FORWARD -i ovbr5 -o ovbr5 -m comment --comment overlay -j ACCEPT'

test.each([
  ['no Docker', '-P FORWARD DROP', undefined, ['FORWARD']],
  ['Docker', '-P FORWARD DROP\n-A FORWARD -j DOCKER-USER', '-N DOCKER-USER', ['DOCKER-USER']],
  ['Docker was here', '-P FORWARD DROP', '-N DOCKER-USER', ['FORWARD']],
])('%s: our rules belong where frames pass', (_, forward, user, targets) => {
  const chains = readChains(forward, user)
  expect(chains.filter(({ isTarget }) => isTarget).map(({ name }) => name)).toEqual(targets)
})

test('only rules of ours are read', () => {
  const others = [
    '-A FORWARD -i ovbr6 -o ovbr6 -j ACCEPT',
    '-A FORWARD -i ovbr7 -o eth0 -m comment --comment overlay -j ACCEPT',
    '-A FORWARD -i ovbr8 -o ovbr8 -m comment --comment overlay -j DROP',
  ]
  expect(readChains(['-P FORWARD DROP', ours, ...others, ours].join('\n'), undefined)[0]?.accepts).toEqual([
    'ovbr5',
    'ovbr5',
  ])
})

test('adds what is missing where it belongs, removes what is surplus wherever it is', () => {
  const rule = (bridge: string) => `-i ${bridge} -o ${bridge} -m comment --comment overlay -j ACCEPT`
  const [forward, user] = readChains(`-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n${ours}`, '-N DOCKER-USER')
  if (!forward || !user) throw new Error('there are two chains')
  expect(legacyCommands(forward, ['ovbr5', 'ovbr6'], [])).toEqual([])
  expect(legacyCommands(user, ['ovbr5'], [])).toEqual([`-I DOCKER-USER ${rule('ovbr5')}`])
  expect(legacyCommands(forward, [], ['ovbr5', 'ovbr9'])).toEqual([`-D FORWARD ${rule('ovbr5')}`])
})
