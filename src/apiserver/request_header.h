/* SPDX-License-Identifier: Apache-2.0 */
/* Users that a front proxy names in a request's header. U: apiserver
 * pkg/authentication/request/headerrequest. */
#pragma once

#include "apiserver/request.h"

typedef enum api_named {
	API_NAMED_NONE,    /* no front proxy speaks, or it names nobody */
	API_NAMED_USER,    /* r->user is filled, its groups not yet settled */
	API_NAMED_REFUSED, /* the certificate's name is not among those that are believed */
	API_NAMED_NO_ROOM,
} api_named;

api_named api_user_by_header(api_request *r);

/*
 * Whether a field (in lower case) says who a user is: X-Remote-* and all that the server's options name,
 * which others read in the config map extension-apiserver-authentication. What a client says there is never
 * passed on: another server would take it from our certificate for ours. U:
 * headerrequest.ClearAuthenticationHeaders.
 */
bool api_header_names_user(const api_server *s, sp_str name);
