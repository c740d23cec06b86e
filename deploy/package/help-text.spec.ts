import { expect, it } from 'vitest'
import { commandsOf, parseHelp } from './help-text.ts'

const attach = `Usage: overlayctl attach [options] <network>

Attaches a network namespace to a network: claims its addresses and
puts an interface into it.

Arguments:
  network                   name of the network

Options:
  --netns <path>            network namespace: a name of "ip netns"
                            or a path
  -h, --help                display help for command

Examples:
  overlayctl attach web --netns c1
  overlayctl attach web --pid 4711
Each option may be given once.
`

it('takes usage, description, options, examples and notes apart', () => {
  expect(parseHelp(attach)).toEqual({
    usage: 'overlayctl attach [options] <network>',
    description: ['Attaches a network namespace to a network: claims its addresses and puts an interface into it.'],
    sections: [
      { title: 'Arguments', items: [{ term: 'network', text: 'name of the network' }] },
      {
        title: 'Options',
        items: [
          { term: '--netns <path>', text: 'network namespace: a name of "ip netns" or a path' },
          { term: '-h, --help', text: 'display help for command' },
        ],
      },
    ],
    examples: ['overlayctl attach web --netns c1', 'overlayctl attach web --pid 4711'],
    notes: ['Each option may be given once.'],
  })
})

it('finds commands under whatever heading, and no options or arguments among them', () => {
  const help = parseHelp(`Usage: overlayctl [options] [command]

Options:
  --version  print the version

Networks:
  create [options] [name]  create a network
  ls                       list networks

Cluster:
  node                     nodes

See the manual.
`)
  expect(commandsOf(help)).toEqual([
    { name: 'create', summary: 'create a network' },
    { name: 'ls', summary: 'list networks' },
    { name: 'node', summary: 'nodes' },
  ])
  expect(help.notes).toEqual(['See the manual.'])
  expect(commandsOf(parseHelp(attach))).toEqual([])
})
