/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metav1.Status: how every error of the API goes out, with upstream's texts. U: apimachinery
 * pkg/api/errors/errors.go, apiserver pkg/endpoints/handlers/negotiation/errors.go.
 *
 * A struct sp_status is a value; its texts are constants or lie in the arena given. Without room a message is
 * empty, the rest of the status stands: the code and the reason are what clients act upon.
 */
#pragma once

#include "kube/violations.h"

typedef struct sp_status_cause {
	sp_str reason, message, field;
} sp_status_cause;

typedef struct sp_status {
	uint16_t code; /* HTTP */
	sp_str reason; /* "NotFound"; may be empty */
	sp_str message;
	bool has_details;
	sp_str name, group, kind, uid; /* details; kind is the plural, or the kind for Invalid */
	const sp_status_cause *causes;
	size_t n_causes;
	int32_t retry_after_seconds;
	sp_str continue_token; /* metadata.continue of an expired list */
} sp_status;

/* What an error is about: "deployments" in "apps". For sp_status_invalid the name is a kind. */
typedef struct sp_group_resource {
	sp_str group, resource;
} sp_group_resource;

/* Success, with details of what was deleted. */
sp_status sp_status_deleted(sp_group_resource gr, sp_str name, sp_str uid);

sp_status sp_status_not_found(sp_arena *a, sp_group_resource gr, sp_str name);
sp_status sp_status_already_exists(sp_arena *a, sp_group_resource gr, sp_str name);
/* No unique name was found for a generateName. */
sp_status sp_status_generate_name_conflict(sp_arena *a, sp_group_resource gr, sp_str name);
sp_status sp_status_unauthorized(sp_str why);
/* `why` follows "is forbidden: ". An empty resource is a path that is no resource. */
sp_status sp_status_forbidden(sp_arena *a, sp_group_resource gr, sp_str name, sp_str why);
/* `why` follows `Operation cannot be fulfilled on … "name": `. */
sp_status sp_status_conflict(sp_arena *a, sp_group_resource gr, sp_str name, sp_str why);
/* The why of a write that met a newer resourceVersion. */
#define SP_STATUS_MODIFIED \
	"the object has been modified; please apply your changes to the latest version and try again"
/* Conflicting field managers; the message is complete. */
sp_status sp_status_apply_conflict(sp_str message, const sp_status_cause *causes, size_t n);
sp_status sp_status_gone(sp_str message);
sp_status sp_status_expired(sp_str message);
/* 422 of an object of that kind with all violations as causes. */
sp_status sp_status_invalid(sp_arena *a, sp_group_resource group_kind, sp_str name, const sp_violations *v);
sp_status sp_status_bad_request(sp_str message);
sp_status sp_status_too_many_requests(sp_str message, int32_t retry_after_seconds);
sp_status sp_status_service_unavailable(sp_str message);
/* `action`: "create", "delete" … */
sp_status sp_status_method_not_supported(sp_arena *a, sp_group_resource gr, sp_str action);
sp_status sp_status_method_not_allowed(void);
sp_status sp_status_server_timeout(sp_arena *a, sp_group_resource gr, sp_str operation,
				   int32_t retry_after_seconds);
sp_status sp_status_internal(sp_arena *a, sp_str why);
sp_status sp_status_timeout(sp_arena *a, sp_str why, int32_t retry_after_seconds);
sp_status sp_status_too_large(sp_arena *a, sp_str why);
/* `types` is a list of n media types that are served. */
sp_status sp_status_not_acceptable(sp_arena *a, const sp_str *types, size_t n);
sp_status sp_status_unsupported_media_type(sp_arena *a, const sp_str *types, size_t n);

/* Appends the Status as JSON, fields in upstream's order. Errors: those of the buffer. */
sp_code sp_status_write(sp_buf *out, const sp_status *s);
