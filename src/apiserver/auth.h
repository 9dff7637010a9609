/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks and whether they may. Each function returns false after it answered the request. */
#pragma once

#include "apiserver/request.h"

/* Fills r->user: by client certificate (name from CN, groups from O), else system:anonymous. */
bool api_authenticate(api_request *r);

/* Asks the authorizers in their order; nobody's yes is a no. */
bool api_authorize(api_request *r);
