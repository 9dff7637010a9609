/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema compiler: reads schema/ *.sch (the language is described in schema/README.md) and writes
 * constant C tables of kube/schema.h. A host program that ends after one run: it never frees, and the first
 * error ends it with "file:line: what is wrong".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct pos {
	const char *file;
	int line;
} pos;

/* -- lexer -- */

/* One line of a file, cut into words. A word is raw text; a quoted word (it starts with '"') is a string. */
typedef struct line {
	pos at;
	bool indented;
	int n, next;
	char **words;
} line;

typedef struct lexer {
	const char *file;
	char *text, *p;
	int line;
	line cur;
	bool have; /* cur was not taken yet */
} lexer;

_Noreturn void fail(pos at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void *alloc(size_t size); /* zeroed */
char *copy(const char *s, size_t n);
char *join(const char *a, const char *b, const char *c);

/* Grows *list (elements of `size` bytes, *n of them) by one zeroed element and returns it. */
void *grow(void *list, size_t *n, size_t size);
/* The same for a list of pointers. */
void push(void *list, size_t *n, void *element);

lexer lex_open(const char *file);
line *lex_peek(lexer *l); /* NULL at the end */
void lex_next(lexer *l);
/* The next word; fails with "expected WHAT" at the end of the line. */
char *word(line *l, const char *what);
char *word_or_null(line *l);
/* The content of a quoted word; fails for any other. */
char *unquote(pos at, const char *w);
/* Value of a mark "name=value" when w has that name, else NULL. */
const char *mark(const char *w, const char *name);
/* Splits at `sep`. */
char **split(const char *s, char sep, size_t *ret_n);
int64_t number(pos at, const char *s);

/* -- what the files say -- */

/* A named string type; one of `string` has no values. */
typedef struct enum_decl {
	pos at;
	const char *name, *full; /* "core/v1.NAME" */
	char **values;
	size_t n;
	bool used;
} enum_decl;

typedef struct node node;
typedef struct type type;
typedef struct package package;

typedef struct rules {
	uint32_t has; /* SP_R_* */
	int64_t minimum, maximum, max_length, max_items;
	const char *format, *pattern;
	const enum_decl *enums;
	size_t id;
} rules;

typedef struct field {
	pos at;
	uint32_t number, flags; /* SP_F_* */
	const char *name, *type_text;
	const char *list_type, *map_type, *merge_key, *def, *description;
	char **list_keys;
	size_t n_list_keys;
	bool wrapped;
	rules rules;
	const rules *rules_ref; /* interned, or NULL */
	const node *node;
} field;

struct type {
	pos at;
	package *pkg;
	const char *name, *full, *description;
	bool atomic;
	field *fields;
	size_t n_fields;
	size_t first_field; /* index into the table of all fields */
	size_t id;          /* of its node, in the table of nodes */
};

typedef struct column {
	pos at;
	const char *name, *type, *format, *path, *description;
	int priority;
} column;

typedef struct subresource {
	pos at;
	const char *name, *body; /* body: a type reference, or NULL for the resource's own */
	const char *group, *version, *kind;
	unsigned verbs;
} subresource;

typedef struct kind {
	pos at;
	package *pkg;
	type *type;
	const char *group, *version; /* a body stands once for each */
	const char *plural, *singular, *hash, *hooks;
	bool namespaced, stored;
	unsigned verbs;
	char **short_names, **categories;
	size_t n_short_names, n_categories;
	subresource *subs;
	column *columns;
	size_t n_subs, n_columns;
} kind;

struct package {
	pos at;
	const char *name, *prefix; /* "core/v1", "io.k8s.api.core.v1" */
	const char *group, *version;
	enum_decl *enums;
	type **types;
	size_t n_enums, n_types;
};

typedef struct text {
	pos at;
	const char *name, *value;
	bool used;
} text;

/* A schema node: what sp_schema holds; equal ones are one. */
struct node {
	int kind, list_type, map_type;
	unsigned flags;
	const type *type;  /* OBJECT */
	const char *named; /* a STRING's type, or NULL */
	const node *items;
	char **keys;
	size_t n_keys;
	const rules *rules;
	const char *format;
	size_t id;
};

typedef struct model {
	package **packages;
	kind **kinds;
	text *texts;
	node **nodes;
	rules **rules;
	size_t n_packages, n_kinds, n_texts, n_nodes, n_rules;
} model;

/* Reads one file into the model. */
void parse_file(model *m, const char *file);
/* Of parse.c: one field of t. */
void parse_field(type *t, line *l);
/* Resolves every name and checks everything that the emitter relies on; sorts the kinds. */
void check_model(model *m);
void emit_model(const model *m, FILE *out);

/* Of check.c, for the parts of it. */
type *find_type(const model *m, const package *from, const char *ref, pos at);
const text *find_text(model *m, pos at, const char *name);
const node *node_of_type(model *m, const type *t, const char *map_type, pos at);
void resolve_field(model *m, const type *t, field *f);
void check_default(const model *m, const field *f);
void check_columns(model *m, kind *k);
