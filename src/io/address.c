/* SPDX-License-Identifier: Apache-2.0 */
#include "io/address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/num.h"

static bool host_is_name(sp_str host)
{
	if (host.len == 0 || host.len > SP_LIMIT_NAME_BYTES || host.ptr[0] == '-' || host.ptr[0] == '.')
		return false;
	bool letter = false;
	for (size_t i = 0; i < host.len; i++) {
		char c = host.ptr[i];
		bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		letter = letter || alpha;
		if (!alpha && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
			return false;
	}
	/* "1.2.3" or "127.1" is a mistyped IPv4 address, which resolvers would take in surprising ways. */
	return letter;
}

static bool parse_ip(int family, sp_str host, uint8_t *ip)
{
	char text[INET6_ADDRSTRLEN];
	if (host.len >= sizeof text || sp_str_index(host, '\0') >= 0)
		return false;
	if (host.len > 0)
		memcpy(text, host.ptr, host.len);
	text[host.len] = '\0';
	return inet_pton(family, text, ip) == 1;
}

static sp_code parse_unix(sp_str text, sp_str name, sp_address *ret, sp_err *err)
{
	sp_address a = {.kind = SP_ADDRESS_UNIX, .name = name};
	if (sp_str_take(&a.name, SP_STR("@")))
		a.kind = SP_ADDRESS_ABSTRACT;
	else if (!sp_str_starts(name, SP_STR("/")))
		return sp_fail(err, SP_EINVAL,
			       "address '" SP_FMT "': a unix socket is an absolute path or '@' and a name",
			       SP_ARG(text));
	if (a.name.len == 0 || sp_str_index(a.name, '\0') >= 0)
		return sp_fail(err, SP_EINVAL, "address '" SP_FMT "': bad name of a unix socket",
			       SP_ARG(text));
	if (a.name.len > SP_ADDRESS_UNIX_BYTES)
		return sp_fail(err, SP_EINVAL,
			       "address '" SP_FMT "': the name of a unix socket has at most %u bytes",
			       SP_ARG(text), SP_ADDRESS_UNIX_BYTES);
	*ret = a;
	return SP_OK;
}

sp_code sp_address_parse(sp_str text, sp_address *ret, sp_err *err)
{
	sp_str rest = text;
	uint64_t number = 0;
	if (sp_str_take(&rest, SP_STR("unix:")))
		return parse_unix(text, rest, ret, err);
	if (sp_str_take(&rest, SP_STR("fd:"))) {
		if (sp_parse_u64(rest, 0, INT32_MAX, &number, NULL) != SP_OK)
			return sp_fail(err, SP_EINVAL, "address '" SP_FMT "': bad descriptor", SP_ARG(text));
		*ret = (sp_address){.kind = SP_ADDRESS_FD, .fd = (int)number};
		return SP_OK;
	}
	ptrdiff_t colon = sp_str_rindex(text, ':');
	if (colon < 0)
		return sp_fail(err, SP_EINVAL, "address '" SP_FMT "': no port", SP_ARG(text));
	sp_str host = sp_str_sub(text, 0, (size_t)colon),
	       port = sp_str_sub(text, (size_t)colon + 1, text.len);
	if (sp_parse_u64(port, 0, UINT16_MAX, &number, NULL) != SP_OK)
		return sp_fail(err, SP_EINVAL, "address '" SP_FMT "': bad port", SP_ARG(text));
	sp_address a = {.port = (uint16_t)number};
	if (sp_str_starts(host, SP_STR("[")) && sp_str_ends(host, SP_STR("]"))) {
		a.kind = SP_ADDRESS_IP6;
		if (!parse_ip(AF_INET6, sp_str_sub(host, 1, host.len - 1), a.ip))
			return sp_fail(err, SP_EINVAL, "address '" SP_FMT "': bad IPv6 address",
				       SP_ARG(text));
	} else if (parse_ip(AF_INET, host, a.ip)) {
		a.kind = SP_ADDRESS_IP4;
	} else if (host_is_name(host)) {
		a.kind = SP_ADDRESS_NAME;
		a.name = host;
	} else {
		return sp_fail(err, SP_EINVAL, "address '" SP_FMT "': bad host", SP_ARG(text));
	}
	*ret = a;
	return SP_OK;
}

size_t sp_address_print(const sp_address *a, char *out, size_t out_bytes)
{
	char ip[INET6_ADDRSTRLEN] = "";
	int n = 0;
	switch (a->kind) {
	case SP_ADDRESS_IP4:
		(void)inet_ntop(AF_INET, a->ip, ip, sizeof ip); /* the room is enough */
		n = snprintf(out, out_bytes, "%s:%u", ip, a->port);
		break;
	case SP_ADDRESS_IP6:
		(void)inet_ntop(AF_INET6, a->ip, ip, sizeof ip); /* the room is enough */
		n = snprintf(out, out_bytes, "[%s]:%u", ip, a->port);
		break;
	case SP_ADDRESS_UNIX:
		n = snprintf(out, out_bytes, "unix:" SP_FMT, SP_ARG(a->name));
		break;
	case SP_ADDRESS_ABSTRACT:
		n = snprintf(out, out_bytes, "unix:@" SP_FMT, SP_ARG(a->name));
		break;
	case SP_ADDRESS_FD:
		n = snprintf(out, out_bytes, "fd:%d", a->fd);
		break;
	case SP_ADDRESS_NAME:
		n = snprintf(out, out_bytes, SP_FMT ":%u", SP_ARG(a->name), a->port);
		break;
	}
	return n < 0 ? 0 : SP_MIN((size_t)n, out_bytes - 1);
}
