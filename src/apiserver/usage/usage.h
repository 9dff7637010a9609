/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.k8s.io: what nodes and pods use, asked of their kubelets (/metrics/resource), as metrics-server
 * does it. It is the group's local server: an APIService that names a service takes its place.
 *
 * Nobody is asked while nobody wants to know. The first request begins two rounds of scrapes, 2 s apart, and
 * waits for them; further rounds follow every 15 s until nobody has asked for 5 minutes. Then everything is
 * forgotten. Memory: USAGE_SET_BYTES_MAX for a round and the one before.
 */
#pragma once

#include "apiserver/request.h"

typedef struct api_usage api_usage;

/* Aborts without memory. */
api_usage *api_usage_new(api_server *s);
/* Asks nobody any more; requests that wait are answered. */
void api_usage_stop(api_usage *u);
/* When nothing is under way and the proxies are closed. NULL is a no-op. */
void api_usage_free(api_usage *u);

/* Whether the request is for one of its kinds: a get or list. */
bool api_usage_takes(const api_request *r);
/* Answers it, now or later. The output is negotiated. */
void api_usage_answer(api_request *r);
