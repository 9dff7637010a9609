/* SPDX-License-Identifier: Apache-2.0 */
/* Everything the tables promise: unique names and numbers, keys and paths that exist, defaults that fit. */
#include "schemac.h"

#include <stdlib.h>
#include <string.h>

#include "kube/schema.h"

static field *find_field(const type *t, const char *name)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		field *f = &t->fields[i];
		if ((f->flags & SP_F_INLINE) != 0) {
			field *inner = f->node == NULL || f->node->type == NULL
					       ? NULL
					       : find_field(f->node->type, name);
			if (inner != NULL)
				return inner;
		} else if (strcmp(f->name, name) == 0) {
			return f;
		}
	}
	return NULL;
}

static void check_keys(const field *f)
{
	const node *n = f->node;
	while (n->kind == SP_K_MAP)
		n = n->items;
	const type *item = n->kind == SP_K_LIST ? n->items->type : NULL;
	for (size_t i = 0; i < n->n_keys; i++)
		if (item == NULL || find_field(item, n->keys[i]) == NULL)
			fail(f->at, "list key '%s' is no field of an item of '%s'", n->keys[i], f->name);
	if (f->merge_key != NULL && (item == NULL || find_field(item, f->merge_key) == NULL))
		fail(f->at, "merge key '%s' is no field of an item of '%s'", f->merge_key, f->name);
}

static void check_enum_default(const field *f, const enum_decl *e)
{
	for (size_t i = 0; i < e->n; i++)
		if (strlen(f->def) == strlen(e->values[i]) + 2 &&
		    strncmp(f->def + 1, e->values[i], strlen(e->values[i])) == 0)
			return;
	fail(f->at, "default %s is none of enum '%s'", f->def, e->name);
}

void check_default(const model *m, const field *f)
{
	(void)m;
	if (f->def == NULL)
		return;
	const char *d = f->def;
	size_t n = strlen(d);
	bool str = n >= 2 && d[0] == '"' && d[n - 1] == '"', ok = false;
	bool num = n != 0 && strspn(d, "-0123456789") == n;
	bool object = n >= 2 && d[0] == '{' && d[n - 1] == '}',
	     array = n >= 2 && d[0] == '[' && d[n - 1] == ']';
	switch ((sp_schema_kind)f->node->kind) {
	case SP_K_STRING:
	case SP_K_BYTES:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_DURATION:
	case SP_K_QUANTITY:
		ok = str;
		break;
	case SP_K_BOOL:
		ok = strcmp(d, "true") == 0 || strcmp(d, "false") == 0;
		break;
	case SP_K_I32:
	case SP_K_I64:
	case SP_K_F64:
		ok = num;
		break;
	case SP_K_INT_OR_STRING:
		ok = num || str;
		break;
	case SP_K_OBJECT:
	case SP_K_MAP:
		ok = object;
		break;
	case SP_K_LIST:
		ok = array;
		break;
	case SP_K_ANY:
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
	case SP_K_COUNT_:
		break;
	}
	if (!ok)
		fail(f->at, "default %s does not fit '%s'", d, f->type_text);
	if (f->node->rules != NULL && f->node->rules->enums != NULL)
		check_enum_default(f, f->node->rules->enums);
}

static void check_type(const model *m, type *t)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		const field *f = &t->fields[i];
		for (size_t j = 0; j < i; j++) {
			if (strcmp(t->fields[j].name, f->name) == 0)
				fail(f->at, "type '%s' has field '%s' twice", t->name, f->name);
			if (f->number != 0 && t->fields[j].number == f->number)
				fail(f->at, "type '%s' has field number %u twice", t->name, f->number);
		}
		check_keys(f);
		check_default(m, f);
		if (f->rules.has == (SP_R_MINIMUM | SP_R_MAXIMUM) && f->rules.minimum > f->rules.maximum)
			fail(f->at, "min is above max");
	}
}

/* Blocks of one sort stand in the order of their names, so that there is one place for each. */
static void check_package(const model *m, const package *p)
{
	for (size_t i = 0; i < m->n_packages; i++)
		if (m->packages[i] != p && strcmp(m->packages[i]->name, p->name) == 0)
			fail(p->at, "package '%s' is in %s too", p->name, m->packages[i]->at.file);
	for (size_t i = 0; i < p->n_enums; i++) {
		const enum_decl *e = &p->enums[i];
		const enum_decl *last = i == 0 ? NULL : &p->enums[i - 1];
		if (last != NULL && (last->n == 0) == (e->n == 0) && strcmp(last->name, e->name) >= 0)
			fail(e->at, "enum '%s' does not come after '%s'", e->name, last->name);
		if (!e->used)
			fail(e->at, "enum '%s' is not used", e->name);
		for (size_t j = 1; j < e->n; j++)
			if (strcmp(e->values[j - 1], e->values[j]) >= 0)
				fail(e->at, "value '%s' does not come after '%s'", e->values[j],
				     e->values[j - 1]);
	}
	for (size_t i = 0; i < p->n_types; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(p->types[i]->name, p->types[j]->name) == 0)
				fail(p->types[i]->at, "type '%s' is there already (line %d)",
				     p->types[i]->name, p->types[j]->at.line);
}

void check_columns(model *m, kind *k)
{
	for (size_t i = 0; i < k->n_columns; i++) {
		column *c = &k->columns[i];
		if (c->description != NULL && c->description[0] == '$')
			c->description = find_text(m, c->at, c->description + 1)->value;
		if (c->path == NULL)
			continue;
		size_t n;
		char **part = split(c->path + 1, '.', &n);
		const type *t = k->type;
		for (size_t j = 0; j < n; j++) {
			const field *f = t == NULL ? NULL : find_field(t, part[j]);
			if (f == NULL)
				fail(c->at, "path '%s' does not exist", c->path);
			t = f->node->type;
		}
	}
}

static void check_kind(model *m, kind *k)
{
	check_columns(m, k);
	for (size_t i = 0; i < k->n_subs; i++) {
		subresource *s = &k->subs[i];
		if (i != 0 && strcmp(k->subs[i - 1].name, s->name) >= 0)
			fail(s->at, "subresource '%s' does not come after '%s'", s->name,
			     k->subs[i - 1].name);
		s->group = s->version = "";
		s->kind = k->type->name;
		if (s->body == NULL)
			continue;
		const type *t = find_type(m, k->pkg, s->body, s->at);
		s->kind = t->name;
		if (t->pkg != k->pkg) {
			s->group = t->pkg->group;
			s->version = t->pkg->version;
		}
	}
}

static int by_gvk(const void *pa, const void *pb)
{
	const kind *a = *(kind *const *)pa, *b = *(kind *const *)pb;
	int c = strcmp(a->group, b->group);
	if (c == 0)
		c = strcmp(a->version, b->version);
	return c != 0 ? c : strcmp(a->type->name, b->type->name);
}

static void check_kinds(model *m)
{
	const kind *last = NULL;
	for (size_t i = 0; i < m->n_kinds; i++) {
		kind *k = m->kinds[i];
		check_kind(m, k);
		bool sorted = last == NULL || last->pkg != k->pkg ||
			      (last->plural != NULL) != (k->plural != NULL) ||
			      strcmp(last->type->name, k->type->name) <= 0;
		if (!sorted)
			fail(k->at, "'%s' does not come after '%s'", k->type->name, last->type->name);
		last = k;
	}
	qsort(m->kinds, m->n_kinds, sizeof(void *), by_gvk);
	for (size_t i = 1; i < m->n_kinds; i++)
		if (by_gvk(&m->kinds[i - 1], &m->kinds[i]) == 0)
			fail(m->kinds[i]->at, "kind '%s' is there twice", m->kinds[i]->type->name);
}

void check_model(model *m)
{
	for (size_t i = 0; i < m->n_packages; i++) {
		const package *p = m->packages[i];
		for (size_t j = 0; j < p->n_types; j++) {
			type *t = p->types[j];
			t->id = node_of_type(m, t, NULL, t->at)->id;
			for (size_t k = 0; k < t->n_fields; k++)
				resolve_field(m, t, &t->fields[k]);
		}
	}
	for (size_t i = 0; i < m->n_packages; i++) {
		check_package(m, m->packages[i]);
		for (size_t j = 0; j < m->packages[i]->n_types; j++)
			check_type(m, m->packages[i]->types[j]);
	}
	check_kinds(m);
	for (size_t i = 0; i < m->n_texts; i++)
		if (!m->texts[i].used)
			fail(m->texts[i].at, "text '%s' is not used", m->texts[i].name);
}
