/**
 * Numbers of rtnetlink, as the kernel's headers in include/uapi/linux name them:
 * netlink.h, rtnetlink.h, if_link.h, if_addr.h, neighbour.h, veth.h.
 */

export const NLM_F_REQUEST = 0x01
export const NLM_F_ACK = 0x04
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_DUMP = 0x300
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_CAPPED = 0x100
export const NLM_F_ACK_TLVS = 0x200

export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const NLMSGERR_ATTR_MSG = 1

export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18
export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_GETADDR = 22
export const RTM_NEWROUTE = 24
export const RTM_GETROUTE = 26
export const RTM_NEWNEIGH = 28
export const RTM_DELNEIGH = 29
export const RTM_GETNEIGH = 30

export const AF_UNSPEC = 0
export const AF_INET = 2
export const AF_BRIDGE = 7
export const AF_INET6 = 10

export const IFF_UP = 0x1
export const IFF_LOOPBACK = 0x8

export const IFLA_ADDRESS = 1
export const IFLA_IFNAME = 3
export const IFLA_MTU = 4
export const IFLA_LINK = 5
export const IFLA_MASTER = 10
export const IFLA_LINKINFO = 18
export const IFLA_IFALIAS = 20
export const IFLA_AF_SPEC = 26
export const IFLA_NET_NS_FD = 28
export const IFLA_EXT_MASK = 29
export const RTEXT_FILTER_SKIP_STATS = 8

export const IFLA_INFO_KIND = 1
export const IFLA_INFO_DATA = 2
export const IFLA_INFO_SLAVE_KIND = 4
export const IFLA_INFO_SLAVE_DATA = 5

export const IFLA_INET6_CONF = 2
export const IFLA_INET6_ADDR_GEN_MODE = 8
export const IN6_ADDR_GEN_MODE_NONE = 1
/** Place in IFLA_INET6_CONF's array of 32-bit numbers (ipv6.h). */
export const DEVCONF_ACCEPT_RA = 3

export const IFLA_BR_FORWARD_DELAY = 1
export const IFLA_BR_STP_STATE = 5
export const IFLA_BR_MCAST_SNOOPING = 23

export const IFLA_BRPORT_LEARNING = 8
export const IFLA_BRPORT_UNICAST_FLOOD = 9
export const IFLA_BRPORT_MCAST_FLOOD = 27
export const IFLA_BRPORT_BCAST_FLOOD = 30
export const IFLA_BRPORT_NEIGH_SUPPRESS = 32
export const IFLA_BRPORT_ISOLATED = 33

export const IFLA_VXLAN_ID = 1
export const IFLA_VXLAN_LOCAL = 4
export const IFLA_VXLAN_LEARNING = 7
export const IFLA_VXLAN_PORT = 15
export const IFLA_VXLAN_LOCAL6 = 17

export const VETH_INFO_PEER = 1

export const IFA_ADDRESS = 1
export const IFA_LOCAL = 2
export const IFA_FLAGS = 8
export const IFA_F_NODAD = 0x02

export const NDA_DST = 1
export const NDA_LLADDR = 2
export const NDA_MASTER = 9
export const NTF_SELF = 0x02
export const NTF_MASTER = 0x04
export const NUD_REACHABLE = 0x02
export const NUD_NOARP = 0x40
export const NUD_PERMANENT = 0x80

export const RTA_DST = 1
export const RTA_OIF = 4
export const RTA_GATEWAY = 5
export const RTA_PREFSRC = 7
export const RT_TABLE_MAIN = 254
export const RT_SCOPE_UNIVERSE = 0
export const RT_SCOPE_LINK = 253
export const RTN_UNICAST = 1
/** Our own route protocol number: says whose a route is. */
export const RTPROT_OVERLAY = 79
