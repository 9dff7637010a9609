/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audit events: what the policy wants told of a request, in lines of audit.k8s.io/v1 Events. Every function
 * takes requests that are not audited, too (and NULL), and does nothing then. Nothing waits for the log. U:
 * apiserver pkg/audit, pkg/endpoints/filters/{audit,authn_audit}.go.
 */
#pragma once

#include "apiserver/audit/policy.h"
#include "apiserver/request.h"
#include "base/json.h"
#include "kube/schema.h"

/* After authentication: finds what is to be told, and tells that the request is here. */
void api_audit_begin(api_request *r);
/* In its place when nobody could be authenticated; before the answer. */
void api_audit_unauthenticated(api_request *r);
/* r->user is somebody else than who asked. `mode`: what kind of right that took ("user-info"); NULL: the one
 * that is not constrained. */
void api_audit_impersonated(api_request *r, const char *mode);
/* An annotation; the first of a key stays. Texts are copied. */
void api_audit_note(api_request *r, sp_str key, sp_str value);
/* The same, but further values of a key are added behind a comma. */
void api_audit_note_also(api_request *r, sp_str key, sp_str value);

/* The body of a write, decoded and with its defaults; a patch as it came. */
void api_audit_object(api_request *r, const sp_schema *schema, yyjson_mut_val *obj);
void api_audit_patch(api_request *r, sp_str json);

/* Whether the answer's object is told; otherwise api_audit_answer need not be called. */
bool api_audit_wants_answer(const api_request *r);
/* The answer's object as JSON. */
void api_audit_answer(api_request *r, sp_str json);
/* The answer is this Status. */
void api_audit_status(api_request *r, const sp_status *status);
/* An answer begins: told of requests that are long-running. */
void api_audit_started(api_request *r, uint16_t code);
/* The exchange is over. */
void api_audit_complete(api_request *r);
