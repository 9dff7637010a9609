/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/image/hosts.h"

#include "base/toml.h"
#include "io/file.h"

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "a configuration of hosts takes too much memory");
}

/* ---- addresses ---- */

static bool is_this_machine(sp_str authority)
{
	static const sp_str names[] = {SP_STR_INIT("localhost"), SP_STR_INIT("127.0.0.1"),
				       SP_STR_INIT("[::1]")};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		sp_str rest = authority;
		if (sp_str_take(&rest, names[i]) && (rest.len == 0 || rest.ptr[0] == ':'))
			return true;
	}
	return false;
}

static bool is_authority(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c <= ' ' || c >= 0x7f || c == '@' || c == '/' || c == '?' || c == '#' || c == '\\')
			return false;
	}
	return s.len > 0 && s.ptr[0] != ':';
}

/* With the scheme's port when it has none. */
static sp_str with_port(sp_arena *a, sp_str authority, bool https)
{
	ptrdiff_t colon = sp_str_rindex(authority, ':');
	if (colon >= 0 && !sp_str_ends(authority, SP_STR("]")))
		return authority;
	return SP_CONCAT(a, authority, https ? SP_STR(":443") : SP_STR(":80"));
}

static sp_code split_url(sp_arena *a, sp_str text, sp_str rest, bool https, image_url *ret, sp_err *err)
{
	image_url u = {.https = https, .authority = rest};
	sp_str fragment = rest;
	if (sp_str_cut(&fragment, '#', &rest))
		u.authority = rest; /* means nothing to a server */
	else
		rest = u.authority;
	size_t n = 0;
	while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?')
		n++;
	u.authority = sp_str_sub(rest, 0, n);
	u.path = sp_str_sub(rest, n, rest.len);
	if (u.path.len > 0 && u.path.ptr[0] == '?')
		u.path = SP_CONCAT(a, SP_STR("/"), u.path);
	if (!is_authority(u.authority))
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no address of a host", SP_ARG(text));
	for (size_t i = 0; i < u.path.len; i++) {
		if ((unsigned char)u.path.ptr[i] <= ' ' || u.path.ptr[i] == 0x7f)
			return sp_fail(err, SP_EINVAL, "'" SP_FMT "' has a malformed path", SP_ARG(text));
	}
	u.address = with_port(a, u.authority, https);
	if (u.address.ptr == NULL)
		return no_room(err);
	*ret = u;
	return SP_OK;
}

sp_code image_url_parse(sp_arena *a, sp_str text, image_url *ret, sp_err *err)
{
	sp_str rest = text;
	if (sp_str_take(&rest, SP_STR("https://")))
		return split_url(a, text, rest, true, ret, err);
	if (sp_str_take(&rest, SP_STR("http://")))
		return split_url(a, text, rest, false, ret, err);
	return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no URL of http or https", SP_ARG(text));
}

/* A host of the file: a scheme may be missing. */
static sp_code host_url(sp_arena *a, sp_str text, image_url *ret, sp_err *err)
{
	if (sp_str_find(text, SP_STR("://")) >= 0)
		return image_url_parse(a, text, ret, err);
	return split_url(a, text, text, !is_this_machine(text), ret, err);
}

/* ---- the file ---- */

typedef struct reader {
	sp_arena *arena;
	sp_str dir;
	sp_err *err;
} reader;

static sp_code wrong(reader *r, const char *key, const char *want)
{
	return sp_fail(r->err, SP_EINVAL, "'%s' is not %s", key, want);
}

static sp_code read_bool(reader *r, yyjson_mut_val *table, const char *key, bool *ret)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(table, key);
	if (v == NULL)
		return SP_OK;
	if (!yyjson_mut_is_bool(v))
		return wrong(r, key, "true or false");
	*ret = yyjson_mut_get_bool(v);
	return SP_OK;
}

static sp_code read_capabilities(reader *r, yyjson_mut_val *table, unsigned *ret)
{
	static const struct {
		sp_str name;
		unsigned bit;
	} names[] = {{SP_STR_INIT("pull"), IMAGE_HOST_PULL},
		     {SP_STR_INIT("resolve"), IMAGE_HOST_RESOLVE},
		     {SP_STR_INIT("push"), IMAGE_HOST_PUSH}};
	yyjson_mut_val *list = yyjson_mut_obj_get(table, "capabilities"), *v;
	size_t i, n;
	*ret = IMAGE_HOST_PULL | IMAGE_HOST_RESOLVE | IMAGE_HOST_PUSH;
	if (list == NULL)
		return SP_OK;
	if (!yyjson_mut_is_arr(list))
		return wrong(r, "capabilities", "a list");
	*ret = 0;
	yyjson_mut_arr_foreach(list, i, n, v)
	{
		size_t k = 0;
		while (k < SP_LEN(names) && !sp_str_eq_nocase(names[k].name, sp_jmut_str(v)))
			k++;
		if (k == SP_LEN(names))
			return wrong(r, "capabilities", "a list of pull, resolve and push");
		*ret |= names[k].bit;
	}
	return SP_OK;
}

static sp_code absolute(reader *r, sp_str path, sp_str *ret)
{
	*ret = path.len > 0 && path.ptr[0] == '/' ? sp_arena_try_dup(r->arena, path)
						  : SP_CONCAT(r->arena, r->dir, SP_STR("/"), path);
	return ret->ptr != NULL ? SP_OK : no_room(r->err);
}

/* A text, or a list of texts. */
static sp_code read_paths(reader *r, yyjson_mut_val *table, const char *key, sp_strs *ret)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(table, key), *item;
	size_t i, n = yyjson_mut_arr_size(v);
	if (v == NULL)
		return SP_OK;
	sp_str *items = sp_try_new(r->arena, sp_str, n + 1);
	if (items == NULL)
		return no_room(r->err);
	if (yyjson_mut_is_str(v)) {
		n = 1;
		SP_TRY(absolute(r, sp_jmut_str(v), &items[0]));
	} else if (yyjson_mut_is_arr(v)) {
		yyjson_mut_arr_foreach(v, i, n, item)
		{
			if (!yyjson_mut_is_str(item))
				return wrong(r, key, "a list of texts");
			SP_TRY(absolute(r, sp_jmut_str(item), &items[i]));
		}
	} else {
		return wrong(r, key, "a text or a list");
	}
	*ret = (sp_strs){items, n};
	return SP_OK;
}

/* "pem", ["pem", …] or [["cert", "key"], …]: one that holds both, or a pair. */
static sp_code read_client(reader *r, yyjson_mut_val *table, image_host *h)
{
	yyjson_mut_val *v = yyjson_mut_obj_get(table, "client");
	if (v == NULL)
		return SP_OK;
	if (yyjson_mut_is_arr(v))
		v = yyjson_mut_arr_get_first(v);
	if (yyjson_mut_is_str(v)) {
		SP_TRY(absolute(r, sp_jmut_str(v), &h->client_cert));
		h->client_key = h->client_cert;
		return SP_OK;
	}
	yyjson_mut_val *cert = yyjson_mut_arr_get_first(v), *key = yyjson_mut_arr_get(v, 1);
	if (!yyjson_mut_is_str(cert) || (key != NULL && !yyjson_mut_is_str(key)))
		return wrong(r, "client", "a file, or a pair of files");
	SP_TRY(absolute(r, sp_jmut_str(cert), &h->client_cert));
	return absolute(r, sp_jmut_str(key == NULL || sp_jmut_str(key).len == 0 ? cert : key),
			&h->client_key);
}

static sp_code add_header(reader *r, sp_http_header *items, size_t *n, sp_str name, yyjson_mut_val *v)
{
	char *lower = sp_arena_try_alloc(r->arena, name.len + 1);
	if (lower == NULL)
		return no_room(r->err);
	if (!yyjson_mut_is_str(v))
		return wrong(r, "header", "a table of texts");
	for (size_t i = 0; i < name.len; i++)
		lower[i] = name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? (char)(name.ptr[i] | 32) : name.ptr[i];
	items[(*n)++] = (sp_http_header){{lower, name.len}, sp_jmut_str(v)};
	return SP_OK;
}

static sp_code read_headers(reader *r, yyjson_mut_val *table, image_host *h)
{
	yyjson_mut_val *headers = yyjson_mut_obj_get(table, "header"), *k, *v, *item;
	size_t i, n, j, m, total = 0;
	if (headers == NULL)
		return SP_OK;
	if (!yyjson_mut_is_obj(headers))
		return wrong(r, "header", "a table");
	yyjson_mut_obj_foreach(headers, i, n, k, v) total += 1 + yyjson_mut_arr_size(v);
	sp_http_header *items = sp_try_new(r->arena, sp_http_header, total + 1);
	if (items == NULL)
		return no_room(r->err);
	yyjson_mut_obj_foreach(headers, i, n, k, v)
	{
		if (!yyjson_mut_is_arr(v))
			SP_TRY(add_header(r, items, &h->n_headers, sp_jmut_str(k), v));
		yyjson_mut_arr_foreach(v, j, m, item)
			SP_TRY(add_header(r, items, &h->n_headers, sp_jmut_str(k), item));
	}
	h->headers = items;
	return SP_OK;
}

static sp_code read_host(reader *r, sp_str url_text, yyjson_mut_val *table, image_host *ret)
{
	image_url url;
	bool override = false;
	image_host h = {.https = false};
	if (!yyjson_mut_is_obj(table))
		return wrong(r, "host", "a table of tables");
	SP_TRY(host_url(r->arena, url_text, &url, r->err));
	h.https = url.https;
	h.authority = url.authority;
	h.address = url.address;
	SP_TRY(read_bool(r, table, "skip_verify", &h.skip_verify));
	SP_TRY(read_bool(r, table, "override_path", &override));
	SP_TRY(read_capabilities(r, table, &h.capabilities));
	SP_TRY(read_paths(r, table, "ca", &h.ca));
	SP_TRY(read_client(r, table, &h));
	SP_TRY(read_headers(r, table, &h));
	while (sp_str_ends(url.path, SP_STR("/")))
		url.path.len--;
	h.prefix = override ? url.path : SP_CONCAT(r->arena, url.path, SP_STR("/v2"));
	if (!override && h.prefix.ptr == NULL)
		return no_room(r->err);
	*ret = h;
	return SP_OK;
}

/* Docker Hub answers under another name. */
static sp_str server_of(sp_str registry)
{
	return sp_str_eq(registry, SP_STR("docker.io")) ? SP_STR("registry-1.docker.io") : registry;
}

static sp_code read_file(reader *r, yyjson_mut_val *root, sp_str registry, image_hosts *ret)
{
	yyjson_mut_val *hosts = yyjson_mut_obj_get(root, "host"),
		       *server = yyjson_mut_obj_get(root, "server"), *k, *v;
	size_t i, n, count = 0;
	if (hosts != NULL && !yyjson_mut_is_obj(hosts))
		return wrong(r, "host", "a table of tables");
	if (yyjson_mut_obj_size(hosts) >= IMAGE_HOSTS_MAX)
		return sp_fail(r->err, SP_ETOOLARGE, "more than %u hosts", IMAGE_HOSTS_MAX);
	image_host *items = sp_try_new(r->arena, image_host, yyjson_mut_obj_size(hosts) + 1);
	if (items == NULL)
		return no_room(r->err);
	yyjson_mut_obj_foreach(hosts, i, n, k, v)
	{
		if (read_host(r, sp_jmut_str(k), v, &items[count++]) != SP_OK)
			return sp_wrap(r->err, "host '" SP_FMT "'", SP_ARG(sp_jmut_str(k)));
	}
	if (server != NULL && !yyjson_mut_is_str(server))
		return wrong(r, "server", "a text");
	sp_str url = sp_jmut_str(server).len > 0 ? sp_jmut_str(server) : server_of(registry);
	if (read_host(r, url, root, &items[count]) != SP_OK)
		return sp_wrap(r->err, "server '" SP_FMT "'", SP_ARG(url));
	items[count++].is_registry = true;
	*ret = (image_hosts){items, count};
	return SP_OK;
}

sp_code image_hosts_parse(sp_arena *a, sp_str text, sp_str dir, sp_str registry, image_hosts *ret,
			  sp_err *err)
{
	reader r = {.arena = a, .dir = dir, .err = err};
	yyjson_mut_doc *doc = sp_json_doc(a);
	yyjson_mut_val *root;
	if (doc == NULL)
		return no_room(err);
	SP_TRY(sp_toml_parse(a, text, doc, &root, err));
	return read_file(&r, root, registry, ret);
}

sp_code image_hosts_default(sp_arena *a, sp_str registry, image_hosts *ret, sp_err *err)
{
	return image_hosts_parse(a, (sp_str){NULL, 0}, SP_STR("/"), registry, ret, err);
}

sp_code image_hosts_load(sp_world *w, sp_arena *a, sp_str config_dir, sp_str registry, image_hosts *ret,
			 sp_err *err)
{
	sp_str host = registry, port;
	ptrdiff_t colon = sp_str_rindex(registry, ':');
	port = colon < 0 ? (sp_str){NULL, 0} : sp_str_sub(registry, (size_t)colon + 1, registry.len);
	host = colon < 0 ? registry : sp_str_sub(registry, 0, (size_t)colon);
	const sp_str dirs[] = {
		SP_CONCAT(a, config_dir, SP_STR("/"), registry),
		SP_CONCAT(a, config_dir, SP_STR("/"), host, SP_STR("_"), port, SP_STR("_")),
		SP_CONCAT(a, config_dir, SP_STR("/_default")),
	};
	for (size_t i = 0; config_dir.len > 0 && i < SP_LEN(dirs); i++) {
		sp_str text, path = SP_CONCAT(a, dirs[i], SP_STR("/hosts.toml"));
		if (dirs[i].ptr == NULL || path.ptr == NULL)
			return no_room(err);
		sp_code code = sp_file_read_arena(w, path, a, IMAGE_HOSTS_FILE_BYTES, &text, err);
		if (code == SP_ENOTFOUND)
			continue;
		SP_TRY(code);
		if (image_hosts_parse(a, text, dirs[i], registry, ret, err) != SP_OK)
			return sp_wrap(err, "'" SP_FMT "'", SP_ARG(path));
		return SP_OK;
	}
	return image_hosts_default(a, registry, ret, err);
}
