/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/services/services.h"

#include "kube/kinds/service.h"
#include "kube/meta.h"

static bool is_service(const api_write *w)
{
	return w->res->gr.group.len == 0 && sp_str_eq(w->res->gr.resource, SP_STR("services"));
}

bool api_service_refuse(api_write *w)
{
	sp_status s = sp_status_invalid(&w->arena, (sp_group_resource){SP_STR(""), SP_STR("Service")},
					sp_meta_name(w->obj), w->ctx.errors);
	api_write_refuse(w, &s);
	return false;
}

bool api_service_fail(api_write *w, sp_str why)
{
	sp_status s = sp_status_internal(&w->arena, why);
	api_write_refuse(w, &s);
	return false;
}

sp_code api_service_ranges_parse(sp_str cidrs, sp_str node_ports, api_service_ranges *ret, sp_err *err)
{
	sp_str rest = cidrs, one;
	*ret = (api_service_ranges){0};
	SP_TRY(api_port_range_parse(node_ports, &ret->ports, err));
	while (sp_str_next(&rest, ',', &one)) {
		if (ret->n_ips == SP_LEN(ret->ips))
			return sp_fail(err, SP_EINVAL, "services have at most two prefixes");
		SP_TRY(api_ip_range_parse(one, &ret->ips[ret->n_ips], err));
		ret->n_ips++;
	}
	if (ret->n_ips == 0)
		return sp_fail(err, SP_EINVAL, "services need a prefix of addresses");
	if (ret->n_ips == 2 && ret->ips[0].cidr.ip.v4 == ret->ips[1].cidr.ip.v4)
		return sp_fail(err, SP_EINVAL, "two prefixes of services are one of each family");
	return SP_OK;
}

/* ---- addresses of a service ---- */

static yyjson_mut_val *spec_of(yyjson_mut_val *service)
{
	return sp_kv_get(service, "spec");
}

static bool is_external(yyjson_mut_val *service)
{
	return sp_kv_is(spec_of(service), "type", "ExternalName");
}

static sp_str ip_at(yyjson_mut_val *service, size_t i)
{
	return sp_jmut_str(yyjson_mut_arr_get(sp_kv_list(spec_of(service), "clusterIPs"), i));
}

static bool is_headless(yyjson_mut_val *service)
{
	return sp_str_eq(ip_at(service, 0), SP_STR("None"));
}

static size_t n_families(yyjson_mut_val *service)
{
	return sp_kv_len(sp_kv_list(spec_of(service), "ipFamilies"));
}

/* The address of the i-th family, the one that was sent or any. */
static bool claim_at(api_write *w, size_t i)
{
	yyjson_mut_val *spec = spec_of(w->obj), *ips = sp_kv_need_list(w->doc, spec, "clusterIPs");
	yyjson_mut_val *family = yyjson_mut_arr_get(sp_kv_list(spec, "ipFamilies"), i);
	sp_str ip = api_address_claim(w, sp_jmut_str(family), ip_at(w->obj, i));
	if (ip.len == 0)
		return false;
	if (i >= sp_kv_len(ips))
		SP_KIND_NEED(&w->ctx, ips != NULL && sp_kv_append_str(w->doc, ips, ip));
	if (i == 0)
		SP_KIND_NEED(&w->ctx, sp_kv_set_str(w->doc, spec, "clusterIP", ip));
	return true;
}

static bool claim_all(api_write *w)
{
	if (is_external(w->obj) || is_headless(w->obj))
		return true;
	for (size_t i = 0; i < n_families(w->obj); i++) {
		if (!claim_at(w, i))
			return false;
	}
	return true;
}

static bool release_all(api_write *w, yyjson_mut_val *service)
{
	if (is_external(service) || is_headless(service))
		return true;
	SP_KV_EACH (ip, i, sp_kv_list(spec_of(service), "clusterIPs")) {
		if (!api_address_release(w, sp_jmut_str(ip)))
			return false;
	}
	return true;
}

static bool change(api_write *w, yyjson_mut_val *old)
{
	if (is_external(old))
		return claim_all(w);
	if (is_headless(old))
		return true;
	if (is_external(w->obj))
		return release_all(w, old);
	size_t was = n_families(old), now = n_families(w->obj);
	if (was == 1 && now == 2)
		return claim_at(w, 1);
	return was != 2 || now != 1 || api_address_release(w, ip_at(old, 1));
}

bool api_service_allocate(api_write *w, yyjson_mut_val *old)
{
	const api_service_ranges *ranges = &w->server->services;
	if (!is_service(w) || w->ctx.subresource.len > 0)
		return true;
	sp_str primary = ranges->ips[0].cidr.ip.v4 ? SP_STR("IPv4") : SP_STR("IPv6");
	sp_service_begin(&w->ctx, w->obj, old);
	sp_service_families(&w->ctx, w->obj, old, primary, ranges->n_ips == 2);
	if (w->ctx.errors->n > 0)
		return api_service_refuse(w);
	return (old == NULL ? claim_all(w) : change(w, old)) && api_service_ports(w, old);
}

bool api_service_release(api_write *w)
{
	return !is_service(w) || (release_all(w, w->obj) && api_service_ports_release(w, w->obj));
}
