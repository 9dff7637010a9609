/* SPDX-License-Identifier: Apache-2.0 */
/* Cluster addresses as IPAddress objects. U: kubernetes
 * pkg/registry/core/service/ipallocator/{ipallocator,cidrallocator}.go. */
#include "apiserver/admission/admission.h"
#include "apiserver/services/services.h"
#include "kube/apply/apply.h"
#include "kube/meta.h"

#define SERVICE_CIDRS "/registry/servicecidrs/"
#define EXTRA_RANGES_MAX 64u

typedef struct ranges {
	bool v4;
	size_t n;
	api_ip_range items[EXTRA_RANGES_MAX];
} ranges;

static const api_resource *address_resource(api_write *w)
{
	return api_resource_by_kind(&w->server->resources, SP_STR("networking.k8s.io"), SP_STR("v1"),
				    SP_STR("IPAddress"));
}

/* ---- ranges ---- */

static bool is_ready(yyjson_mut_val *cidr)
{
	if (sp_kv_has(sp_meta(cidr), "deletionTimestamp"))
		return false;
	SP_KV_EACH (c, i, sp_kv_list(sp_kv_get(cidr, "status"), "conditions")) {
		if (sp_kv_is(c, "type", "Ready"))
			return sp_kv_is(c, "status", "True");
	}
	return false;
}

static bool add_ranges(void *arg, yyjson_mut_val *cidr)
{
	ranges *r = arg;
	if (!is_ready(cidr))
		return true;
	SP_KV_EACH (text, i, sp_kv_list(sp_kv_get(cidr, "spec"), "cidrs")) {
		api_ip_range *range = &r->items[r->n];
		if (r->n < EXTRA_RANGES_MAX && api_ip_range_parse(sp_jmut_str(text), range, NULL) == SP_OK &&
		    range->cidr.ip.v4 == r->v4)
			r->n++;
	}
	return r->n < EXTRA_RANGES_MAX;
}

/* The server's own range first, then those of ServiceCIDR objects. */
static bool find_ranges(api_write *w, bool v4, ranges *r)
{
	const api_service_ranges *own = &w->server->services;
	const api_admit admit = {.w = w};
	*r = (ranges){.v4 = v4};
	for (size_t i = 0; i < own->n_ips; i++) {
		if (own->ips[i].cidr.ip.v4 == v4)
			r->items[r->n++] = own->ips[i];
	}
	if (api_admit_each(&admit, SERVICE_CIDRS, SP_STR(""), add_ranges, r))
		return true;
	api_write_fail(w, SP_EIO, NULL);
	return false;
}

/* ---- claims ---- */

static bool is_taken(api_write *w, sp_str name)
{
	sp_store_value value;
	const api_resource *res = address_resource(w);
	if (sp_store_get(w->server->store, (sp_store_key){res->prefix, name}, 0, &value, NULL) != SP_OK)
		return false;
	sp_bytes_unref(value.record);
	return true;
}

static bool fill(api_write *w, yyjson_mut_val *obj, sp_str ip, sp_str family)
{
	sp_kind_ctx *c = &w->ctx;
	yyjson_mut_val *meta = sp_kv_need_obj(c->doc, obj, "metadata");
	yyjson_mut_val *labels = meta == NULL ? NULL : sp_kv_need_obj(c->doc, meta, "labels");
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, obj, "spec");
	yyjson_mut_val *parent = spec == NULL ? NULL : sp_kv_need_obj(c->doc, spec, "parentRef");
	sp_str uid = sp_meta_uuid(c);
	return labels != NULL && parent != NULL && uid.len > 0 && sp_kv_set_str(c->doc, meta, "name", ip) &&
	       sp_kv_set_str(c->doc, meta, "uid", uid) &&
	       sp_kv_set_str(c->doc, meta, "creationTimestamp", w->now_str) &&
	       sp_kv_set_str(c->doc, labels, "ipaddress.kubernetes.io/ip-family", family) &&
	       sp_kv_set_str(c->doc, labels, "ipaddress.kubernetes.io/managed-by",
			     SP_STR("ipallocator.k8s.io")) &&
	       sp_kv_set_str(c->doc, parent, "group", SP_STR("")) &&
	       sp_kv_set_str(c->doc, parent, "resource", SP_STR("services")) &&
	       sp_kv_set_str(c->doc, parent, "namespace", sp_meta_namespace(w->obj)) &&
	       sp_kv_set_str(c->doc, parent, "name", sp_meta_name(w->obj));
}

static bool add_claim(api_write *w, sp_str ip, sp_str family)
{
	const api_resource *res = address_resource(w);
	yyjson_mut_val *obj = yyjson_mut_obj(w->doc);
	if (w->o.dry_run)
		return true;
	if (obj == NULL || !sp_kv_set_str(w->doc, obj, "kind", SP_STR("IPAddress")) ||
	    !sp_kv_set_str(w->doc, obj, "apiVersion", res->api_version) || !fill(w, obj, ip, family)) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return false;
	}
	const sp_apply_request req = {.arena = &w->arena,
				      .doc = w->doc,
				      .schema = res->kind->schema,
				      .api_version = res->api_version,
				      .kind = res->kind->kind,
				      .manager = SP_STR("kube-apiserver"),
				      .now = w->now_str};
	sp_code code = sp_apply_track(&req, NULL, obj);
	if (code == SP_OK)
		return api_write_also_put(w, res, obj);
	api_write_fail(w, code, NULL);
	return false;
}

static sp_str print(api_write *w, const sp_ip *ip)
{
	char text[SP_IP_TEXT_BYTES];
	return sp_arena_try_dup(&w->arena, (sp_str){text, sp_ip_print(text, ip)});
}

static sp_str refuse_wanted(api_write *w, sp_str wanted, sp_str why)
{
	sp_v_invalid(w->ctx.errors, SP_PATH("spec.clusterIPs"),
		     sp_kv_get(sp_kv_get(w->obj, "spec"), "clusterIPs"),
		     "failed to allocate IP " SP_FMT ": " SP_FMT, SP_ARG(wanted), SP_ARG(why));
	(void)api_service_refuse(w);
	return (sp_str){NULL, 0};
}

static sp_str claim_wanted(api_write *w, const ranges *r, sp_str family, sp_str wanted)
{
	sp_ip ip;
	char range[SP_IP_TEXT_BYTES];
	const api_ip_range *in = NULL;
	if (!sp_ip_parse(wanted, &ip)) {
		(void)api_service_fail(w,
				       sp_arena_printf(&w->arena, "failed to parse service IP \"" SP_FMT "\"",
						       SP_ARG(wanted)));
		return (sp_str){NULL, 0};
	}
	for (size_t i = 0; i < r->n && in == NULL; i++) {
		if (sp_cidr_contains(&r->items[i].cidr, &ip))
			in = &r->items[i];
	}
	sp_str name = print(w, &ip);
	if (in == NULL)
		return refuse_wanted(w, wanted,
				     SP_STR("the provided network does not match the current range"));
	if (!api_ip_range_has(in, &ip)) {
		sp_str text = {range, sp_cidr_print(range, &in->cidr)};
		return refuse_wanted(w, wanted,
				     sp_arena_printf(&w->arena,
						     "the provided IP (" SP_FMT
						     ") is not in the valid range. The range of valid IPs "
						     "is " SP_FMT,
						     SP_ARG(name), SP_ARG(text)));
	}
	if (!w->o.dry_run && is_taken(w, name))
		return refuse_wanted(w, wanted, SP_STR("provided IP is already allocated"));
	return add_claim(w, name, family) ? wanted : (sp_str){NULL, 0};
}

typedef struct search {
	api_write *w;
	const api_ip_range *range;
} search;

static bool number_taken(void *arg, uint64_t i)
{
	search *s = arg;
	char text[SP_IP_TEXT_BYTES];
	sp_ip ip = api_ip_range_at(s->range, i);
	return is_taken(s->w, (sp_str){text, sp_ip_print(text, &ip)});
}

static sp_str claim_any(api_write *w, const ranges *r, sp_str family)
{
	uint64_t i;
	for (size_t k = 0; k < r->n; k++) {
		search s = {w, &r->items[k]};
		if (!api_pick(&s.range->numbers, sp_random_u64(w->server->world), number_taken, &s, &i))
			continue;
		sp_ip ip = api_ip_range_at(s.range, i);
		sp_str name = print(w, &ip);
		return add_claim(w, name, family) ? name : (sp_str){NULL, 0};
	}
	(void)api_service_fail(w, sp_arena_printf(&w->arena,
						  "failed to allocate a serviceIP for Service \"" SP_FMT
						  "\": range is full",
						  SP_ARG(sp_meta_name(w->obj))));
	return (sp_str){NULL, 0};
}

sp_str api_address_claim(api_write *w, sp_str family, sp_str wanted)
{
	ranges *r = sp_try_new(&w->arena, ranges, 1);
	if (r == NULL) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return (sp_str){NULL, 0};
	}
	if (!find_ranges(w, sp_str_eq(family, SP_STR("IPv4")), r))
		return (sp_str){NULL, 0};
	return wanted.len > 0 ? claim_wanted(w, r, family, wanted) : claim_any(w, r, family);
}

bool api_address_release(api_write *w, sp_str text)
{
	sp_ip ip;
	sp_store_value value;
	if (w->o.dry_run || !sp_ip_parse(text, &ip))
		return true;
	sp_store_op op = {.type = SP_STORE_DELETE, .key = {address_resource(w)->prefix, print(w, &ip)}};
	if (op.key.rest.len == 0 || sp_store_get(w->server->store, op.key, 0, &value, NULL) != SP_OK)
		return true; /* somebody removed it before */
	op.expected = value.revision;
	sp_bytes_unref(value.record);
	return api_write_also(w, &op);
}
