/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of Kubernetes objects in memory. Built-in kinds are constant tables that tools/schemac makes
 * from schema/ *.sch; a CustomResourceDefinition's OpenAPI schema compiles into the same structs at run time.
 * Every codec, defaulting, pruning, validation, patch, apply, OpenAPI, discovery and table reads only these.
 *
 * A schema node describes one JSON value. Nodes of lists and maps point at the node of their elements; nodes
 * of objects list fields in canonical order, which is the order of the upstream Go struct and so of its JSON.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

typedef enum sp_schema_kind {
	SP_K_ANY = 0, /* any JSON value, kept as it is (apiextensions JSON,
			 x-kubernetes-preserve-unknown-fields) */
	SP_K_STRING,
	SP_K_BOOL,
	SP_K_I32,
	SP_K_I64,
	SP_K_F64,
	SP_K_BYTES,    /* base64 text in JSON, bytes in protobuf */
	SP_K_QUANTITY, /* resource.Quantity: string or number in JSON, message {string=1} in protobuf */
	SP_K_TIME,     /* metav1.Time, second precision; null and absent are the zero time */
	SP_K_MICROTIME,
	SP_K_DURATION,      /* metav1.Duration: Go duration text; message {duration=1} */
	SP_K_INT_OR_STRING, /* message {type=1, intVal=2, strVal=3} */
	SP_K_RAW,           /* runtime.RawExtension: an embedded object; message {raw=1} */
	SP_K_FIELDS_V1,     /* managedFields' field set: an object; message {Raw=1} */
	SP_K_JSON,          /* apiextensions JSON: any value; message {raw=1} */
	SP_K_OBJECT,
	SP_K_LIST,
	SP_K_MAP, /* string keys; protobuf map entries {key=1, value=2}, sorted by key */
	/* apiextensions unions that are not objects in JSON: schema-or-array, schema-or-bool,
	   schema-or-strings. */
	SP_K_PROPS_OR_ARRAY,
	SP_K_PROPS_OR_BOOL,
	SP_K_PROPS_OR_STRINGS,
	SP_K_COUNT_
} sp_schema_kind;

typedef enum sp_list_type { SP_LIST_ATOMIC = 0, SP_LIST_SET, SP_LIST_MAP } sp_list_type;
typedef enum sp_map_type { SP_MAP_GRANULAR = 0, SP_MAP_ATOMIC } sp_map_type;

/* Node flags. */
enum {
	SP_S_NULLABLE = 1u << 0,         /* null is kept (CRD nullable: true) */
	SP_S_PRESERVE_UNKNOWN = 1u << 1, /* x-kubernetes-preserve-unknown-fields */
	SP_S_EMBEDDED_RESOURCE = 1u << 2,
	SP_S_CRD = 1u << 3,     /* made at run time: unknown fields prune, quantities keep their text … */
	SP_S_WRAPPED = 1u << 4, /* LIST: a message {items=1} in protobuf (meta/v1.Verbs, ExtraValue) */
	SP_S_TYPE_STATED = 1u << 5, /* OpenAPI prints the list or map type even when it is the usual one */
	SP_S_HAS_CEL = 1u << 6,     /* CRD: the node or one below it has x-kubernetes-validations */
};

/* Field flags. */
enum {
	SP_F_REQUIRED = 1u << 0,  /* in the OpenAPI document's `required` */
	SP_F_OMITEMPTY = 1u << 1, /* JSON leaves the zero value out; without it the zero value is written */
	SP_F_POINTER = 1u << 2,   /* absent differs from zero; protobuf writes it only when present */
	SP_F_INLINE = 1u << 3,    /* members stand in the parent in JSON, in a nested message in protobuf */
	SP_F_SMP_MERGE =
		1u << 4, /* strategic merge: patchStrategy=merge, with `merge_key` for lists of objects */
	SP_F_SMP_REPLACE = 1u << 5,
	SP_F_SMP_RETAIN_KEYS = 1u << 6,
	SP_F_OMITZERO = 1u << 7,  /* Go's omitzero: an all-zero struct is left out */
	SP_F_ENUM_TYPE = 1u << 8, /* the OpenAPI document lists `enum` values */
	SP_F_DEF_UNPUBLISHED =
		1u << 9,           /* `def` is applied by the server, but stands in no OpenAPI document */
	SP_F_IMMUTABLE = 1u << 10, /* an update may not change it */
};

typedef struct sp_schema sp_schema;
typedef struct sp_rules sp_rules;

typedef struct sp_field {
	sp_str name; /* JSON name; of an inline field, the protobuf name */
	const sp_schema *schema;
	uint32_t number; /* protobuf; 0 = none (CRDs) */
	uint32_t flags;
	sp_str merge_key; /* strategic merge */
	sp_str def; /* default as JSON text, or empty; applied when the field is absent (null for CRDs too;
		       built-in fields that are no pointer: also when they hold the zero value). An absent
		       object that is no pointer counts as present and empty. */
	const sp_rules *rules; /* constraints beyond the node's own, or NULL */
	sp_str description;
} sp_field;

struct sp_schema {
	uint8_t kind;      /* sp_schema_kind */
	uint8_t list_type; /* sp_list_type, of lists */
	uint8_t map_type;  /* sp_map_type, of maps and objects */
	uint8_t flags;
	uint16_t n_fields, n_list_keys;
	const sp_field *fields;    /* OBJECT */
	const uint16_t *by_name;   /* n_fields indexes sorted by name (sp_str_cmp); inline fields included */
	const uint16_t *by_number; /* n_fields indexes sorted by protobuf number; NULL for CRDs */
	const sp_schema *items;    /* LIST, MAP: elements; OBJECT of a CRD: additionalProperties or NULL */
	const sp_str *list_keys;   /* x-kubernetes-list-map-keys */
	const sp_rules *rules;     /* constraints on a value of this node, or NULL */
	sp_str name;               /* OBJECT: OpenAPI definition name, "io.k8s.api.core.v1.PodSpec" */
	sp_str go_type; /* "core/v1.PodSpec" style for messages, of OBJECTs and of named strings; may be empty
			 */
	sp_str description;
	const char *format; /* OpenAPI format ("int32", "date-time", "byte" …) or NULL */
};

/* JSON-schema keywords of a node; absent ones are zero / empty / the `has` bit unset. */
enum {
	SP_R_MINIMUM = 1u << 0,
	SP_R_MAXIMUM = 1u << 1,
	SP_R_EXCLUSIVE_MINIMUM = 1u << 2,
	SP_R_EXCLUSIVE_MAXIMUM = 1u << 3,
	SP_R_MIN_LENGTH = 1u << 4,
	SP_R_MAX_LENGTH = 1u << 5,
	SP_R_MIN_ITEMS = 1u << 6,
	SP_R_MAX_ITEMS = 1u << 7,
	SP_R_MIN_PROPERTIES = 1u << 8,
	SP_R_MAX_PROPERTIES = 1u << 9,
	SP_R_MULTIPLE_OF = 1u << 10,
	SP_R_UNIQUE_ITEMS = 1u << 11,
	SP_R_INT_OR_STRING = 1u << 12, /* anyOf an integer and a string, CRDs */
};

struct sp_rules {
	uint32_t has;
	double minimum, maximum, multiple_of;
	int64_t min_length, max_length, min_items, max_items, min_properties, max_properties;
	sp_str pattern;
	const struct sp_regex *regex; /* compiled pattern, CRDs */
	const sp_str *enums;          /* JSON texts: "\"Always\"", "1" */
	const sp_str *required;       /* names */
	const sp_schema *const *all_of, *const *any_of, *const *one_of;
	const sp_schema *not_;
	uint16_t n_enums, n_required, n_all_of, n_any_of, n_one_of;
	sp_str format;                       /* "dns1123label", "ipv4" …: checked by name */
	const struct sp_regex *format_regex; /* its pattern if it has one, CRDs */
	const struct sp_cel_rules *cel;      /* x-kubernetes-validations, or NULL */
};

/* Verbs of a resource, as bits. */
enum {
	SP_VERB_CREATE = 1u << 0,
	SP_VERB_DELETE = 1u << 1,
	SP_VERB_DELETECOLLECTION = 1u << 2,
	SP_VERB_GET = 1u << 3,
	SP_VERB_LIST = 1u << 4,
	SP_VERB_PATCH = 1u << 5,
	SP_VERB_UPDATE = 1u << 6,
	SP_VERB_WATCH = 1u << 7,
	SP_VERBS_ALL = 0xff,
};

typedef struct sp_column {
	sp_str name, type, format, description;
	sp_str path; /* JSON path relative to the object (".spec.replicas"); empty = computed by kinds/ hooks
		      */
	int32_t priority;
} sp_column;

typedef struct sp_subresource {
	sp_str name;                 /* "status", "scale", "log" … */
	sp_str group, version, kind; /* of its body; version empty = the resource's own group and version */
	uint8_t verbs;
} sp_subresource;

typedef struct sp_kind_hooks sp_kind_hooks; /* kube/kinds/kinds.h */

/* One served resource in one version. */
typedef struct sp_kind {
	sp_str group, version, kind, list_kind, plural, singular;
	const sp_str *short_names, *categories;
	const sp_subresource *subresources;
	const sp_column *columns;
	const sp_schema *schema; /* the object, kind and apiVersion not among its fields' protobuf numbers */
	uint16_t n_short_names, n_categories, n_subresources, n_columns;
	uint8_t verbs;
	bool namespaced;
	bool storage;               /* the version that is stored */
	sp_str storage_hash;        /* storageVersionHash of discovery */
	const sp_kind_hooks *hooks; /* rules a schema can't say, or NULL */
	sp_str description;
} sp_kind;

/* All built-in kinds, sorted by (group, version, kind), and types that are bodies but no resource (Status,
 * Scale …). */
extern const sp_kind *const sp_kinds[];
extern const size_t sp_n_kinds;
extern const sp_schema *const sp_schema_types[]; /* every named OBJECT, sorted by name */
extern const size_t sp_n_schema_types;

/* NULL when not built in. `plural` is the path segment. */
const sp_kind *sp_kind_by_kind(sp_str group, sp_str version, sp_str kind);
const sp_kind *sp_kind_by_plural(sp_str group, sp_str version, sp_str plural);
const sp_schema *sp_schema_by_name(sp_str name);

/*
 * Field by JSON name, looking through inline fields. ret_via (may be NULL) gets the inline field it was found
 * in, or NULL. NULL when the object has no such field. O(log n).
 */
const sp_field *sp_schema_field(const sp_schema *object, sp_str name, const sp_field **ret_via);
/* Direct field by protobuf number. */
const sp_field *sp_schema_field_by_number(const sp_schema *object, uint32_t number);
