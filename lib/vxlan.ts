/** What VXLAN costs on the wire. */

/**
 * Bytes that VXLAN puts around a frame's payload, by the IP family of the
 * underlay (RFC 7348, section 5): outer IP header, UDP, VXLAN and the inner
 * Ethernet header.
 */
export const vxlanOverhead = { 4: 20 + 8 + 8 + 14, 6: 40 + 8 + 8 + 14 } as const
