/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <sys/un.h>

#include "io/uv/uv_int.h"

void uvw_sockaddr_of(const sp_address *a, uvw_sockaddr *ret)
{
	*ret = (uvw_sockaddr){0};
	if (a->kind == SP_ADDRESS_IP4) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
		memcpy(&in.sin_addr, a->ip, sizeof in.sin_addr);
		memcpy(&ret->room, &in, sizeof in);
		ret->len = sizeof in;
	} else if (a->kind == SP_ADDRESS_IP6) {
		struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
		memcpy(&in.sin6_addr, a->ip, sizeof in.sin6_addr);
		memcpy(&ret->room, &in, sizeof in);
		ret->len = sizeof in;
	} else {
		SP_ASSERT(a->kind == SP_ADDRESS_UNIX || a->kind == SP_ADDRESS_ABSTRACT);
		struct sockaddr_un un = {.sun_family = AF_UNIX};
		size_t skip = a->kind == SP_ADDRESS_ABSTRACT ? 1 : 0;
		SP_ASSERT(a->name.len + skip <= sizeof un.sun_path);
		memcpy(un.sun_path + skip, a->name.ptr, a->name.len);
		memcpy(&ret->room, &un, sizeof un);
		/* A path counts with its NUL; an abstract name ends where the length says. */
		ret->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + a->name.len + 1);
	}
}

static void print_unix(const uvw_sockaddr *a, char *out, size_t out_bytes)
{
	struct sockaddr_un un;
	size_t head = offsetof(struct sockaddr_un, sun_path);
	memcpy(&un, &a->room, sizeof un);
	if (a->len <= head)
		return;
	sp_address text = {
		.kind = SP_ADDRESS_UNIX,
		.name = {un.sun_path, strnlen(un.sun_path, SP_MIN(a->len - head, sizeof un.sun_path))}};
	if (un.sun_path[0] == '\0')
		text = (sp_address){.kind = SP_ADDRESS_ABSTRACT,
				    .name = {un.sun_path + 1, a->len - head - 1}};
	(void)sp_address_print(&text, out, out_bytes); /* cut is fine */
}

void uvw_sockaddr_print(const uvw_sockaddr *a, char *out, size_t out_bytes)
{
	sp_address text = {0};
	out[0] = '\0';
	if (a->any.sa_family == AF_UNIX) {
		print_unix(a, out, out_bytes);
		return;
	}
	if (a->any.sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, &a->room, sizeof in);
		text = (sp_address){.kind = SP_ADDRESS_IP4, .port = ntohs(in.sin_port)};
		memcpy(text.ip, &in.sin_addr, sizeof in.sin_addr);
	} else if (a->any.sa_family == AF_INET6) {
		static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
		struct sockaddr_in6 in;
		memcpy(&in, &a->room, sizeof in);
		text = (sp_address){.kind = SP_ADDRESS_IP6, .port = ntohs(in.sin6_port)};
		memcpy(text.ip, &in.sin6_addr, sizeof in.sin6_addr);
		/* An IPv4 peer of a socket for both families. */
		if (memcmp(text.ip, mapped, sizeof mapped) == 0) {
			text.kind = SP_ADDRESS_IP4;
			memmove(text.ip, text.ip + 12, 4);
		}
	} else {
		return;
	}
	(void)sp_address_print(&text, out, out_bytes); /* the room is enough for an IP address */
}
