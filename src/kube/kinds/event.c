/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/event.h"

#include "kube/formats.h"
#include "kube/kinds/cells.h"
#include "kube/kinds/hooks.h"
#include "kube/meta.h"

/* A text that newer events must have, with a limit. */
static void needed(sp_violations *v, const sp_path *path, sp_str s, bool may_be_empty, size_t max)
{
	if (s.len == 0 && !may_be_empty)
		sp_v_required(v, path, "%s", "");
	if (s.len > max)
		sp_v_invalid(v, path, "", "can have at most %zu characters", max);
}

static void object_namespace(sp_violations *v, yyjson_mut_val *obj, sp_str object_ns, bool timed)
{
	sp_str ns = sp_meta_namespace(obj);
	bool is_default = sp_str_eq(ns, SP_STR("default"));
	bool free_ns = is_default || (timed ? sp_str_eq(ns, SP_STR("kube-system")) : ns.len == 0);
	bool bad = object_ns.len == 0 ? !free_ns : !timed && !sp_str_eq(ns, object_ns);
	if (bad)
		sp_v_invalid(v, SP_PATH("involvedObject.namespace"), object_ns,
			     "does not match event.namespace");
}

void sp_event_validate(sp_kind_ctx *c, yyjson_mut_val *obj, const sp_event_names *names)
{
	sp_violations *v = c->errors;
	bool timed = sp_kv_has(obj, "eventTime");
	sp_str controller = sp_kv_str(obj, names->controller), ns = sp_meta_namespace(obj);
	const sp_path *controller_path = SP_AT_STR(NULL, sp_str_c(names->controller));
	object_namespace(v, obj, sp_kv_str(sp_kv_get(obj, names->object), "namespace"), timed);
	if (timed) {
		if (controller.len == 0)
			sp_v_required(v, controller_path, "%s", "");
		sp_v_qualified_name(v, controller_path, controller);
		needed(v, SP_PATH("reportingInstance"), sp_kv_str(obj, names->instance), false, 128);
		needed(v, SP_PATH("action"), sp_kv_str(obj, "action"), false, 128);
		needed(v, SP_PATH("reason"), sp_kv_str(obj, "reason"), false, 128);
		needed(v, SP_PATH("message"), sp_kv_str(obj, names->message), true, 1024);
	}
	sp_v_dns1123_subdomain(v, SP_PATH("namespace"), ns);
}

static const sp_event_names core_names = {"involvedObject", "reportingComponent", "reportingInstance",
					  "message"};

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_event_validate(c, obj, &core_names);
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	sp_event_validate(c, obj, &core_names);
}

static sp_str source_field(sp_arena *a, yyjson_mut_val *obj)
{
	sp_str component = sp_kv_str(sp_kv_get(obj, "source"), "component");
	(void)a;
	return component.len > 0 ? component : sp_kv_str(obj, "reportingComponent");
}

static const sp_selectable selectable[] = {
	{SP_STR_INIT("involvedObject.kind"), NULL},
	{SP_STR_INIT("involvedObject.namespace"), NULL},
	{SP_STR_INIT("involvedObject.name"), NULL},
	{SP_STR_INIT("involvedObject.uid"), NULL},
	{SP_STR_INIT("involvedObject.apiVersion"), NULL},
	{SP_STR_INIT("involvedObject.resourceVersion"), NULL},
	{SP_STR_INIT("involvedObject.fieldPath"), NULL},
	{SP_STR_INIT("reason"), NULL},
	{SP_STR_INIT("reportingComponent"), NULL},
	{SP_STR_INIT("source"), source_field},
	{SP_STR_INIT("type"), NULL},
};

static sp_str first_seen(yyjson_mut_val *obj)
{
	sp_str first = sp_kv_str(obj, "firstTimestamp");
	return first.len > 0 ? first : sp_kv_str(obj, "eventTime");
}

static yyjson_mut_val *last_seen_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *series = sp_kv_get(obj, "series");
	sp_str last = sp_kv_str(obj, "lastTimestamp");
	if (series != NULL)
		last = sp_kv_str(series, "lastObservedTime");
	else if (last.len == 0)
		last = first_seen(obj);
	return sp_cell_age(c, last);
}

static yyjson_mut_val *first_seen_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_age(c, first_seen(obj));
}

static yyjson_mut_val *object_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *object = sp_kv_get(obj, "involvedObject");
	sp_str kind = sp_kv_str(object, "kind"), name = sp_kv_str(object, "name");
	SP_AUTO_BUF out;
	sp_buf_init(&out, c->arena->limit_bytes);
	for (size_t i = 0; i < kind.len; i++) {
		char ch = kind.ptr[i];
		(void)sp_buf_char(&out, ch >= 'A' && ch <= 'Z' ? (char)(ch + ('a' - 'A')) : ch);
	}
	if (name.len > 0)
		(void)sp_buf_printf(&out, "/" SP_FMT, SP_ARG(name));
	return sp_cell_buf(c, &out);
}

static yyjson_mut_val *source_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_str component = source_field(c->arena, obj), host = sp_kv_str(sp_kv_get(obj, "source"), "host");
	if (host.len == 0)
		host = sp_kv_str(obj, "reportingInstance");
	return sp_cell_printf(c, SP_FMT "%s" SP_FMT, SP_ARG(component), host.len > 0 ? ", " : "",
			      SP_ARG(host));
}

static yyjson_mut_val *message_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_str(c, sp_str_trim(sp_kv_str(obj, "message")));
}

static yyjson_mut_val *count_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *series = sp_kv_get(obj, "series");
	int64_t n = sp_kv_i64(series != NULL ? series : obj, "count", 0);
	return sp_cell_i64(c, series == NULL && n == 0 ? 1 : n);
}

static const sp_cell cells[] = {
	{SP_STR_INIT("Last Seen"), last_seen_cell}, {SP_STR_INIT("First Seen"), first_seen_cell},
	{SP_STR_INIT("Object"), object_cell},       {SP_STR_INIT("Source"), source_cell},
	{SP_STR_INIT("Message"), message_cell},     {SP_STR_INIT("Count"), count_cell},
};

const sp_kind_hooks sp_hooks_event = {
	.flags = SP_KIND_CREATE_ON_UPDATE | SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_NO_GC,
	.validate = validate,
	.validate_update = validate_update,
	.selectable = selectable,
	.n_selectable = SP_LEN(selectable),
	.cells = cells,
	.n_cells = SP_LEN(cells),
};
