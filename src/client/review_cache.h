/* SPDX-License-Identifier: Apache-2.0 */
/* What the API server said lately about who asks and what they may. Bounded: the oldest go
 * first. U: k8s.io/apiserver pkg/authentication/token/cache, plugin/pkg/authorizer/webhook. */
#pragma once

#include "base/hash.h"
#include "base/list.h"
#include "base/map.h"
#include "io/world.h"

#define SP_REVIEWS_MAX 1024u
#define SP_REVIEW_BYTES_MAX 10000u /* of a question and its answer; longer ones are not kept */
#define SP_REVIEW_KEY_BYTES 40u

typedef struct sp_reviews {
	sp_map by_key;
	sp_list all; /* oldest first */
	size_t n;
	sp_hash_key keys[2]; /* of this process, random */
} sp_reviews;

void sp_reviews_init(sp_reviews *r, sp_world *w);
void sp_reviews_done(sp_reviews *r);

/* The answer to that question; {NULL, 0}: there is none that still counts. Good until the next put. Times
 * are monotonic. */
sp_str sp_reviews_get(sp_reviews *r, sp_str question, uint64_t now_ns);
/* Keeps it until then. Without memory it is not kept. */
void sp_reviews_put(sp_reviews *r, sp_str question, sp_str answer, uint64_t until_ns);

/* What stands for a token as a question: the token itself is not kept. */
sp_str sp_reviews_of_token(const sp_reviews *r, sp_str token, char room[SP_REVIEW_KEY_BYTES]);
