/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission: what the cluster's own policies make of a write after it was decoded and before it is stored.
 * All mutating steps run first, in the order of the table, then the object is validated, then all validating
 * steps run. U: apiserver pkg/admission, kubernetes pkg/kubeapiserver/options/plugins.go (the order).
 */
#pragma once

#include "apiserver/write.h"

typedef enum api_operation { API_OP_CREATE, API_OP_UPDATE, API_OP_DELETE, API_OP_CONNECT } api_operation;

typedef struct api_admit {
	api_write *w;
	api_operation op;
	yyjson_mut_val *obj; /* NULL for a deletion */
	yyjson_mut_val *old; /* NULL for a creation */
	bool is_body;        /* obj is of w->body_res: options of a connection, bindings, evictions */
} api_admit;

/* A step: false when it refused the write, which is then answered. */
typedef bool api_admit_fn(const api_admit *a);

typedef struct api_admission_plugin {
	const char *name; /* as --enable-admission-plugins knows it */
	api_admit_fn *mutate, *validate;
	bool is_off;       /* unless it is enabled by name */
	bool needs_config; /* can't be on without (admission/config.h) */
} api_admission_plugin;

/* In the order they run, but for the first three: those two come last of the mutating and of the validating
 * steps (admission/hooks.h), that one before all others (admission/provision.h). */
extern const api_admission_plugin api_admission_plugins[];
extern const size_t api_n_admission_plugins;
enum { API_PLUGIN_MUTATING_WEBHOOK, API_PLUGIN_VALIDATING_WEBHOOK, API_PLUGIN_PROVISION_NAMESPACE };

bool api_admission_is_on(const api_server *s, size_t i_plugin);
/* SP_EINVAL: a plugin is on that lacks its configuration. */
sp_code api_admission_check(const api_server *s, sp_err *err) SP_MUST_USE;

/* Connections are of interest to webhooks and validating policies only. */
bool api_admit_mutate(const api_admit *a);
/* The plugins, after a conversion webhook has made the versions in which policies want to see the object, and
 * before it brings back what they left. `a` is copied, and what `then` gets has the object that came of it
 * (w->obj); it is called as below. */
typedef void api_admit_then(const api_admit *a, void *arg);
void api_admit_mutating(const api_admit *a, api_admit_then *then, void *arg);
bool api_admit_validate(const api_admit *a);
/* The whole of validation: the plugins and then the webhooks, after a conversion webhook has made the
 * versions in which they want to see the object. `then` goes on: at once, or later; not when it was refused
 * (and answered) or the client is gone. */
void api_admit_validating(const api_admit *a, void (*then)(api_write *w));

/* ---- for plugins ---- */

/* True when the write is about this resource itself (or that subresource of it). */
bool api_admit_is(const api_admit *a, const char *group, const char *resource, const char *subresource);

/* The name that a review tells. */
sp_str api_admit_name(const api_admit *a);
/* The namespace of the write; of a namespace itself its own name; empty for other cluster-wide kinds. */
sp_str api_admit_namespace(const api_admit *a);

/* 403 with `why` behind "is forbidden: ". Returns false. */
bool api_admit_forbid(const api_admit *a, const char *fmt, ...) SP_PRINTF(2, 3);
/* Answers with that status. Returns false. */
bool api_admit_refuse(const api_admit *a, const sp_status *status);

/* What the decoder has against an object that admission itself made is no fault of the client: the same as an
 * internal error. */
sp_status api_admit_bad_result(api_write *w, const sp_status *refusal);

/* A stored object as a tree of the write's document, or NULL when there is none (or it can't be read).
 * `prefix` as in api_resource ("/registry/serviceaccounts/"). */
yyjson_mut_val *api_admit_load(const api_admit *a, const char *prefix, sp_str ns, sp_str name);
/* That namespace. NULL: there is none, answered with 404. */
yyjson_mut_val *api_admit_need_namespace(const api_admit *a, sp_str ns);

/* Calls fn for each object of a prefix (all of it, or of one namespace) until it returns false. False: the
 * store could not be read. */
bool api_admit_each(const api_admit *a, const char *prefix, sp_str ns,
		    bool (*fn)(void *arg, yyjson_mut_val *obj), void *arg);

/* The class with one of these annotations at "true": the newest, by name where they are of one second. NULL:
 * none. */
yyjson_mut_val *api_admit_default_class(const api_admit *a, const char *prefix,
					const char *const *annotations, size_t n_annotations);

api_admit_fn api_admit_namespace_lifecycle, api_admit_namespace_exists;
api_admit_fn api_admit_anti_affinity, api_admit_extended_resources, api_admit_external_ips;
api_admit_fn api_admit_pull_images, api_admit_pull_images_validate;
api_admit_fn api_admit_node_selector, api_admit_node_selector_validate;
api_admit_fn api_admit_tolerations, api_admit_tolerations_validate;
api_admit_fn api_admit_event_rate;
api_admit_fn api_admit_owner_references;
api_admit_fn api_admit_topology_labels, api_admit_declared_features, api_admit_pod_resize;
api_admit_fn api_admit_limit_ranger, api_admit_limit_ranger_validate;
api_admit_fn api_admit_service_account, api_admit_service_account_validate;
api_admit_fn api_admit_node_restriction;
api_admit_fn api_admit_taint_nodes;
api_admit_fn api_admit_priority, api_admit_priority_class_validate;
api_admit_fn api_admit_default_tolerations;
api_admit_fn api_admit_storage_protection, api_admit_default_storage_class;
api_admit_fn api_admit_claim_resize, api_admit_default_ingress_class;
api_admit_fn api_admit_pod_security;
api_admit_fn api_admit_runtime_class, api_admit_runtime_class_validate;
api_admit_fn api_admit_certificate_approval, api_admit_certificate_signing, api_admit_certificate_subject;
api_admit_fn api_admit_mutating_policy, api_admit_validating_policy;
api_admit_fn api_admit_deny;
/* Comes last of those that let anything through: what it charges is part of the commit. */
api_admit_fn api_admit_quota;
