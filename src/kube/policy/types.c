/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/policy/types.h"

typedef enum shape { STRING, BOOL, INT, TIME, DYN, STRINGS, STRING_MAP, STRINGS_MAP, STRUCT, STRUCTS } shape;

typedef struct decl decl;
typedef struct member {
	const char *name;
	shape shape;
	const decl *of; /* STRUCT, STRUCTS */
} member;

struct decl {
	const char *name;
	const member *members;
	size_t n;
};

#define DECL(name, members)                    \
	{                                      \
		name, members, SP_LEN(members) \
	}

static const member kind_members[] = {
	{"group", STRING, NULL}, {"version", STRING, NULL}, {"kind", STRING, NULL}};
static const decl kind_decl = DECL("kubernetes.GroupVersionKind", kind_members);
static const member resource_members[] = {
	{"group", STRING, NULL}, {"version", STRING, NULL}, {"resource", STRING, NULL}};
static const decl resource_decl = DECL("kubernetes.GroupVersionResource", resource_members);
static const member user_members[] = {{"username", STRING, NULL},
				      {"uid", STRING, NULL},
				      {"groups", STRINGS, NULL},
				      {"extra", STRINGS_MAP, NULL}};
static const decl user_decl = DECL("kubernetes.UserInfo", user_members);
static const member request_members[] = {{"kind", STRUCT, &kind_decl},
					 {"resource", STRUCT, &resource_decl},
					 {"subResource", STRING, NULL},
					 {"requestKind", STRUCT, &kind_decl},
					 {"requestResource", STRUCT, &resource_decl},
					 {"requestSubResource", STRING, NULL},
					 {"name", STRING, NULL},
					 {"namespace", STRING, NULL},
					 {"operation", STRING, NULL},
					 {"userInfo", STRUCT, &user_decl},
					 {"dryRun", BOOL, NULL},
					 {"options", DYN, NULL}};
static const decl request_decl = DECL("kubernetes.AdmissionRequest", request_members);

static const member spec_members[] = {{"finalizers", STRINGS, NULL}};
static const decl spec_decl = DECL("kubernetes.NamespaceSpec", spec_members);
static const member condition_members[] = {{"status", STRING, NULL},
					   {"type", STRING, NULL},
					   {"lastTransitionTime", TIME, NULL},
					   {"message", STRING, NULL},
					   {"reason", STRING, NULL}};
static const decl condition_decl = DECL("kubernetes.NamespaceCondition", condition_members);
static const member status_members[] = {{"conditions", STRUCTS, &condition_decl}, {"phase", STRING, NULL}};
static const decl status_decl = DECL("kubernetes.NamespaceStatus", status_members);
static const member metadata_members[] = {{"name", STRING, NULL},
					  {"generateName", STRING, NULL},
					  {"namespace", STRING, NULL},
					  {"labels", STRING_MAP, NULL},
					  {"annotations", STRING_MAP, NULL},
					  {"UID", STRING, NULL},
					  {"creationTimestamp", TIME, NULL},
					  {"deletionGracePeriodSeconds", INT, NULL},
					  {"deletionTimestamp", TIME, NULL},
					  {"generation", INT, NULL},
					  {"resourceVersion", STRING, NULL},
					  {"finalizers", STRINGS, NULL}};
static const decl metadata_decl = DECL("kubernetes.NamespaceMetadata", metadata_members);
static const member namespace_members[] = {
	{"metadata", STRUCT, &metadata_decl}, {"spec", STRUCT, &spec_decl}, {"status", STRUCT, &status_decl}};
static const decl namespace_decl = DECL("kubernetes.Namespace", namespace_members);

static const sp_cel_type *make(sp_arena *a, const decl *d);

static const sp_cel_type *type_of(sp_arena *a, const member *m)
{
	const sp_cel_type *inner;
	switch (m->shape) {
	case STRING:
		return &sp_cel_string;
	case BOOL:
		return &sp_cel_bool;
	case INT:
		return &sp_cel_int;
	case TIME:
		return &sp_cel_timestamp;
	case DYN:
		return &sp_cel_dyn;
	case STRINGS:
		return sp_cel_list_of(a, &sp_cel_string);
	case STRING_MAP:
		return sp_cel_map_of(a, &sp_cel_string, &sp_cel_string);
	case STRINGS_MAP:
		inner = sp_cel_list_of(a, &sp_cel_string);
		return inner == NULL ? NULL : sp_cel_map_of(a, &sp_cel_string, inner);
	case STRUCT:
		return make(a, m->of);
	case STRUCTS:
		inner = make(a, m->of);
		return inner == NULL ? NULL : sp_cel_list_of(a, inner);
	}
	SP_UNREACHABLE();
}

static const sp_cel_type *make(sp_arena *a, const decl *d)
{
	sp_cel_field *fields = sp_try_new(a, sp_cel_field, d->n);
	if (fields == NULL)
		return NULL;
	for (size_t i = 0; i < d->n; i++) {
		fields[i] = (sp_cel_field){sp_str_c(d->members[i].name), type_of(a, &d->members[i])};
		if (fields[i].type == NULL)
			return NULL;
	}
	return sp_cel_struct_of(a, sp_str_c(d->name), fields, d->n);
}

const sp_cel_type *sp_policy_request_type(sp_arena *a)
{
	return make(a, &request_decl);
}

const sp_cel_type *sp_policy_namespace_type(sp_arena *a)
{
	return make(a, &namespace_decl);
}
