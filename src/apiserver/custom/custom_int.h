/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of apiserver/custom. */
#pragma once

#include "apiserver/custom/custom.h"
#include "apiserver/server_int.h"
#include "kube/violations.h"

/* Memory for one definition as a tree, and for one that is compiled. */
#define CRD_TREE_BYTES ((size_t)64 << 20)
#define CRD_VERSION_BYTES ((size_t)64 << 20)

#define CRD_FINALIZER SP_STR("customresourcecleanup.apiextensions.k8s.io")

typedef struct custom_crd custom_crd;

/* A version as the registry keeps it. */
typedef struct custom_version {
	custom_crd *crd;
	sp_kind kind; /* without a schema */
	bool served, storage;
	sp_str warning;       /* when it is deprecated */
	api_custom *compiled; /* one reference, or NULL */
} custom_version;

typedef struct custom_names {
	sp_str plural, singular, kind, list_kind;
	const sp_str *short_names;
	uint16_t n_short_names;
} custom_names;

/* One definition. */
struct custom_crd {
	sp_arena arena;
	sp_str name, group, prefix; /* prefix: where its objects are */
	uint64_t revision;
	uint64_t epoch;      /* of its last change */
	uint64_t spec_epoch; /* of its specification's */
	int64_t generation;
	bool namespaced, established, terminating;
	bool gone;    /* its objects are deleted, it is itself about to be */
	bool dirty;   /* its status is to be looked at */
	bool writing; /* a write of the server's own is under way */
	custom_names accepted;
	custom_version *versions;
	size_t n;
	sp_store_watch *watch; /* of its objects, while they wait for finalizers */
	api_customs *owner;
};

struct api_customs {
	api_server *server;
	sp_store *store;
	sp_store_watch *watch;
	bool loaded;
	uint64_t epoch;
	uint64_t ended_epoch; /* up to it, watches of what changed are ended */
	sp_map by_name;       /* custom_crd */
	sp_list lru;          /* api_custom, the last used first */
	size_t compiled_bytes;
	sp_list writes;                         /* custom_write under way */
	uint64_t serial;                        /* of the last version that was compiled */
	struct custom_conversions *conversions; /* custom/convert.h */
	sp_defer work;                          /* looks after the dirty ones */
};

/* The stored resource customresourcedefinitions. */
const api_resource *custom_crd_resource(const api_customs *c);

/* Brings the registry up to what is stored. */
sp_code custom_sync(api_customs *c, sp_err *err) SP_MUST_USE;
/* Reads a definition's tree into the arena. */
sp_code custom_load(api_customs *c, sp_str name, sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val **ret,
		    sp_store_value *ret_value, sp_err *err) SP_MUST_USE;

/* Compiles a version of a definition. `obj` is the definition, `stored` its storage version unless that is
 * this one. */
sp_code custom_compile(const custom_version *from, yyjson_mut_val *obj, api_custom *stored, api_custom **ret,
		       sp_err *err) SP_MUST_USE;
/* Fills kind from the definition's names and the version; in the arena. False: no room. */
bool custom_kind_read(sp_arena *a, yyjson_mut_val *obj, yyjson_mut_val *version, sp_kind *ret);
bool custom_texts(sp_arena *a, yyjson_mut_val *list, const sp_str **ret, uint16_t *ret_n);

/* The hooks of custom resources, by what the version has. */
void custom_hooks(api_custom *v);

/* What the status of a definition should be by its names and those of the others in its group, into `obj`;
 * true: it differs. c->code tells of lack of room. */
bool custom_settle_status(sp_kind_ctx *c, api_customs *customs, const custom_crd *crd, yyjson_mut_val *obj);
/* Sets a condition, keeping the time of one that has the same status. */
void custom_set_condition(sp_kind_ctx *c, yyjson_mut_val *obj, const char *type, bool status,
			  const char *reason, sp_str message);

/* True when the definition still waits for its objects to be deleted. */
bool custom_has_finalizer(yyjson_mut_val *obj);
/* Looks after a definition: writes its status, deletes its objects. */
void custom_control(api_customs *c, custom_crd *crd);

/* A transaction of the server's own; freed when it is done. */
#define CUSTOM_OPS_MAX 64u
typedef struct custom_write {
	sp_list node;
	api_customs *owner; /* NULL: the registry is gone */
	sp_str crd;         /* the definition it is about */
	sp_arena arena;
	sp_store_txn txn;
	sp_store_op ops[CUSTOM_OPS_MAX];
} custom_write;
custom_write *custom_write_new(api_customs *c, custom_crd *crd);
/* Adds an operation; the record's reference becomes the write's. */
void custom_write_add(custom_write *w, sp_str resource, sp_str rest, uint64_t expected, sp_bytes *record);
/* Submits, or frees it when there is nothing to do. */
void custom_write_submit(custom_write *w);
void custom_write_free(custom_write *w);

/* One step of deleting a definition's objects: a transaction, unless only finalizers are waited for. */
sp_code custom_cleanup(api_customs *c, custom_crd *crd) SP_MUST_USE;
