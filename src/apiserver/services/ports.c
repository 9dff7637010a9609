/* SPDX-License-Identifier: Apache-2.0 */
/* Node ports, one key of the store each. U: kubernetes
 * pkg/registry/core/service/{portallocator/allocator,storage/alloc}.go. */
#include <stdio.h>

#include "apiserver/services/services.h"
#include "kube/meta.h"
#include "store/record.h"

static const sp_str prefix = SP_STR_INIT("/registry/servicenodeports/");

static sp_store_key key_of(api_write *w, int64_t port)
{
	return (sp_store_key){prefix, sp_arena_printf(&w->arena, "%lld", (long long)port)};
}

static bool is_taken(api_write *w, int64_t port, uint64_t *ret_revision)
{
	char text[24];
	sp_store_value value;
	int n = snprintf(text, sizeof text, "%lld", (long long)port);
	if (sp_store_get(w->server->store, (sp_store_key){prefix, {text, (size_t)n}}, 0, &value, NULL) !=
	    SP_OK)
		return false;
	sp_bytes_unref(value.record);
	if (ret_revision != NULL)
		*ret_revision = value.revision;
	return true;
}

/* True when this write claims the port already. */
static bool is_claimed(api_write *w, int64_t port)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%lld", (long long)port);
	for (size_t i = 1; i < w->n_ops; i++) {
		if (sp_str_eq(w->ops[i].key.resource, prefix) &&
		    sp_str_eq(w->ops[i].key.rest, (sp_str){text, (size_t)n}))
			return true;
	}
	return false;
}

static bool add_claim(api_write *w, int64_t port)
{
	sp_err err;
	const sp_record_info info = {.kind = SP_STR("ServiceNodePort"),
				     .encoding = SP_RECORD_JSON,
				     .splice = SP_RECORD_NO_SPLICE,
				     .i_indexed = SP_RECORD_NO_INDEX};
	sp_store_op op = {.type = SP_STORE_PUT, .key = key_of(w, port)};
	sp_str text = sp_arena_printf(&w->arena, "{\"service\":\"" SP_FMT "/" SP_FMT "\"}",
				      SP_ARG(sp_meta_namespace(w->obj)), SP_ARG(sp_meta_name(w->obj)));
	if (w->o.dry_run)
		return true;
	sp_code code = op.key.rest.ptr == NULL || text.ptr == NULL
			       ? SP_ETOOLARGE
			       : sp_record_build(&info, text, &op.record, &err);
	if (code == SP_OK)
		return api_write_also(w, &op);
	api_write_fail(w, code, NULL);
	return false;
}

api_port_verdict api_port_claim(api_write *w, int64_t wanted)
{
	const api_port_range *r = &w->server->services.ports;
	/* Upstream's dry runs only ask who has the port. U: …/portallocator/operation.go */
	if (!w->o.dry_run && (wanted < r->first || wanted > r->last))
		return API_PORT_OUTSIDE;
	if (is_taken(w, wanted, NULL) || is_claimed(w, wanted))
		return API_PORT_TAKEN;
	return add_claim(w, wanted) ? API_PORT_OK : API_PORT_ANSWERED;
}

static bool number_taken(void *arg, uint64_t i)
{
	api_write *w = arg;
	int64_t port = w->server->services.ports.first + (int64_t)i;
	return is_taken(w, port, NULL) || is_claimed(w, port);
}

api_port_verdict api_port_claim_any(api_write *w, int64_t *ret)
{
	uint64_t i;
	const api_range numbers = api_port_range_numbers(&w->server->services.ports);
	if (!api_pick(&numbers, sp_random_u64(w->server->world), number_taken, w, &i))
		return API_PORT_FULL;
	*ret = w->server->services.ports.first + (int64_t)i;
	return add_claim(w, *ret) ? API_PORT_OK : API_PORT_ANSWERED;
}

bool api_port_release(api_write *w, int64_t port)
{
	sp_store_op op = {.type = SP_STORE_DELETE};
	if (w->o.dry_run || port == 0 || is_claimed(w, port) || !is_taken(w, port, &op.expected))
		return true;
	op.key = key_of(w, port);
	if (op.key.rest.ptr != NULL)
		return api_write_also(w, &op);
	api_write_fail(w, SP_ETOOLARGE, NULL);
	return false;
}

/* ---- of a service ---- */

static bool may_have(yyjson_mut_val *service)
{
	yyjson_mut_val *spec = sp_kv_get(service, "spec");
	return sp_kv_is(spec, "type", "NodePort") || sp_kv_is(spec, "type", "LoadBalancer");
}

static bool wants_all(yyjson_mut_val *service)
{
	yyjson_mut_val *spec = sp_kv_get(service, "spec");
	return sp_kv_is(spec, "type", "NodePort") || (sp_kv_is(spec, "type", "LoadBalancer") &&
						      (!sp_kv_has(spec, "allocateLoadBalancerNodePorts") ||
						       sp_kv_bool(spec, "allocateLoadBalancerNodePorts")));
}

static bool needs_health_check(yyjson_mut_val *service)
{
	yyjson_mut_val *spec = sp_kv_get(service, "spec");
	return sp_kv_is(spec, "type", "LoadBalancer") && sp_kv_is(spec, "externalTrafficPolicy", "Local");
}

static bool has_port(yyjson_mut_val *service, int64_t port)
{
	SP_KV_EACH (p, i, sp_kv_list(sp_kv_get(service, "spec"), "ports")) {
		if (sp_kv_i64(p, "nodePort", 0) == port)
			return true;
	}
	return false;
}

static sp_str text_of(api_write *w, api_port_verdict verdict)
{
	const api_port_range *r = &w->server->services.ports;
	if (verdict == API_PORT_TAKEN)
		return SP_STR("provided port is already allocated");
	if (verdict == API_PORT_FULL)
		return SP_STR("range is full");
	return sp_arena_printf(&w->arena,
			       "provided port is not in the valid range. The range of valid ports is %u-%u",
			       (unsigned)r->first, (unsigned)r->last);
}

static bool claim_sent(api_write *w, size_t i, int64_t port)
{
	api_port_verdict verdict = api_port_claim(w, port);
	if (verdict == API_PORT_OK || verdict == API_PORT_ANSWERED)
		return verdict == API_PORT_OK;
	sp_str why = text_of(w, verdict);
	sp_v_invalid(w->ctx.errors, SP_AT(SP_AT_I(SP_PATH("spec.ports"), i), "nodePort"), port, SP_FMT,
		     SP_ARG(why));
	return api_service_refuse(w);
}

static bool claim_free(api_write *w, yyjson_mut_val *holder, const char *member, const char *what)
{
	int64_t port = 0;
	api_port_verdict verdict = api_port_claim_any(w, &port);
	if (verdict == API_PORT_ANSWERED)
		return false;
	if (verdict != API_PORT_OK)
		return api_service_fail(w, sp_arena_printf(&w->arena, "failed to allocate a %s: " SP_FMT,
							   what, SP_ARG(text_of(w, verdict))));
	SP_KIND_NEED(&w->ctx, sp_kv_set_i64(w->doc, holder, member, port));
	return true;
}

/* The number that an earlier entry of the same service port has; entries of several protocols share it. */
static int64_t shared_port(yyjson_mut_val *ports, size_t before, int64_t port)
{
	int64_t found = 0;
	SP_KV_EACH (p, i, ports) {
		if (i < before && sp_kv_i64(p, "port", 0) == port && found == 0)
			found = sp_kv_i64(p, "nodePort", 0);
	}
	return found;
}

/* A number that another entry of the same service port asks for. */
static int64_t asked_port(yyjson_mut_val *ports, int64_t port)
{
	SP_KV_EACH (p, i, ports) {
		if (sp_kv_i64(p, "port", 0) == port && sp_kv_i64(p, "nodePort", 0) != 0)
			return sp_kv_i64(p, "nodePort", 0);
	}
	return 0;
}

static bool claim_one(api_write *w, yyjson_mut_val *old, yyjson_mut_val *ports, size_t i, yyjson_mut_val *p)
{
	int64_t sent = sp_kv_i64(p, "nodePort", 0), port = sp_kv_i64(p, "port", 0);
	if (sent == 0 && old == NULL) {
		sent = shared_port(ports, i, port);
		if (sent == 0)
			sent = asked_port(ports, port);
		if (sent != 0)
			SP_KIND_NEED(&w->ctx, sp_kv_set_i64(w->doc, p, "nodePort", sent));
	}
	if (sent == 0)
		return claim_free(w, p, "nodePort", "nodePort");
	if ((old != NULL && has_port(old, sent)) || is_claimed(w, sent))
		return true; /* its own, from before or for another protocol */
	return w->o.dry_run && shared_port(ports, i, port) == sent ? true : claim_sent(w, i, sent);
}

static bool claim_ports(api_write *w, yyjson_mut_val *old)
{
	yyjson_mut_val *ports = sp_kv_list(sp_kv_get(w->obj, "spec"), "ports");
	SP_KV_EACH (p, i, ports) {
		if (sp_kv_i64(p, "nodePort", 0) == 0 && !wants_all(w->obj))
			continue;
		if (!claim_one(w, old, ports, i, p))
			return false;
	}
	return true;
}

static bool claim_health_check(api_write *w)
{
	yyjson_mut_val *spec = sp_kv_get(w->obj, "spec");
	int64_t port = sp_kv_i64(spec, "healthCheckNodePort", 0);
	if (port == 0)
		return claim_free(w, spec, "healthCheckNodePort", "HealthCheck NodePort 0");
	api_port_verdict verdict = api_port_claim(w, port);
	if (verdict == API_PORT_OK || verdict == API_PORT_ANSWERED)
		return verdict == API_PORT_OK;
	return api_service_fail(
		w,
		sp_arena_printf(&w->arena, "failed to allocate requested HealthCheck NodePort %lld: " SP_FMT,
				(long long)port, SP_ARG(text_of(w, verdict))));
}

static bool release_gone(api_write *w, yyjson_mut_val *old)
{
	SP_KV_EACH (p, i, may_have(old) ? sp_kv_list(sp_kv_get(old, "spec"), "ports") : NULL) {
		int64_t port = sp_kv_i64(p, "nodePort", 0);
		if (may_have(w->obj) && has_port(w->obj, port))
			continue;
		if (!api_port_release(w, port))
			return false;
	}
	return true;
}

bool api_service_ports(api_write *w, yyjson_mut_val *old)
{
	if (may_have(w->obj) && !claim_ports(w, old))
		return false;
	if (old != NULL && !release_gone(w, old))
		return false;
	bool needed = old != NULL && needs_health_check(old), needs = needs_health_check(w->obj);
	if (needs && !needed)
		return claim_health_check(w);
	if (needed && !needs)
		return api_port_release(w, sp_kv_i64(sp_kv_get(old, "spec"), "healthCheckNodePort", 0));
	return true;
}

bool api_service_ports_release(api_write *w, yyjson_mut_val *service)
{
	SP_KV_EACH (p, i, sp_kv_list(sp_kv_get(service, "spec"), "ports")) {
		if (!api_port_release(w, sp_kv_i64(p, "nodePort", 0)))
			return false;
	}
	return !needs_health_check(service) ||
	       api_port_release(w, sp_kv_i64(sp_kv_get(service, "spec"), "healthCheckNodePort", 0));
}
