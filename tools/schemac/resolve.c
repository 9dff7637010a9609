/* SPDX-License-Identifier: Apache-2.0 */
/* From type references to nodes. Equal nodes and equal rules are one, so tables stay small. */
#include "schemac.h"

#include <string.h>

#include "kube/schema.h"

typedef struct scalar {
	const char *name;
	int kind;
	const char *format; /* OpenAPI */
	const char *named;  /* in Go, when that is not the usual name */
} scalar;

static const scalar scalars[] = {
	{"any", SP_K_ANY, NULL, NULL},
	{"bool", SP_K_BOOL, NULL, NULL},
	{"bytes", SP_K_BYTES, "byte", NULL},
	{"duration", SP_K_DURATION, NULL, NULL},
	{"f64", SP_K_F64, "double", NULL},
	{"fieldsv1", SP_K_FIELDS_V1, NULL, NULL},
	{"i32", SP_K_I32, "int32", NULL},
	{"i64", SP_K_I64, "int64", NULL},
	{"intstr", SP_K_INT_OR_STRING, "int-or-string", NULL},
	{"json", SP_K_JSON, NULL, NULL},
	{"microtime", SP_K_MICROTIME, "date-time", NULL},
	{"propsOrArray", SP_K_PROPS_OR_ARRAY, NULL, NULL},
	{"propsOrBool", SP_K_PROPS_OR_BOOL, NULL, NULL},
	{"propsOrStrings", SP_K_PROPS_OR_STRINGS, NULL, NULL},
	{"qty", SP_K_QUANTITY, NULL, NULL},
	{"raw", SP_K_RAW, NULL, NULL},
	{"str", SP_K_STRING, NULL, NULL},
	{"time", SP_K_TIME, "date-time", NULL},
	{"uid", SP_K_STRING, NULL, "types.UID"},
};

/* The type that the unions of apiextensions are made of. */
#define UNION_TYPE "apiextensions/v1.JSONSchemaProps"

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_node(const node *a, const node *b)
{
	if (a->kind != b->kind || a->list_type != b->list_type || a->map_type != b->map_type ||
	    a->flags != b->flags || a->type != b->type || a->items != b->items || a->rules != b->rules ||
	    !same(a->named, b->named) || a->n_keys != b->n_keys)
		return false;
	for (size_t i = 0; i < a->n_keys; i++)
		if (strcmp(a->keys[i], b->keys[i]) != 0)
			return false;
	return true;
}

static const node *intern_node(model *m, const node *n)
{
	for (size_t i = 0; i < m->n_nodes; i++)
		if (same_node(m->nodes[i], n))
			return m->nodes[i];
	node *r = alloc(sizeof *r);
	*r = *n;
	r->id = m->n_nodes;
	push(&m->nodes, &m->n_nodes, r);
	return r;
}

static const rules *intern_rules(model *m, const rules *want)
{
	if (want->has == 0 && want->enums == NULL && want->format == NULL && want->pattern == NULL)
		return NULL;
	for (size_t i = 0; i < m->n_rules; i++) {
		const rules *r = m->rules[i];
		if (r->has == want->has && r->minimum == want->minimum && r->maximum == want->maximum &&
		    r->max_length == want->max_length && r->max_items == want->max_items &&
		    r->enums == want->enums && same(r->format, want->format) &&
		    same(r->pattern, want->pattern))
			return r;
	}
	rules *r = alloc(sizeof *r);
	*r = *want;
	r->id = m->n_rules;
	push(&m->rules, &m->n_rules, r);
	return r;
}

static const package *find_package(const model *m, const package *from, const char *ref,
				   const char **ret_name)
{
	const char *dot = strrchr(ref, '.');
	*ret_name = dot == NULL ? ref : dot + 1;
	if (dot == NULL)
		return from;
	for (size_t i = 0; i < m->n_packages; i++)
		if (strlen(m->packages[i]->name) == (size_t)(dot - ref) &&
		    strncmp(m->packages[i]->name, ref, (size_t)(dot - ref)) == 0)
			return m->packages[i];
	return NULL;
}

type *find_type(const model *m, const package *from, const char *ref, pos at)
{
	const char *name;
	const package *p = find_package(m, from, ref, &name);
	for (size_t i = 0; p != NULL && i < p->n_types; i++)
		if (strcmp(p->types[i]->name, name) == 0)
			return p->types[i];
	fail(at, "unknown type '%s'", ref);
}

static enum_decl *find_enum(const model *m, const package *from, const char *ref)
{
	const char *name;
	const package *p = find_package(m, from, ref, &name);
	for (size_t i = 0; p != NULL && i < p->n_enums; i++)
		if (strcmp(p->enums[i].name, name) == 0)
			return &p->enums[i];
	return NULL;
}

const text *find_text(model *m, pos at, const char *name)
{
	for (size_t i = 0; i < m->n_texts; i++) {
		if (strcmp(m->texts[i].name, name) == 0) {
			m->texts[i].used = true;
			return &m->texts[i];
		}
	}
	fail(at, "unknown text '$%s'", name);
}

const node *node_of_type(model *m, const type *t, const char *map_type, pos at)
{
	node n = {.kind = SP_K_OBJECT, .type = t, .map_type = t->atomic ? SP_MAP_ATOMIC : SP_MAP_GRANULAR};
	if (map_type != NULL) {
		bool atomic = strcmp(map_type, "atomic") == 0;
		if (!atomic && strcmp(map_type, "granular") != 0)
			fail(at, "'%s' is neither 'atomic' nor 'granular'", map_type);
		n.map_type = atomic ? SP_MAP_ATOMIC : SP_MAP_GRANULAR;
		n.flags = SP_S_TYPE_STATED;
	}
	return intern_node(m, &n);
}

/* `map_type` belongs to the outermost map, or to the object when there is none. */
static const node *base_node(model *m, const package *p, field *f, const char *ref, const char *map_type)
{
	for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++) {
		if (strcmp(ref, scalars[i].name) != 0)
			continue;
		node n = {.kind = scalars[i].kind, .format = scalars[i].format, .named = scalars[i].named};
		if (map_type != NULL)
			fail(f->at, "'map=' needs a map or an object");
		/* Upstream marks some byte strings, which are lists in Go, so. */
		if (n.kind == SP_K_BYTES && f->list_type != NULL)
			n.flags = SP_S_TYPE_STATED;
		if (n.kind >= SP_K_PROPS_OR_ARRAY)
			n.items = node_of_type(m, find_type(m, p, UNION_TYPE, f->at), NULL, f->at);
		return intern_node(m, &n);
	}
	enum_decl *e = find_enum(m, p, ref);
	if (e == NULL)
		return node_of_type(m, find_type(m, p, ref, f->at), map_type, f->at);
	e->used = true;
	node n = {.kind = SP_K_STRING,
		  .named = e->full,
		  .rules = e->n == 0 ? NULL : intern_rules(m, &(rules){.enums = e})};
	if (map_type != NULL)
		fail(f->at, "'map=' needs a map or an object");
	if (ref == f->type_text && e->n != 0)
		f->flags |= SP_F_ENUM_TYPE;
	return intern_node(m, &n);
}

static void list_of(node *n, const field *f)
{
	static const char *const names[] = {"atomic", "set", "map"};
	n->kind = SP_K_LIST;
	if (f->wrapped)
		n->flags |= SP_S_WRAPPED;
	if (f->list_type == NULL)
		return;
	n->flags |= SP_S_TYPE_STATED;
	for (n->list_type = 0; n->list_type < 3; n->list_type++)
		if (strcmp(f->list_type, names[n->list_type]) == 0)
			break;
	if (n->list_type == 3)
		fail(f->at, "'%s' is no list type", f->list_type);
	n->keys = f->list_keys;
	n->n_keys = f->n_list_keys;
	if ((n->list_type == SP_LIST_MAP) != (n->n_keys != 0))
		fail(f->at, "keys belong to list=map:KEY,…");
}

static const node *resolve_ref(model *m, const package *p, field *f, const char *ref, bool outer)
{
	bool list = strncmp(ref, "[]", 2) == 0, map = strncmp(ref, "{}", 2) == 0;
	const char *map_type = outer || !map ? f->map_type : NULL;
	if (!list && !map)
		return base_node(m, p, f, ref, outer ? map_type : NULL);
	node n = {0};
	/* A list's own marks are those of the innermost list; a map's those of the outermost. */
	if (list) {
		list_of(&n, f);
	} else {
		n.kind = SP_K_MAP;
		if (map_type != NULL) {
			n.flags |= SP_S_TYPE_STATED;
			n.map_type = strcmp(map_type, "atomic") == 0 ? SP_MAP_ATOMIC : SP_MAP_GRANULAR;
		}
	}
	n.items = resolve_ref(m, p, f, ref + 2, false);
	return intern_node(m, &n);
}

void resolve_field(model *m, const type *t, field *f)
{
	f->node = resolve_ref(m, t->pkg, f, f->type_text, true);
	f->rules_ref = intern_rules(m, &f->rules);
	const node *n = f->node;
	bool has_list = strstr(f->type_text, "[]") != NULL || n->kind == SP_K_BYTES;
	if (f->list_type != NULL && !has_list)
		fail(f->at, "'list=' needs a list");
	if (f->wrapped && !has_list)
		fail(f->at, "'wrapped' needs a list");
	if ((f->flags & SP_F_INLINE) != 0 && n->kind != SP_K_OBJECT)
		fail(f->at, "only an object stands inline");
	if ((f->rules.has & (SP_R_MINIMUM | SP_R_MAXIMUM)) != 0 && n->kind != SP_K_I32 && n->kind != SP_K_I64)
		fail(f->at, "'min=' and 'max=' need a number");
	if ((f->rules.has & SP_R_MAX_ITEMS) != 0 && n->kind != SP_K_LIST && n->kind != SP_K_MAP)
		fail(f->at, "'maxitems=' needs a list");
}
