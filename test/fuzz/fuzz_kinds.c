/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of kinds on objects of every kind that has hooks. First byte: the subresource of the update, '0'
 * none. Then an object and, after a line "#", the stored object; without it the object is created and then
 * updated by itself. Whatever the input, the hooks end, make only what can be written, and default a second
 * time to the same.
 */
#include "kube/decode.h"
#include "kube/defaults.h"
#include "kube/encode.h"
#include "kube/kinds/service.h"
#include "kube/meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct run {
	sp_arena *a;
	const sp_kind *kind;
	sp_violations errors;
	sp_kind_ctx c;
} run;

static void dice(void *arg, void *bytes, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)bytes)[i] = (uint8_t)(i * 37);
}

static void begin(run *r, sp_str sub)
{
	sp_violations_init(&r->errors, r->a);
	r->c = (sp_kind_ctx){.arena = r->a,
			     .doc = r->c.doc,
			     .kind = r->kind,
			     .errors = &r->errors,
			     .now = {.seconds = 1700000000},
			     .random = dice,
			     .subresource = sub};
}

/* NULL: refused. */
static yyjson_mut_val *read_object(run *r, sp_str text)
{
	yyjson_mut_val *obj = NULL;
	if (sp_decode_json(r->a, r->kind->schema, text, r->c.doc, NULL, &obj, NULL) != SP_OK ||
	    !yyjson_mut_is_obj(obj) || sp_default(r->c.doc, r->kind->schema, obj, NULL) != SP_OK ||
	    sp_kind_defaults(&r->c, obj) != SP_OK)
		return NULL;
	return obj;
}

static bool write_object(run *r, sp_buf *out, yyjson_mut_val *obj)
{
	sp_code code = sp_encode_json(out, r->kind->schema, obj);
	SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE);
	return code == SP_OK;
}

static void check_errors(const run *r)
{
	for (size_t i = 0; i < r->errors.n; i++)
		SP_ASSERT(r->errors.items[i].field.len > 0);
	(void)sp_violations_text(r->a, &r->errors);
}

/* What was made can be read, and its defaults are there. */
static yyjson_mut_val *read_back(run *r, yyjson_mut_val *obj)
{
	SP_AUTO_BUF first;
	SP_AUTO_BUF second;
	sp_buf_init(&first, (size_t)8 << 20);
	sp_buf_init(&second, (size_t)8 << 20);
	if (!write_object(r, &first, obj))
		return NULL;
	sp_str text = sp_arena_try_dup(r->a, sp_buf_view(&first));
	yyjson_mut_val *back = read_object(r, text);
	if (back == NULL || !write_object(r, &second, back))
		return NULL;
	SP_ASSERT(sp_str_eq(text, sp_buf_view(&second)));
	return back;
}

static void look(run *r, yyjson_mut_val *obj)
{
	for (size_t i = 0; i < r->kind->n_columns; i++)
		(void)sp_kind_cell(&r->c, obj, r->kind->columns[i].name);
	for (size_t i = 0; i < r->kind->hooks->n_selectable; i++) {
		sp_str value;
		SP_ASSERT(
			sp_kind_field(r->kind->hooks, r->a, obj, r->kind->hooks->selectable[i].name, &value));
	}
}

static void update(run *r, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (sp_str_eq(r->kind->kind, SP_STR("Service")) && r->c.subresource.len == 0) {
		sp_service_begin(&r->c, obj, old);
		sp_service_families(&r->c, obj, old, SP_STR("IPv4"), true);
	}
	sp_code code = sp_kind_before_update(&r->c, obj, old);
	SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE);
	check_errors(r);
	if (code == SP_OK && r->errors.n == 0)
		(void)read_back(r, obj);
	look(r, obj);
}

static void create(run *r, yyjson_mut_val *obj)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, (size_t)8 << 20);
	(void)sp_meta_dedup_owners(&r->c, obj);
	sp_meta_fill_create(&r->c, obj);
	if (!sp_meta_set_namespace(&r->c, obj, r->kind->namespaced ? SP_STR("ns") : SP_STR("")))
		return;
	if (sp_str_eq(r->kind->kind, SP_STR("Service"))) {
		sp_service_begin(&r->c, obj, NULL);
		sp_service_families(&r->c, obj, NULL, SP_STR("IPv4"), true);
	}
	sp_code code = sp_kind_before_create(&r->c, obj);
	SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE);
	check_errors(r);
	look(r, obj);
	if (code != SP_OK || r->errors.n > 0)
		return;
	yyjson_mut_val *old = read_back(r, obj);
	if (old == NULL || !write_object(r, &text, obj))
		return;
	begin(r, SP_STR(""));
	obj = read_object(r, sp_buf_view(&text));
	if (obj != NULL && sp_kv_set_str(r->c.doc, sp_meta(obj), "resourceVersion", SP_STR("1")))
		update(r, obj, old);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const sp_str mark = SP_STR_INIT("\n#\n");
	if (size < 2 || size > 65536)
		return 0;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	sp_str text = {(const char *)data + 1, size - 1}, old_text = {NULL, 0}, version, name;
	ptrdiff_t at = sp_str_find(text, mark);
	if (at >= 0) {
		old_text = sp_str_sub(text, (size_t)at + mark.len, text.len);
		text = sp_str_sub(text, 0, (size_t)at);
	}
	if (sp_decode_type_meta(&a, text, &version, &name, NULL) != SP_OK)
		return 0;
	sp_str rest = version, group = {NULL, 0};
	if (sp_str_cut(&rest, '/', &group))
		version = rest;
	run r = {.a = &a, .kind = sp_kind_by_kind(group, version, name), .c = {.doc = sp_json_doc(&a)}};
	if (r.kind == NULL || r.kind->hooks == NULL || r.c.doc == NULL)
		return 0;
	const sp_kind_hooks *hooks = r.kind->hooks;
	size_t which = data[0] > '0' ? data[0] - (size_t)'0' : 0;
	begin(&r, which > 0 && which <= hooks->n_subs ? hooks->subs[which - 1].name : SP_STR(""));
	yyjson_mut_val *obj = read_object(&r, text), *old;
	if (obj == NULL)
		return 0;
	if (at < 0) {
		create(&r, obj);
		return 0;
	}
	old = read_object(&r, old_text);
	if (old != NULL)
		update(&r, obj, old);
	return 0;
}
