/* SPDX-License-Identifier: Apache-2.0 */
/* Where pods, services and nodes are. U: kubernetes pkg/registry/core/{pod,node}/strategy.go,
 * pkg/kubelet/client/kubelet_client.go. */
#include "apiserver/proxy/connect.h"
#include "base/ip.h"
#include "base/num.h"
#include "kube/meta.h"

#define TEXT_BYTES_MAX ((size_t)64 << 10)

yyjson_mut_val *api_connect_load(api_request *r, const char *plural, sp_str ns, sp_str name)
{
	sp_err err = {0};
	sp_store_value value = {0};
	sp_record rec;
	yyjson_mut_val *tree = NULL;
	yyjson_mut_doc *doc = sp_json_doc(r->arena);
	const api_resource *res =
		api_resource_find(&r->server->resources, SP_STR(""), SP_STR("v1"), sp_str_c(plural));
	sp_str rest = api_object_rest(r->arena, res, ns, name);
	const sp_store_key key = {res->prefix, rest};
	sp_code code = doc == NULL || rest.ptr == NULL ? SP_ENOMEM : SP_OK;
	if (code == SP_OK && (name.len == 0 || sp_store_key_check(key, NULL) != SP_OK))
		code = SP_ENOTFOUND;
	if (code == SP_OK)
		code = sp_store_get(r->server->store, key, 0, &value, &err);
	if (code == SP_OK)
		code = sp_record_decode(sp_bytes_view(value.record), &rec, &err);
	if (code == SP_OK)
		code = api_object_tree(r->arena, &rec, value.revision, doc, &tree, &err);
	sp_bytes_unref(value.record);
	if (code == SP_OK)
		return tree;
	sp_status s = code == SP_ENOTFOUND ? sp_status_not_found(r->arena, res->gr, name)
					   : api_status_of(r, code, code == SP_ENOMEM ? NULL : &err);
	api_reply_status(r, &s);
	return NULL;
}

sp_str api_host_port(sp_arena *a, sp_str host, sp_str port)
{
	bool v6 = sp_str_index(host, ':') >= 0;
	return sp_arena_printf(a, "%s" SP_FMT "%s:" SP_FMT, v6 ? "[" : "", SP_ARG(host), v6 ? "]" : "",
			       SP_ARG(port));
}

bool api_is_global_unicast(sp_str text)
{
	sp_ip ip;
	static const uint8_t everybody[4] = {255, 255, 255, 255};
	if (!sp_ip_parse(text, &ip))
		return false;
	bool multicast = ip.v4 ? (ip.bytes[12] & 0xf0) == 0xe0 : ip.bytes[0] == 0xff;
	return !multicast && !sp_ip_is_unspecified(&ip) && !sp_ip_is_loopback(&ip) &&
	       !sp_ip_is_link_local_unicast(&ip) &&
	       !(ip.v4 && memcmp(ip.bytes + 12, everybody, sizeof everybody) == 0);
}

bool api_proxy_id_parse(sp_str id, api_proxy_id *ret)
{
	sp_str parts[3], one;
	size_t n = 0;
	while (sp_str_cut(&id, ':', &one)) {
		if (n == 2)
			return false;
		parts[n++] = one;
	}
	parts[n++] = id;
	*ret = (api_proxy_id){n == 3 ? parts[0] : SP_STR(""), parts[n == 3 ? 1 : 0],
			      n == 1 ? SP_STR("") : parts[n - 1]};
	return ret->name.len > 0 && (ret->scheme.len == 0 || sp_str_eq(ret->scheme, SP_STR("http")) ||
				     sp_str_eq(ret->scheme, SP_STR("https")));
}

/* ---- nodes ---- */

/* As Go prints a list of them. */
static sp_str known_addresses(api_request *r, yyjson_mut_val *list)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	(void)sp_buf_printf(&out, "no preferred addresses found; known addresses: [");
	SP_KV_EACH (a, i, list)
		(void)sp_buf_printf(&out, "%s{" SP_FMT " " SP_FMT "}", i == 0 ? "" : " ",
				    SP_ARG(sp_kv_str(a, "type")), SP_ARG(sp_kv_str(a, "address")));
	(void)sp_buf_char(&out, ']');
	return sp_arena_try_dup(r->arena, sp_buf_view(&out));
}

static sp_str address_of_type(yyjson_mut_val *list, sp_str type)
{
	SP_KV_EACH (a, i, list) {
		if (sp_str_eq(sp_kv_str(a, "type"), type))
			return sp_kv_str(a, "address");
	}
	return (sp_str){NULL, 0};
}

static sp_str preferred(const api_server *s, yyjson_mut_val *list)
{
	sp_str types = s->kubelet.address_types, type, found = {NULL, 0};
	while (types.len > 0 && found.len == 0) {
		if (!sp_str_cut(&types, ',', &type)) {
			type = types;
			types.len = 0;
		}
		found = address_of_type(list, type);
	}
	return found;
}

static sp_str any_ip(yyjson_mut_val *list)
{
	sp_ip ip;
	SP_KV_EACH (a, i, list) {
		if (sp_ip_parse(sp_kv_str(a, "address"), &ip))
			return sp_kv_str(a, "address");
	}
	return (sp_str){NULL, 0};
}

bool api_kubelet_of(const api_server *s, sp_arena *a, yyjson_mut_val *node, api_kubelet *ret)
{
	yyjson_mut_val *list = sp_kv_list(sp_kv_get(node, "status"), "addresses");
	int64_t port =
		sp_kv_i64(sp_kv_path(node, "status", "daemonEndpoints", "kubeletEndpoint", NULL), "Port", 0);
	sp_str host = preferred(s, list);
	if (host.len == 0)
		return false;
	*ret = (api_kubelet){
		.host = host,
		.port = sp_arena_printf(a, "%lld", (long long)(port > 0 ? port : API_KUBELET_PORT)),
		.scheme = s->kubelet.plain ? SP_STR("http") : SP_STR("https"),
		.ip = any_ip(list)};
	ret->address = api_host_port(a, host, ret->port);
	return true;
}

bool api_kubelet_find(api_request *r, sp_str name, api_kubelet *ret)
{
	yyjson_mut_val *node = api_connect_load(r, "nodes", SP_STR(""), name);
	if (node == NULL)
		return false;
	if (api_kubelet_of(r->server, r->arena, node, ret))
		return true;
	api_reply_plain(r, known_addresses(r, sp_kv_list(sp_kv_get(node, "status"), "addresses")));
	return false;
}

/* ---- containers ---- */

static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};

static bool has_container(yyjson_mut_val *spec, sp_str name)
{
	for (size_t i = 0; i < SP_LEN(lists); i++) {
		SP_KV_EACH (c, k, sp_kv_list(spec, lists[i])) {
			if (sp_str_eq(sp_kv_str(c, "name"), name))
				return true;
		}
	}
	return false;
}

static sp_str which_container(api_request *r, yyjson_mut_val *pod)
{
	SP_AUTO_BUF text;
	bool first = true;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	(void)sp_buf_printf(&text, "a container name must be specified for pod " SP_FMT ", choose one of: [",
			    SP_ARG(sp_meta_name(pod)));
	for (size_t i = 0; i < SP_LEN(lists); i++) {
		SP_KV_EACH (c, k, sp_kv_list(sp_kv_get(pod, "spec"), lists[i])) {
			(void)sp_buf_printf(&text, "%s" SP_FMT, first ? "" : " ",
					    SP_ARG(sp_kv_str(c, "name")));
			first = false;
		}
	}
	(void)sp_buf_char(&text, ']');
	return sp_arena_try_dup(r->arena, sp_buf_view(&text));
}

sp_str api_connect_container(api_request *r, yyjson_mut_val *pod, sp_str asked)
{
	yyjson_mut_val *spec = sp_kv_get(pod, "spec"), *containers = sp_kv_list(spec, "containers");
	sp_str why;
	if (asked.len == 0 && sp_kv_len(containers) == 1)
		return sp_kv_str(yyjson_mut_arr_get_first(containers), "name");
	if (asked.len > 0 && has_container(spec, asked))
		return asked;
	if (asked.len > 0)
		why = sp_arena_printf(r->arena, "container " SP_FMT " is not valid for pod " SP_FMT,
				      SP_ARG(asked), SP_ARG(sp_meta_name(pod)));
	else if (sp_kv_len(containers) == 0)
		why = sp_arena_printf(r->arena, "a container name must be specified for pod " SP_FMT,
				      SP_ARG(sp_meta_name(pod)));
	else
		why = which_container(r, pod);
	api_reply_bad_request(r, why);
	return (sp_str){NULL, 0};
}
