/** All that the overlay has in a host's kernel, as text, so that two states can be compared. */
import type { Netns } from '../lab/netns.ts'

const commands = [
  // With the index: a device that was made anew has another one.
  'ip -o link | grep -E "^[0-9]+: ov" | sort',
  'bridge fdb show | grep " dev ov" | sort',
  'ip neighbour show nud permanent | sort',
  'ip -o address | grep -E "^[0-9]+: ov" | sort',
  'nft list tables | grep -q overlay && nft list table inet overlay',
]

/** Links, FDB, neighbours, gateway addresses and our nftables table. */
export async function kernelState(host: Netns): Promise<string> {
  return host.exec(`${commands.join('; ')}; true`)
}
