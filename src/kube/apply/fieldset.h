/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sp_fieldset: a set of field paths, the content of managedFields[].fieldsV1. It is a tree: each node is an
 * array of entries sorted by path element; an entry may be a member of the set, have entries below it, or
 * both.
 *
 *   {"f:spec": {"f:replicas": {}, "f:ports": {"k:{\"port\":80}": {".": {}, "f:name": {}}}}}
 *
 * Sets are immutable once made (operations share subtrees) and live in an arena. NULL is the empty set
 * everywhere; operations that run out of room return SP_ENOMEM.
 */
#pragma once

#include "base/json.h"

typedef enum sp_pe_kind {
	SP_PE_FIELD = 0, /* f:name */
	SP_PE_KEY,       /* k:{"key":value,…}: item of a list with map keys */
	SP_PE_VALUE,     /* v:value: item of a set */
	SP_PE_INDEX,     /* i:n */
} sp_pe_kind;

/* A scalar inside a path element. Numbers keep whether they were written as an integer. What is none stands
 * only in messages, as upstream shows it. */
typedef struct sp_pe_value {
	enum { SP_PV_NULL, SP_PV_BOOL, SP_PV_INT, SP_PV_FLOAT, SP_PV_STR, SP_PV_NO_SCALAR } kind;
	union {
		int64_t i; /* INT, BOOL */
		double f;
		sp_str s; /* STR, NO_SCALAR */
	};
} sp_pe_value;

typedef struct sp_pe_key {
	sp_str name;
	sp_pe_value value;
} sp_pe_key;

typedef struct sp_pe {
	sp_pe_kind kind;
	uint32_t n_keys;
	union {
		sp_str name;           /* FIELD */
		const sp_pe_key *keys; /* KEY, sorted by name */
		sp_pe_value value;     /* VALUE; INDEX in value.i */
	};
} sp_pe;

typedef struct sp_fieldset sp_fieldset;
typedef struct sp_fs_entry {
	sp_pe pe;
	bool member;
	const sp_fieldset *child; /* NULL or not empty */
} sp_fs_entry;

struct sp_fieldset {
	uint32_t n, cap;
	sp_fs_entry *entries;
};

/* Order of path elements: fields by name, then keys, values, indexes. */
int sp_pe_cmp(const sp_pe *a, const sp_pe *b);
/* A scalar of a tree as path value; false for objects and arrays. Strings are borrowed. */
bool sp_pe_value_of(yyjson_mut_val *v, sp_pe_value *ret);
/* The scalar as JSON text. */
sp_code sp_pe_value_json(sp_buf *out, const sp_pe_value *v);

/*
 * Reads FieldsV1. Strings are borrowed from the tree. SP_EINVAL: not an object, or a key that is no path
 * element. Unknown prefixes of later versions are skipped, as upstream does.
 */
sp_code sp_fieldset_parse(sp_arena *a, yyjson_mut_val *fields_v1, sp_fieldset **ret, sp_err *err) SP_MUST_USE;
/* Writes FieldsV1 as a tree of `doc`; {} for the empty set. NULL: no room. */
yyjson_mut_val *sp_fieldset_json(yyjson_mut_doc *doc, const sp_fieldset *s);

/* Building: finds or adds the entry of `pe` in a set that nobody shares yet. NULL: no room. */
sp_fs_entry *sp_fieldset_entry(sp_arena *a, sp_fieldset *s, const sp_pe *pe);
sp_fieldset *sp_fieldset_new(sp_arena *a);
/* Building many: append in any order, then seal, which sorts and folds doubles. False: no room. */
bool sp_fieldset_append(sp_arena *a, sp_fieldset *s, const sp_fs_entry *e) SP_MUST_USE;
void sp_fieldset_seal(sp_fieldset *s);

sp_code sp_fieldset_union(sp_arena *a, const sp_fieldset *x, const sp_fieldset *y, const sp_fieldset **ret);
sp_code sp_fieldset_intersection(sp_arena *a, const sp_fieldset *x, const sp_fieldset *y,
				 const sp_fieldset **ret);
/* Members of x that are not members of y. */
sp_code sp_fieldset_difference(sp_arena *a, const sp_fieldset *x, const sp_fieldset *y,
			       const sp_fieldset **ret);
/* The same, and everything below a member of y goes too. */
sp_code sp_fieldset_recursive_difference(sp_arena *a, const sp_fieldset *x, const sp_fieldset *y,
					 const sp_fieldset **ret);
bool sp_fieldset_equal(const sp_fieldset *x, const sp_fieldset *y);
bool sp_fieldset_empty(const sp_fieldset *s);
/* Members, at any depth. */
size_t sp_fieldset_count(const sp_fieldset *s);
/* The entry of a path element, or NULL. */
const sp_fs_entry *sp_fieldset_find(const sp_fieldset *s, const sp_pe *pe);

/*
 * Calls fn with the text of each member path (".spec.ports[port=80,protocol=\"TCP\"].name"), parents before
 * children, in order; stops when it returns false. The text is good during the call. Returns SP_OK, or the
 * code of the text buffer.
 */
sp_code sp_fieldset_each(const sp_fieldset *s, bool (*fn)(void *arg, sp_str path), void *arg);
/* ".name", "[key=\"v\"]", "[=\"v\"]", "[3]". */
sp_code sp_pe_text(sp_buf *out, const sp_pe *pe);
