/* SPDX-License-Identifier: Apache-2.0 */
#include "client/config.h"

#include "base/base64.h"
#include "base/num.h"
#include "base/yaml.h"
#include "io/file.h"
#include "kube/kinds/values.h"

#define GROUPS_MAX 64u
#define PEM_BYTES_MAX ((size_t)1 << 20) /* of one certificate bundle, key or token */

typedef struct reader {
	sp_world *world;
	sp_arena *arena;
	sp_str dir;
} reader;

/* ---- pieces ---- */

/* The entry of that name of a list of {name, KEY: {…}}; *ret is the inner object. */
static sp_code find_named(yyjson_mut_val *root, const char *list, const char *key, sp_str name,
			  yyjson_mut_val **ret, sp_err *err)
{
	SP_KV_EACH (item, i, sp_kv_get(root, list)) {
		if (sp_str_eq(sp_kv_str(item, "name"), name)) {
			*ret = sp_kv_get(item, key);
			return SP_OK;
		}
	}
	return sp_fail(err, SP_ENOTFOUND, "kubeconfig: no %s '" SP_FMT "' among the %s", key, SP_ARG(name),
		       list);
}

static sp_code join(reader *r, sp_str a, sp_str b, sp_str *ret, sp_err *err)
{
	*ret = SP_CONCAT(r->arena, a, b);
	return ret->ptr != NULL ? SP_OK : sp_fail(err, SP_ETOOLARGE, "kubeconfig: no room");
}

static sp_code absolute(reader *r, sp_str path, sp_str *ret, sp_err *err)
{
	*ret = path;
	if (path.ptr[0] == '/')
		return SP_OK;
	SP_TRY(join(r, r->dir, SP_STR("/"), ret, err));
	return join(r, *ret, path, ret, err);
}

static sp_code read_file(reader *r, const char *what, sp_str path, sp_str *ret, sp_err *err)
{
	if (r->world == NULL)
		return sp_fail(err, SP_EUNSUPPORTED, "kubeconfig: %s is a file", what);
	sp_str full;
	SP_TRY(absolute(r, path, &full, err));
	sp_code code = sp_file_read_arena(r->world, full, r->arena, PEM_BYTES_MAX, ret, err);
	return code == SP_OK ? SP_OK : sp_wrap(err, "kubeconfig: %s", what);
}

/* NAME-data in base64 goes before the file that NAME names. */
static sp_code read_pem(reader *r, yyjson_mut_val *object, const char *name, const char *data_name,
			sp_str *ret, sp_err *err)
{
	sp_str data = sp_kv_str(object, data_name), path = sp_kv_str(object, name);
	if (data.len == 0)
		return path.len == 0 ? SP_OK : read_file(r, name, path, ret, err);
	uint8_t *out = sp_arena_try_alloc(r->arena, data.len);
	size_t n;
	if (out == NULL)
		return sp_fail(err, SP_ETOOLARGE, "kubeconfig: no room for %s", data_name);
	if (sp_base64_decode(data, out, &n, err) != SP_OK)
		return sp_wrap(err, "kubeconfig: %s", data_name);
	*ret = (sp_str){(const char *)out, n};
	return SP_OK;
}

/* ---- the server ---- */

static bool has_port(sp_str authority)
{
	ptrdiff_t colon = sp_str_rindex(authority, ':'), bracket = sp_str_rindex(authority, ']');
	return colon > bracket;
}

/* "https://host[:port][/prefix]" */
static sp_code read_server(reader *r, sp_str url, sp_client_config *c, sp_err *err)
{
	sp_str rest = url, authority;
	c->scheme = SP_STR("https");
	if (sp_str_take(&rest, SP_STR("http://")))
		c->scheme = SP_STR("http");
	else
		(void)sp_str_take(&rest, SP_STR("https://"));
	if (sp_str_cut(&rest, '/', &authority)) {
		while (sp_str_ends(rest, SP_STR("/")))
			rest.len--;
		if (rest.len > 0)
			SP_TRY(join(r, SP_STR("/"), rest, &c->prefix, err));
	} else {
		authority = rest;
	}
	uint64_t port;
	bool ok = authority.len > 0 && sp_str_find(authority, SP_STR("@")) < 0 &&
		  sp_str_find(url, SP_STR("?")) < 0;
	if (ok && has_port(authority)) {
		size_t at = (size_t)sp_str_rindex(authority, ':');
		ok = at > 0 && sp_parse_u64(sp_str_sub(authority, at + 1, authority.len), 1, 65535, &port,
					    NULL) == SP_OK;
		c->address = authority;
	} else if (ok) {
		bool tls = c->scheme.len == sizeof "https" - 1;
		SP_TRY(join(r, authority, tls ? SP_STR(":443") : SP_STR(":80"), &c->address, err));
	}
	if (!ok)
		return sp_fail(err, SP_EINVAL, "kubeconfig: server '" SP_FMT "' is no https://host:port",
			       SP_ARG(url));
	return SP_OK;
}

static sp_code read_cluster(reader *r, yyjson_mut_val *cluster, sp_client_config *c, sp_err *err)
{
	if (sp_kv_str(cluster, "proxy-url").len > 0)
		return sp_fail(err, SP_EUNSUPPORTED, "kubeconfig: proxy-url is not supported");
	SP_TRY(read_server(r, sp_kv_str(cluster, "server"), c, err));
	SP_TRY(read_pem(r, cluster, "certificate-authority", "certificate-authority-data", &c->ca_pem, err));
	c->insecure = sp_kv_bool(cluster, "insecure-skip-tls-verify");
	c->server_name = sp_kv_str(cluster, "tls-server-name");
	if (c->insecure && c->ca_pem.len > 0)
		return sp_fail(err, SP_EINVAL,
			       "kubeconfig: insecure-skip-tls-verify and certificate-authority exclude each "
			       "other");
	return SP_OK;
}

/* ---- the user ---- */

static sp_code read_groups(reader *r, yyjson_mut_val *user, sp_client_config *c, sp_err *err)
{
	yyjson_mut_val *groups = sp_kv_list(user, "as-groups");
	size_t n = sp_kv_len(groups);
	if (n == 0)
		return SP_OK;
	sp_str *out = n > GROUPS_MAX ? NULL : sp_try_new(r->arena, sp_str, n);
	if (out == NULL)
		return sp_fail(err, SP_ETOOLARGE, "kubeconfig: %zu as-groups", n);
	SP_KV_EACH (item, i, groups)
		out[i] = sp_jmut_str(item);
	c->as_groups = out;
	c->n_as_groups = n;
	return SP_OK;
}

static sp_code read_user(reader *r, yyjson_mut_val *user, sp_client_config *c, sp_err *err)
{
	static const char *const plugins[] = {"exec", "auth-provider"};
	for (size_t i = 0; i < SP_LEN(plugins); i++) {
		if (sp_kv_has(user, plugins[i]))
			return sp_fail(err, SP_EUNSUPPORTED,
				       "kubeconfig: credentials by %s are not supported", plugins[i]);
	}
	SP_TRY(read_pem(r, user, "client-certificate", "client-certificate-data", &c->cert_pem, err));
	SP_TRY(read_pem(r, user, "client-key", "client-key-data", &c->key_pem, err));
	if ((c->cert_pem.len > 0) != (c->key_pem.len > 0))
		return sp_fail(err, SP_EINVAL, "kubeconfig: a client certificate and its key go together");
	c->token = sp_kv_str(user, "token");
	sp_str path = sp_kv_str(user, "tokenFile");
	if (path.len > 0) {
		SP_TRY(read_file(r, "tokenFile", path, &c->token, err));
		c->token = sp_str_trim(c->token);
		SP_TRY(absolute(r, path, &c->token_file, err));
	}
	c->username = sp_kv_str(user, "username");
	c->password = sp_kv_str(user, "password");
	c->as = sp_kv_str(user, "as");
	c->as_uid = sp_kv_str(user, "as-uid");
	return read_groups(r, user, c, err);
}

/* ---- the whole ---- */

static sp_code parse_text(sp_arena *a, sp_str text, yyjson_mut_val **ret, sp_err *err)
{
	yyjson_mut_doc *doc = sp_json_doc(a);
	if (doc == NULL || text.len > SP_LIMIT_KUBECONFIG_BYTES)
		return sp_fail(err, SP_ETOOLARGE, "kubeconfig: no room for %zu bytes", text.len);
	sp_code code = sp_str_starts(sp_str_trim(text), SP_STR("{"))
			       ? sp_json_parse_mut(a, text, doc, ret, err)
			       : sp_yaml_parse(a, text, doc, NULL, ret, err);
	return code == SP_OK ? SP_OK : sp_wrap(err, "kubeconfig");
}

sp_code sp_client_config_parse(sp_world *w, sp_arena *a, sp_str text, sp_str dir, sp_str context,
			       sp_client_config *ret, sp_err *err)
{
	reader r = {w, a, dir};
	sp_client_config c = {.namespace_ = SP_STR("default")};
	yyjson_mut_val *root = NULL, *ctx = NULL, *cluster = NULL, *user = NULL;
	SP_TRY(parse_text(a, text, &root, err));
	sp_str name = context.len > 0 ? context : sp_kv_str(root, "current-context");
	if (name.len == 0)
		return sp_fail(err, SP_ENOTFOUND, "kubeconfig: there is no current-context");
	SP_TRY(find_named(root, "contexts", "context", name, &ctx, err));
	SP_TRY(find_named(root, "clusters", "cluster", sp_kv_str(ctx, "cluster"), &cluster, err));
	if (sp_kv_str(ctx, "user").len > 0)
		SP_TRY(find_named(root, "users", "user", sp_kv_str(ctx, "user"), &user, err));
	SP_TRY(read_cluster(&r, cluster, &c, err));
	SP_TRY(read_user(&r, user, &c, err));
	if (sp_kv_str(ctx, "namespace").len > 0)
		c.namespace_ = sp_kv_str(ctx, "namespace");
	*ret = c;
	return SP_OK;
}

sp_code sp_client_config_cluster(sp_arena *a, sp_str text, sp_client_config *ret, sp_err *err)
{
	reader r = {NULL, a, SP_STR("")};
	sp_client_config c = {.namespace_ = SP_STR("default")};
	yyjson_mut_val *root = NULL;
	SP_TRY(parse_text(a, text, &root, err));
	SP_KV_EACH (item, i, sp_kv_get(root, "clusters")) {
		SP_TRY(read_cluster(&r, sp_kv_get(item, "cluster"), &c, err));
		*ret = c;
		return SP_OK;
	}
	return sp_fail(err, SP_ENOTFOUND, "kubeconfig: there is no cluster");
}

sp_code sp_client_config_load(sp_world *w, sp_arena *a, sp_str path, sp_str context, sp_client_config *ret,
			      sp_err *err)
{
	sp_str text;
	SP_TRY(sp_file_read_arena(w, path, a, SP_LIMIT_KUBECONFIG_BYTES, &text, err));
	ptrdiff_t slash = sp_str_rindex(path, '/');
	sp_code code = sp_client_config_parse(w, a, text, sp_str_sub(path, 0, slash < 0 ? 0 : (size_t)slash),
					      context, ret, err);
	if (code != SP_OK)
		return sp_wrap(err, "'" SP_FMT "'", SP_ARG(path));
	ret->source = sp_arena_try_dup(a, path);
	ret->context = context.len > 0 ? sp_arena_try_dup(a, context) : context;
	if (ret->source.ptr == NULL || (context.len > 0 && ret->context.ptr == NULL))
		return sp_fail(err, SP_ETOOLARGE, "kubeconfig: no room");
	return SP_OK;
}

sp_code sp_client_config_in_cluster(sp_world *w, sp_arena *a, sp_str host, sp_str port, sp_str dir,
				    sp_client_config *ret, sp_err *err)
{
	if (dir.len == 0)
		dir = SP_STR("/var/run/secrets/kubernetes.io/serviceaccount");
	bool v6 = sp_str_index(host, ':') >= 0;
	reader r = {w, a, dir};
	sp_client_config c = {.scheme = SP_STR("https"), .namespace_ = SP_STR("default")};
	if (host.len == 0 || port.len == 0)
		return sp_fail(
			err, SP_EINVAL,
			"not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not "
			"set");
	SP_TRY(join(&r, v6 ? SP_STR("[") : SP_STR(""), host, &c.address, err));
	SP_TRY(join(&r, c.address, v6 ? SP_STR("]:") : SP_STR(":"), &c.address, err));
	SP_TRY(join(&r, c.address, port, &c.address, err));
	SP_TRY(read_file(&r, "token", SP_STR("token"), &c.token, err));
	SP_TRY(read_file(&r, "ca.crt", SP_STR("ca.crt"), &c.ca_pem, err));
	c.token = sp_str_trim(c.token);
	SP_TRY(absolute(&r, SP_STR("token"), &c.token_file, err));
	sp_str ns = {NULL, 0};
	if (read_file(&r, "namespace", SP_STR("namespace"), &ns, NULL) == SP_OK && sp_str_trim(ns).len > 0)
		c.namespace_ = sp_str_trim(ns);
	*ret = c;
	return SP_OK;
}
