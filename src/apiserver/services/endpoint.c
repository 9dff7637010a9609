/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/services/endpoint.h"

#include "base/json.h"

#define OBJECT_BYTES_MAX ((size_t)4 << 20)

static sp_code stored(const api_service_at *at, const char *prefix, sp_str rest, yyjson_val **ret)
{
	sp_store_value value;
	sp_record rec;
	SP_TRY(sp_store_get(at->store, (sp_store_key){sp_str_c(prefix), rest}, 0, &value, NULL));
	sp_code code = sp_record_decode(sp_bytes_view(value.record), &rec, NULL);
	if (code == SP_OK)
		code = sp_json_parse(at->arena, rec.object, ret, NULL);
	sp_bytes_unref(value.record);
	return code;
}

static yyjson_val *find_port(yyjson_val *ports, uint16_t number, const char *key, sp_str name)
{
	yyjson_val *v;
	size_t i, max;
	yyjson_arr_foreach(ports, i, max, v)
	{
		yyjson_val *port = yyjson_obj_get(v, "port");
		if (key == NULL ? (yyjson_is_int(port) && yyjson_get_int(port) == number)
				: sp_str_eq(sp_json_str(yyjson_obj_get(v, key)), name))
			return v;
	}
	return NULL;
}

typedef struct endpoints {
	const api_service_at *at;
	sp_str port_name;
	size_t n_ready;
	sp_str address; /* of one of them, each with the same chance */
	sp_code code;
} endpoints;

static bool is_slice_of(const sp_record *rec, sp_str service)
{
	sp_record_pair pair;
	sp_str packed = rec->labels;
	for (uint16_t i = 0; i < rec->n_labels && sp_record_pair_next(&packed, &pair); i++) {
		if (sp_str_eq(pair.key, SP_STR("kubernetes.io/service-name")))
			return sp_str_eq(pair.value, service);
	}
	return false;
}

static void take_ready(endpoints *e, yyjson_val *slice)
{
	yyjson_val *v, *port = find_port(yyjson_obj_get(slice, "ports"), 0, "name", e->port_name);
	bool v6 = sp_str_eq(sp_json_str(yyjson_obj_get(slice, "addressType")), SP_STR("IPv6"));
	size_t i, max;
	if (!yyjson_is_int(yyjson_obj_get(port, "port")))
		return;
	yyjson_arr_foreach(yyjson_obj_get(slice, "endpoints"), i, max, v)
	{
		sp_str ip = sp_json_str(yyjson_arr_get_first(yyjson_obj_get(v, "addresses")));
		yyjson_val *ready = yyjson_obj_get(yyjson_obj_get(v, "conditions"), "ready");
		if (ip.len == 0 || yyjson_is_false(ready))
			continue;
		e->n_ready++;
		if (sp_random_u64(e->at->world) % e->n_ready != 0)
			continue;
		e->address = sp_arena_printf(e->at->arena, "%s" SP_FMT "%s:%d", v6 ? "[" : "", SP_ARG(ip),
					     v6 ? "]" : "", yyjson_get_int(yyjson_obj_get(port, "port")));
	}
}

static sp_store_visit visit_slice(void *arg, const sp_store_entry *entry)
{
	endpoints *e = arg;
	sp_record rec;
	sp_arena scratch;
	yyjson_val *slice = NULL;
	e->code = sp_record_decode(entry->record, &rec, NULL);
	if (e->code != SP_OK)
		return SP_STORE_STOP;
	if (!is_slice_of(&rec, e->at->name))
		return SP_STORE_SKIP;
	sp_arena_init(&scratch, OBJECT_BYTES_MAX);
	e->code = sp_json_parse(&scratch, rec.object, &slice, NULL);
	if (e->code == SP_OK)
		take_ready(e, slice);
	sp_arena_done(&scratch);
	return e->code == SP_OK ? SP_STORE_TAKE : SP_STORE_STOP;
}

static sp_code find_endpoints(endpoints *e)
{
	sp_store_chunk chunk = {.more = true}, next;
	sp_store_query q = {.resource = SP_STR("/registry/endpointslices/")};
	q.prefix = sp_arena_printf(e->at->arena, SP_FMT "/", SP_ARG(e->at->ns));
	while (chunk.more) {
		q.from = (sp_str){chunk.next, chunk.next_len};
		SP_TRY(sp_store_range(e->at->store, &q, visit_slice, e, &next, NULL));
		SP_TRY(e->code);
		chunk = next;
		q.revision = chunk.revision;
	}
	return SP_OK;
}

bool api_service_endpoint(const api_service_at *at, sp_str *ret_address, sp_str *ret_why)
{
	yyjson_val *service = NULL;
	endpoints e = {.at = at};
	sp_str rest = sp_arena_printf(at->arena, SP_FMT "/" SP_FMT, SP_ARG(at->ns), SP_ARG(at->name));
	if (stored(at, "/registry/services/specs/", rest, &service) != SP_OK) {
		*ret_why = sp_arena_printf(at->arena, "service \"" SP_FMT "\" not found", SP_ARG(at->name));
		return false;
	}
	yyjson_val *port = find_port(yyjson_obj_get(yyjson_obj_get(service, "spec"), "ports"), at->port, NULL,
				     SP_STR(""));
	if (port == NULL) {
		*ret_why = sp_arena_printf(at->arena, "no service port %u found for service \"" SP_FMT "\"",
					   at->port, SP_ARG(at->name));
		return false;
	}
	e.port_name = sp_json_str(yyjson_obj_get(port, "name"));
	if (find_endpoints(&e) != SP_OK || e.address.len == 0) {
		*ret_why = sp_arena_printf(at->arena, "no endpoints available for service \"" SP_FMT "\"",
					   SP_ARG(at->name));
		return false;
	}
	*ret_address = e.address;
	return true;
}
