/* SPDX-License-Identifier: Apache-2.0 */
#include "node/sysctl.h"

#include "kube/kinds/values.h"

#define NAME_BYTES_MAX 253u

/* Those that a namespace keeps for itself. U: pkg/kubelet/sysctl/safe_sysctls.go. */
static const char *const safe[] = {
	"kernel.shm_rmid_forced",           "net.ipv4.ip_local_port_range",
	"net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ping_group_range",        "net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl",     "net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_keepalive_time",      "net.ipv4.tcp_rmem",
	"net.ipv4.tcp_syncookies",          "net.ipv4.tcp_wmem",
};

/* ---- names ---- */

/* Dots between the parts: what is written with slashes has the two exchanged. `to` has room for the name.
 * U: NormalizeName. */
static sp_str normalize(sp_str name, char *to)
{
	size_t first = 0;
	while (first < name.len && name.ptr[first] != '.' && name.ptr[first] != '/')
		first++;
	if (first == name.len || name.ptr[first] == '.')
		return name;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		to[i] = c == '.' ? '/' : c == '/' ? '.' : c;
	}
	return (sp_str){to, name.len};
}

/* U: namespaceOf. */
static node_sysctl_ns ns_of(sp_str name)
{
	static const char *const ipc[] = {
		"kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
		"kernel.shm", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.msg"};
	if (SP_STR_IN(name, ipc) || sp_str_starts(name, SP_STR("fs.mqueue.")))
		return NODE_SYSCTL_IPC;
	return sp_str_starts(name, SP_STR("net.")) ? NODE_SYSCTL_NET : NODE_SYSCTL_UNKNOWN;
}

/* ---- the setting ---- */

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Parts of letters, digits and marks between them, joined by '.' or '/'; the last one may end with '*', or be
 * it. */
static bool is_pattern(sp_str s)
{
	bool start = true;
	if (s.len == 0 || s.len > NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool joint = c == '.' || c == '/', last = i + 1 == s.len;
		bool ends = last || s.ptr[i + 1] == '.' || s.ptr[i + 1] == '/';
		if (is_letter(c) || (last && c == '*'))
			start = false;
		else if (joint ? start || last : start || ends || (c != '-' && c != '_'))
			return false;
		else
			start = joint;
	}
	return true;
}

static sp_code parse_one(sp_str text, sp_arena *a, node_sysctl *ret, sp_err *err)
{
	char *room = sp_arena_try_array(a, text.len + 1, 1);
	if (!is_pattern(text))
		return sp_fail(err, SP_EINVAL,
			       "sysctl \"" SP_FMT "\" must have at most 253 characters and match regex "
			       "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]",
			       SP_ARG(text));
	sp_str copy = sp_arena_try_dup(a, text);
	if (room == NULL || copy.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the allowed sysctls");
	ret->name = normalize(copy, room);
	ret->is_prefix = ret->name.ptr[ret->name.len - 1] == '*';
	ret->name.len -= ret->is_prefix;
	ret->ns = ns_of(ret->name);
	if (ret->ns == NODE_SYSCTL_UNKNOWN)
		return sp_fail(err, SP_EINVAL, "the sysctls \"" SP_FMT "\" are not known to be namespaced",
			       SP_ARG(ret->name));
	return SP_OK;
}

sp_code node_sysctls_parse(sp_str patterns, sp_arena *a, node_sysctls *ret, sp_err *err)
{
	size_t n = patterns.len > 0, k = 0;
	for (size_t i = 0; i < patterns.len; i++)
		n += patterns.ptr[i] == ',';
	node_sysctl *at = sp_try_new(a, node_sysctl, n + 1);
	if (at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the allowed sysctls");
	for (sp_str one; k < n; k++) {
		if (!sp_str_cut(&patterns, ',', &one))
			one = patterns;
		SP_TRY(parse_one(one, a, &at[k], err));
	}
	*ret = (node_sysctls){.at = at, .n = n};
	return SP_OK;
}

/* ---- the question ---- */

/* False: nothing allows it. */
static bool find(const node_sysctls *extra, sp_str name, node_sysctl_ns *ret)
{
	for (size_t i = 0; i < SP_LEN(safe); i++) {
		if (sp_str_eq(name, sp_str_c(safe[i]))) {
			*ret = ns_of(name);
			return true;
		}
	}
	for (size_t k = 0; k < 2 * extra->n; k++) { /* names first, then what begins so */
		const node_sysctl *s = &extra->at[k % extra->n];
		if (s->is_prefix != (k >= extra->n) ||
		    !(s->is_prefix ? sp_str_starts(name, s->name) : sp_str_eq(name, s->name)))
			continue;
		*ret = s->ns;
		return true;
	}
	return false;
}

sp_code node_sysctl_check(const node_sysctls *extra, sp_str name, bool host_net, bool host_ipc, sp_err *err)
{
	char room[NAME_BYTES_MAX];
	node_sysctl_ns ns;
	if (name.len > sizeof room)
		return sp_fail(err, SP_EINVAL, "\"" SP_FMT "\" not allowlisted", SP_ARG(name));
	name = normalize(name, room);
	if (!find(extra, name, &ns))
		return sp_fail(err, SP_EINVAL, "\"" SP_FMT "\" not allowlisted", SP_ARG(name));
	if (ns == NODE_SYSCTL_IPC ? host_ipc : host_net)
		return sp_fail(err, SP_EINVAL, "\"" SP_FMT "\" not allowed with host %s enabled",
			       SP_ARG(name), ns == NODE_SYSCTL_IPC ? "IPC" : "Net");
	return SP_OK;
}
