/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/event_v1.h"

#include "kube/formats.h"
#include "kube/kinds/cells.h"
#include "kube/kinds/event.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/meta.h"

/* Fields with another name in core/v1. */
static const struct {
	const char *v1, *core;
} renamed[] = {
	{"regarding", "involvedObject"},
	{"note", "message"},
	{"deprecatedSource", "source"},
	{"deprecatedFirstTimestamp", "firstTimestamp"},
	{"deprecatedLastTimestamp", "lastTimestamp"},
	{"deprecatedCount", "count"},
	{"reportingController", "reportingComponent"},
};

static bool rename_members(yyjson_mut_doc *doc, yyjson_mut_val *obj, bool to_core)
{
	bool ok = true;
	for (size_t i = 0; i < SP_LEN(renamed); i++) {
		const char *from = to_core ? renamed[i].v1 : renamed[i].core;
		const char *to = to_core ? renamed[i].core : renamed[i].v1;
		yyjson_mut_val *value = sp_jmut_get(obj, sp_str_c(from)); /* a time that is null, too */
		sp_kv_drop(obj, from);
		ok = ok && (value == NULL || sp_kv_set(doc, obj, to, value));
	}
	return ok;
}

bool sp_event_v1_to_core(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
	(void)a;
	return rename_members(doc, obj, true) && sp_kv_set_str(doc, obj, "apiVersion", SP_STR("v1"));
}

bool sp_event_core_to_v1(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
	(void)a;
	return rename_members(doc, obj, false) &&
	       sp_kv_set_str(doc, obj, "apiVersion", SP_STR("events.k8s.io/v1"));
}

static const sp_event_names names = {"regarding", "reportingController", "reportingInstance", "note"};

static void series_validate(sp_violations *v, yyjson_mut_val *series)
{
	if (series == NULL)
		return;
	if (sp_kv_i64(series, "count", 0) < 2)
		sp_v_invalid(v, SP_PATH("series.count"), "", "should be at least 2");
	if (!sp_kv_has(series, "lastObservedTime"))
		sp_v_required(v, SP_PATH("series.lastObservedTime"), "%s", "");
}

/* Fields that only old clients of core/v1 may set; errors name them as core does. */
static void unset_validate(sp_violations *v, yyjson_mut_val *obj)
{
	static const struct {
		const char *member, *shown;
	} times[] = {{"deprecatedFirstTimestamp", "firstTimestamp"},
		     {"deprecatedLastTimestamp", "lastTimestamp"}};
	yyjson_mut_val *source = sp_kv_get(obj, "deprecatedSource");
	for (size_t i = 0; i < SP_LEN(times); i++) {
		if (sp_kv_has(obj, times[i].member))
			sp_v_invalid(v, SP_AT_STR(NULL, sp_str_c(times[i].shown)), "", "needs to be unset");
	}
	if (sp_kv_i64(obj, "deprecatedCount", 0) != 0)
		sp_v_invalid(v, SP_PATH("count"), "", "needs to be unset");
	if (sp_kv_str(source, "component").len > 0 || sp_kv_str(source, "host").len > 0)
		sp_v_invalid(v, SP_PATH("source"), "", "needs to be unset");
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const types[] = {"Normal", "Warning"};
	sp_violations *v = c->errors;
	sp_str type = sp_kv_str(obj, "type");
	sp_event_validate(c, obj, &names);
	sp_meta_validate(c, obj);
	series_validate(v, sp_kv_get(obj, "series"));
	if (!sp_kv_has(obj, "eventTime"))
		sp_v_required(v, SP_PATH("eventTime"), "%s", "");
	if (!SP_STR_IN(type, types))
		sp_v_invalid(v, SP_PATH("type"), "", "has invalid value: " SP_FMT, SP_ARG(type));
	unset_validate(v, obj);
}

static const sp_go_field reference_fields[] = {{"Kind", "kind", SP_GO_STR, NULL},
					       {"Namespace", "namespace", SP_GO_STR, NULL},
					       {"Name", "name", SP_GO_STR, NULL},
					       {"UID", "uid", SP_GO_STR, NULL},
					       {"APIVersion", "apiVersion", SP_GO_STR, NULL},
					       {"ResourceVersion", "resourceVersion", SP_GO_STR, NULL},
					       {"FieldPath", "fieldPath", SP_GO_STR, NULL}};
static const sp_go_type go_reference = {reference_fields, SP_LEN(reference_fields)};
static const sp_go_field source_fields[] = {{"Component", "component", SP_GO_STR, NULL},
					    {"Host", "host", SP_GO_STR, NULL}};
static const sp_go_type go_source = {source_fields, SP_LEN(source_fields)};

static bool is_text(const sp_kind_ctx *c, const char *member)
{
	const sp_field *f = sp_schema_field(c->kind->schema, sp_str_c(member), NULL);
	return f != NULL && f->schema->kind == SP_K_STRING;
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const struct {
		const char *member, *shown;
		const sp_go_type *type; /* how upstream shows it; NULL: a plain value */
	} immutable[] = {
		{"regarding", "involvedObject", &go_reference},
		{"reason", "reason", NULL},
		{"note", "message", NULL},
		{"deprecatedSource", "source", &go_source},
		{"deprecatedFirstTimestamp", "firstTimestamp", NULL},
		{"deprecatedLastTimestamp", "lastTimestamp", NULL},
		{"deprecatedCount", "count", NULL},
		{"reason", "reason", NULL},
		{"type", "type", NULL},
		{"eventTime", "eventTime", NULL},
		{"action", "action", NULL},
		{"related", "related", &go_reference},
		{"reportingController", "reportingController", NULL},
		{"reportingInstance", "reportingInstance", NULL},
	};
	sp_event_validate(c, obj, &names);
	sp_meta_validate_update(c, obj, old);
	if (!sp_kv_equal(sp_kv_get(obj, "series"), sp_kv_get(old, "series")))
		series_validate(c->errors, sp_kv_get(obj, "series"));
	for (size_t i = 0; i < SP_LEN(immutable); i++) {
		yyjson_mut_val *now = sp_kv_get(obj, immutable[i].member);
		const sp_path *path = SP_AT_STR(NULL, sp_str_c(immutable[i].shown));
		yyjson_mut_val *was = sp_kv_get(old, immutable[i].member);
		bool text = is_text(c, immutable[i].member);
		if (sp_kv_equal(now, was) || (text && sp_jmut_str(now).len == 0 && sp_jmut_str(was).len == 0))
			continue;
		if (immutable[i].type != NULL && now != NULL)
			sp_v_invalid(c->errors, path,
				     sp_bad_text(sp_go_struct(c->arena, immutable[i].type, now)),
				     "field is immutable");
		else if (now == NULL && text)
			sp_v_invalid(c->errors, path, SP_STR(""), "field is immutable");
		else
			sp_v_invalid(c->errors, path, now, "field is immutable");
	}
}

/* A column of core/v1's table. */
static yyjson_mut_val *core_cell(sp_kind_ctx *c, yyjson_mut_val *obj, const char *column)
{
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(c->doc, obj);
	if (copy == NULL || !sp_event_v1_to_core(c->arena, c->doc, copy)) {
		c->code = SP_ETOOLARGE;
		return NULL;
	}
	for (size_t i = 0; i < sp_hooks_event.n_cells; i++) {
		if (sp_str_eq(sp_hooks_event.cells[i].column, sp_str_c(column)))
			return sp_hooks_event.cells[i].make(c, copy);
	}
	return NULL;
}

#define CORE_CELL(name, column)                                                 \
	static yyjson_mut_val *name##_cell(sp_kind_ctx *c, yyjson_mut_val *obj) \
	{                                                                       \
		return core_cell(c, obj, column);                               \
	}
CORE_CELL(last, "Last Seen")
CORE_CELL(first, "First Seen")
CORE_CELL(object, "Object")
CORE_CELL(source, "Source")
CORE_CELL(message, "Message")
CORE_CELL(count, "Count")

static const sp_cell cells[] = {
	{SP_STR_INIT("Last Seen"), last_cell},  {SP_STR_INIT("First Seen"), first_cell},
	{SP_STR_INIT("Object"), object_cell},   {SP_STR_INIT("Source"), source_cell},
	{SP_STR_INIT("Message"), message_cell}, {SP_STR_INIT("Count"), count_cell}};

static const sp_selectable selectable[] = {
	{SP_STR_INIT("reason"), NULL},
	{SP_STR_INIT("regarding.kind"), NULL},
	{SP_STR_INIT("regarding.namespace"), NULL},
	{SP_STR_INIT("regarding.name"), NULL},
	{SP_STR_INIT("regarding.uid"), NULL},
	{SP_STR_INIT("regarding.apiVersion"), NULL},
	{SP_STR_INIT("regarding.resourceVersion"), NULL},
	{SP_STR_INIT("regarding.fieldPath"), NULL},
	{SP_STR_INIT("reportingController"), NULL},
	{SP_STR_INIT("type"), NULL},
};

const sp_kind_hooks sp_hooks_event_v1 = {
	.flags = SP_KIND_CREATE_ON_UPDATE | SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_NO_GC,
	.validate = validate,
	.validate_update = validate_update,
	.selectable = selectable,
	.n_selectable = SP_LEN(selectable),
	.cells = cells,
	.n_cells = SP_LEN(cells),
	.to_stored = sp_event_v1_to_core,
	.from_stored = sp_event_core_to_v1,
};
