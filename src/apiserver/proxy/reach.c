/* SPDX-License-Identifier: Apache-2.0 */
/* pods, services and nodes as HTTP servers. U: kubernetes pkg/registry/core/pod/strategy.go, service/storage,
 * node/strategy.go (ResourceLocation). */
#include "apiserver/proxy/connect.h"
#include "base/num.h"
#include "kube/meta.h"

#define PATH_BYTES_MAX ((size_t)64 << 10)

/* ---- errors ---- */

static void unavailable(api_request *r, sp_str message)
{
	sp_status s = sp_status_service_unavailable(message);
	api_reply_status(r, &s);
}

static void on_fault(api_request *r, const api_proxy_target *t, api_proxy_fault fault, uint16_t status,
		     const sp_err *err)
{
	if (fault == API_PROXY_NO_UPGRADE)
		api_reply_plain(
			r, sp_arena_printf(r->arena, "invalid upgrade response: status code %u", status));
	else if (r->ex->protocol.len > 0)
		api_reply_plain(r, sp_arena_printf(r->arena, "error dialing backend: " SP_FMT,
						   SP_ARG(api_proxy_why(r->arena, t->address, err))));
	else
		unavailable(r, sp_arena_printf(r->arena, "error trying to reach service: " SP_FMT,
					       SP_ARG(api_proxy_why(r->arena, t->address, err))));
}

/* ---- paths ---- */

/* Go's path.Join of one path, a slash at its end kept. "" stays empty. */
static sp_str clean(sp_arena *a, sp_str path)
{
	SP_AUTO_BUF out;
	sp_str part;
	bool slash = path.len > 0 && path.ptr[path.len - 1] == '/';
	sp_buf_init(&out, PATH_BYTES_MAX);
	if (path.len == 0)
		return path;
	while (sp_str_next(&path, '/', &part)) {
		if (part.len == 0 || sp_str_eq(part, SP_STR(".")))
			continue;
		if (!sp_str_eq(part, SP_STR(".."))) {
			(void)sp_buf_char(&out, '/');
			(void)sp_buf_str(&out, part);
			continue;
		}
		ptrdiff_t at = sp_str_rindex(sp_buf_view(&out), '/');
		out.len = at < 0 ? 0 : (size_t)at;
	}
	if (out.len == 0 || slash)
		(void)sp_buf_char(&out, '/');
	return sp_buf_code(&out) == SP_OK ? sp_arena_try_dup(a, sp_buf_view(&out)) : (sp_str){NULL, 0};
}

static sp_str escaped(sp_arena *a, sp_str path)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, PATH_BYTES_MAX);
	return api_proxy_escape_path(&out, path) == SP_OK ? sp_arena_try_dup(a, sp_buf_view(&out))
							  : (sp_str){NULL, 0};
}

static sp_str raw_query(const api_request *r)
{
	sp_str query = r->ex->path, path;
	return sp_str_cut(&query, '?', &path) ? query : SP_STR("");
}

/* A server without a path in the URL gets one, so that the links of its pages are right. */
static void redirect_to_root(api_request *r)
{
	sp_str query = raw_query(r), location = r->ex->path, path;
	if (sp_str_cut(&location, '?', &path))
		location = path;
	const sp_http_header to = {SP_STR("location"),
				   sp_arena_printf(r->arena, SP_FMT "/%s" SP_FMT, SP_ARG(location),
						   query.len > 0 ? "?" : "", SP_ARG(query))};
	api_reply_with(r, 301, SP_STR(""), &to, 1, SP_STR(""));
}

static void pass_on(api_request *r, yyjson_mut_val *options, api_proxy_target *t)
{
	sp_str path = clean(r->arena, sp_kv_str(options, "path")), whole = r->info.path;
	bool upgrade = r->ex->protocol.len > 0;
	if (path.len == 0 && !upgrade &&
	    (r->ex->method_id == SP_HTTP_GET || r->ex->method_id == SP_HTTP_HEAD)) {
		redirect_to_root(r);
		return;
	}
	sp_str query = upgrade ? SP_STR("") : raw_query(r);
	sp_str to = escaped(r->arena, path);
	t->path = sp_arena_printf(r->arena, SP_FMT "%s" SP_FMT, SP_ARG(to), query.len > 0 ? "?" : "",
				  SP_ARG(query));
	if (path.len > 0 && sp_str_ends(whole, path))
		whole = sp_str_sub(whole, 0, whole.len - path.len);
	t->prefix = escaped(r->arena, whole);
	t->rewrite = true;
	t->fail = on_fault;
	if (t->scheme.len == 0)
		t->scheme = SP_STR("http");
	api_proxy(r, t);
}

static sp_str default_port(sp_str scheme)
{
	return sp_str_eq(scheme, SP_STR("https")) ? SP_STR("443") : SP_STR("80");
}

static bool read_id(api_request *r, const char *what, api_proxy_id *ret)
{
	if (api_proxy_id_parse(r->info.name, ret))
		return true;
	api_reply_bad_request(r, sp_arena_printf(r->arena, "invalid %s request \"" SP_FMT "\"", what,
						 SP_ARG(r->info.name)));
	return false;
}

/* ---- pods ---- */

static sp_str first_port(api_request *r, yyjson_mut_val *pod)
{
	SP_KV_EACH (c, i, sp_kv_list(sp_kv_get(pod, "spec"), "containers")) {
		yyjson_mut_val *port = yyjson_mut_arr_get_first(sp_kv_list(c, "ports"));
		if (port != NULL)
			return sp_arena_printf(r->arena, "%lld",
					       (long long)sp_kv_i64(port, "containerPort", 0));
	}
	return SP_STR("");
}

void api_connect_pod(api_request *r, yyjson_mut_val *options)
{
	api_proxy_id id;
	if (!read_id(r, "pod", &id))
		return;
	yyjson_mut_val *pod = api_connect_load(r, "pods", r->info.ns, id.name);
	if (pod == NULL)
		return;
	yyjson_mut_val *ips = sp_kv_list(sp_kv_get(pod, "status"), "podIPs");
	sp_str ip = sp_kv_str(yyjson_mut_arr_get_first(ips), "ip");
	if (id.port.len == 0)
		id.port = first_port(r, pod);
	if (id.port.len == 0)
		id.port = default_port(id.scheme);
	if (!api_is_global_unicast(ip)) {
		api_reply_bad_request(r, SP_STR("address not allowed"));
		return;
	}
	api_proxy_target t = {.scheme = id.scheme,
			      .address = api_host_port(r->arena, ip, id.port),
			      .tls = r->server->kubelet.others_tls};
	pass_on(r, options, &t);
}

/* ---- services ---- */

/* What the service calls a port that was given by its number. False: answered. */
static bool name_port(api_request *r, api_proxy_id *id)
{
	int64_t number;
	if (sp_parse_i64(id->port, INT64_MIN, INT64_MAX, &number, NULL) != SP_OK)
		return true;
	yyjson_mut_val *service = api_connect_load(r, "services", r->info.ns, id->name);
	if (service == NULL)
		return false;
	SP_KV_EACH (p, i, sp_kv_list(sp_kv_get(service, "spec"), "ports")) {
		if (sp_kv_i64(p, "port", 0) == number) {
			id->port = sp_kv_str(p, "name");
			return true;
		}
	}
	unavailable(r, sp_arena_printf(r->arena, "no service port %lld found for service \"" SP_FMT "\"",
				       (long long)number, SP_ARG(id->name)));
	return false;
}

/* Addresses are proxied to only where they are a pod's. */
static bool is_of_pod(api_request *r, yyjson_mut_val *address)
{
	sp_err err;
	sp_store_value value;
	sp_record rec;
	yyjson_val *pod = NULL, *one;
	size_t i, n;
	bool found = false;
	yyjson_mut_val *target = sp_kv_get(address, "targetRef");
	sp_str rest = sp_arena_printf(r->arena, SP_FMT "/" SP_FMT, SP_ARG(r->info.ns),
				      SP_ARG(sp_kv_str(target, "name")));
	if (target == NULL || !sp_str_eq(sp_kv_str(target, "namespace"), r->info.ns) ||
	    sp_store_get(r->server->store, (sp_store_key){SP_STR("/registry/pods/"), rest}, 0, &value,
			 &err) != SP_OK)
		return false;
	SP_AUTO_BYTES held = value.record;
	if (sp_record_decode(sp_bytes_view(held), &rec, NULL) != SP_OK ||
	    sp_json_parse(r->arena, rec.object, &pod, NULL) != SP_OK)
		return false;
	yyjson_arr_foreach(yyjson_obj_get(yyjson_obj_get(pod, "status"), "podIPs"), i, n, one)
	{
		found = found || sp_str_eq(sp_json_str(yyjson_obj_get(one, "ip")), sp_kv_str(address, "ip"));
	}
	return found;
}

static size_t pick(const api_request *r, size_t n)
{
	uint32_t random;
	sp_random(r->server->world, &random, sizeof random);
	return random % n;
}

/* "ip:port" of an address that is a pod's, from a random one on; {NULL, 0}: none. */
static sp_str pick_address(api_request *r, yyjson_mut_val *subset, yyjson_mut_val *port)
{
	yyjson_mut_val *list = sp_kv_list(subset, "addresses");
	size_t n = sp_kv_len(list), from = n == 0 ? 0 : pick(r, n);
	for (size_t i = 0; i < n; i++) {
		yyjson_mut_val *a = yyjson_mut_arr_get(list, (from + i) % n);
		if (is_of_pod(r, a))
			return api_host_port(
				r->arena, sp_kv_str(a, "ip"),
				sp_arena_printf(r->arena, "%lld", (long long)sp_kv_i64(port, "port", 0)));
	}
	return (sp_str){NULL, 0};
}

static sp_str find_address(api_request *r, yyjson_mut_val *subsets, sp_str port_name)
{
	size_t n = sp_kv_len(subsets), from = pick(r, n);
	for (size_t k = 0; k < n; k++) {
		yyjson_mut_val *subset = yyjson_mut_arr_get(subsets, (from + k) % n);
		SP_KV_EACH (p, i, sp_kv_list(subset, "ports")) {
			sp_str found = {NULL, 0};
			if (sp_str_eq(sp_kv_str(p, "name"), port_name))
				found = pick_address(r, subset, p);
			if (found.len > 0)
				return found;
		}
	}
	return (sp_str){NULL, 0};
}

void api_connect_service(api_request *r, yyjson_mut_val *options)
{
	api_proxy_id id;
	if (!read_id(r, "service", &id) || !name_port(r, &id))
		return;
	yyjson_mut_val *endpoints = api_connect_load(r, "endpoints", r->info.ns, id.name);
	if (endpoints == NULL)
		return;
	yyjson_mut_val *subsets = sp_kv_list(endpoints, "subsets");
	sp_str address = sp_kv_len(subsets) == 0 ? SP_STR("") : find_address(r, subsets, id.port);
	if (address.len == 0) {
		unavailable(r, sp_arena_printf(r->arena, "no endpoints available for service \"" SP_FMT "\"",
					       SP_ARG(sp_kv_len(subsets) == 0 ? id.name : r->info.name)));
		return;
	}
	api_proxy_target t = {.scheme = id.scheme, .address = address, .tls = r->server->kubelet.others_tls};
	pass_on(r, options, &t);
}

/* ---- nodes ---- */

void api_connect_node(api_request *r, yyjson_mut_val *options)
{
	api_proxy_id id;
	api_kubelet k;
	if (!read_id(r, "node", &id) || !api_kubelet_find(r, id.name, &k))
		return;
	bool kubelet = id.port.len == 0 || sp_str_eq(id.port, k.port);
	/* A name is as good as the address behind it; ports other than the kubelet's, where no certificate
	 * is checked, are reached by that address. */
	if (!api_is_global_unicast(k.ip.len > 0 ? k.ip : k.host)) {
		api_reply_bad_request(r, SP_STR("address not allowed"));
		return;
	}
	api_proxy_target t = {
		.scheme = kubelet ? k.scheme : id.scheme,
		.address =
			kubelet ? k.address : api_host_port(r->arena, k.ip.len > 0 ? k.ip : k.host, id.port),
		.server_name = kubelet ? k.host : SP_STR(""),
		.tls = kubelet ? r->server->kubelet.tls : r->server->kubelet.others_tls};
	pass_on(r, options, &t);
}
