/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OpenAPI documents: made when first asked for, again after custom kinds have changed, kept compressed (a
 * few hundred KB for all), with an entity tag. U: k8s.io/kube-openapi pkg/handler, pkg/handler3.
 */
#pragma once

#include "apiserver/request.h"

typedef struct api_docs api_docs;

/* Aborts without memory. */
api_docs *api_docs_new(api_server *server);
/* NULL is a no-op. */
void api_docs_free(api_docs *d);

/* /openapi/v2. */
void api_docs_v2(api_request *r);
/* /openapi/v3 and below. */
void api_docs_v3(api_request *r);
