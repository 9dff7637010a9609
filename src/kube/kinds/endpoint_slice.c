/* SPDX-License-Identifier: Apache-2.0 */
/* EndpointSlice of discovery.k8s.io/v1. */
#include "base/ip.h"
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/service_int.h"
#include "kube/kinds/warn.h"
#include "kube/meta.h"

#define TOPOLOGY_LABELS_MAX 16
#define ADDRESSES_MAX 100
#define PORTS_MAX 20000
#define ENDPOINTS_MAX 1000
#define HINTS_MAX 8

static const char hostname_label[] = "kubernetes.io/hostname";

/* Node names that the old object has in its deprecated topology. */
static bool had_node(yyjson_mut_val *old, sp_str name)
{
	SP_KV_EACH (endpoint, i, sp_kv_list(old, "endpoints")) {
		if (name.len > 0 &&
		    sp_str_eq(sp_kv_str(sp_kv_get(endpoint, "deprecatedTopology"), hostname_label), name))
			return true;
	}
	return false;
}

/* The topology of v1beta1 goes; a node it names becomes nodeName. */
static void drop_topology(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (old != NULL && sp_kv_equal(sp_kv_get(obj, "endpoints"), sp_kv_get(old, "endpoints")))
		return;
	SP_KV_EACH (endpoint, i, sp_kv_list(obj, "endpoints")) {
		sp_str node = sp_kv_str(sp_kv_get(endpoint, "deprecatedTopology"), hostname_label);
		if (!sp_kv_has(endpoint, "nodeName") && had_node(old, node) &&
		    sp_name_dns1123_subdomain(node).n == 0)
			SP_KIND_NEED(c, sp_kv_set_str(c->doc, endpoint, "nodeName", node));
		sp_kv_drop(endpoint, "deprecatedTopology");
	}
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KIND_NEED(c, sp_kv_set_i64(c->doc, sp_meta(obj), "generation", 1));
	drop_topology(c, obj, NULL);
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const content[] = {"addressType", "endpoints", "ports"};
	bool changed = !sp_kv_equal(sp_kv_get(sp_meta(obj), "labels"), sp_kv_get(sp_meta(old), "labels"));
	for (size_t i = 0; i < SP_LEN(content); i++)
		changed = changed || !sp_kv_equal(sp_kv_get(obj, content[i]), sp_kv_get(old, content[i]));
	if (changed)
		sp_meta_bump_generation(c, obj, old);
	drop_topology(c, obj, old);
}

static void ports_validate(sp_violations *v, yyjson_mut_val *ports, const sp_path *path)
{
	static const char *const protocols[] = {"SCTP", "TCP", "UDP"};
	SP_AUTO_STRSET names = {0};
	if (sp_kv_len(ports) > PORTS_MAX) {
		sp_v_too_many(v, path, (int64_t)sp_kv_len(ports), PORTS_MAX);
		return;
	}
	SP_KV_EACH (port, i, ports) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str name = sp_kv_str(port, "name"), protocol = sp_kv_str(port, "protocol");
		if (name.len > 0)
			sp_v_dns1123_label(v, SP_AT(at, "name"), name);
		if (!sp_strset_add(&names, name, v))
			sp_v_duplicate(v, SP_AT(at, "name"), name);
		if (!sp_kv_has(port, "protocol"))
			sp_v_required(v, SP_AT(at, "protocol"), "%s", "");
		else if (!SP_STR_IN(protocol, protocols))
			sp_v_not_supported(v, SP_AT(at, "protocol"), sp_bad_named(protocol), protocols,
					   SP_LEN(protocols));
		if (sp_kv_has(port, "appProtocol"))
			sp_v_qualified_name(v, SP_AT(at, "appProtocol"), sp_kv_str(port, "appProtocol"));
	}
}

/* All faults of a text as one error. */
static bool joined_faults(sp_violations *v, const sp_path *path, sp_str value, sp_name_faults f)
{
	SP_AUTO_BUF text = {.len = 0};
	if (f.n == 0)
		return false;
	sp_buf_init(&text, 4096);
	for (size_t i = 0; i < f.n; i++) {
		(void)sp_buf_str(&text, i > 0 ? SP_STR(",") : SP_STR(""));
		(void)sp_buf_str(&text, f.items[i].prefix);
		(void)sp_buf_str(&text, f.items[i].text);
	}
	sp_str all = sp_buf_view(&text);
	sp_v_invalid(v, path, value, SP_FMT, SP_ARG(all));
	return true;
}

static void fqdn(sp_violations *v, const sp_path *path, sp_str name)
{
	sp_str label;
	if (name.len == 0) {
		sp_v_required(v, path, "%s", "");
		return;
	}
	if (sp_str_ends(name, SP_STR(".")))
		name = sp_str_sub(name, 0, name.len - 1);
	if (joined_faults(v, path, name, sp_name_dns1123_subdomain(name)))
		return;
	if (sp_str_index(name, '.') < 0) {
		sp_v_invalid(v, path, name,
			     "should be a domain with at least two segments separated by dots");
		return;
	}
	for (bool more = true; more;) {
		more = sp_str_cut(&name, '.', &label);
		if (!more)
			label = name;
		if (joined_faults(v, path, label, sp_name_dns1123_label(label)))
			return;
	}
}

/* An address of the slice's type at addresses[i]; the family's error is on the list. */
static void address_validate(sp_violations *v, sp_str type, sp_str address, const sp_path *path, size_t i)
{
	const sp_path *at = SP_AT_I(path, i);
	bool v4 = sp_str_eq(type, SP_STR("IPv4"));
	size_t before = v->n;
	sp_ip ip;
	if (sp_str_eq(type, SP_STR("FQDN"))) {
		fqdn(v, at, address);
		return;
	}
	if (!v4 && !sp_str_eq(type, SP_STR("IPv6")))
		return;
	if (v4)
		sp_v_ip_legacy(v, at, address, NULL);
	else
		sp_v_ip(v, at, address);
	if (v->n != before || v->code != SP_OK || !sp_ip_parse(address, &ip))
		return;
	if (ip.v4 != v4)
		sp_v_invalid(v, path, address, "must be an %s address", v4 ? "IPv4" : "IPv6");
	sp_endpoint_ip_validate(v, at, address);
}

static void hints_list(sp_violations *v, yyjson_mut_val *list, const sp_path *path, bool nodes)
{
	SP_AUTO_STRSET seen = {0};
	if (sp_kv_len(list) > HINTS_MAX) {
		sp_v_too_many(v, path, (int64_t)sp_kv_len(list), HINTS_MAX);
		return;
	}
	SP_KV_EACH (hint, i, list) {
		const sp_path *at = SP_AT(SP_AT_I(path, i), "name");
		sp_str name = sp_kv_str(hint, "name");
		if (!sp_strset_add(&seen, name, v))
			sp_v_duplicate(v, at, name);
		sp_v_faults(v, at, name, nodes ? sp_name_dns1123_subdomain(name) : sp_name_label_value(name));
	}
}

static void endpoint_validate(sp_violations *v, yyjson_mut_val *endpoint, sp_str type, const sp_path *path)
{
	yyjson_mut_val *addresses = sp_kv_list(endpoint, "addresses");
	yyjson_mut_val *topology = sp_kv_map(endpoint, "deprecatedTopology");
	yyjson_mut_val *hints = sp_kv_get(endpoint, "hints");
	sp_str node = sp_kv_str(endpoint, "nodeName");
	size_t n = sp_kv_len(addresses), before;
	const sp_path *at = SP_AT(path, "addresses"), *at_hints = SP_AT(path, "hints");
	if (n == 0)
		sp_v_required(v, at, "must contain at least 1 address");
	else if (n > ADDRESSES_MAX)
		sp_v_too_many(v, at, (int64_t)n, ADDRESSES_MAX);
	SP_KV_EACH (address, i, addresses) {
		address_validate(v, type, sp_jmut_str(address), at, i);
	}
	if (sp_kv_has(endpoint, "nodeName"))
		sp_v_faults(v, SP_AT(path, "nodeName"), node, sp_name_dns1123_subdomain(node));
	if (sp_kv_len(topology) > TOPOLOGY_LABELS_MAX)
		sp_v_too_many(v, SP_AT(path, "deprecatedTopology"), (int64_t)sp_kv_len(topology),
			      TOPOLOGY_LABELS_MAX);
	sp_labels_validate(v, SP_AT(path, "deprecatedTopology"), topology);
	if (sp_kv_has(endpoint, "hostname"))
		sp_v_dns1123_label(v, SP_AT(path, "hostname"), sp_kv_str(endpoint, "hostname"));
	before = v->n;
	hints_list(v, sp_kv_list(hints, "forZones"), SP_AT(at_hints, "forZones"), false);
	/* too many zones end the check */
	if (v->n == before || v->items[before].type != SP_V_TOO_MANY)
		hints_list(v, sp_kv_list(hints, "forNodes"), SP_AT(at_hints, "forNodes"), true);
}

static void endpoints_validate(sp_violations *v, yyjson_mut_val *obj)
{
	yyjson_mut_val *endpoints = sp_kv_list(obj, "endpoints");
	const sp_path *path = SP_PATH("endpoints");
	if (sp_kv_len(endpoints) > ENDPOINTS_MAX) {
		sp_v_too_many(v, path, (int64_t)sp_kv_len(endpoints), ENDPOINTS_MAX);
		return;
	}
	SP_KV_EACH (endpoint, i, endpoints) {
		endpoint_validate(v, endpoint, sp_kv_str(obj, "addressType"), SP_AT_I(path, i));
	}
}

static void slice_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const types[] = {"FQDN", "IPv4", "IPv6"};
	sp_str type = sp_kv_str(obj, "addressType");
	sp_meta_validate(c, obj);
	if (type.len == 0)
		sp_v_required(c->errors, SP_PATH("addressType"), "%s", "");
	else if (!SP_STR_IN(type, types))
		sp_v_not_supported(c->errors, SP_PATH("addressType"), sp_bad_named(type), types,
				   SP_LEN(types));
	ports_validate(c->errors, sp_kv_list(obj, "ports"), SP_PATH("ports"));
	/* what was stored before may stay as it is */
	if (old == NULL || !sp_kv_equal(sp_kv_get(obj, "endpoints"), sp_kv_get(old, "endpoints")))
		endpoints_validate(c->errors, obj);
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	slice_validate(c, obj, NULL);
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	slice_validate(c, obj, old);
	sp_v_immutable(c->errors, SP_PATH("addressType"), sp_kv_get(obj, "addressType"),
		       sp_kv_get(old, "addressType"));
}

/* Slices of the controllers are copies of what was warned about already. */
static void warn_addresses(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const controllers[] = {"endpointslice-controller.k8s.io",
						  "endpointslicemirroring-controller.k8s.io"};
	if (SP_STR_IN(sp_meta_label(obj, "endpointslice.kubernetes.io/managed-by"), controllers))
		return;
	SP_KV_EACH (endpoint, i, sp_kv_list(obj, "endpoints")) {
		const sp_path *path = SP_AT(SP_AT_I(SP_PATH("endpoints"), i), "addresses");
		SP_KV_EACH (address, k, sp_kv_list(endpoint, "addresses")) {
			sp_ip_warn(c, SP_AT_I(path, k), sp_jmut_str(address));
		}
	}
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	if (sp_kv_is(obj, "addressType", "FQDN"))
		sp_warn(c, "spec.addressType: FQDN endpoints are deprecated");
	warn_addresses(c, obj);
}

static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	warn_addresses(c, obj);
}

#define SHOWN 3u

static yyjson_mut_val *ports_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_str texts[SHOWN];
	yyjson_mut_val *ports = sp_kv_list(obj, "ports");
	SP_KV_EACH (port, i, ports) {
		if (i >= SHOWN)
			continue;
		texts[i] = SP_STR("*");
		if (sp_kv_has(port, "port"))
			texts[i] = sp_arena_printf(c->arena, "%lld", (long long)sp_kv_i64(port, "port", 0));
		else if (sp_kv_has(port, "name"))
			texts[i] = sp_kv_str(port, "name");
	}
	return sp_cell_first_texts(c, texts, sp_kv_len(ports), SHOWN);
}

static yyjson_mut_val *endpoints_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_str texts[SHOWN];
	size_t n = 0;
	SP_KV_EACH (endpoint, i, sp_kv_list(obj, "endpoints")) {
		SP_KV_EACH (address, k, sp_kv_list(endpoint, "addresses")) {
			if (n < SHOWN)
				texts[n] = sp_jmut_str(address);
			n++;
		}
	}
	return sp_cell_first_texts(c, texts, n, SHOWN);
}

static const sp_cell cells[] = {{SP_STR_INIT("Ports"), ports_cell},
				{SP_STR_INIT("Endpoints"), endpoints_cell}};

const sp_kind_hooks sp_hooks_endpoint_slice = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE,
	.prepare_create = prepare_create,
	.prepare_update = prepare_update,
	.validate = validate,
	.validate_update = validate_update,
	.warn_create = warn_create,
	.warn_update = warn_update,
	.cells = cells,
	.n_cells = SP_LEN(cells),
};
