/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a kind that its schema can't say. A kind's hooks are a constant struct, named by its sp_kind
 * row; every member may be left out. All hooks work on editable trees of the served version, after decoding
 * by schema and after the schema's own defaults.
 *
 * Order in a create: defaults → metadata filled (kube/meta.h) → admission → prepare_create → validate →
 * warn_create. Order in an update: defaults → admission → prepare_update → validate_update → warn_update.
 * sp_kind_before_create and sp_kind_before_update run the generic part and the hooks in that order.
 * U: apiserver pkg/registry/rest/{create,update}.go, kubernetes pkg/registry/.../strategy.go.
 */
#pragma once

#include "base/time.h"
#include "kube/kinds/values.h"
#include "kube/names.h"
#include "kube/schema.h"
#include "kube/violations.h"

/* Texts for the Warning header of an answer, at most SP_WARNINGS_MAX. */
#define SP_WARNINGS_MAX 64u
typedef struct sp_warnings {
	sp_str *items;
	size_t n, cap;
} sp_warnings;

/* What a hook works with. One per write; everything made lives in its arena. */
typedef struct sp_kind_ctx {
	sp_arena *arena;
	yyjson_mut_doc *doc; /* its memory is the arena */
	const sp_kind *kind;
	sp_violations *errors; /* of the validate hooks */
	sp_warnings warnings;  /* of the warn hooks */
	sp_time now;
	void (*random)(void *arg, void *bytes, size_t n); /* unpredictable bytes */
	void *random_arg;
	sp_str subresource;        /* "status" …, or empty */
	sp_str user;               /* who asks; some kinds record it */
	yyjson_mut_val *user_info; /* the rest of who asks: uid, groups, extra; may be NULL */
	bool dry_run;
	bool no_privileged; /* upstream's --allow-privileged=false */
	sp_code code;       /* SP_OK, or the first lack of room; the result is then not to be used */
} sp_kind_ctx;

typedef void sp_kind_defaults_fn(sp_kind_ctx *c, yyjson_mut_val *obj);
typedef void sp_kind_prepare_create_fn(sp_kind_ctx *c, yyjson_mut_val *obj);
typedef void sp_kind_prepare_update_fn(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
/* False: no room. */
typedef bool sp_kind_convert_fn(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj);
typedef void sp_kind_validate_fn(sp_kind_ctx *c, yyjson_mut_val *obj);
typedef void sp_kind_validate_update_fn(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);

/*
 * Rules of one subresource whose writes change the object itself ("status", "resize", "ephemeralcontainers",
 * "approval", "finalize" …). NULL members: the generic behaviour of `status` (below), no rule otherwise.
 */
typedef struct sp_sub_hooks {
	sp_str name;
	/* Puts back everything this subresource may not change. */
	sp_kind_prepare_update_fn *prepare_update;
	sp_kind_validate_update_fn *validate_update;
	sp_kind_validate_update_fn *warn_update;
	/* Fields this subresource never changes, dotted ("spec"), NULL at the end: taken out of field
	 * ownership. */
	const char *const *reset_fields;
} sp_sub_hooks;

/* A field that field selectors may name, and its text; metadata.name and metadata.namespace are served
 * without. */
typedef struct sp_selectable {
	sp_str name; /* "spec.nodeName" */
	/* The text, "" when absent; may be made in the arena. NULL: the string, number or bool at that path.
	 */
	sp_str (*get)(sp_arena *a, yyjson_mut_val *obj);
} sp_selectable;

/* The value of a table column; goes before the column's path. */
typedef struct sp_cell {
	sp_str column; /* "Ready"; empty: a cell behind the last column, that none describes */
	/* NULL for an empty cell (null) or no room. */
	yyjson_mut_val *(*make)(sp_kind_ctx *c, yyjson_mut_val *obj);
} sp_cell;

/* Flags of hooks. */
enum {
	SP_KIND_CREATE_ON_UPDATE = 1u << 0,     /* a PUT to an absent name creates */
	SP_KIND_UNCONDITIONAL_UPDATE = 1u << 1, /* a PUT without resourceVersion overwrites */
	SP_KIND_GENERATION = 1u << 2, /* metadata.generation: 1 on create, +1 when the spec changes */
	SP_KIND_HAS_STATUS = 1u << 3, /* create drops status, update keeps the old one; the status subresource
					 keeps the old spec */
	SP_KIND_STATUS_KEEPS_LABELS = 1u << 4, /* the status subresource keeps the old labels too */
	SP_KIND_STATUS_ONLY_STATUS = 1u << 5,  /* … and all other metadata except managedFields */
	SP_KIND_GRACEFUL_DELETE = 1u << 6,     /* deletion waits for a grace period (pods) */
	SP_KIND_RETURNS_DELETED = 1u << 7,     /* DELETE answers with the object, not with a Status */
	SP_KIND_NO_GC = 1u << 8,               /* takes no part in garbage collection (events) */
	SP_KIND_ORPHANS_BY_DEFAULT = 1u << 9,  /* DELETE without a policy orphans (replicationcontrollers) */
	SP_KIND_STATUS_ON_CREATE = 1u << 10,   /* with HAS_STATUS: a create keeps the status that was sent */
	SP_KIND_GENERATION_DEEP =
		1u << 11, /* with GENERATION: empty lists and maps in the spec are changes, too */
};

struct sp_kind_hooks {
	uint32_t flags;
	/* The rule of names; NULL: a DNS-1123 subdomain. */
	sp_name_faults (*name)(sp_str name);
	/* Defaults that depend on other fields. */
	sp_kind_defaults_fn *defaults;
	/* Clears what a create may not set, sorts, fills derived fields. The flags' part has been done. */
	sp_kind_prepare_create_fn *prepare_create;
	/* The same for an update; puts back what it may not change. The flags' part has been done. */
	sp_kind_prepare_update_fn *prepare_update;
	/* All errors of a new object into c->errors, those of metadata included (sp_meta_validate). */
	sp_kind_validate_fn *validate;
	/* All errors of a changed object, as upstream's ValidateUpdate: sp_meta_validate_update included. */
	sp_kind_validate_update_fn *validate_update;
	sp_kind_validate_fn *warn_create;
	sp_kind_validate_update_fn *warn_update;
	/* What a deletion changes besides metadata. True: the object stays until something else removes it.
	 */
	bool (*prepare_delete)(sp_kind_ctx *c, yyjson_mut_val *obj);
	/* As in sp_sub_hooks, for the resource itself ("status"). */
	const char *const *reset_fields;
	const sp_sub_hooks *subs;
	size_t n_subs;
	const sp_selectable *selectable;
	size_t n_selectable;
	const sp_cell *cells;
	size_t n_cells;
	/* Annotations that stand for fields of upstream's internal type, NULL at the end: tables and metadata
	 * alone are made from that, so they don't show them. */
	const char *const *field_annotations;
	/*
	 * Of a version that is not stored: to the stored one and back, in place, apiVersion included. All
	 * other hooks work on the served version, so a write is converted after them and what is stored
	 * before.
	 */
	sp_kind_convert_fn *to_stored, *from_stored;
};

/* Two values of a member of the kind's objects ("spec") are the same to upstream's Semantic.DeepEqual. */
bool sp_kind_same(const sp_kind_ctx *c, const char *member, yyjson_mut_val *a, yyjson_mut_val *b);

/* The hooks of a subresource, or NULL. */
const sp_sub_hooks *sp_kind_sub(const sp_kind_hooks *hooks, sp_str name);

/* The conditional defaults of the kind, after the schema's. Code: c->code. */
sp_code sp_kind_defaults(sp_kind_ctx *c, yyjson_mut_val *obj) SP_MUST_USE;

/*
 * prepare, validate and warn of a create; metadata is filled and the name generated. SP_OK also with
 * violations (c->errors); SP_ETOOLARGE: no room.
 */
sp_code sp_kind_before_create(sp_kind_ctx *c, yyjson_mut_val *obj) SP_MUST_USE;
/*
 * The same for an update of the object or, by c->subresource, of a part of it. `old` is the stored object and
 * stays as it is; `obj` is complete and gets what it may not change from `old`. `obj` has a resourceVersion:
 * for an unconditional update the caller has put the old one in.
 */
sp_code sp_kind_before_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old) SP_MUST_USE;

/* Remembers lack of room: `SP_KIND_NEED(c, sp_kv_set_str(…))`. */
#define SP_KIND_NEED(c, ok)                       \
	do {                                      \
		if (!(ok) && (c)->code == SP_OK)  \
			(c)->code = SP_ETOOLARGE; \
	} while (0)

/*
 * Sets a member that is absent or null; a string also when it is empty, and by sp_default_nonzero a number
 * also when it is 0: Go's zero values.
 */
void sp_default_str(sp_kind_ctx *c, yyjson_mut_val *object, const char *name, const char *text);
void sp_default_i64(sp_kind_ctx *c, yyjson_mut_val *object, const char *name, int64_t v);
void sp_default_nonzero(sp_kind_ctx *c, yyjson_mut_val *object, const char *name, int64_t v);
void sp_default_bool(sp_kind_ctx *c, yyjson_mut_val *object, const char *name, bool v);

/* Adds a warning (printf text). Beyond the limit: dropped. */
void sp_warn(sp_kind_ctx *c, const char *fmt, ...) SP_PRINTF(2, 3);
/* `path: text`. */
void sp_warn_at(sp_kind_ctx *c, const sp_path *path, const char *fmt, ...) SP_PRINTF(3, 4);

/* The text of a selectable field; false when the kind has no such field. */
bool sp_kind_field(const sp_kind_hooks *hooks, sp_arena *a, yyjson_mut_val *obj, sp_str name,
		   sp_str *ret) SP_MUST_USE;
/* The cell of a column by the hooks; NULL: not known here (then its path, if any), or null. */
yyjson_mut_val *sp_kind_cell(sp_kind_ctx *c, yyjson_mut_val *obj, sp_str column);
