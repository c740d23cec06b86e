/** The requests of `run`: one for each of its networks. */
import { Faults } from '../../lib/faults.ts'
import { quote } from '../../lib/quote.ts'
import { checkAttach } from '../../lib/requests/attach.ts'
import { AttachRequest } from '../../proto/index.ts'
import type { EndpointOptions } from '../endpoint-options.ts'
import { endpointFields, endpointFlags } from './attach.ts'
import { inFlags, refuseFaults } from './wrong-usage.ts'

/** A value of --network: `web`, or `web,ip=10.0.9.7,ifname=ov0`. */
interface NetworkChoice {
  readonly text: string
  readonly network: string
  readonly options: EndpointOptions
}

/** The options that may also follow a network's name, and where their values go. */
const fieldOf = {
  name: 'name',
  ip: 'ip',
  ip6: 'ip6',
  mac: 'mac',
  ifname: 'ifname',
  'gw-priority': 'gwPriority',
} as const satisfies { readonly [flag: string]: keyof EndpointOptions }

type Flag = keyof typeof fieldOf

const flags = Object.keys(fieldOf) as Flag[]

/**
 * One network is also asked for what the options beside it say; several only for
 * what follows each name.
 * @throws UsageError with every fault of all.
 */
export function runRequests(networks: readonly string[], beside: EndpointOptions): AttachRequest[] {
  const faults = new Faults()
  const choices = networks.flatMap((text) => networkChoice(faults, text) ?? [])
  const names = choices.map(({ network }) => network)
  for (const twice of new Set(names.filter((network, at) => names.indexOf(network) < at)))
    faults.add(`--network ${twice} is given twice: give each network once`)
  const requests = settled(faults, choices, beside, networks.length).map((choice) => requestOf(faults, choice))
  refuseFaults(faults, {})
  return requests
}

/** `NETWORK[,OPTION=VALUE…]`, as the options of the same names. Undefined without a network, which is noted. */
function networkChoice(faults: Faults, text: string): NetworkChoice | undefined {
  const [network = '', ...pairs] = text.split(',')
  const note = (why: string) => faults.add(`--network ${quote(text)}: ${why}`)
  if (network === '' || network.includes('=')) {
    note("begin with the network's name (for example web,ip=10.0.9.7)")
    return undefined
  }
  let options: EndpointOptions = {}
  for (const pair of pairs) {
    const at = pair.indexOf('=')
    const flag = flags.find((name) => name === pair.slice(0, at))
    if (!flag) note(`${quote(pair)} is none of ${flags.join('=, ')}=`)
    else if (flag !== 'ip' && options[fieldOf[flag]] !== undefined) note(`${flag} is given twice`)
    else options = { ...options, ...optionOf(flag, pair.slice(at + 1), options) }
  }
  return { text, network, options }
}

function optionOf(flag: Flag, text: string, { ip = [] }: EndpointOptions): EndpointOptions {
  return flag === 'ip' ? { ip: [...ip, text] } : { [fieldOf[flag]]: text }
}

function settled(
  faults: Faults,
  choices: readonly NetworkChoice[],
  beside: EndpointOptions,
  count: number,
): readonly NetworkChoice[] {
  const given = flags.filter((flag) => beside[fieldOf[flag]] !== undefined)
  const [first] = choices
  if (!first || given.length === 0) return choices
  if (count > 1) {
    for (const flag of given)
      faults.add(
        `--${flag} is for one network, and there are ${count}: write it behind the network that it is for, as in --network ${first.network},${flag}=…`,
      )
    return choices
  }
  for (const flag of given)
    if (flag !== 'ip' && first.options[fieldOf[flag]] !== undefined)
      faults.add(`--${flag} is given twice, also behind --network ${first.network}: give one of them`)
  const own = Object.fromEntries(given.map((flag) => [fieldOf[flag], beside[fieldOf[flag]]]))
  const ip = [...(first.options.ip ?? []), ...(beside.ip ?? [])]
  return [{ ...first, options: { ...first.options, ...own, ip } }]
}

/** Notes what is wrong with it, the network first when the options follow its name. */
function requestOf(faults: Faults, { text, network, options }: NetworkChoice): AttachRequest {
  const own = new Faults()
  const request = AttachRequest.create({ network, ...endpointFields(own, options) })
  checkAttach(own, request)
  const where = text === network ? '' : `--network ${quote(text)}: `
  for (const fault of inFlags(own, { ...endpointFlags, network: '--network' })) faults.add(`${where}${fault}`)
  return request
}
