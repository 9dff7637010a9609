/* SPDX-License-Identifier: Apache-2.0 */
/* For src/apiserver/usage only. */
#pragma once

#include "apiserver/server_int.h"
#include "apiserver/usage/points.h"
#include "apiserver/usage/usage.h"

#define USAGE_FETCHES_MAX 32u /* kubelets asked at once */

/* A kubelet to be asked, in the arena of the round. */
typedef struct usage_place {
	struct usage_place *next;
	sp_str node, host, address, scheme;
} usage_place;

typedef struct usage_fetch {
	api_usage *owner;
	const usage_place *place;
	sp_http_exchange *ex; /* NULL: free */
} usage_fetch;

struct api_usage {
	api_server *server;
	sp_list waiters; /* usage_waiter, answer.c */
	bool awake, stopped, in_round;
	unsigned n_rounds; /* since it woke */
	uint64_t wanted_until_ns;
	sp_timer timer;
	usage_set *set, *next; /* what is told; what is being asked. NULL: none */
	sp_arena arena;        /* of the round's places */
	usage_place *left;
	usage_fetch fetches[USAGE_FETCHES_MAX];
	size_t n_flying;
};

/* scrape.c: somebody wants to know. False: what there is will do. True: usage_answer_all comes. */
bool usage_want(api_usage *u);
/* answer.c: what was waited for is there, or nothing more will come. */
void usage_answer_all(api_usage *u);
