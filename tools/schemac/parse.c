/* SPDX-License-Identifier: Apache-2.0 */
/* From lines to the model; names are resolved by check.c when all files are read. */
#include "schemac.h"

#include <string.h>

#include "kube/schema.h"

typedef struct verb_name {
	const char *name;
	unsigned bits;
} verb_name;

static const verb_name verb_names[] = {
	{"create", SP_VERB_CREATE},
	{"delete", SP_VERB_DELETE},
	{"deletecollection", SP_VERB_DELETECOLLECTION},
	{"get", SP_VERB_GET},
	{"list", SP_VERB_LIST},
	{"patch", SP_VERB_PATCH},
	{"rw", SP_VERB_GET | SP_VERB_PATCH | SP_VERB_UPDATE},
	{"update", SP_VERB_UPDATE},
	{"watch", SP_VERB_WATCH},
};

static unsigned verbs(pos at, const char *s)
{
	unsigned r = 0;
	size_t n;
	char **list = split(s, ',', &n);
	for (size_t i = 0; i < n; i++) {
		unsigned bits = 0;
		for (size_t j = 0; j < sizeof verb_names / sizeof verb_names[0]; j++)
			if (strcmp(list[i], verb_names[j].name) == 0)
				bits = verb_names[j].bits;
		if (bits == 0)
			fail(at, "'%s' is no verb", list[i]);
		r |= bits;
	}
	return r;
}

static const char *lower(const char *s)
{
	char *r = copy(s, strlen(s));
	for (char *p = r; *p != 0; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 'a' - 'A');
	return r;
}

/* -- blocks -- */

static type *new_type(package *p, pos at, const char *name)
{
	type *t = alloc(sizeof *t);
	*t = (type){.at = at, .pkg = p, .name = name, .full = join(p->prefix, ".", name)};
	push(&p->types, &p->n_types, t);
	return t;
}

static void type_field(type *t, uint32_t num, const char *name, const char *ty, uint32_t flags,
		       const char *description)
{
	field *f = grow(&t->fields, &t->n_fields, sizeof *f);
	*f = (field){.at = t->at,
		     .number = num,
		     .name = name,
		     .type_text = ty,
		     .flags = flags,
		     .description = description};
}

static void type_meta(type *t)
{
	type_field(t, 0, "kind", "str", SP_F_OMITEMPTY, "Name of what this object is.");
	type_field(t, 0, "apiVersion", "str", SP_F_OMITEMPTY, "Group and version in which it is written.");
}

static void parse_sub(kind *k, line *l)
{
	subresource *s = grow(&k->subs, &k->n_subs, sizeof *s);
	s->at = l->at;
	s->name = word(l, "the name of a subresource");
	s->verbs = verbs(l->at, word(l, "verbs"));
	s->body = word_or_null(l);
}

static void parse_column(kind *k, line *l)
{
	column *c = grow(&k->columns, &k->n_columns, sizeof *c);
	c->at = l->at;
	c->name = word(l, "the name of a column");
	if (c->name[0] == '"')
		c->name = unquote(l->at, c->name);
	c->type = word(l, "a type");
	c->path = word(l, "a path or '-'");
	if (strcmp(c->path, "-") == 0)
		c->path = NULL;
	else if (c->path[0] != '.')
		fail(l->at, "a path starts with '.'");
	for (const char *w, *v; (w = word_or_null(l)) != NULL;) {
		if (w[0] == '"')
			c->description = unquote(l->at, w);
		else if (w[0] == '$')
			c->description = w;
		else if ((v = mark(w, "format")) != NULL)
			c->format = v;
		else if (strcmp(w, "wide") == 0)
			c->priority = 1;
		else
			fail(l->at, "'%s' is no mark of a column", w);
	}
}

static void parse_body(lexer *lx, type *t, kind *k)
{
	for (line *l; (l = lex_peek(lx)) != NULL && l->indented; lex_next(lx)) {
		const char *first = l->words[0];
		bool sub = strcmp(first, "sub") == 0, col = strcmp(first, "col") == 0;
		if (!sub && !col) {
			parse_field(t, l);
			continue;
		}
		if (k == NULL)
			fail(l->at, "a type has no '%s'", first);
		l->next++;
		if (sub)
			parse_sub(k, l);
		else
			parse_column(k, l);
	}
}

static void kind_mark(kind *k, line *l, const char *w)
{
	const char *v;
	if (w[0] == '"')
		k->type->description = unquote(l->at, w);
	else if ((v = mark(w, "verbs")) != NULL)
		k->verbs = verbs(l->at, v);
	else if ((v = mark(w, "singular")) != NULL)
		k->singular = v;
	else if ((v = mark(w, "short")) != NULL)
		k->short_names = split(v, ',', &k->n_short_names);
	else if ((v = mark(w, "cat")) != NULL)
		k->categories = split(v, ',', &k->n_categories);
	else if ((v = mark(w, "hash")) != NULL)
		k->hash = v;
	else if ((v = mark(w, "hooks")) != NULL)
		k->hooks = v;
	else if (strcmp(w, "stored=no") == 0)
		k->stored = false;
	else
		fail(l->at, "'%s' is no mark of a kind", w);
}

/* Every kind that can be listed has its list: metadata and items, the same for all. */
static void list_type(const kind *k)
{
	type *t = new_type(k->pkg, k->at, join(k->type->name, "List", ""));
	t->description = join("A page of ", k->type->name, " objects.");
	type_meta(t);
	type_field(t, 1, "metadata", "meta/v1.ListMeta", SP_F_OMITEMPTY, "Revision and place of the page.");
	type_field(t, 2, "items", join("[]", k->type->name, ""), SP_F_REQUIRED, "The objects.");
}

static void parse_kind(model *m, package *p, lexer *lx, line *l)
{
	kind *k = alloc(sizeof *k);
	push(&m->kinds, &m->n_kinds, k);
	if (p->version == NULL)
		fail(l->at, "a kind needs the line 'group' before it");
	const char *name = word(l, "the name of a kind");
	*k = (kind){.at = l->at,
		    .pkg = p,
		    .group = p->group,
		    .version = p->version,
		    .verbs = SP_VERBS_ALL,
		    .stored = true,
		    .singular = lower(name)};
	k->type = new_type(p, l->at, name);
	type_meta(k->type);
	k->plural = word(l, "the plural");
	const char *scope = word(l, "'ns' or 'cluster'");
	k->namespaced = strcmp(scope, "ns") == 0;
	if (!k->namespaced && strcmp(scope, "cluster") != 0)
		fail(l->at, "'%s' is neither 'ns' nor 'cluster'", scope);
	for (const char *w; (w = word_or_null(l)) != NULL;)
		kind_mark(k, l, w);
	lex_next(lx);
	parse_body(lx, k->type, k);
	if ((k->verbs & SP_VERB_LIST) != 0)
		list_type(k);
}

static void add_body(model *m, package *p, const kind *like, const char *group, const char *version)
{
	kind *k = alloc(sizeof *k);
	push(&m->kinds, &m->n_kinds, k);
	*k = *like;
	k->at = like->type->at;
	k->pkg = p;
	k->group = group;
	k->version = version;
}

static void parse_body_kind(model *m, package *p, lexer *lx, line *l)
{
	type *t = new_type(p, l->at, word(l, "the name of a body"));
	if (p->version == NULL)
		fail(l->at, "a body needs the line 'group' before it");
	char **gvs = NULL;
	bool bare = false;
	size_t n = 0;
	for (const char *w, *v; (w = word_or_null(l)) != NULL;) {
		if (w[0] == '"')
			t->description = unquote(l->at, w);
		else if ((v = mark(w, "gv")) != NULL)
			gvs = split(v, ',', &n);
		else if (strcmp(w, "bare") == 0)
			bare = true;
		else
			fail(l->at, "'%s' is no mark of a body", w);
	}
	if (!bare)
		type_meta(t);
	lex_next(lx);
	kind columns = {.type = t};
	parse_body(lx, t, &columns);
	if (columns.n_subs != 0)
		fail(t->at, "a body has no subresources");
	if (n == 0)
		add_body(m, p, &columns, p->group, p->version);
	for (size_t i = 0; i < n; i++) {
		char *slash = strchr(gvs[i], '/');
		const char *group = slash == NULL ? "" : copy(gvs[i], (size_t)(slash - gvs[i]));
		add_body(m, p, &columns, group, slash == NULL ? gvs[i] : slash + 1);
	}
}

static void parse_type(package *p, lexer *lx, line *l)
{
	type *t = new_type(p, l->at, word(l, "the name of a type"));
	for (const char *w; (w = word_or_null(l)) != NULL;) {
		if (w[0] == '"')
			t->description = unquote(l->at, w);
		else if (strcmp(w, "atomic") == 0)
			t->atomic = true;
		else
			fail(l->at, "'%s' is no mark of a type", w);
	}
	lex_next(lx);
	parse_body(lx, t, NULL);
}

static enum_decl *named_string(package *p, line *l, char *name)
{
	enum_decl *e = grow(&p->enums, &p->n_enums, sizeof *e);
	e->at = l->at;
	e->name = name;
	e->full = join(p->name, ".", name);
	return e;
}

static void parse_strings(package *p, line *l)
{
	(void)named_string(p, l, word(l, "the name of a string type"));
	for (char *w; (w = word_or_null(l)) != NULL;)
		(void)named_string(p, l, w);
}

static void parse_enum(package *p, line *l)
{
	enum_decl *e = named_string(p, l, word(l, "the name of an enum"));
	for (char *w; (w = word_or_null(l)) != NULL;) {
		push(&e->values, &e->n, w[0] == '"' ? unquote(l->at, w) : w);
	}
	if (e->n == 0)
		fail(l->at, "enum '%s' has no values", e->name);
}

static package *parse_package(model *m, lexer *lx)
{
	line *l = lex_peek(lx);
	if (l == NULL || strcmp(word(l, "'package'"), "package") != 0)
		fail((pos){lx->file, lx->line}, "a file starts with 'package NAME PREFIX'");
	package *p = alloc(sizeof *p);
	push(&m->packages, &m->n_packages, p);
	p->at = l->at;
	p->name = word(l, "the name of the package");
	p->prefix = word(l, "the prefix of its OpenAPI definitions");
	lex_next(lx);
	return p;
}

static void parse_line(model *m, package *p, lexer *lx, line *l)
{
	const char *w = word(l, "a word");
	if (strcmp(w, "kind") == 0) {
		parse_kind(m, p, lx, l);
	} else if (strcmp(w, "body") == 0) {
		parse_body_kind(m, p, lx, l);
	} else if (strcmp(w, "type") == 0) {
		parse_type(p, lx, l);
	} else if (strcmp(w, "enum") == 0) {
		parse_enum(p, l);
		lex_next(lx);
	} else if (strcmp(w, "strings") == 0) {
		parse_strings(p, l);
		lex_next(lx);
	} else if (strcmp(w, "group") == 0) {
		p->group = word(l, "a group or '-'");
		if (strcmp(p->group, "-") == 0)
			p->group = "";
		p->version = word(l, "a version");
		lex_next(lx);
	} else if (strcmp(w, "text") == 0) {
		text *t = grow(&m->texts, &m->n_texts, sizeof *t);
		t->at = l->at;
		t->name = word(l, "the name of the text");
		t->value = unquote(l->at, word(l, "a string"));
		lex_next(lx);
	} else {
		fail(l->at, "'%s' starts no block", w);
	}
}

void parse_file(model *m, const char *file)
{
	lexer lx = lex_open(file);
	package *p = parse_package(m, &lx);
	for (line *l; (l = lex_peek(&lx)) != NULL;) {
		if (l->indented)
			fail(l->at, "an indented line outside of a block");
		parse_line(m, p, &lx, l);
	}
}
