/** Subnets of networks, between plan and record. */
import { type Cidr, parseCidr, parseIp } from '../../lib/ip.ts'
import { defaultGateway, type SubnetPlan } from '../../lib/requests/subnets.ts'
import type { Subnet } from '../../proto/index.ts'

/** A subnet with nothing in it but the gateway. */
export function plainSubnet(cidr: Cidr): SubnetPlan {
  return { cidr, gateway: defaultGateway(cidr), ipRange: undefined, auxAddresses: {} }
}

/** Of a record. */
export function readSubnet({ cidr, gateway, ipRange, auxAddresses }: Subnet): SubnetPlan {
  return {
    cidr: parseCidr(cidr),
    gateway: parseIp(gateway),
    ipRange: ipRange === '' ? undefined : parseCidr(ipRange),
    auxAddresses: Object.fromEntries(Object.entries(auxAddresses).map(([name, text]) => [name, parseIp(text)])),
  }
}

/** For the record. */
export function writeSubnet({ cidr, gateway, ipRange, auxAddresses }: SubnetPlan): Subnet {
  return { cidr: cidr.text, gateway, ipRange: ipRange?.text ?? '', auxAddresses: { ...auxAddresses } }
}
