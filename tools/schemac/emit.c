/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables as C. Every sort of row is one array, and rows point into arrays, so the output has few symbols;
 * equal strings are merged by the C compiler and linker.
 */
#include "schemac.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "kube/schema.h"

/* Failed writes are seen by main at the end. */
__attribute__((format(printf, 2, 3))) static void put(FILE *o, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)vfprintf(o, fmt, ap);
	va_end(ap);
}

static void put_string(FILE *o, const char *s)
{
	put(o, "\"");
	for (; *s != 0; s++) {
		if (*s == '\n')
			put(o, "\\n");
		else
			put(o, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
	}
	put(o, "\"");
}

static void put_str(FILE *o, const char *member, const char *s)
{
	if (s == NULL || *s == 0)
		return;
	put(o, ", .%s = SP_STR_INIT(", member);
	put_string(o, s);
	put(o, ")");
}

/* -- rules -- */

static size_t enums_before(const model *m, size_t id)
{
	size_t n = 0;
	for (size_t i = 0; i < id; i++)
		n += m->rules[i]->enums == NULL ? 0 : m->rules[i]->enums->n;
	return n;
}

static void emit_rules(const model *m, FILE *o)
{
	put(o, "SP_UNUSED static const sp_str E[] = {\n");
	for (size_t i = 0; i < m->n_rules; i++)
		for (size_t j = 0; m->rules[i]->enums != NULL && j < m->rules[i]->enums->n; j++)
			put(o, "\tSP_STR_INIT(\"\\\"%s\\\"\"),\n", m->rules[i]->enums->values[j]);
	put(o, "\t{\"\", 0}};\nSP_UNUSED static const sp_rules R[] = {\n");
	for (size_t i = 0; i < m->n_rules; i++) {
		const rules *r = m->rules[i];
		put(o, "\t{.has = %u", r->has);
		if ((r->has & SP_R_MINIMUM) != 0)
			put(o, ", .minimum = %lld", (long long)r->minimum);
		if ((r->has & SP_R_MAXIMUM) != 0)
			put(o, ", .maximum = %lld", (long long)r->maximum);
		if ((r->has & SP_R_MAX_LENGTH) != 0)
			put(o, ", .max_length = %lld", (long long)r->max_length);
		if ((r->has & SP_R_MAX_ITEMS) != 0)
			put(o, ", .max_items = %lld", (long long)r->max_items);
		if (r->enums != NULL)
			put(o, ", .enums = E + %zu, .n_enums = %zu", enums_before(m, i), r->enums->n);
		put_str(o, "format", r->format);
		put_str(o, "pattern", r->pattern);
		put(o, "},\n");
	}
	put(o, "\t{.has = 0}};\n");
}

/* -- fields and nodes -- */

static const type *sorting;

static int by_field_name(const void *pa, const void *pb)
{
	const char *a = sorting->fields[*(const size_t *)pa].name,
		   *b = sorting->fields[*(const size_t *)pb].name;
	return strcmp(a, b);
}

static int by_field_number(const void *pa, const void *pb)
{
	size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
	uint32_t na = sorting->fields[a].number, nb = sorting->fields[b].number;
	if (na != nb)
		return na < nb ? -1 : 1;
	return a < b ? -1 : a > b;
}

static void emit_order(FILE *o, const type *t, int (*cmp)(const void *, const void *))
{
	size_t *index = alloc(t->n_fields * sizeof *index);
	for (size_t i = 0; i < t->n_fields; i++)
		index[i] = i;
	sorting = t;
	qsort(index, t->n_fields, sizeof *index, cmp);
	for (size_t i = 0; i < t->n_fields; i++)
		put(o, "%zu, ", index[i]);
}

static void emit_orders(const model *m, FILE *o)
{
	put(o, "static const uint16_t X[] = {\n");
	for (size_t i = 0; i < m->n_packages; i++) {
		for (size_t j = 0; j < m->packages[i]->n_types; j++) {
			const type *t = m->packages[i]->types[j];
			put(o, "\t");
			emit_order(o, t, by_field_name);
			emit_order(o, t, by_field_number);
			put(o, "\n");
		}
	}
	put(o, "\t0};\n");
}

static void emit_field(FILE *o, const field *f)
{
	put(o, "\t{.schema = &S[%zu], .number = %u, .flags = %u", f->node->id, f->number, f->flags);
	put_str(o, "name", f->name);
	put_str(o, "merge_key", f->merge_key);
	put_str(o, "def", f->def);
	if (f->rules_ref != NULL)
		put(o, ", .rules = &R[%zu]", f->rules_ref->id);
	put_str(o, "description", f->description);
	put(o, "},\n");
}

static size_t emit_fields(const model *m, FILE *o)
{
	size_t n = 0;
	put(o, "static const sp_field F[] = {\n");
	for (size_t i = 0; i < m->n_packages; i++) {
		for (size_t j = 0; j < m->packages[i]->n_types; j++) {
			type *t = m->packages[i]->types[j];
			t->first_field = n;
			n += t->n_fields;
			for (size_t k = 0; k < t->n_fields; k++)
				emit_field(o, &t->fields[k]);
		}
	}
	put(o, "\t{.number = 0}};\n");
	return n;
}

static void emit_keys(const model *m, FILE *o)
{
	put(o, "SP_UNUSED static const sp_str K[] = {\n");
	for (size_t i = 0; i < m->n_nodes; i++) {
		for (size_t j = 0; j < m->nodes[i]->n_keys; j++) {
			put(o, "\tSP_STR_INIT(");
			put_string(o, m->nodes[i]->keys[j]);
			put(o, "),\n");
		}
	}
	put(o, "\t{\"\", 0}};\n");
}

static void emit_object(FILE *o, const type *t)
{
	put(o, ", .n_fields = %zu, .fields = F + %zu, .by_name = X + %zu, .by_number = X + %zu", t->n_fields,
	    t->first_field, 2 * t->first_field, 2 * t->first_field + t->n_fields);
	put_str(o, "name", t->full);
	put_str(o, "go_type", join(t->pkg->name, ".", t->name));
	put_str(o, "description", t->description);
}

static void emit_nodes(const model *m, FILE *o)
{
	size_t keys = 0;
	put(o, "static const sp_schema S[%zu] = {\n", m->n_nodes);
	for (size_t i = 0; i < m->n_nodes; i++) {
		const node *n = m->nodes[i];
		put(o, "\t{.kind = %d, .list_type = %d, .map_type = %d, .flags = %u", n->kind, n->list_type,
		    n->map_type, n->flags);
		if (n->type != NULL)
			emit_object(o, n->type);
		if (n->named != NULL)
			put_str(o, "go_type", n->named);
		if (n->items != NULL)
			put(o, ", .items = &S[%zu]", n->items->id);
		if (n->n_keys != 0)
			put(o, ", .list_keys = K + %zu, .n_list_keys = %zu", keys, n->n_keys);
		keys += n->n_keys;
		if (n->rules != NULL)
			put(o, ", .rules = &R[%zu]", n->rules->id);
		if (n->format != NULL)
			put(o, ", .format = \"%s\"", n->format);
		put(o, "},\n");
	}
	put(o, "};\n");
}

static int by_full_name(const void *pa, const void *pb)
{
	return strcmp((*(type *const *)pa)->full, (*(type *const *)pb)->full);
}

static void emit_types(const model *m, FILE *o)
{
	type **all = NULL;
	size_t n = 0;
	for (size_t i = 0; i < m->n_packages; i++) {
		for (size_t j = 0; j < m->packages[i]->n_types; j++) {
			push(&all, &n, m->packages[i]->types[j]);
		}
	}
	if (n != 0)
		qsort(all, n, sizeof(void *), by_full_name);
	put(o, "const sp_schema *const sp_schema_types[] = {\n");
	for (size_t i = 0; i < n; i++)
		put(o, "\t&S[%zu], /* %s */\n", all[i]->id, all[i]->full);
	put(o, "};\nconst size_t sp_n_schema_types = %zu;\n", n);
}

/* -- kinds -- */

static void emit_names(FILE *o, char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(o, "\tSP_STR_INIT(\"%s\"),\n", names[i]);
}

static void emit_kind_parts(const model *m, FILE *o)
{
	put(o, "SP_UNUSED static const sp_str N[] = {\n");
	for (size_t i = 0; i < m->n_kinds; i++) {
		emit_names(o, m->kinds[i]->short_names, m->kinds[i]->n_short_names);
		emit_names(o, m->kinds[i]->categories, m->kinds[i]->n_categories);
	}
	put(o, "\t{\"\", 0}};\nSP_UNUSED static const sp_subresource U[] = {\n");
	for (size_t i = 0; i < m->n_kinds; i++) {
		for (size_t j = 0; j < m->kinds[i]->n_subs; j++) {
			const subresource *s = &m->kinds[i]->subs[j];
			put(o, "\t{.verbs = %u", s->verbs);
			put_str(o, "name", s->name);
			put_str(o, "group", s->group);
			put_str(o, "version", s->version);
			put_str(o, "kind", s->kind);
			put(o, "},\n");
		}
	}
	put(o, "\t{.verbs = 0}};\nSP_UNUSED static const sp_column C[] = {\n");
	for (size_t i = 0; i < m->n_kinds; i++) {
		for (size_t j = 0; j < m->kinds[i]->n_columns; j++) {
			const column *c = &m->kinds[i]->columns[j];
			put(o, "\t{.priority = %d", c->priority);
			put_str(o, "name", c->name);
			put_str(o, "type", c->type);
			put_str(o, "format", c->format);
			put_str(o, "description", c->description);
			put_str(o, "path", c->path);
			put(o, "},\n");
		}
	}
	put(o, "\t{.priority = 0}};\n");
}

static void emit_kind(FILE *o, const kind *k, const size_t at[3])
{
	put(o, "\t{.schema = &S[%zu], .verbs = %u, .namespaced = %d, .storage = %d", k->type->id, k->verbs,
	    k->namespaced, k->stored);
	put_str(o, "group", k->group);
	put_str(o, "version", k->version);
	put_str(o, "kind", k->type->name);
	put_str(o, "plural", k->plural);
	put_str(o, "singular", k->singular);
	put_str(o, "storage_hash", k->hash);
	put_str(o, "description", k->type->description);
	if ((k->verbs & SP_VERB_LIST) != 0)
		put_str(o, "list_kind", join(k->type->name, "List", ""));
	if (k->n_short_names != 0)
		put(o, ", .short_names = N + %zu, .n_short_names = %zu", at[0], k->n_short_names);
	if (k->n_categories != 0)
		put(o, ", .categories = N + %zu, .n_categories = %zu", at[0] + k->n_short_names,
		    k->n_categories);
	if (k->n_subs != 0)
		put(o, ", .subresources = U + %zu, .n_subresources = %zu", at[1], k->n_subs);
	if (k->n_columns != 0)
		put(o, ", .columns = C + %zu, .n_columns = %zu", at[2], k->n_columns);
	if (k->hooks != NULL)
		put(o, ", .hooks = &sp_hooks_%s", k->hooks);
	put(o, "},\n");
}

static void emit_kinds(const model *m, FILE *o)
{
	size_t at[3] = {0, 0, 0};
	for (size_t i = 0; i < m->n_kinds; i++)
		if (m->kinds[i]->hooks != NULL)
			put(o, "extern const sp_kind_hooks sp_hooks_%s;\n", m->kinds[i]->hooks);
	emit_kind_parts(m, o);
	put(o, "static const sp_kind Q[] = {\n");
	for (size_t i = 0; i < m->n_kinds; i++) {
		const kind *k = m->kinds[i];
		emit_kind(o, k, at);
		at[0] += k->n_short_names + k->n_categories;
		at[1] += k->n_subs;
		at[2] += k->n_columns;
	}
	put(o, "};\nconst sp_kind *const sp_kinds[] = {\n");
	for (size_t i = 0; i < m->n_kinds; i++)
		put(o, "\t&Q[%zu],\n", i);
	put(o, "};\nconst size_t sp_n_kinds = %zu;\n", m->n_kinds);
}

void emit_model(const model *m, FILE *o)
{
	put(o, "/* Made by tools/schemac from schema/ *.sch. */\n#include \"kube/schema.h\"\n\n");
	put(o, "static const sp_schema S[%zu];\n", m->n_nodes);
	emit_rules(m, o);
	size_t n = emit_fields(m, o);
	emit_orders(m, o);
	emit_keys(m, o);
	emit_nodes(m, o);
	emit_types(m, o);
	emit_kinds(m, o);
	put(o, "_Static_assert(%zu <= UINT16_MAX, \"field indexes\");\n", n);
}
