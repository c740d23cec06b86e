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
export const NLM_F_APPEND = 0x800
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
export const RTM_DELROUTE = 25
export const RTM_GETROUTE = 26
export const RTM_NEWNEIGH = 28
export const RTM_DELNEIGH = 29
export const RTM_GETNEIGH = 30

/** Groups of notifications (RTNLGRP_…). */
export const RTNLGRP_LINK = 1
export const RTNLGRP_NEIGH = 3
export const RTNLGRP_IPV4_IFADDR = 5
export const RTNLGRP_IPV4_ROUTE = 7
export const RTNLGRP_IPV6_IFADDR = 9
export const RTNLGRP_IPV6_ROUTE = 11

export const AF_UNSPEC = 0
export const AF_INET = 2
export const AF_BRIDGE = 7
export const AF_INET6 = 10

export const IFF_UP = 0x1
export const IFF_LOOPBACK = 0x8
export const IFF_NOARP = 0x80
export const IFF_LOWER_UP = 0x10000

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
/** Of a veth: the other end's namespace, as a number that this one has for it. */
export const IFLA_LINK_NETNSID = 37
export const IFLA_TARGET_NETNSID = 46
export const RTEXT_FILTER_SKIP_STATS = 8

export const IFLA_INFO_KIND = 1
export const IFLA_INFO_DATA = 2
export const IFLA_INFO_SLAVE_KIND = 4
export const IFLA_INFO_SLAVE_DATA = 5

export const IFLA_INET_CONF = 1
/** What the attributes in IFLA_INET_CONF are numbered by (ip.h); the first stands at place 0 of the array that is read. */
export const IPV4_DEVCONF_PROMOTE_SECONDARIES = 20

export const IFLA_INET6_CONF = 2
export const IFLA_INET6_ADDR_GEN_MODE = 8
export const IN6_ADDR_GEN_MODE_NONE = 1
/** Places in IFLA_INET6_CONF's array of 32-bit numbers (ipv6.h). */
export const DEVCONF_ACCEPT_RA = 3
export const DEVCONF_DISABLE_IPV6 = 26

export const IFLA_BR_FORWARD_DELAY = 1
export const IFLA_BR_STP_STATE = 5
export const IFLA_BR_VLAN_FILTERING = 7
export const IFLA_BR_GROUP_FWD_MASK = 9
export const IFLA_BR_MCAST_SNOOPING = 23

export const IFLA_BRPORT_STATE = 1
export const IFLA_BRPORT_MODE = 4
export const IFLA_BRPORT_LEARNING = 8
export const IFLA_BRPORT_UNICAST_FLOOD = 9
export const IFLA_BRPORT_PROXYARP = 10
export const IFLA_BRPORT_PROXYARP_WIFI = 12
export const IFLA_BRPORT_MCAST_FLOOD = 27
export const IFLA_BRPORT_MCAST_TO_UCAST = 28
export const IFLA_BRPORT_BCAST_FLOOD = 30
export const IFLA_BRPORT_NEIGH_SUPPRESS = 32
export const IFLA_BRPORT_ISOLATED = 33
export const IFLA_BRPORT_LOCKED = 39
export const BR_STATE_FORWARDING = 3

export const IFLA_VXLAN_ID = 1
export const IFLA_VXLAN_GROUP = 2
export const IFLA_VXLAN_LINK = 3
export const IFLA_VXLAN_LOCAL = 4
export const IFLA_VXLAN_TTL = 5
export const IFLA_VXLAN_TOS = 6
export const IFLA_VXLAN_LEARNING = 7
export const IFLA_VXLAN_PORT = 15
export const IFLA_VXLAN_GROUP6 = 16
export const IFLA_VXLAN_LOCAL6 = 17
export const IFLA_VXLAN_DF = 29

export const VETH_INFO_PEER = 1

export const IFA_ADDRESS = 1
export const IFA_LOCAL = 2
export const IFA_FLAGS = 8
export const IFA_TARGET_NETNSID = 10
export const IFA_F_SECONDARY = 0x01
export const IFA_F_NODAD = 0x02
export const IFA_F_NOPREFIXROUTE = 0x200

export const NDA_DST = 1
export const NDA_LLADDR = 2
export const NDA_PORT = 6
export const NDA_VNI = 7
export const NDA_IFINDEX = 8
export const NDA_MASTER = 9
export const NTF_SELF = 0x02
export const NTF_MASTER = 0x04
export const NUD_REACHABLE = 0x02
export const NUD_NOARP = 0x40
export const NUD_PERMANENT = 0x80

export const RTA_DST = 1
export const RTA_OIF = 4
export const RTA_GATEWAY = 5
export const RTA_PRIORITY = 6
export const RTA_PREFSRC = 7
export const RTA_MULTIPATH = 9
export const RTA_TABLE = 15
export const RTA_EXPIRES = 23
export const RT_TABLE_MAIN = 254
export const RT_TABLE_LOCAL = 255
export const RT_SCOPE_UNIVERSE = 0
export const RT_SCOPE_LINK = 253
export const RTN_UNICAST = 1
export const RTN_LOCAL = 2
export const RTN_BLACKHOLE = 6
export const RTN_UNREACHABLE = 7
export const RTN_PROHIBIT = 8
/** A cache entry, not a route. */
export const RTM_F_CLONED = 0x200
/** Asks for the route itself, not for what comes of it for one address. */
export const RTM_F_FIB_MATCH = 0x2000
export const RTPROT_KERNEL = 2
/** Our own route protocol number: says whose a route is. */
export const RTPROT_OVERLAY = 79
