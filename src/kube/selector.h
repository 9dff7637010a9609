/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Label and field selectors: parsed once into a flat list of requirements that all have to hold, then matched
 * without allocation. Grammar, order and messages are those of k8s.io/apimachinery pkg/labels/selector.go,
 * pkg/fields/selector.go and pkg/apis/meta/v1/helpers.go.
 *
 * A selector lives in the arena it was parsed in; texts are copied there. Messages may be longer than an
 * sp_err holds, so the parsers take `why`: on SP_EINVAL it gets the message as a client sees it (in the
 * arena, empty without room); it may be NULL. The only other error is SP_ETOOLARGE: no room in the
 * arena.
 */
#pragma once

#include "base/json.h"

typedef enum sp_sel_op {
	SP_SEL_EXISTS = 0,
	SP_SEL_ABSENT,
	SP_SEL_EQ,
	SP_SEL_DOUBLE_EQ, /* means the same, printed as it was written */
	SP_SEL_NE,
	SP_SEL_IN,
	SP_SEL_NOT_IN,
	SP_SEL_GT,
	SP_SEL_LT,
	SP_SEL_OP_COUNT_
} sp_sel_op;

/* Where a field of a field selector stands in an object; see sp_fields_bind. */
#define SP_FIELD_PATHS_MAX 4u
#define SP_FIELD_STEPS_MAX 8u
typedef struct sp_field_path {
	uint8_t n;
	sp_str steps[SP_FIELD_STEPS_MAX]; /* member names; "0" also takes the first item of a list */
} sp_field_path;

typedef struct sp_field_source {
	size_t n_paths; /* the first that gives text wins */
	sp_field_path paths[SP_FIELD_PATHS_MAX];
	sp_str fallback; /* when none does */
} sp_field_source;

typedef struct sp_requirement {
	sp_str key;
	const sp_str *values; /* sorted */
	uint32_t n_values;
	uint32_t ordinal;              /* place in the text, among equal keys */
	uint8_t op;                    /* sp_sel_op; fields know EQ, DOUBLE_EQ and NE */
	int64_t number;                /* GT, LT */
	const sp_field_source *source; /* fields, once bound */
} sp_requirement;

typedef struct sp_selector {
	const sp_requirement *reqs; /* labels: sorted by key */
	size_t n;
	bool nothing;   /* matches no object at all (a LabelSelector that is absent) */
	bool of_fields; /* values are printed with escapes */
} sp_selector;

/* One label as packed in a record's header. */
typedef struct sp_label {
	sp_str key, value;
} sp_label;

/* Text of a labelSelector parameter. Empty text selects everything. Takes time in O(n log n). */
sp_code sp_labels_parse(sp_arena *a, sp_str text, sp_selector *ret, sp_str *why) SP_MUST_USE;

/*
 * A LabelSelector object {matchLabels, matchExpressions}; NULL or null selects nothing, an empty one
 * everything. The object has been decoded by its schema; what is not of the expected type counts as absent.
 */
sp_code sp_labels_of_object(sp_arena *a, yyjson_val *object, sp_selector *ret, sp_str *why) SP_MUST_USE;

/* The canonical text. Parsing it gives the same selector (field values are compared after two rounds, since
 * terms are sorted by their text). */
sp_code sp_selector_print(sp_buf *out, const sp_selector *s);

/* Keys of packed labels are unique; their order is free. */
bool sp_labels_match(const sp_selector *s, const sp_label *labels, size_t n_labels);
/* `labels` is metadata.labels, NULL when the object has none. The last of repeated keys counts. */
bool sp_labels_match_json(const sp_selector *s, yyjson_val *labels);

/* True when the selector asks for exactly one value of that key; *ret_value gets it. For labels only the
 * first requirement on the key is looked at, as upstream does. */
bool sp_selector_exact(const sp_selector *s, sp_str key, sp_str *ret_value);

/* Text of a fieldSelector parameter. Which fields a kind has is not looked at: sp_fields_bind. */
sp_code sp_fields_parse(sp_arena *a, sp_str text, sp_selector *ret, sp_str *why) SP_MUST_USE;

/* A kind as selectors see it. `selectable` are a CRD version's selectableFields (".spec.color"), if any. */
typedef struct sp_field_kind {
	sp_str group, version, kind;
	bool custom; /* defined by a CRD */
	const sp_str *selectable;
	size_t n_selectable;
} sp_field_kind;

/*
 * Checks each field against what the kind supports (SP_EINVAL with upstream's text for that kind: "field
 * label not supported: x" …), renames old spellings and notes where the values stand. A selector is bound
 * before it is matched.
 */
sp_code sp_fields_bind(sp_arena *a, const sp_field_kind *kind, sp_selector *s, sp_str *why) SP_MUST_USE;

/* Matches an object in any version that its kind is stored in. Absent fields count as their zero value. */
bool sp_fields_match(const sp_selector *s, yyjson_val *object);

/*
 * The same against fields packed in a record's header, by the names that binding leaves in the requirements:
 * the core ones ("spec.nodeName", "involvedObject.kind"). A field that is not packed counts as empty.
 */
bool sp_fields_match_packed(const sp_selector *s, const sp_label *fields, size_t n_fields);
