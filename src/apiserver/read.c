/* SPDX-License-Identifier: Apache-2.0 */
/* GET of one object, and what all readers share. */
#include "apiserver/custom/convert.h"
#include "apiserver/server_int.h"
#include "base/limits.h"

#define LABELS_ON_STACK 64u
#define OBJECT_TEXT_BYTES_MAX (SP_LIMIT_STORED_VALUE_BYTES + 64)

bool api_revision_reached(api_request *r, uint64_t revision)
{
	static const sp_status_cause cause = {SP_STR_INIT("ResourceVersionTooLarge"),
					      SP_STR_INIT("Too large resource version"), SP_STR_INIT("")};
	uint64_t now = sp_store_revision(r->server->store);
	if (revision <= now)
		return true;
	sp_str why = sp_arena_printf(r->arena, "Too large resource version: %llu, current: %llu",
				     (unsigned long long)revision, (unsigned long long)now);
	sp_status s = sp_status_timeout(r->arena, why, 1);
	s.causes = &cause;
	s.n_causes = 1;
	api_reply_status(r, &s);
	return false;
}

sp_code api_load(api_request *r, sp_str ns, sp_str name, sp_store_value *ret, sp_record *ret_record,
		 sp_err *err)
{
	sp_str rest = api_object_rest(r->arena, r->res, ns, name);
	if (rest.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for the key");
	sp_store_value value;
	SP_TRY(sp_store_get(r->server->store, (sp_store_key){r->res->prefix, rest}, 0, &value, err));
	sp_code code = sp_record_decode(sp_bytes_view(value.record), ret_record, err);
	if (code != SP_OK) {
		sp_bytes_unref(value.record);
		return sp_wrap(err, "stored object '" SP_FMT "'", SP_ARG(rest));
	}
	*ret = value;
	return SP_OK;
}

sp_code api_view_stored(api_server *s, sp_arena *a, const char *prefix, sp_str ns, sp_str name,
			const sp_view_desc *d, void *ret, sp_err *err)
{
	sp_store_value value;
	sp_record rec;
	sp_str rest = SP_CONCAT(a, ns, ns.len > 0 ? SP_STR("/") : SP_STR(""), name);
	const sp_store_key key = {sp_str_c(prefix), rest};
	if (rest.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for the key");
	if (name.len == 0 || sp_store_key_check(key, NULL) != SP_OK)
		return sp_fail(err, SP_ENOTFOUND, "no object can have that name");
	SP_TRY(sp_store_get(s->store, key, 0, &value, err));
	SP_AUTO_BYTES held = value.record;
	SP_TRY(sp_record_decode(sp_bytes_view(held), &rec, err));
	return sp_view(a, rec.object, d, ret, err);
}

/* ---- one object, perhaps by way of a webhook ---- */

typedef struct loading {
	api_request *r;
	api_convert convert;
	api_convert_item item;
	void (*then)(api_request *r, const sp_record *rec, uint64_t revision);
} loading;

static void loading_gone(api_request *r)
{
	loading *l = r->state;
	r->state = NULL;
	api_convert_cancel(&l->convert);
	api_convert_unref(&l->convert);
}

static void on_converted(api_convert *c)
{
	loading *l = c->arg;
	sp_record rec;
	if (c->failed) {
		sp_status s = api_convert_status(l->r->arena, c);
		api_reply_status(l->r, &s);
	} else if (sp_record_decode(sp_bytes_view(l->item.record), &rec, NULL) != SP_OK) {
		api_reply_error(l->r, SP_EINTERNAL, NULL);
	} else {
		l->then(l->r, &rec, l->item.revision);
	}
}

/* Takes the value. */
static void convert(api_request *r, const sp_store_value *value,
		    void (*then)(api_request *r, const sp_record *rec, uint64_t revision))
{
	loading *l = sp_try_new(r->arena, loading, 1);
	sp_str rest = api_object_rest(r->arena, r->res, r->info.ns, r->info.name);
	if (l == NULL || rest.ptr == NULL) {
		sp_bytes_unref(value->record);
		api_reply_error(r, SP_ETOOLARGE, NULL);
		return;
	}
	l->r = r;
	l->then = then;
	l->item = (api_convert_item){.record = value->record, .rest = rest, .revision = value->revision};
	l->convert = (api_convert){.customs = r->server->customs,
				   .to = r->res->custom,
				   .arena = r->arena,
				   .items = &l->item,
				   .n = 1,
				   .done = on_converted,
				   .arg = l};
	r->state = l;
	r->on_gone = loading_gone;
	if (api_convert_start(&l->convert))
		on_converted(&l->convert);
}

void api_load_served(api_request *r, void (*then)(api_request *r, const sp_record *rec, uint64_t revision))
{
	sp_err err;
	sp_store_value value = {0};
	sp_record rec;
	sp_code code = api_load(r, r->info.ns, r->info.name, &value, &rec, &err);
	if (code != SP_OK) {
		api_reply_error(r, code, &err);
	} else if (api_convert_wanted_by(r->res, &rec)) {
		convert(r, &value, then);
	} else {
		then(r, &rec, value.revision);
		sp_bytes_unref(value.record);
	}
}

static void reply_record(api_request *r, const sp_record *rec, uint64_t revision)
{
	SP_AUTO_BUF json;
	sp_buf_init(&json, OBJECT_TEXT_BYTES_MAX);
	sp_code code = api_object_json(&json, r->res, rec, revision);
	if (code != SP_OK)
		api_reply_error(r, code, NULL);
	else
		api_reply_object(r, 200, sp_buf_view(&json), revision);
}

void api_get(api_request *r)
{
	if (api_get_options_check(r))
		api_load_served(r, reply_record);
}

/* ---- selectors on a record's header ---- */

static bool labels_match(const sp_selector *s, const sp_record *rec)
{
	sp_label stack[LABELS_ON_STACK];
	sp_str packed = rec->labels;
	sp_record_pair pair;
	size_t n = 0;
	if (s->n == 0)
		return sp_labels_match(s, NULL, 0);
	while (n < LABELS_ON_STACK && sp_record_pair_next(&packed, &pair))
		stack[n++] = (sp_label){pair.key, pair.value};
	return sp_labels_match(s, stack, n);
}

static sp_str name_of(const api_resource *res, sp_str rest)
{
	ptrdiff_t slash = res->kind->namespaced ? sp_str_index(rest, '/') : -1;
	return sp_str_sub(rest, (size_t)(slash + 1), rest.len);
}

/* What fields of another version are called in the stored one. U: kubernetes pkg/apis/events/v1/conversion.go
 */
static const struct {
	sp_str group, name, stored;
} field_names[] = {
	{SP_STR_INIT("events.k8s.io"), SP_STR_INIT("regarding.kind"), SP_STR_INIT("involvedObject.kind")},
	{SP_STR_INIT("events.k8s.io"), SP_STR_INIT("regarding.namespace"),
	 SP_STR_INIT("involvedObject.namespace")},
	{SP_STR_INIT("events.k8s.io"), SP_STR_INIT("regarding.name"), SP_STR_INIT("involvedObject.name")},
	{SP_STR_INIT("events.k8s.io"), SP_STR_INIT("regarding.uid"), SP_STR_INIT("involvedObject.uid")},
	{SP_STR_INIT("events.k8s.io"), SP_STR_INIT("regarding.apiVersion"),
	 SP_STR_INIT("involvedObject.apiVersion")},
	{SP_STR_INIT("events.k8s.io"), SP_STR_INIT("regarding.resourceVersion"),
	 SP_STR_INIT("involvedObject.resourceVersion")},
	{SP_STR_INIT("events.k8s.io"), SP_STR_INIT("regarding.fieldPath"),
	 SP_STR_INIT("involvedObject.fieldPath")},
	{SP_STR_INIT("events.k8s.io"), SP_STR_INIT("reportingController"), SP_STR_INIT("reportingComponent")},
};

static sp_str stored_field(const api_resource *res, sp_str key)
{
	for (size_t i = 0; i < SP_LEN(field_names) && res->kind != res->stored; i++) {
		if (sp_str_eq(field_names[i].group, res->kind->group) && sp_str_eq(field_names[i].name, key))
			return field_names[i].stored;
	}
	return key;
}

static sp_str field_of(const api_resource *res, const sp_record *rec, sp_str rest, sp_str key)
{
	sp_str value = {NULL, 0};
	if (sp_str_eq(key, SP_STR("metadata.name")))
		return name_of(res, rest);
	if (sp_str_eq(key, SP_STR("metadata.namespace")))
		return res->kind->namespaced ? sp_str_sub(rest, 0, (size_t)sp_str_index(rest, '/'))
					     : SP_STR("");
	(void)sp_record_pair_find(rec->fields, stored_field(res, key), &value);
	return value;
}

/* The header was written when other fields were to be selected by: the object itself is asked. */
static bool fields_match_object(const sp_selector *s, const sp_record *rec)
{
	sp_arena scratch;
	yyjson_val *root = NULL;
	sp_arena_init(&scratch, OBJECT_TEXT_BYTES_MAX * 16);
	bool match = sp_json_parse(&scratch, rec->object, &root, NULL) == SP_OK && sp_fields_match(s, root);
	sp_arena_done(&scratch);
	return match;
}

bool api_selects(const api_list_options *o, const api_resource *res, const sp_record *rec, sp_str rest)
{
	if (o->fields.n > 0 && res->custom != NULL && !api_custom_has_fields(res->custom, rec))
		return fields_match_object(&o->fields, rec) && labels_match(&o->labels, rec);
	for (size_t i = 0; i < o->fields.n; i++) {
		const sp_requirement *q = &o->fields.reqs[i];
		bool equal = sp_str_eq(field_of(res, rec, rest, q->key), q->values[0]);
		if (equal == (q->op == SP_SEL_NE))
			return false;
	}
	return labels_match(&o->labels, rec);
}
