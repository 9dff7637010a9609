/* SPDX-License-Identifier: Apache-2.0 */
/* A pod's way to the network: a bridge on the host, a veth pair, addresses and routes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include "host/host_int.h"
#include "host/netlink.h"

#define POD_IF "eth0"

/* ---- single requests ---- */

static sp_code link_up(int fd, unsigned index, unsigned master, sp_err *err)
{
	const struct ifinfomsg fixed = {.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	host_nl m;
	host_nl_begin(&m, RTM_NEWLINK, 0, &fixed, sizeof fixed);
	if (master != 0)
		host_nl_put_u32(&m, IFLA_MASTER, master);
	return host_nl_talk(fd, &m, "bring the interface up", err);
}

static sp_code add_address(int fd, unsigned index, sp_str cidr, sp_err *err)
{
	host_prefix p;
	host_nl m;
	SP_TRY(host_prefix_parse(cidr, &p, err));
	/* Addresses are the node's to give: nobody else can have them, so IPv6 need not look first. */
	const struct ifaddrmsg fixed = {.ifa_family = p.family,
					.ifa_prefixlen = p.n_bits,
					.ifa_flags = p.family == AF_INET6 ? IFA_F_NODAD : 0,
					.ifa_index = index};
	host_nl_begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &fixed, sizeof fixed);
	host_nl_put(&m, IFA_LOCAL, p.bytes, p.n);
	host_nl_put(&m, IFA_ADDRESS, p.bytes, p.n);
	return host_nl_talk(fd, &m, "add the address", err);
}

static sp_code add_default_route(int fd, unsigned index, sp_str gateway, sp_err *err)
{
	host_prefix p;
	host_nl m;
	SP_TRY(host_address_parse(gateway, &p, err));
	const struct rtmsg fixed = {.rtm_family = p.family,
				    .rtm_table = RT_TABLE_MAIN,
				    .rtm_protocol = RTPROT_BOOT,
				    .rtm_scope = RT_SCOPE_UNIVERSE,
				    .rtm_type = RTN_UNICAST};
	host_nl_begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &fixed, sizeof fixed);
	host_nl_put(&m, RTA_GATEWAY, p.bytes, p.n);
	host_nl_put_u32(&m, RTA_OIF, index);
	return host_nl_talk(fd, &m, "add the default route", err);
}

/* `name` has been checked. Zero: there is none. */
static unsigned index_of(sp_str name)
{
	char text[IF_NAMESIZE] = "";
	memcpy(text, name.ptr, name.len);
	return if_nametoindex(text);
}

static sp_code remove_link(int fd, unsigned index, sp_err *err)
{
	const struct ifinfomsg fixed = {.ifi_index = (int)index};
	host_nl m;
	host_nl_begin(&m, RTM_DELLINK, 0, &fixed, sizeof fixed);
	sp_err mine;
	sp_code code = host_nl_talk(fd, &m, "remove the interface", &mine);
	if (code == SP_OK || mine.sys_errno == ENODEV)
		return SP_OK;
	if (err != NULL)
		*err = mine;
	return code;
}

/* ---- the bridge ---- */

static sp_code make_bridge(int fd, const sp_host_link_make *l, unsigned *ret_index, sp_err *err)
{
	const struct ifinfomsg fixed = {.ifi_family = AF_UNSPEC};
	unsigned index = index_of(l->bridge);
	if (index == 0) {
		host_nl m;
		host_nl_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &fixed, sizeof fixed);
		host_nl_put_str(&m, IFLA_IFNAME, l->bridge);
		size_t info = host_nl_open(&m, IFLA_LINKINFO);
		host_nl_put_str(&m, IFLA_INFO_KIND, SP_STR("bridge"));
		host_nl_close(&m, info);
		SP_TRY(host_nl_talk(fd, &m, "make the bridge", err));
		index = index_of(l->bridge);
	}
	for (size_t i = 0; i < l->bridge_addresses.n; i++)
		SP_TRY(add_address(fd, index, l->bridge_addresses.at[i], err));
	SP_TRY(link_up(fd, index, 0, err));
	*ret_index = index;
	return SP_OK;
}

/* ---- the pair ---- */

static sp_code make_pair(int fd, const sp_host_link_make *l, int net_fd, sp_err *err)
{
	const struct ifinfomsg fixed = {.ifi_family = AF_UNSPEC};
	host_nl m;
	host_nl_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &fixed, sizeof fixed);
	host_nl_put_str(&m, IFLA_IFNAME, l->host_if);
	if (l->mtu != 0)
		host_nl_put_u32(&m, IFLA_MTU, l->mtu);
	size_t info = host_nl_open(&m, IFLA_LINKINFO);
	host_nl_put_str(&m, IFLA_INFO_KIND, SP_STR("veth"));
	size_t data = host_nl_open(&m, IFLA_INFO_DATA);
	/* The peer: a link message of its own inside the attribute. */
	size_t peer = m.len;
	host_nl_put(&m, VETH_INFO_PEER, &fixed, sizeof fixed);
	host_nl_put_str(&m, IFLA_IFNAME, SP_STR(POD_IF));
	host_nl_put_u32(&m, IFLA_NET_NS_FD, (uint32_t)net_fd);
	if (l->mtu != 0)
		host_nl_put_u32(&m, IFLA_MTU, l->mtu);
	host_nl_close(&m, peer);
	host_nl_close(&m, data);
	host_nl_close(&m, info);
	return host_nl_talk(fd, &m, "make the veth pair", err);
}

/* Inside the pod's network. */
static sp_code configure_inside(const sp_host_link_make *l, sp_err *err)
{
	int fd;
	SP_TRY(host_nl_socket(NETLINK_ROUTE, &fd, err));
	unsigned index = if_nametoindex(POD_IF);
	sp_code code = index != 0 ? SP_OK : sp_fail(err, SP_EINTERNAL, "the pod's interface is missing");
	for (size_t i = 0; i < l->addresses.n && code == SP_OK; i++)
		code = add_address(fd, index, l->addresses.at[i], err);
	if (code == SP_OK)
		code = link_up(fd, index, 0, err);
	for (size_t i = 0; i < l->gateways.n && code == SP_OK; i++)
		code = add_default_route(fd, index, l->gateways.at[i], err);
	(void)close(fd);
	return code;
}

/* Where the kernel's bridge filter is on (bridge-nf-call-iptables), what a pod sends to itself by a Service
 * is sent back inside the bridge, which drops it unless the port is in hairpin mode. */
static sp_code set_hairpin(int fd, unsigned index, sp_err *err)
{
	const struct ifinfomsg fixed = {.ifi_family = AF_BRIDGE, .ifi_index = (int)index};
	const uint8_t on = 1;
	host_nl m;
	host_nl_begin(&m, RTM_SETLINK, 0, &fixed, sizeof fixed);
	size_t port = host_nl_open(&m, IFLA_PROTINFO | NLA_F_NESTED);
	host_nl_put(&m, IFLA_BRPORT_MODE, &on, sizeof on);
	host_nl_close(&m, port);
	return host_nl_talk(fd, &m, "set the bridge's port to hairpin mode", err);
}

static sp_code connect_pod(const host *h, int fd, const sp_host_link_make *l, int net_fd, sp_err *err)
{
	unsigned bridge, stale = index_of(l->host_if);
	if (stale != 0)
		SP_TRY(remove_link(fd, stale, err));
	SP_TRY(make_bridge(fd, l, &bridge, err));
	SP_TRY(make_pair(fd, l, net_fd, err));
	unsigned port = index_of(l->host_if);
	sp_code code = link_up(fd, port, bridge, err);
	if (code == SP_OK)
		code = set_hairpin(fd, port, err);
	if (code == SP_OK)
		code = host_enter_net(h, l->id, err);
	if (code == SP_OK) {
		code = configure_inside(l, err);
		host_leave(h, HOST_NS_NET);
	}
	if (code != SP_OK)
		(void)remove_link(fd, port, NULL);
	return code;
}

sp_code host_link_make(host_request *r, const void *message, sp_err *err)
{
	const sp_host_link_make *l = message;
	host_path_buf path;
	int fd;
	SP_TRY(host_check_if(l->bridge, err));
	SP_TRY(host_check_if(l->host_if, err));
	SP_TRY(host_path_of(r->h, "sandboxes", l->id, "/ns/net", &path, err));
	int net_fd = open(path.text, O_RDONLY | O_CLOEXEC);
	if (net_fd < 0)
		return sp_fail_sys(err, errno, "open %s", path.text);
	sp_code code = host_nl_socket(NETLINK_ROUTE, &fd, err);
	if (code == SP_OK) {
		code = connect_pod(r->h, fd, l, net_fd, err);
		(void)close(fd);
	}
	(void)close(net_fd);
	if (code == SP_OK)
		host_answer(r, NULL);
	return code;
}

sp_code host_link_remove(host_request *r, const void *message, sp_err *err)
{
	const sp_host_link_remove *l = message;
	int fd;
	SP_TRY(host_check_if(l->host_if, err));
	SP_TRY(host_nl_socket(NETLINK_ROUTE, &fd, err));
	unsigned index = index_of(l->host_if);
	sp_code code = index == 0 ? SP_OK : remove_link(fd, index, err);
	(void)close(fd);
	if (code == SP_OK)
		host_answer(r, NULL);
	return code;
}
