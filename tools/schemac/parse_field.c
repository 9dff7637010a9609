/* SPDX-License-Identifier: Apache-2.0 */
/* A field's line: number, name, type, marks. */
#include "schemac.h"

#include <string.h>

#include "kube/schema.h"

typedef struct flag_mark {
	const char *name;
	uint32_t set, clear;
} flag_mark;

/* In the order of their reading: `req` takes the zero value's omission away, `omit` gives it back. */
static const flag_mark flag_marks[] = {
	{"always", 0, SP_F_OMITEMPTY},           {"immut", SP_F_IMMUTABLE, 0},
	{"inline", SP_F_INLINE, SP_F_OMITEMPTY}, {"omit", SP_F_OMITEMPTY, 0},
	{"omitzero", SP_F_OMITZERO, 0},          {"req", SP_F_REQUIRED, SP_F_OMITEMPTY},
};

static bool flag(field *f, const char *w)
{
	for (size_t i = 0; i < sizeof flag_marks / sizeof flag_marks[0]; i++) {
		if (strcmp(w, flag_marks[i].name) != 0)
			continue;
		f->flags = (f->flags & ~flag_marks[i].clear) | flag_marks[i].set;
		return true;
	}
	return false;
}

/* patch=merge:name, patch=merge+retainKeys:name */
static void patch_mark(field *f, const char *v)
{
	static const flag_mark strategies[] = {{"merge", SP_F_SMP_MERGE, 0},
					       {"replace", SP_F_SMP_REPLACE, 0},
					       {"retainKeys", SP_F_SMP_RETAIN_KEYS, 0}};
	const char *key = strchr(v, ':');
	size_t n;
	char **list = split(key == NULL ? v : copy(v, (size_t)(key - v)), '+', &n);
	for (size_t i = 0; i < n; i++) {
		uint32_t set = 0;
		for (size_t j = 0; j < sizeof strategies / sizeof strategies[0]; j++)
			if (strcmp(list[i], strategies[j].name) == 0)
				set = strategies[j].set;
		if (set == 0)
			fail(f->at, "'%s' is no patch strategy", list[i]);
		f->flags |= set;
	}
	f->merge_key = key == NULL ? NULL : key + 1;
}

static void list_mark(field *f, const char *v)
{
	const char *keys = strchr(v, ':');
	f->list_type = keys == NULL ? v : copy(v, (size_t)(keys - v));
	if (keys != NULL)
		f->list_keys = split(keys + 1, ',', &f->n_list_keys);
}

static bool rule_mark(field *f, const char *w)
{
	const char *v;
	if ((v = mark(w, "min")) != NULL) {
		f->rules.minimum = number(f->at, v);
		f->rules.has |= SP_R_MINIMUM;
	} else if ((v = mark(w, "max")) != NULL) {
		f->rules.maximum = number(f->at, v);
		f->rules.has |= SP_R_MAXIMUM;
	} else if ((v = mark(w, "maxlen")) != NULL) {
		f->rules.max_length = number(f->at, v);
		f->rules.has |= SP_R_MAX_LENGTH;
	} else if ((v = mark(w, "maxitems")) != NULL) {
		f->rules.max_items = number(f->at, v);
		f->rules.has |= SP_R_MAX_ITEMS;
	} else if ((v = mark(w, "format")) != NULL) {
		f->rules.format = v;
	} else if ((v = mark(w, "pattern")) != NULL) {
		f->rules.pattern = unquote(f->at, v);
	} else {
		return false;
	}
	return true;
}

static void field_mark(field *f, const char *w)
{
	const char *v;
	if (w[0] == '"') {
		f->description = unquote(f->at, w);
	} else if ((v = mark(w, "def")) != NULL || (v = mark(w, "sdef")) != NULL) {
		if (f->def != NULL)
			fail(f->at, "field '%s' has two defaults", f->name);
		f->def = v;
		if (w[0] == 's')
			f->flags |= SP_F_DEF_UNPUBLISHED;
	} else if ((v = mark(w, "list")) != NULL) {
		list_mark(f, v);
	} else if ((v = mark(w, "map")) != NULL) {
		f->map_type = v;
	} else if ((v = mark(w, "patch")) != NULL) {
		patch_mark(f, v);
	} else if (strcmp(w, "wrapped") == 0) {
		f->wrapped = true;
	} else if (!flag(f, w) && !rule_mark(f, w)) {
		fail(f->at, "'%s' is no mark of a field", w);
	}
}

void parse_field(type *t, line *l)
{
	field *f = grow(&t->fields, &t->n_fields, sizeof *f);
	f->at = l->at;
	f->flags = SP_F_OMITEMPTY;
	const char *n = word(l, "a field number");
	if (strcmp(n, "-") != 0) {
		int64_t v = number(l->at, n);
		if (v < 1 || v >= (1 << 29))
			fail(l->at, "%s is no field number", n);
		f->number = (uint32_t)v;
	}
	f->name = word(l, "a field name");
	f->type_text = word(l, "a type");
	if (f->type_text[0] == '*') {
		f->flags |= SP_F_POINTER;
		f->type_text++;
	}
	for (const char *w; (w = word_or_null(l)) != NULL;)
		field_mark(f, w);
}
