/* SPDX-License-Identifier: Apache-2.0 */
/* Field selectors: their grammar, which fields a kind has, and where they stand in its JSON. */
#include <stdlib.h>

#include "base/num.h"
#include "base/quote.h"
#include "kube/selector_int.h"

/* -- the grammar ---------------------------------------------------------------------------------------- */

/* Cuts the next term at a comma that no backslash protects. */
static bool next_term(sp_str *rest, sp_str *ret)
{
	bool in_slash = false;
	if (rest->ptr == NULL)
		return false;
	for (size_t i = 0; i < rest->len; i++) {
		char c = rest->ptr[i];
		if (!in_slash && c == ',') {
			*ret = sp_str_sub(*rest, 0, i);
			*rest = sp_str_sub(*rest, i + 1, rest->len);
			return true;
		}
		in_slash = !in_slash && c == '\\';
	}
	*ret = *rest;
	*rest = (sp_str){NULL, 0};
	return true;
}

/* The first operator in a term; "==" before "=". */
static bool split_term(sp_str term, sp_str *ret_key, sp_sel_op *ret_op, sp_str *ret_value)
{
	for (size_t i = 0; i < term.len; i++) {
		sp_str rest = sp_str_sub(term, i, term.len);
		sp_sel_op op = sp_str_take(&rest, SP_STR("!="))   ? SP_SEL_NE
			       : sp_str_take(&rest, SP_STR("==")) ? SP_SEL_DOUBLE_EQ
			       : sp_str_take(&rest, SP_STR("="))  ? SP_SEL_EQ
								  : SP_SEL_OP_COUNT_;
		if (op == SP_SEL_OP_COUNT_)
			continue;
		*ret_key = sp_str_sub(term, 0, i);
		*ret_op = op;
		*ret_value = rest;
		return true;
	}
	return false;
}

/* Takes the backslashes out of a value, in place: `text` is the selector's own copy. */
static sp_code unescape(sp_arena *a, sp_str raw, char *text, sp_str *ret, sp_str *why)
{
	size_t n = 0;
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.ptr[i];
		if (c == ',' || c == '=')
			return sp_sel_why(a, why, "invalid field selector: unescaped character in value: %d",
					  (int)c);
		if (c == '\\') {
			sp_str next = sp_str_sub(raw, i + 1, raw.len);
			size_t len = 1;
			while (len < next.len && ((unsigned char)next.ptr[len] & 0xc0) == 0x80)
				len++;
			c = next.len == 0 ? '\0' : next.ptr[0];
			if (c != '\\' && c != ',' && c != '=')
				return sp_sel_why(
					a, why, "invalid field selector: invalid escape sequence: \\" SP_FMT,
					SP_ARG(sp_str_sub(next, 0, len)));
			i++;
		}
		text[n++] = c;
	}
	*ret = (sp_str){text, n};
	return SP_OK;
}

static sp_code add_term(sp_sel_list *l, sp_str whole, sp_str term, sp_str *why)
{
	sp_requirement r = {.n_values = 1};
	sp_sel_op op;
	sp_str raw;
	if (!split_term(term, &r.key, &op, &raw))
		return sp_sel_why(l->arena, why,
				  "invalid selector: '" SP_FMT "'; can't understand '" SP_FMT "'",
				  SP_ARG(whole), SP_ARG(term));
	sp_str *value = sp_try_new(l->arena, sp_str, 1);
	char *text = sp_try_new(l->arena, char, raw.len + 1);
	if (value == NULL || text == NULL)
		return SP_ETOOLARGE;
	SP_TRY(unescape(l->arena, raw, text, value, why));
	r.op = (uint8_t)op;
	r.values = value;
	return sp_sel_add(l, &r) ? SP_OK : SP_ETOOLARGE;
}

static int by_text(const void *x, const void *y)
{
	const sp_str *a = x, *b = y;
	return sp_str_cmp(*a, *b);
}

sp_code sp_fields_parse(sp_arena *a, sp_str text, sp_selector *ret, sp_str *why)
{
	sp_str copy = sp_arena_try_dup(a, text), rest, term;
	sp_sel_list l = {.arena = a};
	if (copy.ptr == NULL && text.len > 0)
		return SP_ETOOLARGE;
	size_t n = 0;
	for (rest = copy; next_term(&rest, &term);)
		n++;
	/* Terms are understood in the order of their text, which decides about the first complaint. */
	sp_str *terms = sp_try_new(a, sp_str, n + 1);
	if (terms == NULL)
		return SP_ETOOLARGE;
	n = 0;
	for (rest = copy; next_term(&rest, &term);)
		terms[n++] = term;
	if (n > 1)
		qsort(terms, n, sizeof(*terms), by_text);
	for (size_t i = 0; i < n; i++)
		if (terms[i].len > 0)
			SP_TRY(add_term(&l, copy, terms[i], why));
	*ret = (sp_selector){.reqs = l.items, .n = l.n, .of_fields = true};
	return SP_OK;
}

/* -- the fields of kinds -------------------------------------------------------------------------------- */

/* One field that a kind supports. */
typedef struct field_row {
	sp_str label;
	const char *paths[SP_FIELD_PATHS_MAX]; /* dotted; none: the value is always the fallback */
	const char *fallback;
} field_row;

static const field_row row_name = {SP_STR_INIT("metadata.name"), {"metadata.name"}, ""};
static const field_row row_namespace = {SP_STR_INIT("metadata.namespace"), {"metadata.namespace"}, ""};

static const field_row pod_rows[] = {
	{SP_STR_INIT("spec.nodeName"), {"spec.nodeName"}, ""},
	{SP_STR_INIT("spec.host"), {"spec.nodeName"}, ""},
	{SP_STR_INIT("spec.restartPolicy"), {"spec.restartPolicy"}, ""},
	{SP_STR_INIT("spec.schedulerName"), {"spec.schedulerName"}, ""},
	{SP_STR_INIT("spec.serviceAccountName"), {"spec.serviceAccountName"}, ""},
	{SP_STR_INIT("spec.hostNetwork"), {"spec.hostNetwork"}, "false"},
	{SP_STR_INIT("status.phase"), {"status.phase"}, ""},
	{SP_STR_INIT("status.podIP"), {"status.podIPs.0.ip"}, ""},
	{SP_STR_INIT("status.podIPs"), {NULL}, ""}, /* accepted and never filled, upstream too */
	{SP_STR_INIT("status.nominatedNodeName"), {"status.nominatedNodeName"}, ""},
};
static const field_row node_rows[] = {{SP_STR_INIT("spec.unschedulable"), {"spec.unschedulable"}, "false"}};
static const field_row controller_rows[] = {{SP_STR_INIT("status.replicas"), {"status.replicas"}, "0"}};
static const field_row namespace_rows[] = {{SP_STR_INIT("status.phase"), {"status.phase"}, ""}};
static const field_row secret_rows[] = {{SP_STR_INIT("type"), {"type"}, ""}};
static const field_row service_rows[] = {{SP_STR_INIT("spec.clusterIP"), {"spec.clusterIP"}, ""},
					 {SP_STR_INIT("spec.type"), {"spec.type"}, ""}};
static const field_row job_rows[] = {{SP_STR_INIT("status.successful"), {"status.succeeded"}, "0"}};
static const field_row csr_rows[] = {{SP_STR_INIT("spec.signerName"), {"spec.signerName"}, ""}};
static const field_row slice_rows[] = {{SP_STR_INIT("spec.nodeName"), {"spec.nodeName"}, ""},
				       {SP_STR_INIT("spec.driver"), {"spec.driver"}, ""}};
/* Both groups' Events are one resource and may be stored in either's form. */
#define EVENT_REF(name, member)                                                               \
	{                                                                                     \
		SP_STR_INIT(name member), {"involvedObject." member, "regarding." member}, "" \
	}
#define EVENT_REFS(name)                                                                                   \
	EVENT_REF(name, "kind"), EVENT_REF(name, "namespace"), EVENT_REF(name, "name"),                    \
		EVENT_REF(name, "uid"), EVENT_REF(name, "apiVersion"), EVENT_REF(name, "resourceVersion"), \
		EVENT_REF(name, "fieldPath")
static const field_row event_rows[] = {
	EVENT_REFS("involvedObject."),
	{SP_STR_INIT("reason"), {"reason"}, ""},
	{SP_STR_INIT("reportingComponent"), {"reportingComponent", "reportingController"}, ""},
	{SP_STR_INIT("source"),
	 {"source.component", "deprecatedSource.component", "reportingComponent", "reportingController"},
	 ""},
	{SP_STR_INIT("type"), {"type"}, ""},
};
static const field_row new_event_rows[] = {
	EVENT_REFS("regarding."),
	{SP_STR_INIT("reason"), {"reason"}, ""},
	{SP_STR_INIT("reportingController"), {"reportingComponent", "reportingController"}, ""},
	{SP_STR_INIT("type"), {"type"}, ""},
};

typedef enum unsupported {
	UNSUPPORTED_PLAIN, /* field label not supported: x */
	UNSUPPORTED_JOB,
	UNSUPPORTED_GVK,
	UNSUPPORTED_DEFAULT, /* kinds without fields of their own */
} unsupported;

typedef struct kind_row {
	sp_str group, kind;
	const field_row *rows;
	size_t n_rows;
	bool has_namespace;
	unsupported text;
} kind_row;

#define ROWS(r) r, SP_LEN(r)
static const kind_row kind_rows[] = {
	{SP_STR_INIT(""), SP_STR_INIT("Pod"), ROWS(pod_rows), true, UNSUPPORTED_PLAIN},
	{SP_STR_INIT(""), SP_STR_INIT("Node"), ROWS(node_rows), false, UNSUPPORTED_PLAIN},
	{SP_STR_INIT(""), SP_STR_INIT("ReplicationController"), ROWS(controller_rows), true,
	 UNSUPPORTED_PLAIN},
	{SP_STR_INIT(""), SP_STR_INIT("Event"), ROWS(event_rows), true, UNSUPPORTED_PLAIN},
	{SP_STR_INIT(""), SP_STR_INIT("Namespace"), ROWS(namespace_rows), false, UNSUPPORTED_PLAIN},
	{SP_STR_INIT(""), SP_STR_INIT("Secret"), ROWS(secret_rows), true, UNSUPPORTED_PLAIN},
	{SP_STR_INIT(""), SP_STR_INIT("Service"), ROWS(service_rows), true, UNSUPPORTED_PLAIN},
	{SP_STR_INIT("batch"), SP_STR_INIT("Job"), ROWS(job_rows), true, UNSUPPORTED_JOB},
	{SP_STR_INIT("certificates.k8s.io"), SP_STR_INIT("CertificateSigningRequest"), ROWS(csr_rows), false,
	 UNSUPPORTED_PLAIN},
	{SP_STR_INIT("events.k8s.io"), SP_STR_INIT("Event"), ROWS(new_event_rows), true, UNSUPPORTED_PLAIN},
	{SP_STR_INIT("resource.k8s.io"), SP_STR_INIT("ResourceSlice"), ROWS(slice_rows), false,
	 UNSUPPORTED_GVK},
};
static const kind_row other_kind = {SP_STR_INIT(""), SP_STR_INIT(""), NULL, 0, true, UNSUPPORTED_DEFAULT};
static const kind_row custom_kind = {SP_STR_INIT(""), SP_STR_INIT(""), NULL, 0, true, UNSUPPORTED_PLAIN};

static const kind_row *row_of_kind(const sp_field_kind *k)
{
	if (k->custom)
		return &custom_kind;
	for (size_t i = 0; i < SP_LEN(kind_rows); i++)
		if (sp_str_eq(kind_rows[i].kind, k->kind) && sp_str_eq(kind_rows[i].group, k->group))
			return &kind_rows[i];
	return &other_kind;
}

static const field_row *row_of_field(const kind_row *kr, sp_str label)
{
	if (sp_str_eq(label, row_name.label))
		return &row_name;
	if (kr->has_namespace && sp_str_eq(label, row_namespace.label))
		return &row_namespace;
	for (size_t i = 0; i < kr->n_rows; i++)
		if (sp_str_eq(kr->rows[i].label, label))
			return &kr->rows[i];
	return NULL;
}

static sp_code refuse(sp_arena *a, const sp_field_kind *k, unsupported text, sp_str label, sp_str *why)
{
	SP_AUTO_BUF quoted;
	sp_buf_init(&quoted, SP_SEL_WHY_BYTES_MAX);
	(void)sp_quote_go(&quoted, label);
	sp_str q = sp_buf_view(&quoted);
	switch (text) {
	case UNSUPPORTED_PLAIN:
		return sp_sel_why(a, why, "field label not supported: " SP_FMT, SP_ARG(label));
	case UNSUPPORTED_JOB:
		return sp_sel_why(a, why, "field label " SP_FMT " not supported for Job", SP_ARG(q));
	case UNSUPPORTED_GVK:
		return sp_sel_why(a, why,
				  "field label not supported for " SP_FMT "/" SP_FMT ", Kind=" SP_FMT
				  ": " SP_FMT,
				  SP_ARG(k->group), SP_ARG(k->version), SP_ARG(k->kind), SP_ARG(label));
	case UNSUPPORTED_DEFAULT:
		break;
	}
	return sp_sel_why(a, why,
			  SP_FMT
			  " is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
			  SP_ARG(q));
}

/* Steps of a dotted path; a leading dot (CRDs) is skipped. False: more steps than a path may have. */
static bool parse_path(sp_str text, sp_field_path *ret)
{
	*ret = (sp_field_path){.n = 0};
	(void)sp_str_take(&text, SP_STR("."));
	for (;;) {
		sp_str step;
		bool more = sp_str_cut(&text, '.', &step);
		if (ret->n == SP_FIELD_STEPS_MAX)
			return false;
		ret->steps[ret->n++] = more ? step : text;
		if (!more)
			return true;
	}
}

/* A CRD's own field is selected by its path without the leading dot. */
static bool selectable(const sp_field_kind *k, sp_str label, sp_field_path *ret)
{
	for (size_t i = 0; k->custom && i < k->n_selectable; i++) {
		sp_str path = k->selectable[i];
		(void)sp_str_take(&path, SP_STR("."));
		if (sp_str_eq(path, label))
			return parse_path(label, ret);
	}
	return false;
}

/* Old and other groups' names of fields, and what they are stored as. NULL text: no room. */
static sp_str canonical_label(sp_arena *a, sp_str label)
{
	sp_str member = label;
	if (sp_str_eq(label, SP_STR("spec.host")))
		return SP_STR("spec.nodeName");
	if (sp_str_eq(label, SP_STR("reportingController")))
		return SP_STR("reportingComponent");
	if (sp_str_take(&member, SP_STR("regarding.")))
		return sp_arena_printf(a, "involvedObject." SP_FMT, SP_ARG(member));
	return label;
}

sp_code sp_fields_bind(sp_arena *a, const sp_field_kind *kind, sp_selector *s, sp_str *why)
{
	const kind_row *kr = row_of_kind(kind);
	sp_requirement *reqs = sp_try_new(a, sp_requirement, s->n + 1);
	if (reqs == NULL)
		return SP_ETOOLARGE;
	for (size_t i = 0; i < s->n; i++) {
		sp_field_source *source = sp_try_new(a, sp_field_source, 1);
		if (source == NULL)
			return SP_ETOOLARGE;
		reqs[i] = s->reqs[i];
		reqs[i].source = source;
		const field_row *row = row_of_field(kr, reqs[i].key);
		if (row == NULL) {
			if (!selectable(kind, reqs[i].key, &source->paths[0]))
				return refuse(a, kind, kr->text, reqs[i].key, why);
			source->n_paths = 1;
			continue;
		}
		reqs[i].key = canonical_label(a, row->label);
		if (reqs[i].key.ptr == NULL)
			return SP_ETOOLARGE;
		source->fallback = sp_str_c(row->fallback);
		for (; source->n_paths < SP_FIELD_PATHS_MAX && row->paths[source->n_paths] != NULL;
		     source->n_paths++) {
			bool fits = parse_path(sp_str_c(row->paths[source->n_paths]),
					       &source->paths[source->n_paths]);
			SP_ASSERT(fits);
		}
	}
	s->reqs = reqs;
	return SP_OK;
}

/* -- matching ------------------------------------------------------------------------------------------- */

static yyjson_val *walk(const sp_field_path *p, yyjson_val *v)
{
	for (uint8_t i = 0; i < p->n && v != NULL; i++)
		v = yyjson_is_arr(v) && sp_str_eq(p->steps[i], SP_STR("0")) ? yyjson_arr_get_first(v)
									    : sp_json_last(v, p->steps[i]);
	return v;
}

/* The text of a value as upstream formats it for comparison; integers go to `scratch`. */
static sp_str value_text(yyjson_val *v, char scratch[SP_NUM_TEXT_BYTES])
{
	if (yyjson_is_str(v))
		return sp_json_str(v);
	if (yyjson_is_bool(v))
		return yyjson_get_bool(v) ? SP_STR("true") : SP_STR("false");
	if (yyjson_is_uint(v))
		return (sp_str){scratch, sp_print_u64(scratch, yyjson_get_uint(v))};
	if (yyjson_is_sint(v))
		return (sp_str){scratch, sp_print_i64(scratch, yyjson_get_sint(v))};
	return SP_STR("");
}

bool sp_fields_match(const sp_selector *s, yyjson_val *object)
{
	for (size_t i = 0; i < s->n; i++) {
		const sp_requirement *r = &s->reqs[i];
		SP_ASSERT(r->source != NULL);
		char scratch[SP_NUM_TEXT_BYTES];
		sp_str text = SP_STR("");
		for (size_t p = 0; p < r->source->n_paths && text.len == 0; p++)
			text = value_text(walk(&r->source->paths[p], object), scratch);
		if (text.len == 0)
			text = r->source->fallback;
		if (sp_str_eq(text, r->values[0]) != (r->op != SP_SEL_NE))
			return false;
	}
	return !s->nothing;
}

bool sp_fields_match_packed(const sp_selector *s, const sp_label *fields, size_t n_fields)
{
	for (size_t i = 0; i < s->n; i++) {
		const sp_requirement *r = &s->reqs[i];
		size_t at = 0;
		while (at < n_fields && !sp_str_eq(fields[at].key, r->key))
			at++;
		sp_str text = at < n_fields ? fields[at].value : SP_STR("");
		if (sp_str_eq(text, r->values[0]) != (r->op != SP_SEL_NE))
			return false;
	}
	return !s->nothing;
}
