/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views: the few fields of an object that a piece of code uses, as a C struct, filled in one pass over the
 * parsed text. A view is declared next to the code that uses it:
 *
 *   typedef struct pod_view { sp_str name, node; int64_t grace_s; bool has_grace_s; sp_vlist containers; }
 * pod_view; SP_VIEW(pod_view_desc, pod_view, "v1/Pod", SP_V(pod_view, name, "metadata.name"), SP_V(pod_view,
 * node, "spec.nodeName"), SP_VH(pod_view, grace_s, "spec.terminationGracePeriodSeconds"), SP_V(pod_view,
 * containers, "spec.containers"));
 *
 * A C type that no field can have does not compile; a path or type that the schema does not have fails the
 * test that walks all views. Elements of lists are read with views of their own type
 * ("io.k8s.api.core.v1.Container").
 *
 * Views hold pointers into the parsed text and live as long as its arena. They are for stored, canonical
 * objects: a value of another type than the schema's counts as absent.
 */
#pragma once

#include "base/json.h"
#include "base/time.h"
#include "kube/schema.h"

/* A list: `SP_VLIST_FOREACH(item, view.containers) { sp_view_fill(item, &container_view_desc, &c); … }`. */
typedef struct sp_vlist {
	yyjson_val *first;
	size_t n;
} sp_vlist;

/* A map or object. */
typedef struct sp_vmap {
	yyjson_val *object; /* NULL: absent */
} sp_vmap;

typedef enum sp_view_type {
	SP_VIEW_STR,
	SP_VIEW_I32,
	SP_VIEW_I64,
	SP_VIEW_BOOL,
	SP_VIEW_F64,
	SP_VIEW_TIME,
	SP_VIEW_LIST,
	SP_VIEW_MAP,
	SP_VIEW_VAL, /* any value as it is, NULL when absent */
} sp_view_type;

#define SP_VIEW_NO_HAS UINT16_MAX

typedef struct sp_view_field {
	const char *path; /* members joined by points */
	uint16_t offset, has_offset;
	uint8_t type; /* sp_view_type */
} sp_view_field;

typedef struct sp_view_desc {
	const char *name;   /* of the C variable, for messages */
	const char *schema; /* "v1/Pod", "apps/v1/Deployment", or the definition's name */
	const sp_view_field *fields;
	size_t n_fields, size_bytes;
} sp_view_desc;

#define SP_VIEW_TYPE_(lvalue) \
	_Generic((lvalue),           \
		sp_str               \
		: SP_VIEW_STR, int32_t \
		: SP_VIEW_I32, int64_t \
		: SP_VIEW_I64, bool  \
		: SP_VIEW_BOOL, double \
		: SP_VIEW_F64, sp_time \
		: SP_VIEW_TIME, sp_vlist \
		: SP_VIEW_LIST, sp_vmap \
		: SP_VIEW_MAP, yyjson_val * \
		: SP_VIEW_VAL)

#define SP_V(view_, member_, path_)                                                                 \
	{                                                                                           \
		.path = "" path_, .offset = offsetof(view_, member_), .has_offset = SP_VIEW_NO_HAS, \
		.type = SP_VIEW_TYPE_(((view_ *)NULL)->member_)                                     \
	}
/* With a bool has_MEMBER that is set when the field is there: for scalars whose absence differs from zero. */
#define SP_VH(view_, member_, path_)                                                                         \
	{                                                                                                    \
		.path = "" path_, .offset = offsetof(view_, member_),                                        \
		.has_offset =                                                                                \
			offsetof(view_, has_##member_) * _Generic(((view_ *)NULL)->has_##member_, bool : 1), \
		.type = SP_VIEW_TYPE_(((view_ *)NULL)->member_)                                              \
	}

/* Defines the descriptor (static) and lists it for the test. */
#define SP_VIEW(desc_, view_, schema_, ...)                                                              \
	static const sp_view_field desc_##_fields_[] = {__VA_ARGS__};                                    \
	static const sp_view_desc desc_ = {.name = #desc_,                                               \
					   .schema = "" schema_,                                         \
					   .fields = desc_##_fields_,                                    \
					   .n_fields = sizeof desc_##_fields_ / sizeof *desc_##_fields_, \
					   .size_bytes = sizeof(view_)};                                 \
	__attribute__((section("sp_views"), used)) static const sp_view_desc *const desc_##_listed_ = &desc_

/* Parses the text of an object and fills *ret, which is zeroed first. Errors are those of sp_json_parse. */
sp_code sp_view(sp_arena *a, sp_str json, const sp_view_desc *d, void *ret, sp_err *err) SP_MUST_USE;
/* The same from a parsed object: of a list, or one that several views are taken of. */
void sp_view_fill(yyjson_val *object, const sp_view_desc *d, void *ret);

#define SP_VLIST_FOREACH(item_, list_)                                                                      \
	for (yyjson_val *item_ = (list_).first, *item_##_end_ = sp_vlist_end(list_); item_ != item_##_end_; \
	     item_ = unsafe_yyjson_get_next(item_))
yyjson_val *sp_vlist_end(sp_vlist list);

/* The value of a key as text, {NULL, 0} when absent; NULL-safe. */
sp_str sp_vmap_str(sp_vmap map, sp_str key);
static inline size_t sp_vmap_count(sp_vmap map)
{
	return map.object == NULL ? 0 : yyjson_obj_size(map.object);
}

/* SP_EINVAL with what is wrong: a path or type the built-in schema does not have. */
sp_code sp_view_check(const sp_view_desc *d, sp_err *err) SP_MUST_USE;
/* All views of the files linked into this program. */
const sp_view_desc *const *sp_view_all(size_t *ret_n);

/*
 * One value by path, for tests and the command line: "spec.containers[0].name", "metadata.labels". NULL when
 * a step is absent.
 */
yyjson_val *sp_view_at(yyjson_val *v, const char *path);
/* Its text, {NULL, 0} when absent or no string. */
sp_str sp_view_str_at(yyjson_val *v, const char *path);
