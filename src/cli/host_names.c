/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/host_names.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <unistd.h>

static bool print_address(const struct ifaddrs *i, int family, char text[INET6_ADDRSTRLEN])
{
	const void *at;
	if (i->ifa_addr == NULL || i->ifa_addr->sa_family != family || (i->ifa_flags & IFF_UP) == 0 ||
	    (i->ifa_flags & IFF_LOOPBACK) != 0)
		return false;
	if (family == AF_INET)
		at = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
	else
		at = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
	return inet_ntop(family, at, text, INET6_ADDRSTRLEN) != NULL;
}

sp_str cli_host_address(sp_arena *a)
{
	static const int order[] = {AF_INET, AF_INET6};
	struct ifaddrs *all = NULL;
	char text[INET6_ADDRSTRLEN] = "127.0.0.1";
	bool found = false;
	if (getifaddrs(&all) != 0)
		return SP_STR("127.0.0.1");
	for (size_t f = 0; f < SP_LEN(order) && !found; f++) {
		for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next)
			found = print_address(i, order[f], text);
	}
	freeifaddrs(all);
	return sp_arena_try_dup(a, sp_str_c(text));
}

sp_str cli_host_name(sp_arena *a)
{
	char name[256] = "";
	if (gethostname(name, sizeof name - 1) != 0)
		return (sp_str){NULL, 0};
	for (char *c = name; *c != '\0'; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
	return sp_arena_try_dup(a, sp_str_c(name));
}
