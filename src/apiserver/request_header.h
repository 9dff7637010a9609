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
