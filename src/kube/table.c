/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/table.h"

#include <stdlib.h>

#include "base/duration.h"
#include "base/json_span.h"
#include "base/num.h"
#include "base/quote.h"
#include "kube/jsonpath.h"

/* How a cell is made. */
typedef enum cell_how {
	CELL_HOOK,
	CELL_BUILTIN, /* the value at the path; absent is the zero value */
	CELL_AGE,     /* a time, as the span since then */
	CELL_CREATED, /* a time as it is */
	CELL_CUSTOM,  /* by the column's type; absent is null */
} cell_how;

typedef struct plan_column {
	const sp_column *def;
	cell_how how;
	const sp_jsonpath *path;
	sp_str zero; /* BUILTIN: what an absent value prints, as JSON text */
} plan_column;

struct sp_table_plan {
	const sp_kind *kind;
	size_t n;
	plan_column *columns;
};

/* Columns of kinds that have none of their own; the descriptions are those that built-in kinds give (below).
 */
static const sp_column name_column = {.name = SP_STR_INIT("Name"),
				      .type = SP_STR_INIT("string"),
				      .format = SP_STR_INIT("name"),
				      .path = SP_STR_INIT(".metadata.name")};
static const sp_column created_column = {.name = SP_STR_INIT("Created At"),
					 .type = SP_STR_INIT("date"),
					 .path = SP_STR_INIT(".metadata.creationTimestamp")};
static const sp_column age_column = {.name = SP_STR_INIT("Age"),
				     .type = SP_STR_INIT("date"),
				     .path = SP_STR_INIT(".metadata.creationTimestamp")};

sp_code sp_table_include_parse(sp_str text, sp_table_include *ret, sp_err *err)
{
	static const sp_str names[] = {SP_STR_INIT("Metadata"), SP_STR_INIT("Object"), SP_STR_INIT("None")};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		if (!sp_str_eq(text, names[i]) && (i > 0 || text.len > 0))
			continue;
		*ret = (sp_table_include)i;
		return SP_OK;
	}
	SP_AUTO_BUF quoted;
	sp_buf_init(&quoted, 1 << 16);
	(void)sp_quote_go(&quoted, text);
	return sp_fail(err, SP_EINVAL,
		       "Unable to convert to Table as requested: includeObject: Invalid value: " SP_FMT
		       ": must be 'Metadata', 'Object', 'None', or empty",
		       SP_ARG(sp_buf_view(&quoted)));
}

/* -- the plan ------------------------------------------------------------------------------------------- */

/* The node that a plain path (".a.b") leads to; NULL when it is not plain. */
static const sp_schema *schema_at(const sp_schema *s, sp_str path)
{
	(void)sp_str_take(&path, SP_STR("."));
	for (bool more = true; more;) {
		sp_str step;
		more = sp_str_cut(&path, '.', &step);
		const sp_field *f = s == NULL || s->kind != SP_K_OBJECT
					    ? NULL
					    : sp_schema_field(s, more ? step : path, NULL);
		if (f == NULL)
			return NULL;
		s = f->schema;
	}
	return s;
}

static cell_how how_of(const sp_kind *kind, const sp_column *c, bool custom)
{
	if (custom)
		return CELL_CUSTOM;
	if (c->path.len == 0)
		return CELL_HOOK;
	if (sp_str_eq(c->name, created_column.name))
		return CELL_CREATED;
	const sp_schema *s = schema_at(kind->schema, c->path);
	return s != NULL && (s->kind == SP_K_TIME || s->kind == SP_K_MICROTIME) ? CELL_AGE : CELL_BUILTIN;
}

/* The zero value of what a built-in column shows: of the field's Go type, whatever the column's own type
 * says. */
static sp_str zero_of(const sp_kind *kind, const sp_column *c)
{
	const sp_schema *at = kind->schema;
	sp_str path = c->path, step;
	(void)sp_str_take(&path, SP_STR("."));
	while (at != NULL && path.len > 0) {
		if (!sp_str_cut(&path, '.', &step)) {
			step = path;
			path.len = 0;
		}
		const sp_field *f = at->kind == SP_K_OBJECT ? sp_schema_field(at, step, NULL) : NULL;
		at = f == NULL ? NULL : f->schema;
	}
	sp_schema_kind of = at == NULL ? SP_K_STRING : (sp_schema_kind)at->kind;
	if (of == SP_K_I32 || of == SP_K_I64 || sp_str_eq(c->type, SP_STR("integer")))
		return SP_STR("0");
	return of == SP_K_BOOL ? SP_STR("false") : SP_STR("\"\"");
}

static sp_code add_column(sp_arena *a, sp_table_plan *p, const sp_column *c, bool custom, sp_err *err)
{
	plan_column *col = &p->columns[p->n];
	*col = (plan_column){.def = c, .how = how_of(p->kind, c, custom)};
	col->zero = zero_of(p->kind, c);
	if (col->how == CELL_HOOK) {
		p->n++;
		return SP_OK;
	}
	sp_code code = sp_jsonpath_compile(a, c->path, &col->path, err);
	if (code == SP_EINVAL) {
		SP_AUTO_BUF quoted;
		sp_buf_init(&quoted, 1 << 16);
		(void)sp_quote_go(&quoted, c->path);
		return sp_fail(err, code, "unrecognized column definition " SP_FMT,
			       SP_ARG(sp_buf_view(&quoted)));
	}
	p->n += code == SP_OK;
	return code;
}

/* What built-in kinds say about a column with this path: clients compare it. */
static sp_str shared_description(sp_str path)
{
	const sp_kind *k = sp_kind_by_kind(SP_STR(""), SP_STR("v1"), SP_STR("ConfigMap"));
	for (uint16_t i = 0; k != NULL && i < k->n_columns; i++)
		if (sp_str_eq(k->columns[i].path, path))
			return k->columns[i].description;
	return SP_STR("");
}

/* The column with a description; custom ones say where they come from. NULL: no room. */
static const sp_column *describe(sp_arena *a, const sp_column *c, bool shared)
{
	sp_column *d = sp_try_new(a, sp_column, 1);
	if (c->description.len > 0 || d == NULL)
		return d == NULL ? NULL : c;
	*d = *c;
	d->description =
		shared ? shared_description(c->path)
		       : sp_arena_printf(a, "Custom resource definition column (in JSONPath format): " SP_FMT,
					 SP_ARG(c->path));
	return d->description.ptr == NULL ? NULL : d;
}

/* A column that the kind does not list itself. */
static sp_code add_shared(sp_arena *a, sp_table_plan *p, const sp_column *c, bool custom, sp_err *err)
{
	const sp_column *d = describe(a, c, true);
	if (d == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for the columns");
	return add_column(a, p, d, custom, err);
}

sp_code sp_table_plan_make(sp_arena *a, const sp_kind *kind, const sp_table_plan **ret, sp_err *err)
{
	bool custom = kind->schema == NULL || (kind->schema->flags & SP_S_CRD) != 0;
	sp_table_plan *p = sp_try_new(a, sp_table_plan, 1);
	plan_column *columns = sp_try_new(a, plan_column, (size_t)kind->n_columns + 2);
	if (p == NULL || columns == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for the columns");
	*p = (sp_table_plan){.kind = kind, .columns = columns};
	if (custom || kind->n_columns == 0)
		SP_TRY(add_shared(a, p, &name_column, false, err));
	for (uint16_t i = 0; i < kind->n_columns; i++) {
		const sp_column *c = custom ? describe(a, &kind->columns[i], false) : &kind->columns[i];
		if (c == NULL)
			return sp_fail(err, SP_ETOOLARGE, "no room for the columns");
		SP_TRY(add_column(a, p, c, custom, err));
	}
	if (kind->n_columns == 0)
		SP_TRY(add_shared(a, p, custom ? &age_column : &created_column, custom, err));
	*ret = p;
	return SP_OK;
}

/* -- cells ---------------------------------------------------------------------------------------------- */

/* Go's "<unknown>" for the zero time, "<invalid>" for what is none. */
static void write_age(sp_jout *j, sp_str text, sp_time now)
{
	sp_time t;
	char human[SP_DURATION_HUMAN_BYTES];
	int64_t seconds, ns;
	if (text.len == 0) {
		sp_jout_str(j, SP_STR("<unknown>"));
	} else if (sp_time_parse(text, &t, NULL) != SP_OK) {
		sp_jout_str(j, SP_STR("<invalid>"));
	} else {
		/* As Go, a span that has no room in 64 bits of nanoseconds is the longest one. */
		if (!sp_sub(now.seconds, t.seconds, &seconds) || !sp_mul(seconds, INT64_C(1000000000), &ns) ||
		    !sp_add(ns, (int64_t)now.nanos - (int64_t)t.nanos, &ns))
			ns = now.seconds > t.seconds ? INT64_MAX : INT64_MIN;
		sp_jout_str(j, (sp_str){human, sp_duration_human(human, ns)});
	}
}

static int by_key(const void *x, const void *y)
{
	yyjson_mut_val *const *a = x, *const *b = y;
	return sp_str_cmp(sp_jmut_str(*a), sp_jmut_str(*b));
}

/* JSON with members sorted by name, as Go writes maps. False: no room. The depth is that of the tree. */
static bool write_sorted(sp_arena *a, sp_jout *j, yyjson_mut_val *v)
{
	if (yyjson_mut_is_arr(v)) {
		sp_jout_open(j, '[');
		yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(v);
		for (yyjson_mut_val *item; (item = yyjson_mut_arr_iter_next(&it)) != NULL;)
			if (!write_sorted(a, j, item))
				return false;
		sp_jout_close(j, ']');
		return true;
	}
	if (!yyjson_mut_is_obj(v)) {
		sp_jout_raw(j, SP_STR(""));
		return sp_json_write_mut(j->out, v) == SP_OK;
	}
	size_t n = yyjson_mut_obj_size(v), i = 0;
	yyjson_mut_val **keys = sp_try_new(a, yyjson_mut_val *, n + 1);
	if (keys == NULL)
		return false;
	yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(v);
	for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&it)) != NULL;)
		keys[i++] = key;
	if (n > 1)
		qsort(keys, n, sizeof(void *), by_key);
	sp_jout_open(j, '{');
	for (i = 0; i < n; i++) {
		sp_jout_key(j, sp_jmut_str(keys[i]));
		if (!write_sorted(a, j, yyjson_mut_obj_iter_get_val(keys[i])))
			return false;
	}
	sp_jout_close(j, '}');
	return true;
}

/* A value as text: containers as JSON, the rest as Go prints it. */
static bool write_text(sp_arena *a, sp_jout *j, yyjson_mut_val *v)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_TABLE_ROW_BYTES);
	if (yyjson_mut_is_str(v)) {
		sp_jout_str(j, sp_jmut_str(v));
		return true;
	}
	if (yyjson_mut_is_null(v)) {
		sp_jout_str(j, SP_STR("<no value>"));
		return true;
	}
	sp_jout inner = sp_jout_to(&text);
	bool ok = yyjson_mut_is_ctn(v) ? write_sorted(a, &inner, v) : sp_json_write_go(&text, v) == SP_OK;
	if (ok)
		sp_jout_str(j, sp_buf_view(&text));
	return ok;
}

/* Go's conversion to int64, which cuts; out of range it gives the least one. */
static int64_t cut(double d)
{
	return d >= -9223372036854775808.0 && d < 9223372036854775808.0 ? (int64_t)d : INT64_MIN;
}

static bool write_custom(sp_table *t, const sp_column *c, yyjson_mut_val *v)
{
	sp_jout *j = &t->j;
	if (v == NULL)
		sp_jout_null(j);
	else if (sp_str_eq(c->type, SP_STR("string")))
		return write_text(&t->row, j, v);
	else if (sp_str_eq(c->type, SP_STR("integer")) && yyjson_mut_is_num(v))
		sp_jout_i64(j, yyjson_mut_is_real(v) ? cut(yyjson_mut_get_real(v)) : yyjson_mut_get_sint(v));
	else if (sp_str_eq(c->type, SP_STR("number")) && yyjson_mut_is_num(v)) {
		sp_jout_raw(j, SP_STR(""));
		(void)sp_json_write_f64(j->out, yyjson_mut_get_num(v));
	} else if (sp_str_eq(c->type, SP_STR("boolean")) && yyjson_mut_is_bool(v))
		sp_jout_bool(j, yyjson_mut_get_bool(v));
	else if (sp_str_eq(c->type, SP_STR("date")) && yyjson_mut_is_str(v))
		write_age(j, sp_jmut_str(v), t->options.now);
	else
		sp_jout_null(j);
	return true;
}

static bool write_builtin(sp_table *t, const plan_column *c, yyjson_mut_val *v)
{
	sp_jout *j = &t->j;
	if (c->how == CELL_AGE)
		write_age(j, sp_jmut_str(v), t->options.now);
	else if (c->how == CELL_CREATED)
		sp_jout_str(j, yyjson_mut_is_str(v) ? sp_jmut_str(v) : SP_STR("0001-01-01T00:00:00Z"));
	else if (v != NULL && !yyjson_mut_is_null(v))
		return write_sorted(&t->row, j, v);
	else
		sp_jout_raw(j, c->zero);
	return true;
}

static bool write_hook(sp_table *t, const plan_column *c, sp_kind_ctx *ctx, yyjson_mut_val *object)
{
	yyjson_mut_val *v = sp_kind_cell(ctx, object, c->def->name);
	if (v != NULL)
		return write_sorted(&t->row, &t->j, v);
	sp_jout_null(&t->j);
	return ctx->code == SP_OK;
}

static bool write_cell(sp_table *t, const plan_column *c, sp_kind_ctx *ctx, yyjson_mut_val *object)
{
	if (c->how == CELL_HOOK)
		return write_hook(t, c, ctx, object);
	sp_jsonpath_results found = {.n = 0};
	sp_code code = sp_jsonpath_find(c->path, &t->row, ctx->doc, object, &found, NULL);
	if (code == SP_ETOOLARGE)
		return false;
	yyjson_mut_val *v = code == SP_OK && found.n > 0 ? found.items[0] : NULL;
	return c->how == CELL_CUSTOM ? write_custom(t, c->def, v) : write_builtin(t, c, v);
}

/* -- rows ----------------------------------------------------------------------------------------------- */

void sp_table_init(sp_table *t, const sp_table_plan *plan, const sp_table_options *options, sp_buf *out)
{
	*t = (sp_table){.j = sp_jout_to(out), .plan = plan, .options = *options};
	sp_arena_init(&t->row, SP_TABLE_ROW_BYTES);
}

void sp_table_done(sp_table *t)
{
	sp_arena_done(&t->row);
}

static void write_list_meta(sp_jout *j, const sp_list_meta *m)
{
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	if (m->resource_version.len > 0)
		sp_jout_member_str(j, SP_STR("resourceVersion"), m->resource_version);
	if (m->cont.len > 0)
		sp_jout_member_str(j, SP_STR("continue"), m->cont);
	if (m->remaining > 0)
		sp_jout_member_i64(j, SP_STR("remainingItemCount"), m->remaining);
	sp_jout_close(j, '}');
}

static void write_column(sp_jout *j, const sp_column *c)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("name"), c->name);
	sp_jout_member_str(j, SP_STR("type"), c->type);
	sp_jout_member_str(j, SP_STR("format"), c->format);
	sp_jout_member_str(j, SP_STR("description"), c->description);
	sp_jout_member_i64(j, SP_STR("priority"), c->priority);
	sp_jout_close(j, '}');
}

sp_code sp_table_begin(sp_table *t, const sp_list_meta *meta)
{
	sp_jout *j = &t->j;
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("kind"), SP_STR("Table"));
	sp_jout_member_str(j, SP_STR("apiVersion"), SP_STR("meta.k8s.io/v1"));
	write_list_meta(j, meta);
	if (t->options.no_headers) {
		sp_jout_member_raw(j, SP_STR("columnDefinitions"), SP_STR("null"));
	} else {
		sp_jout_member_open(j, SP_STR("columnDefinitions"), '[');
		for (size_t i = 0; i < t->plan->n; i++)
			write_column(j, t->plan->columns[i].def);
		sp_jout_close(j, ']');
	}
	sp_jout_member_open(j, SP_STR("rows"), '[');
	return sp_buf_code(j->out);
}

sp_code sp_table_end(sp_table *t)
{
	sp_jout_close(&t->j, ']');
	sp_jout_close(&t->j, '}');
	return sp_buf_code(t->j.out);
}

/* Rows of pods that ended are marked, so that clients may leave them out. */
static void write_conditions(sp_jout *j, const sp_kind *kind, yyjson_mut_val *object)
{
	static const struct {
		sp_str phase, json;
	} rows[] = {
		{SP_STR_INIT("Succeeded"),
		 SP_STR_INIT(
			 "[{\"type\":\"Completed\",\"status\":\"True\",\"reason\":\"Succeeded\",\"message\":"
			 "\"The pod has completed successfully.\"}]")},
		{SP_STR_INIT("Failed"),
		 SP_STR_INIT("[{\"type\":\"Completed\",\"status\":\"True\",\"reason\":\"Failed\",\"message\":"
			     "\"The pod failed.\"}]")}};
	if (kind->group.len > 0 || !sp_str_eq(kind->kind, SP_STR("Pod")))
		return;
	sp_str phase = sp_jmut_str(sp_jmut_path(object, "status", "phase", NULL));
	for (size_t i = 0; i < SP_LEN(rows); i++)
		if (sp_str_eq(phase, rows[i].phase))
			sp_jout_member_raw(j, SP_STR("conditions"), rows[i].json);
}

static sp_code write_row(sp_table *t, sp_str text, yyjson_mut_doc *doc, yyjson_mut_val *object)
{
	sp_jout *j = &t->j;
	sp_kind_ctx ctx = {.arena = &t->row, .doc = doc, .kind = t->plan->kind, .now = t->options.now};
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("cells"), '[');
	for (size_t i = 0; i < t->plan->n; i++)
		if (!write_cell(t, &t->plan->columns[i], &ctx, object))
			return SP_ETOOLARGE;
	yyjson_mut_val *beyond = sp_kind_cell(&ctx, object, SP_STR(""));
	if (beyond != NULL && !write_sorted(&t->row, j, beyond))
		return SP_ETOOLARGE;
	sp_jout_close(j, ']');
	write_conditions(j, t->plan->kind, object);
	sp_jout_key(j, SP_STR("object"));
	switch (t->options.include) {
	case SP_TABLE_NONE:
		sp_jout_null(j);
		break;
	case SP_TABLE_OBJECT:
		sp_jout_raw(j, text);
		break;
	case SP_TABLE_METADATA:
		SP_TRY(sp_partial_write(j, t->plan->kind, text));
		break;
	}
	sp_jout_close(j, '}');
	return sp_buf_code(j->out);
}

sp_code sp_table_row(sp_table *t, sp_str object, sp_err *err)
{
	yyjson_mut_doc *doc = sp_json_doc(&t->row);
	yyjson_mut_val *root = NULL;
	sp_code code = doc == NULL ? sp_fail(err, SP_ETOOLARGE, "no room for the object")
				   : sp_json_parse_mut(&t->row, object, doc, &root, err);
	if (code == SP_OK && !yyjson_mut_is_obj(root))
		code = sp_fail(err, SP_EINVAL, "a row of a table is not an object");
	if (code == SP_OK) {
		code = write_row(t, sp_str_trim(object), doc, root);
		if (code != SP_OK)
			code = sp_fail(err, code, "cannot write a row of a table");
	}
	sp_arena_reset(&t->row);
	return code;
}

/* -- metadata only -------------------------------------------------------------------------------------- */

#define METADATA_BYTES_MAX ((size_t)16 << 20)

/* Metadata without annotations that stand for fields: only whole objects have those. `buf` holds the text. */
static sp_code drop_fields(const char *const *names, sp_str *metadata, sp_buf *buf)
{
	sp_str annotations = SP_STR("{}"), value;
	bool found = false;
	SP_AUTO_BUF kept, less;
	sp_buf_init(&kept, METADATA_BYTES_MAX);
	sp_buf_init(&less, METADATA_BYTES_MAX);
	sp_code code = sp_json_span(*metadata, SP_STR("annotations"), &annotations);
	if (code != SP_OK)
		return code == SP_ENOTFOUND ? SP_OK : code;
	for (; *names != NULL; names++) {
		sp_str name = sp_str_c(*names);
		if (sp_json_span(annotations, name, &value) != SP_OK)
			continue;
		sp_buf_clear(&less);
		SP_TRY(sp_json_span_without(&less, annotations, name));
		sp_buf_clear(&kept);
		annotations = sp_buf_view(&less);
		SP_TRY(sp_buf_str(&kept, annotations));
		annotations = sp_buf_view(&kept);
		found = true;
	}
	if (!found)
		return SP_OK;
	SP_TRY(sp_json_span_without(buf, *metadata, SP_STR("annotations")));
	if (!sp_str_eq(annotations, SP_STR("{}"))) {
		bool alone = buf->len == 2;
		buf->len--;
		(void)sp_buf_str(buf, alone ? SP_STR("\"annotations\":") : SP_STR(",\"annotations\":"));
		(void)sp_buf_str(buf, annotations);
		(void)sp_buf_char(buf, '}');
	}
	*metadata = sp_buf_view(buf);
	return sp_buf_code(buf);
}

sp_code sp_partial_write(sp_jout *j, const sp_kind *kind, sp_str object)
{
	sp_str metadata = SP_STR("{}");
	SP_AUTO_BUF without;
	sp_buf_init(&without, METADATA_BYTES_MAX);
	sp_code code = sp_json_span(object, SP_STR("metadata"), &metadata);
	if (code != SP_OK && code != SP_ENOTFOUND)
		return code;
	if (kind->hooks != NULL && kind->hooks->field_annotations != NULL)
		SP_TRY(drop_fields(kind->hooks->field_annotations, &metadata, &without));
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("kind"), SP_STR("PartialObjectMetadata"));
	sp_jout_member_str(j, SP_STR("apiVersion"), SP_STR("meta.k8s.io/v1"));
	sp_jout_member_raw(j, SP_STR("metadata"), metadata);
	sp_jout_close(j, '}');
	return sp_buf_code(j->out);
}

sp_code sp_partial_list_begin(sp_jout *j, const sp_list_meta *meta)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("kind"), SP_STR("PartialObjectMetadataList"));
	sp_jout_member_str(j, SP_STR("apiVersion"), SP_STR("meta.k8s.io/v1"));
	write_list_meta(j, meta);
	sp_jout_member_open(j, SP_STR("items"), '[');
	return sp_buf_code(j->out);
}

sp_code sp_partial_list_end(sp_jout *j)
{
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
	return sp_buf_code(j->out);
}
