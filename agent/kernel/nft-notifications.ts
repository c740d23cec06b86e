/** What nftables' notifications mean for us (linux/netfilter/nf_tables.h). Pure. */
import { readAttributes, readText } from './attributes.ts'
import type { Message } from './netlink-message.ts'

const NFNL_SUBSYS_NFTABLES = 10
const NFT_MSG_NEWTABLE = 0
const NFT_MSG_DELTABLE = 2
const NFT_MSG_NEWCHAIN = 3
const NFT_MSG_DELCHAIN = 5
const NFT_MSG_NEWRULE = 6
const NFT_MSG_DELRULE = 8
const NFT_MSG_NEWGEN = 15
const NFTA_GEN_PROC_NAME = 3
/** Of a table, a chain, a rule, a set, its elements. */
const NFTA_TABLE = 1

/** NFPROTO_INET, _IPV4 and _IPV6: whose chains forwarded frames pass. */
const families: readonly number[] = [1, 2, 10]
/** Elements of sets come and go; where they decide something, it is by a rule. */
const ofConcern: readonly number[] = [
  NFT_MSG_NEWTABLE,
  NFT_MSG_DELTABLE,
  NFT_MSG_NEWCHAIN,
  NFT_MSG_DELCHAIN,
  NFT_MSG_NEWRULE,
  NFT_MSG_DELRULE,
]

/** One transaction. */
export interface Commit {
  /** Whose command it was: the name of the process, for example `nft`. */
  readonly program: string
  /** It touches our table, or the rules of a table that ours may be in. */
  readonly isOfConcern: boolean
}

/** @returns a function that takes messages in their order, and tells each transaction when it ends. */
export function commitsOf(ownTable: string): (message: Message) => Commit | undefined {
  let isOfConcern = false
  return ({ type, payload }) => {
    // struct nfgenmsg
    if (type >> 8 !== NFNL_SUBSYS_NFTABLES || payload.length < 4) return undefined
    const what = type & 0xff
    const found = readAttributes(payload.subarray(4))
    if (what !== NFT_MSG_NEWGEN) {
      isOfConcern ||=
        families.includes(payload.readUInt8(0)) &&
        (ofConcern.includes(what) || readText(found.get(NFTA_TABLE)) === ownTable)
      return undefined
    }
    const commit = { program: readText(found.get(NFTA_GEN_PROC_NAME)), isOfConcern }
    isOfConcern = false
    return commit
  }
}
