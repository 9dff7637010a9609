/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks and whether they may. */
#pragma once

#include "apiserver/request.h"
#include "apiserver/rules.h"

/* ---- authentication: false after the request was answered ---- */

/*
 * Fills r->user: by client certificate (name from CN, groups from O), by bearer token, else system:anonymous.
 * U: apiserver pkg/endpoints/filters/authentication.go, kubernetes pkg/kubeapiserver/authenticator/config.go.
 */
bool api_authenticate(api_request *r);

/*
 * Turns r->user into the one that the Impersonate-* headers name, when it may.
 * U: apiserver pkg/endpoints/filters/impersonation.
 */
bool api_impersonate(api_request *r);

/* ---- authorization ---- */

typedef enum api_decision { API_NO_OPINION, API_ALLOW, API_DENY } api_decision;

/*
 * Asks the authorizers in their order; the first opinion counts. *ret_reason (in the arena, may be empty) is
 * the authorizer's, of the yes or of all that had no opinion. What can't be evaluated is no yes.
 */
api_decision api_decide(api_server *s, sp_arena *a, const api_user *user, const api_attributes *what,
			sp_str *ret_reason);

/* What a request wants to do. */
api_attributes api_request_attributes(const api_request *r);

/* 403 in upstream's words: `pods "x" is forbidden: User "u" cannot get resource …[: reason]`. */
sp_status api_forbidden(sp_arena *a, const api_user *user, const api_attributes *what, sp_str reason);

/* False after the request was answered. */
bool api_authorize(api_request *r);
