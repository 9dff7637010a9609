/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/formats.h"
#include "kube/kinds/cells.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/service_int.h"
#include "kube/kinds/warn.h"
#include "kube/meta.h"

static void address_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *address)
{
	sp_str ip = sp_kv_str(address, "ip"), host = sp_kv_str(address, "hostname");
	sp_v_ip_legacy(v, SP_AT(path, "ip"), ip, NULL);
	if (host.len > 0)
		sp_v_dns1123_label(v, SP_AT(path, "hostname"), host);
	if (sp_kv_has(address, "nodeName"))
		sp_v_dns1123_subdomain(v, SP_AT(path, "nodeName"), sp_kv_str(address, "nodeName"));
	sp_endpoint_ip_validate(v, SP_AT(path, "ip"), ip);
}

static void port_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *port, bool need_name)
{
	static const char *const protocols[] = {"SCTP", "TCP", "UDP"};
	sp_str name = sp_kv_str(port, "name");
	if (need_name && name.len == 0)
		sp_v_required(v, SP_AT(path, "name"), "%s", "");
	else if (name.len > 0)
		sp_v_dns1123_label(v, SP_AT(path, "name"), name);
	sp_v_port_num(v, SP_AT(path, "port"), sp_kv_i64(port, "port", 0));
	SP_V_ENUM(v, SP_AT(path, "protocol"), sp_kv_str(port, "protocol"), protocols);
	if (sp_kv_has(port, "appProtocol"))
		sp_v_qualified_name(v, SP_AT(path, "appProtocol"), sp_kv_str(port, "appProtocol"));
}

static void subset_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *subset)
{
	static const char *const lists[] = {"addresses", "notReadyAddresses"};
	yyjson_mut_val *ports = sp_kv_list(subset, "ports");
	if (sp_kv_list(subset, lists[0]) == NULL && sp_kv_list(subset, lists[1]) == NULL)
		sp_v_required(v, path, "must specify `addresses` or `notReadyAddresses`");
	for (size_t k = 0; k < SP_LEN(lists); k++) {
		SP_KV_EACH (address, i, sp_kv_list(subset, lists[k]))
			address_validate(v, SP_AT_I(SP_AT_STR(path, sp_str_c(lists[k])), i), address);
	}
	SP_KV_EACH (port, i, ports)
		port_validate(v, SP_AT_I(SP_AT(path, "ports"), i), port, sp_kv_len(ports) > 1);
}

static void subsets_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KV_EACH (subset, i, sp_kv_list(obj, "subsets"))
		subset_validate(c->errors, SP_AT_I(SP_PATH("subsets"), i), subset);
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	subsets_validate(c, obj);
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	sp_meta_validate(c, obj);
	/* unchanged subsets may be wrong: they were stored under older rules */
	if (!sp_kind_same(c, "subsets", sp_kv_get(obj, "subsets"), sp_kv_get(old, "subsets")))
		subsets_validate(c, obj);
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const lists[] = {"addresses", "notReadyAddresses"};
	if (sp_str_eq(sp_meta_label(obj, "endpoints.kubernetes.io/managed-by"),
		      SP_STR("endpoint-controller")))
		return;
	SP_KV_EACH (subset, i, sp_kv_list(obj, "subsets")) {
		for (size_t k = 0; k < SP_LEN(lists); k++) {
			SP_KV_EACH (address, m, sp_kv_list(subset, lists[k]))
				sp_ip_warn(c,
					   SP_AT(SP_AT_I(SP_AT_STR(SP_AT_I(SP_PATH("subsets"), i),
								   sp_str_c(lists[k])),
							 m),
						 "ip"),
					   sp_kv_str(address, "ip"));
		}
	}
}

static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	warn_create(c, obj);
}

#define SHOWN_MAX 3u

/* The first three of address and port, and how many more there are. */
typedef struct shown {
	sp_buf *out;
	size_t n, total;
} shown;

static void show(shown *s, yyjson_mut_val *addresses, yyjson_mut_val *port)
{
	s->total += sp_kv_len(addresses);
	SP_KV_EACH (address, i, addresses) {
		sp_str ip = sp_kv_str(address, "ip");
		bool v6 = sp_str_index(ip, ':') >= 0 && port != NULL;
		if (s->n == SHOWN_MAX)
			return;
		(void)sp_buf_printf(s->out, v6 ? "%s[" SP_FMT "]" : "%s" SP_FMT, s->n > 0 ? "," : "",
				    SP_ARG(ip));
		if (port != NULL)
			(void)sp_buf_printf(s->out, ":%lld", (long long)sp_kv_i64(port, "port", 0));
		s->n++;
	}
}

static yyjson_mut_val *endpoints_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *subsets = sp_kv_list(obj, "subsets");
	SP_AUTO_BUF out;
	sp_buf_init(&out, c->arena->limit_bytes);
	shown s = {.out = &out};
	SP_KV_EACH (subset, i, subsets) {
		yyjson_mut_val *ports = sp_kv_list(subset, "ports"),
			       *addresses = sp_kv_list(subset, "addresses");
		if (ports == NULL)
			show(&s, addresses, NULL);
		SP_KV_EACH (port, k, ports)
			show(&s, addresses, port);
	}
	if (subsets == NULL)
		return sp_cell_str(c, SP_STR("<none>"));
	if (s.total > s.n)
		(void)sp_buf_printf(&out, " + %zu more...", s.total - SHOWN_MAX);
	return sp_cell_buf(c, &out);
}

static const sp_cell cells[] = {{SP_STR_INIT("Endpoints"), endpoints_cell}};

const sp_kind_hooks sp_hooks_endpoints = {
	.flags = SP_KIND_CREATE_ON_UPDATE | SP_KIND_UNCONDITIONAL_UPDATE,
	.validate = validate,
	.validate_update = validate_update,
	.warn_create = warn_create,
	.warn_update = warn_update,
	.cells = cells,
	.n_cells = SP_LEN(cells),
};
