/* SPDX-License-Identifier: Apache-2.0 */
#include "node/redirect.h"

#include "base/num.h"

static sp_str before(sp_str s, char c)
{
	ptrdiff_t at = sp_str_index(s, c);
	return at < 0 ? s : sp_str_sub(s, 0, (size_t)at);
}

/* "user@host:port" or "[::1]:port". */
static sp_code read_authority(sp_str s, node_url *u, sp_err *err)
{
	uint64_t number;
	ptrdiff_t user = sp_str_rindex(s, '@');
	if (user >= 0)
		s = sp_str_sub(s, (size_t)user + 1, s.len);
	ptrdiff_t end = s.len > 0 && s.ptr[0] == '[' ? sp_str_index(s, ']') : -1;
	ptrdiff_t colon = sp_str_rindex(s, ':');
	bool has_port = colon >= 0 && colon > end;
	sp_str host = has_port ? sp_str_sub(s, 0, (size_t)colon) : s;
	u->host = end > 0 ? sp_str_sub(host, 1, (size_t)end) : host;
	u->port = has_port ? sp_str_sub(s, (size_t)colon + 1, s.len) : (sp_str){NULL, 0};
	if (u->port.len == 0)
		u->port = u->tls ? SP_STR("443") : SP_STR("80");
	if (u->host.len == 0 || sp_parse_u64(u->port, 1, 65535, &number, NULL) != SP_OK)
		return sp_fail(err, SP_EINVAL, "no address in the location of a redirect");
	return SP_OK;
}

/* Without "." and ".." among its parts; `to` has room for it. U: resolvePath. */
static size_t flatten(sp_str path, char *to)
{
	size_t n = 0;
	sp_str rest = sp_str_sub(path, 1, path.len), part;
	bool more = true;
	while (more) {
		more = sp_str_cut(&rest, '/', &part);
		if (!more)
			part = rest;
		if (sp_str_eq(part, SP_STR("..")) || sp_str_eq(part, SP_STR("."))) {
			while (part.len == 2 && n > 0 && to[--n] != '/')
				;
			if (!more)
				to[n++] = '/';
			continue;
		}
		to[n++] = '/';
		if (part.len > 0)
			memcpy(to + n, part.ptr, part.len);
		n += part.len;
	}
	return n;
}

/* The path that a reference without an authority leads to. */
static sp_str resolve(sp_str from, sp_str ref, sp_arena *a)
{
	sp_str base = before(from, '?'), path = before(ref, '?'), query = sp_str_sub(ref, path.len, ref.len);
	if (path.len == 0)
		path = base;
	else if (path.ptr[0] != '/')
		path = SP_CONCAT(a, sp_str_sub(base, 0, (size_t)(sp_str_rindex(base, '/') + 1)), path);
	char *room = path.ptr == NULL ? NULL : sp_arena_try_array(a, path.len + query.len + 2, 1);
	if (room == NULL)
		return (sp_str){NULL, 0};
	size_t n = flatten(path, room);
	if (query.len > 0)
		memcpy(room + n, query.ptr, query.len);
	return (sp_str){room, n + query.len};
}

sp_code node_redirect(const node_url *from, sp_str location, sp_arena *a, node_url *ret,
		      bool *ret_is_absolute, sp_err *err)
{
	static const sp_str names[] = {SP_STR_INIT("http:"), SP_STR_INIT("https:")};
	node_url u = *from;
	sp_str ref = before(location, '#');
	bool absolute = false;
	for (size_t i = 0; i < SP_LEN(names) && !absolute; i++) {
		absolute = sp_str_take(&ref, names[i]);
		u.tls = absolute ? i == 1 : u.tls;
	}
	ptrdiff_t colon = sp_str_index(before(before(ref, '/'), '?'), ':');
	if (!absolute && colon >= 0)
		return sp_fail(err, SP_EINVAL, "unsupported protocol scheme \"" SP_FMT "\"",
			       SP_ARG(sp_str_sub(ref, 0, (size_t)colon)));
	if (sp_str_take(&ref, SP_STR("//"))) {
		sp_str authority = before(before(ref, '/'), '?');
		SP_TRY(read_authority(authority, &u, err));
		ref = sp_str_sub(ref, authority.len, ref.len);
		u.path = SP_STR("/");
	} else if (absolute) {
		return sp_fail(err, SP_EINVAL, "no address in the location of a redirect");
	}
	u.path = resolve(u.path, ref, a);
	if (u.path.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a redirect");
	*ret = u;
	*ret_is_absolute = absolute;
	return SP_OK;
}
