/* SPDX-License-Identifier: Apache-2.0 */
#include "node/pull_auth.h"

#include <stdlib.h>

#include "base/base64.h"

#define DEFAULT_REGISTRY "index.docker.io"

/* ---- names ---- */

static bool has_any(sp_str s, const char *of)
{
	for (size_t i = 0; i < s.len; i++) {
		if (strchr(of, s.ptr[i]) != NULL)
			return true;
	}
	return false;
}

static bool has_upper(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z')
			return true;
	}
	return false;
}

/* Cuts at the first slash; without one the rest is empty. */
static sp_str head_of(sp_str s, sp_str *ret_rest)
{
	ptrdiff_t at = sp_str_index(s, '/');
	*ret_rest = at < 0 ? SP_STR("") : sp_str_sub(s, (size_t)at + 1, s.len);
	return at < 0 ? s : sp_str_sub(s, 0, (size_t)at);
}

sp_str node_repository_of(sp_arena *a, sp_str image)
{
	ptrdiff_t digest = sp_str_index(image, '@');
	if (digest >= 0)
		image = sp_str_sub(image, 0, (size_t)digest);
	ptrdiff_t tag = sp_str_rindex(image, ':');
	if (tag >= 0 && tag > sp_str_rindex(image, '/'))
		image = sp_str_sub(image, 0, (size_t)tag);
	sp_str rest, host = head_of(image, &rest);
	if (rest.len == 0)
		return SP_CONCAT(a, SP_STR("docker.io/library/"), image);
	if (sp_str_eq(host, SP_STR(DEFAULT_REGISTRY)) || sp_str_eq(host, SP_STR("docker.io")))
		return SP_CONCAT(
			a, sp_str_index(rest, '/') < 0 ? SP_STR("docker.io/library/") : SP_STR("docker.io/"),
			rest);
	if (has_any(host, ".:") || has_upper(host) || sp_str_eq(host, SP_STR("localhost")))
		return image;
	return SP_CONCAT(a, SP_STR("docker.io/"), image);
}

static bool is_default_registry(sp_str repository)
{
	sp_str rest, host = head_of(repository, &rest);
	return sp_str_eq(host, SP_STR("docker.io")) || sp_str_eq(host, SP_STR(DEFAULT_REGISTRY)) ||
	       (host.len > 0 && !has_any(host, ".:"));
}

static sp_str port_of(sp_str *host)
{
	ptrdiff_t at = sp_str_rindex(*host, ':');
	if (at < 0)
		return SP_STR("");
	sp_str port = sp_str_sub(*host, (size_t)at + 1, host->len);
	*host = sp_str_sub(*host, 0, (size_t)at);
	return port;
}

/* '*' and '?' in one part of a host name. Tries grow with the square of the part's length at most. */
static bool part_matches(sp_str glob, sp_str text)
{
	size_t g = 0, t = 0, star = SIZE_MAX, from = 0;
	while (t < text.len) {
		if (g < glob.len && (glob.ptr[g] == '?' || glob.ptr[g] == text.ptr[t]) &&
		    glob.ptr[g] != '*') {
			g++;
			t++;
		} else if (g < glob.len && glob.ptr[g] == '*') {
			star = g++;
			from = t;
		} else if (star != SIZE_MAX) {
			g = star + 1;
			t = ++from;
		} else {
			return false;
		}
	}
	while (g < glob.len && glob.ptr[g] == '*')
		g++;
	return g == glob.len;
}

static bool host_matches(sp_str glob, sp_str host)
{
	sp_str glob_port = port_of(&glob), port = port_of(&host), a, b;
	bool more_a = true, more_b = true;
	if (!sp_str_eq(glob_port, port))
		return false;
	while (more_a && more_b) {
		more_a = sp_str_cut(&glob, '.', &a);
		more_b = sp_str_cut(&host, '.', &b);
		if (!part_matches(more_a ? a : glob, more_b ? b : host))
			return false;
	}
	return more_a == more_b;
}

bool node_registry_matches(sp_str key, sp_str repository)
{
	sp_str key_path, path, key_host = head_of(key, &key_path), host = head_of(repository, &path);
	return sp_str_starts(path, key_path) && host_matches(key_host, host);
}

/* ---- configurations ---- */

typedef struct entry {
	sp_str key;
	sp_cri_auth_config auth;
	size_t order;
} entry;

typedef struct ring {
	sp_arena *arena;
	entry *at;
	size_t n, cap;
} ring;

/* What a location is known by: "host" of "https://host/v1/", "host/path" of "host/path". */
static sp_str key_of(ring *r, sp_str location)
{
	sp_str path;
	if (!sp_str_take(&location, SP_STR("https://")))
		(void)sp_str_take(&location, SP_STR("http://"));
	ptrdiff_t end = sp_str_index(location, '?');
	if (end >= 0)
		location = sp_str_sub(location, 0, (size_t)end);
	sp_str host = head_of(location, &path);
	if (!sp_str_take(&path, SP_STR("v1/")))
		(void)sp_str_take(&path, SP_STR("v2/"));
	return path.len == 0 ? host : SP_CONCAT(r->arena, host, SP_STR("/"), path);
}

/* The member "auth": base64 of "user:password". U: decodeDockerConfigFieldAuth. */
static sp_code split_auth(ring *r, sp_str text, sp_cri_auth_config *to, sp_err *err)
{
	static const char *const pads[] = {"", "===", "==", "="};
	sp_str plain, user;
	text = sp_str_trim(text);
	if (text.len % 4 != 0 && (text.len == 0 || text.ptr[text.len - 1] != '='))
		text = SP_CONCAT(r->arena, text, sp_str_c(pads[text.len % 4]));
	if (text.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no memory for credentials");
	SP_TRY(node_base64_value(text, r->arena, &plain, err));
	if (!sp_str_cut(&plain, ':', &user))
		return sp_fail(err, SP_EINVAL,
			       "unable to parse auth field, must be formatted as base64(username:password)");
	while (plain.len > 0 && plain.ptr[plain.len - 1] == '\0')
		plain.len--;
	to->username = user;
	to->password = plain;
	return SP_OK;
}

static sp_code add_entry(ring *r, sp_str location, yyjson_val *value, sp_err *err)
{
	entry e = {.key = key_of(r, location), .order = r->n};
	sp_str auth = sp_view_str_at(value, "auth");
	e.auth.username = sp_view_str_at(value, "username");
	e.auth.password = sp_view_str_at(value, "password");
	if (auth.len > 0)
		SP_TRY(split_auth(r, auth, &e.auth, err));
	if (r->n == r->cap) {
		size_t cap = r->cap == 0 ? 8 : r->cap * 2;
		entry *at = cap > NODE_AUTHS_MAX ? NULL
						 : sp_arena_try_grow(r->arena, r->at, r->cap * sizeof *at,
								     cap * sizeof *at);
		if (at == NULL)
			return sp_fail(err, SP_ETOOLARGE, "too many credentials in pull secrets");
		r->at = at;
		r->cap = cap;
	}
	if (e.key.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no memory for credentials");
	r->at[r->n++] = e;
	return SP_OK;
}

static sp_code add_config(ring *r, sp_str text, bool is_legacy, sp_err *err)
{
	yyjson_val *tree, *auths, *key, *value;
	size_t i, n;
	SP_TRY(sp_json_parse(r->arena, text, &tree, err));
	auths = is_legacy ? tree : sp_json_last(tree, SP_STR("auths"));
	if (auths == NULL || yyjson_is_null(auths))
		return SP_OK;
	if (!yyjson_is_obj(auths))
		return sp_fail(err, SP_EINVAL, "credentials of a pull secret are not an object");
	yyjson_obj_foreach(auths, i, n, key, value) SP_TRY(add_entry(r, sp_json_str(key), value, err));
	return SP_OK;
}

static sp_code add_secret(ring *r, sp_str json, sp_err *err)
{
	static const struct {
		const char *type, *key;
		bool is_legacy;
	} rows[] = {{"kubernetes.io/dockerconfigjson", ".dockerconfigjson", false},
		    {"kubernetes.io/dockercfg", ".dockercfg", true}};
	yyjson_val *secret;
	sp_str plain;
	SP_TRY(sp_json_parse(r->arena, json, &secret, err));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		yyjson_val *data = sp_json_last(sp_view_at(secret, "data"), sp_str_c(rows[i].key));
		if (data == NULL || !sp_str_eq(sp_view_str_at(secret, "type"), sp_str_c(rows[i].type)))
			continue;
		SP_TRY(node_base64_value(sp_json_str(data), r->arena, &plain, err));
		return plain.len == 0 ? SP_OK : add_config(r, plain, rows[i].is_legacy, err);
	}
	return SP_OK;
}

/* ---- looking up ---- */

/* Keys backwards, so that a longer path comes before a shorter one; as they came where they are the same. */
static int by_key(const void *a, const void *b)
{
	const entry *x = a, *y = b;
	int c = sp_str_cmp(y->key, x->key);
	return c != 0 ? c : x->order < y->order ? -1 : x->order > y->order;
}

static void pick(const ring *r, sp_str repository, node_auths *ret)
{
	for (size_t i = 0; i < r->n; i++) {
		if (node_registry_matches(r->at[i].key, repository))
			ret->at[ret->n++] = r->at[i].auth;
	}
	if (ret->n > 0 || !is_default_registry(repository))
		return;
	for (size_t i = 0; i < r->n; i++) {
		if (sp_str_eq(r->at[i].key, SP_STR(DEFAULT_REGISTRY)))
			ret->at[ret->n++] = r->at[i].auth;
	}
}

sp_code node_auths_find(const node_pod *p, const node_objects *objects, sp_str image, sp_arena *a,
			node_auths *ret, sp_err *err)
{
	ring r = {.arena = a};
	sp_str repository = node_repository_of(a, image);
	*ret = (node_auths){.missing = SP_STR("")};
	SP_VLIST_FOREACH(item, p->v.pull_secrets)
	{
		sp_str name = sp_view_str_at(item, "name");
		if (name.len == 0)
			continue;
		sp_str json = objects->get(objects->arg, NODE_REF_SECRET, p->v.ns, name);
		if (json.ptr != NULL) {
			SP_TRY(add_secret(&r, json, err));
			continue;
		}
		ret->missing =
			SP_CONCAT(a, ret->missing, ret->missing.len == 0 ? SP_STR("") : SP_STR(", "), name);
	}
	ret->at = sp_try_new(a, sp_cri_auth_config, r.n + 1);
	if (ret->at == NULL || ret->missing.ptr == NULL || repository.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no memory for credentials");
	if (r.n > 1)
		qsort(r.at, r.n, sizeof *r.at, by_key);
	pick(&r, repository, ret);
	return SP_OK;
}
