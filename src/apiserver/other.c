/* SPDX-License-Identifier: Apache-2.0 */
/* Paths that are no resources: health, version, discovery. */
#include "apiserver/server_int.h"
#include "base/version.h"
#include "kube/discovery.h"

#define TEXT_BYTES_MAX ((size_t)16 << 20)

static void reply_page(api_request *r)
{
	api_reply(r, 404, SP_STR("text/plain; charset=utf-8"), SP_STR("404 page not found\n"));
}

/* ---- health ---- */

static bool is_alive(const api_request *r)
{
	(void)r;
	return true;
}

/* The store stands for upstream's etcd: it is well while it takes writes. */
static bool takes_writes(const api_request *r)
{
	return sp_store_broken(r->server->store, NULL) == SP_OK;
}

static bool has_roles(const api_request *r)
{
	return r->server->is_bootstrapped;
}

static const struct {
	sp_str name;
	bool (*is_well)(const api_request *r);
} checks[] = {
	{SP_STR_INIT("ping"), is_alive},
	{SP_STR_INIT("log"), is_alive},
	{SP_STR_INIT("etcd"), takes_writes},
	{SP_STR_INIT("poststarthook/rbac/bootstrap-roles"), has_roles},
};

static void reply_all(api_request *r, sp_str endpoint)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 4096);
	bool well = true, verbose = sp_url_query_find(&r->query, SP_STR("verbose")) != NULL;
	for (size_t i = 0; i < SP_LEN(checks); i++) {
		bool ok = checks[i].is_well(r);
		(void)sp_buf_printf(&text, "[%c]" SP_FMT " %s\n", ok ? '+' : '-', SP_ARG(checks[i].name),
				    ok ? "ok" : "failed: reason withheld");
		well = well && ok;
	}
	(void)sp_buf_printf(&text, SP_FMT " check %s\n", SP_ARG(endpoint), well ? "passed" : "failed");
	sp_str body = well && !verbose ? SP_STR("ok") : sp_buf_view(&text);
	api_reply(r, well ? 200 : 500, SP_STR("text/plain; charset=utf-8"), body);
}

/* /healthz, /livez, /readyz: all checks, or the one named behind the slash. */
static void reply_health(api_request *r)
{
	sp_str check = sp_str_sub(r->info.path, 1, r->info.path.len), endpoint = check;
	if (!sp_str_cut(&check, '/', &endpoint)) {
		reply_all(r, endpoint);
		return;
	}
	for (size_t i = 0; i < SP_LEN(checks); i++) {
		if (!sp_str_eq(check, checks[i].name))
			continue;
		bool ok = checks[i].is_well(r);
		api_reply(r, ok ? 200 : 500, SP_STR("text/plain; charset=utf-8"),
			  ok ? SP_STR("ok") : SP_STR("internal server error: check failed\n"));
		return;
	}
	reply_page(r);
}

static void reply_version(api_request *r)
{
	static const sp_str text = SP_STR_INIT(
		"{\n  \"major\": \"" SP_KUBERNETES_MAJOR "\",\n  \"minor\": \"" SP_KUBERNETES_MINOR
		"\",\n  \"gitVersion\": \"" SP_KUBERNETES_VERSION "+sampan." SP_VERSION
		"\",\n  \"gitCommit\": \"\",\n  \"gitTreeState\": \"clean\",\n  \"buildDate\": "
		"\"1970-01-01T00:00:00Z\",\n"
		"  \"goVersion\": \"none\",\n  \"compiler\": \"gcc\",\n  \"platform\": \"linux/amd64\"\n}");
	api_reply(r, 200, SP_STR("application/json"), text);
}

/* ---- discovery ---- */

static bool is_known_group(const api_request *r)
{
	sp_str rest = r->info.path, group;
	if (!sp_str_take(&rest, SP_STR("/apis/")))
		return true;
	group = rest;
	(void)sp_str_cut(&rest, '/', &group);
	return api_resource_has_group(&r->server->resources, group);
}

static void reply_unknown(api_request *r)
{
	if (!is_known_group(r)) {
		reply_page(r);
		return;
	}
	sp_status s = sp_status_not_found(r->arena, (sp_group_resource){0}, SP_STR(""));
	s.message = SP_STR("the server could not find the requested resource");
	api_reply_status(r, &s);
}

static void reply_doc(api_request *r, sp_code code, const sp_buf *doc, bool aggregated)
{
	static const sp_http_header vary[] = {{SP_STR_INIT("vary"), SP_STR_INIT("Accept")}};
	static const sp_str types[] = {
		SP_STR_INIT("application/json"),
		SP_STR_INIT("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")};
	if (code == SP_ENOTFOUND)
		reply_unknown(r);
	else if (code != SP_OK)
		api_reply_error(r, code, NULL);
	else
		api_reply_with(r, 200, types[aggregated], vary, SP_LEN(vary), sp_buf_view(doc));
}

static sp_code write_doc(api_request *r, const sp_disc *d, sp_buf *doc, bool aggregated)
{
	sp_str path = sp_str_sub(r->info.path, 1, r->info.path.len), first, second;
	while (path.len > 0 && path.ptr[path.len - 1] == '/')
		path.len--;
	bool core = sp_str_take(&path, SP_STR("api/")) || sp_str_eq(path, SP_STR("api"));
	if (aggregated)
		return sp_disc_write_aggregated(doc, d, core, SP_STR("v2"));
	if (core)
		return sp_str_eq(path, SP_STR("api")) ? sp_disc_write_api(doc, r->ex->authority)
						      : sp_disc_write_resources(doc, d, SP_STR(""), path);
	if (sp_str_eq(path, SP_STR("apis")))
		return sp_disc_write_groups(doc, d);
	(void)sp_str_take(&path, SP_STR("apis/"));
	second = path;
	if (!sp_str_cut(&second, '/', &first))
		return sp_disc_write_group(doc, d, path);
	return sp_disc_write_resources(doc, d, first, second);
}

static void reply_discovery(api_request *r)
{
	sp_disc d;
	static const api_output_rules rules = {API_MEDIA_BIT(API_MEDIA_JSON), 1u << API_SHAPE_DISCOVERY,
					       false};
	sp_disc_source from = {.builtin = sp_kinds, .n_builtin = sp_n_kinds};
	sp_err err = {0};
	SP_AUTO_BUF doc;
	sp_buf_init(&doc, TEXT_BYTES_MAX);
	sp_str path = r->info.path;
	bool root = sp_str_eq(path, SP_STR("/api")) || sp_str_eq(path, SP_STR("/apis"));
	bool aggregated = root &&
			  api_negotiate(sp_http_get(&r->ex->headers, SP_HTTP_ACCEPT), &rules, &r->out) &&
			  r->out.shape == API_SHAPE_DISCOVERY;
	sp_code code = api_customs_kinds(r->server->customs, r->arena, &from.custom, &from.n_custom, &err);
	if (code == SP_OK)
		code = sp_disc_build(r->arena, &from, &d);
	if (code == SP_OK)
		code = write_doc(r, &d, &doc, aggregated);
	reply_doc(r, code, &doc, aggregated);
}

/* ---- the table ---- */

static const struct {
	sp_str path;
	bool below; /* and everything under it */
	void (*fn)(api_request *r);
} paths[] = {
	{SP_STR_INIT("/healthz"), true, reply_health},
	{SP_STR_INIT("/livez"), true, reply_health},
	{SP_STR_INIT("/readyz"), true, reply_health},
	{SP_STR_INIT("/version"), true, reply_version},
	{SP_STR_INIT("/apis"), true, reply_discovery},
	{SP_STR_INIT("/api"), true, reply_discovery},
	{SP_STR_INIT("/.well-known/openid-configuration"), false, api_openid_configuration},
	{SP_STR_INIT("/openid/v1/jwks"), false, api_openid_keys},
	{SP_STR_INIT("/openapi/v2"), false, api_docs_v2},
	{SP_STR_INIT("/openapi/v3"), true, api_docs_v3},
	{SP_STR_INIT("/sampan/v1/snapshots"), false, api_snapshot},
};

static void reply_paths(api_request *r)
{
	api_reply(r, 200, SP_STR("application/json"),
		  SP_STR("{\n  \"paths\": [\n    \"/.well-known/openid-configuration\",\n    \"/api\",\n    "
			 "\"/api/v1\",\n    \"/apis\",\n    \"/healthz\",\n    \"/livez\",\n    "
			 "\"/openapi/v2\",\n    \"/openapi/v3\",\n    \"/openid/v1/jwks\",\n    "
			 "\"/readyz\",\n    \"/version\"\n  ]\n}"));
}

void api_other(api_request *r)
{
	for (size_t i = 0; i < SP_LEN(paths); i++) {
		sp_str rest = r->info.path;
		if (sp_str_take(&rest, paths[i].path) &&
		    (rest.len == 0 || (paths[i].below && rest.ptr[0] == '/'))) {
			paths[i].fn(r);
			return;
		}
	}
	if (sp_str_eq(r->info.path, SP_STR("/")))
		reply_paths(r);
	else
		reply_page(r);
}
